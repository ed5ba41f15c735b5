//! Group commit: who shares which sync, and who hears of its failure.

use super::gate::{Call, Gates};
use super::{World, at, key, quiet};
use portcask::storage::ErrorKind;
use portcask::{Ack, Condition, Db, DbOptions, Error, Options, Result, WriteOptions};
use std::thread::{self, Scope, ScopedJoinHandle};

/// A durable put on a thread of its own.
fn durable<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    db: &'env Db<Gates>,
    n: usize,
) -> ScopedJoinHandle<'scope, Result<u64>> {
    scope.spawn(move || db.put_with(&key(n), b"value", &at(Ack::Synced)))
}

/// What a durable put and a rotation answer, of which the second began while the first one's sync was held.
fn rotate_during_a_sync(world: &World, db: &Db<Gates>) -> (Result<u64>, Result<()>) {
    world.gates.hold(Call::Sync);
    thread::scope(|scope| {
        let put = durable(scope, db, 0);
        world.gates.wait_until(|seen| seen.held_syncs == 1);
        let appends = world.gates.seen().appends;
        let rotation = scope.spawn(|| db.rotate());
        // Its footer is there, its sync comes next, and that must not be told a better story.
        world.gates.wait_until(|seen| seen.appends > appends);
        world.gates.release(Call::Sync);
        (put.join().unwrap(), rotation.join().unwrap())
    })
}

fn is_io(error: &Error) -> bool {
    error.storage_kind() == Some(ErrorKind::Io)
}

#[test]
fn during_a_blocked_sync_weaker_puts_complete_and_sixteen_durable_puts_share_the_next() {
    let world = World::new();
    let db = world.open();
    let before = world.gates.seen();
    world.gates.hold(Call::Sync);
    thread::scope(|scope| {
        let first = durable(scope, &db, 0);
        world.gates.wait_until(|seen| seen.held_syncs == 1);
        for n in 100..200 {
            db.put_with(&key(n), b"value", &at(Ack::Written)).unwrap();
            db.put_with(&key(n), b"later", &at(Ack::Buffered)).unwrap();
        }
        let sixteen: Vec<_> = (1..=16).map(|n| durable(scope, &db, n)).collect();
        // Every one of them has appended and waits: nothing else could let go of the writer.
        for n in 1..=16 {
            while db.get(&key(n)).unwrap().is_none() {
                thread::yield_now();
            }
        }
        assert!(!first.is_finished());
        assert!(sixteen.iter().all(|put| !put.is_finished()));
        assert_eq!(world.gates.seen().syncs, before.syncs + 1);
        world.gates.release(Call::Sync);
        first.join().unwrap().unwrap();
        for put in sixteen {
            put.join().unwrap().unwrap();
        }
    });
    assert_eq!(world.gates.seen().syncs, before.syncs + 2);
}

#[test]
fn a_failed_sync_fails_everybody_who_waited_for_it_and_poisons_the_store() {
    let world = World::new();
    let db = world.open();
    db.put_with(b"safe", b"value", &at(Ack::Synced)).unwrap();
    let before = world.gates.seen().syncs;
    world.gates.fail_syncs_from(before + 2);
    world.gates.hold(Call::Sync);
    thread::scope(|scope| {
        let first = durable(scope, &db, 0);
        world.gates.wait_until(|seen| seen.held_syncs == 1);
        let eight: Vec<_> = (1..=8).map(|n| durable(scope, &db, n)).collect();
        for n in 1..=8 {
            while db.get(&key(n)).unwrap().is_none() {
                thread::yield_now();
            }
        }
        world.gates.release(Call::Sync);
        first.join().unwrap().unwrap();
        for put in eight {
            let error = put.join().unwrap().unwrap_err();
            assert!(is_io(&error), "{error}");
        }
    });
    assert_eq!(world.gates.seen().syncs, before + 2, "it was tried again");
    assert_eq!(db.put(b"more", b"value"), Err(Error::Poisoned));
    assert_eq!(db.sync(), Err(Error::Poisoned));
    assert_eq!(db.get(b"safe").unwrap().as_deref(), Some(&b"value"[..]));
    assert!(db.get(&key(0)).unwrap().is_some());
    assert_eq!(db.get(&key(1)), Err(Error::Poisoned));
    drop(db);
    let db = Db::open(world.dir.path()).unwrap();
    assert_eq!(db.get(b"safe").unwrap().as_deref(), Some(&b"value"[..]));
    db.put(b"more", b"value").unwrap();
}

#[test]
fn a_write_that_came_after_a_failing_sync_began_is_not_acknowledged_either() {
    let world = World::new();
    let db = world.open();
    world.gates.fail_syncs_from(world.gates.seen().syncs + 1);
    world.gates.hold(Call::Sync);
    thread::scope(|scope| {
        let covered = durable(scope, &db, 0);
        world.gates.wait_until(|seen| seen.held_syncs == 1);
        let late = durable(scope, &db, 1);
        while db.get(&key(1)).unwrap().is_none() {
            thread::yield_now();
        }
        world.gates.release(Call::Sync);
        assert!(is_io(&covered.join().unwrap().unwrap_err()));
        assert_eq!(late.join().unwrap(), Err(Error::Poisoned));
    });
}

#[test]
fn a_rotation_beside_a_failing_sync_fails_with_it() {
    let world = World::new();
    let db = world.open();
    world.gates.fail_syncs_from(world.gates.seen().syncs + 1);
    let (put, rotation) = rotate_during_a_sync(&world, &db);
    assert!(is_io(&put.unwrap_err()));
    assert!(rotation.is_err());
    assert_eq!(db.put(b"more", b"value"), Err(Error::Poisoned));
}

#[test]
fn a_sync_that_went_well_acknowledges_nothing_once_a_rotation_has_poisoned_the_store() {
    let world = World::new();
    let db = world.open();
    world.gates.fail_syncs_from(world.gates.seen().syncs + 2);
    let (put, rotation) = rotate_during_a_sync(&world, &db);
    assert_eq!(put, Err(Error::Poisoned));
    assert!(is_io(&rotation.unwrap_err()));
}

#[test]
fn a_rotation_during_a_sync_leaves_its_writes_acknowledged() {
    let world = World::new();
    let db = world.open();
    let (put, rotation) = rotate_during_a_sync(&world, &db);
    put.unwrap();
    rotation.unwrap();
    db.put_with(&key(1), b"value", &at(Ack::Synced)).unwrap();
    db.close().unwrap();
    assert_eq!(world.open().len().unwrap(), 2);
}

#[test]
fn a_durable_write_whose_condition_failed_answers_after_the_sync_of_what_it_read() {
    for deed in ["put", "delete", "batch", "absent"] {
        let world = World::new();
        let db = world.open();
        db.put_with(b"cat", b"meow", &at(Ack::Buffered)).unwrap();
        let syncs = world.gates.seen().syncs;
        world.gates.hold(Call::Sync);
        thread::scope(|scope| {
            let judged = scope.spawn(|| refused(&db, deed));
            world.gates.wait_until(|seen| seen.held_syncs == 1);
            assert!(!judged.is_finished(), "{deed}");
            world.gates.release(Call::Sync);
            judged.join().unwrap();
        });
        assert_eq!(world.gates.seen().syncs, syncs + 1, "{deed}");
        // Now that all of it is durable, such an answer costs no sync.
        refused(&db, deed);
        assert_eq!(world.gates.seen().syncs, syncs + 1, "{deed}");
    }
}

/// A durable write that is refused, or does nothing, because of what is there.
fn refused(db: &Db<Gates>, deed: &str) {
    let how = |condition| WriteOptions {
        condition: Some(condition),
        ..at(Ack::Synced)
    };
    let failed = match deed {
        "put" => db
            .put_with(b"cat", b"purr", &how(Condition::Absent))
            .map(|_| ()),
        "delete" => db.delete_with(b"cat", &how(Condition::Seq(99))).map(|_| ()),
        "batch" => {
            let mut batch = portcask::Batch::new();
            batch
                .put(b"dog", b"woof")
                .require(b"cat", Condition::Absent);
            db.write_with(&batch, Some(Ack::Synced)).map(|_| ())
        }
        _ => {
            let gone = db.delete_with(b"dog", &at(Ack::Synced)).unwrap();
            assert_eq!(gone, None);
            return;
        }
    };
    assert!(matches!(failed, Err(Error::ConditionFailed { .. })));
}

#[test]
fn a_refusal_at_level_written_hands_over_what_it_read() {
    let world = World::new();
    let db = world.open();
    db.put_with(b"cat", b"meow", &at(Ack::Buffered)).unwrap();
    let appends = world.gates.seen().appends;
    let how = WriteOptions {
        condition: Some(Condition::Absent),
        ..at(Ack::Written)
    };
    assert!(db.put_with(b"cat", b"purr", &how).is_err());
    assert_eq!(world.gates.seen().appends, appends + 1);
}

#[test]
fn many_durable_writers_share_syncs_and_all_find_their_writes_again() {
    const WRITERS: usize = 8;
    const PUTS: usize = 50;
    let world = World::new();
    let db = world.open_with(DbOptions {
        engine: Options {
            ack: Ack::Synced,
            ..quiet().engine
        },
        ..quiet()
    });
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let db = db.clone();
            scope.spawn(move || {
                for put in 0..PUTS {
                    db.put(&key(writer * PUTS + put), b"value").unwrap();
                }
            });
        }
    });
    drop(db);
    let db = world.open();
    assert_eq!(db.len().unwrap(), (WRITERS * PUTS) as u64);
    assert!(db.report().unwrap().clean);
}
