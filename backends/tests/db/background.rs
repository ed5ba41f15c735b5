//! What happens by itself.

use super::{World, at, eager, key, quiet};
use portcask::storage::ErrorKind;
use portcask::{Ack, Db, DbOptions, Expiry, MergeProgress, MergeReport, Options};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const START_MS: u64 = 1_700_000_000_000;

/// With a thread that looks around only when it is asked to.
fn asked() -> DbOptions {
    DbOptions {
        background: Some(Duration::from_secs(3600)),
        ..quiet()
    }
}

/// Fills several segments with values that are then overwritten.
fn churn(db: &Db<super::gate::Gates>) {
    for round in 0..4 {
        for n in 0..100 {
            db.put(&key(n), &[round; 10_000]).unwrap();
        }
    }
    db.rotate().unwrap();
}

#[test]
fn the_background_merges_and_gives_space_back() {
    let world = World::new();
    let mut options = asked();
    options.engine.merge = eager();
    let db = world.open_with(options);
    churn(&db);
    let written = 4 * 100 * 10_000;
    db.tick().unwrap();
    let after = db.stats().unwrap();
    assert!(after.total_bytes < written / 2, "{after:?}");
    for n in 0..100 {
        assert_eq!(db.get(&key(n)).unwrap(), Some(vec![3; 10_000]));
    }
    let on_disk: u64 = std::fs::read_dir(world.dir.path())
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.file_name().to_string_lossy().starts_with("segment-"))
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert!(on_disk < written / 2);
    assert_eq!(db.background_error(), None);
}

#[test]
fn merging_from_the_progress_of_a_merge_leaves_the_work_to_that() {
    let world = World::new();
    let db = world.open();
    churn(&db);
    let mut calls = 0;
    let report = db.merge_all(|_, _| {
        calls += 1;
        let inner = db.merge_all(|_, _| unreachable!("this merge never begins"));
        assert_eq!(inner, Ok(MergeReport::default()));
        assert_eq!(db.merge_step(1), Ok(MergeProgress::Idle));
        db.tick().unwrap();
    });
    assert!(calls > 0);
    let report = report.unwrap();
    assert!(report.bytes_after < report.bytes_before, "{report:?}");
}

#[test]
fn a_panic_in_the_progress_of_a_merge_does_not_end_merging_for_good() {
    let world = World::new();
    let mut options = asked();
    options.engine.merge = eager();
    let db = world.open_with(options);
    churn(&db);
    let merge = AssertUnwindSafe(|| db.merge_all(|_, _| panic!("the caller's own")));
    assert!(catch_unwind(merge).is_err());
    let written = 4 * 100 * 10_000;
    churn(&db);
    for _ in 0..10 {
        db.tick().unwrap();
    }
    let after = db.stats().unwrap();
    assert!(after.total_bytes < written / 2, "{after:?}");
}

/// Under a heavy load a second is long: whoever writes wakes the thread.
#[test]
fn a_merge_begins_when_much_was_written_and_not_only_at_the_next_round() {
    let world = World::new();
    let mut options = asked();
    options.engine.merge = eager();
    let db = world.open_with(options);
    let first = db.stats().unwrap().segments[0].id;
    for round in 0..100_000_u32 {
        db.put(&key(1), &vec![round as u8; 100_000]).unwrap();
        if db.stats().unwrap().segments[0].id > first {
            return;
        }
        std::thread::yield_now();
    }
    panic!("nothing was merged");
}

#[test]
fn without_the_thread_nothing_happens_until_somebody_ticks() {
    let world = World::new();
    let mut options = quiet();
    options.engine.merge = eager();
    let db = world.open_with(options);
    churn(&db);
    let before = db.stats().unwrap().total_bytes;
    assert!(db.merge_plan().unwrap().due);
    assert_eq!(db.stats().unwrap().total_bytes, before);
    db.tick().unwrap();
    assert!(db.stats().unwrap().total_bytes < before / 2);
}

#[test]
fn merging_by_itself_can_be_turned_off_alone() {
    let world = World::new();
    let mut options = asked();
    options.engine.merge = eager();
    options.engine.merge.auto = false;
    let db = world.open_with(options);
    churn(&db);
    let before = db.stats().unwrap().total_bytes;
    db.tick().unwrap();
    assert_eq!(db.stats().unwrap().total_bytes, before);
    db.merge_all(|_, _| {}).unwrap();
    assert!(db.stats().unwrap().total_bytes < before / 2);
}

#[test]
fn keys_whose_time_is_up_are_swept_in_the_background() {
    let world = World::new();
    world.gates.set_now_ms(START_MS);
    let mut options = asked();
    options.engine.merge.auto = false;
    let db = world.open_with(options);
    for n in 0..1_000 {
        let how = portcask::WriteOptions {
            expiry: Expiry::AfterMs(1_000),
            ..Default::default()
        };
        db.put_with(&key(n), b"value", &how).unwrap();
    }
    db.put(b"stays", b"value").unwrap();
    // The plan looks at the numbers alone and sweeps nothing itself.
    let live = |db: &Db<_>| db.merge_plan().unwrap().files[0].live_bytes;
    let before = live(&db);
    db.tick().unwrap();
    assert_eq!(live(&db), before);
    world.gates.set_now_ms(START_MS + 1_000);
    assert_eq!(db.get(&key(0)).unwrap(), None);
    assert_eq!(live(&db), before);
    db.tick().unwrap();
    assert!(live(&db) < 100);
    assert_eq!(db.len().unwrap(), 1);
}

#[test]
fn the_background_syncs_at_the_interval_and_then_the_log_is_quiet() {
    let world = World::new();
    let mut options = asked();
    options.engine.sync_every_ms = Some(1);
    let db = world.open_with(options);
    let before = world.gates.seen();
    db.put(b"cat", b"meow").unwrap();
    world.gates.wait_until(|seen| seen.syncs > before.syncs);
    // A marker that tells how much is durable, once; nobody syncs for its sake.
    for _ in 0..3 {
        db.tick().unwrap();
    }
    let quiet = world.gates.seen();
    assert_eq!(quiet.appends, before.appends + 2);
    assert_eq!(quiet.syncs, before.syncs + 1);
    for _ in 0..3 {
        db.tick().unwrap();
    }
    let later = world.gates.seen();
    assert_eq!((later.appends, later.syncs), (quiet.appends, quiet.syncs));
}

#[test]
fn without_the_thread_a_write_that_finds_a_sync_due_does_it() {
    let world = World::new();
    let mut options = quiet();
    options.engine.sync_every_ms = Some(0);
    let db = world.open_with(options);
    let syncs = world.gates.seen().syncs;
    db.put(b"cat", b"meow").unwrap();
    assert_eq!(world.gates.seen().syncs, syncs + 1);
}

#[test]
fn errors_of_the_background_are_kept_and_told() {
    let world = World::new();
    let mut options = asked();
    options.engine.sync_every_ms = Some(1);
    let db = world.open_with(options);
    assert_eq!(db.background_error(), None);
    world.gates.fail_syncs_from(world.gates.seen().syncs + 1);
    db.put(b"cat", b"meow").unwrap();
    while db.tick().is_ok() {}
    assert!(db.background_error().is_some());
    assert!(db.tick().is_err());
    assert_eq!(
        db.put_with(b"cat", b"purr", &at(Ack::Synced)),
        Err(portcask::Error::Poisoned)
    );
    let closed = db.close().unwrap_err();
    assert_ne!(closed.storage_kind(), Some(ErrorKind::Closed));
}

#[test]
fn a_thread_that_never_looked_around_stops_when_the_store_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..10 {
        let options = DbOptions {
            engine: Options::default(),
            background: Some(Duration::MAX),
            ..DbOptions::default()
        };
        drop(Db::open_with(dir.path(), options).unwrap());
    }
}
