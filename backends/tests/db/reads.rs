//! Reads by key wait for nothing but the publishing of a place.

use super::gate::Call;
use super::{World, at, eager, key, quiet};
use portcask::{Ack, ChangeKind, Db, DbOptions, Error, ErrorKind, Feed, Options, PlatformStorage};
use std::io::{Read, Seek, SeekFrom};
use std::thread;

const GETS: usize = 1_000;

/// Puts 100 keys, blocks `deed` at the gate, and lets a thousand gets complete meanwhile.
fn gets_complete_while_blocked(call: Call, deed: impl FnOnce(&Db<super::gate::Gates>) + Send) {
    let world = World::new();
    let db = world.open();
    for n in 0..100 {
        db.put(&key(n), b"value").unwrap();
    }
    world.gates.hold(call);
    thread::scope(|scope| {
        let blocked = scope.spawn(|| deed(&db));
        world
            .gates
            .wait_until(|seen| seen.held_appends + seen.held_syncs > 0);
        let reader = scope.spawn(|| {
            for n in 0..GETS {
                let value = db.get(&key(n % 100)).unwrap();
                assert_eq!(value.as_deref(), Some(&b"value"[..]));
            }
            let before = |key: &Vec<u8>| key.starts_with(b"key-");
            assert_eq!(
                db.keys()
                    .filter(|key| before(key.as_ref().unwrap()))
                    .count(),
                100
            );
            assert!(db.len().unwrap() >= 100);
        });
        reader.join().unwrap();
        assert!(!blocked.is_finished(), "it was not blocked");
        world.gates.release(call);
        blocked.join().unwrap();
    });
}

#[test]
fn a_value_is_lent_also_inside_of_another_and_to_nobody_once_the_store_is_closed() {
    let world = World::new();
    let db = world.open();
    db.put(b"a", b"outer").unwrap();
    db.put(b"b", &[7; 100_000]).unwrap();
    let both = db.get_with(b"a", |outer| {
        let inner = db.get_with(b"b", <[u8]>::len).unwrap();
        (outer.to_vec(), inner)
    });
    assert_eq!(both, Ok(Some((b"outer".to_vec(), Some(100_000)))));
    assert_eq!(db.get_with(b"no", |_| ()), Ok(None));
    let mut shown = Vec::new();
    let keys: [&[u8]; 3] = [b"a", b"no", b"b"];
    let show = |at, value: Option<&[u8]>| shown.push((at, value.map(<[u8]>::len)));
    db.get_many_with(&keys, show).unwrap();
    assert_eq!(shown, [(0, Some(5)), (1, None), (2, Some(100_000))]);
    let mut enough = Vec::new();
    let until_absent = |at, value: Option<&[u8]>| {
        enough.push(at);
        value.is_some()
    };
    assert_eq!(db.get_many_while(&keys, until_absent), Ok(()));
    assert_eq!(enough, [0, 1]);
    db.close().unwrap();
    assert_eq!(db.get_with(b"a", |_| ()), Err(Error::Closed));
    let refused = db.get_many_with(&keys, |_, _| panic!("shown"));
    assert_eq!(refused, Err(Error::Closed));
}

#[test]
fn a_long_value_is_read_from_any_place_and_checked_from_its_beginning_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let db: Db = portcask::open(dir.path()).unwrap();
    let film: Vec<_> = (0..300_000).map(|at| (at % 251) as u8).collect();
    db.put(b"film", &film).unwrap();
    let long = || db.long_value(b"film", 1 << 16).unwrap().unwrap();
    let mut value = long();
    assert_eq!((value.len(), value.expiry_ms()), (300_000, None));
    let mut all = Vec::new();
    value.read_to_end(&mut all).unwrap();
    assert!(all == film);
    for (to, at) in [
        (SeekFrom::Start(1000), 1000),
        (SeekFrom::Current(-10), 1000),
        (SeekFrom::End(-10), film.len() - 10),
        (SeekFrom::End(10), film.len()),
    ] {
        value.seek(to).unwrap();
        let mut ten = Vec::new();
        (&mut value).take(10).read_to_end(&mut ten).unwrap();
        assert!(ten == film[at..film.len().min(at + 10)], "{to:?}");
    }
    assert!(value.seek(SeekFrom::End(-300_001)).is_err());
    let path = dir.path().join("segment-0000000001");
    let mut bytes = std::fs::read(&path).unwrap();
    let mut value = long();
    bytes[200_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(value.read_to_end(&mut Vec::new()).is_err());
    assert!(db.long_value(b"film", 1 << 16).unwrap().is_none());
    assert!(matches!(db.get(b"film"), Err(Error::Corrupt { .. })));
}

#[test]
fn where_files_outnumber_descriptors_a_long_value_that_was_merged_away_is_whole_or_an_error() {
    const VALUES: usize = 30;
    let value = |n: usize| vec![n as u8; 900_000];
    let home = tempfile::tempdir().unwrap();
    let storage = PlatformStorage::open_capped(home.path(), 12).unwrap();
    let db = Db::on(storage, quiet()).unwrap();
    for n in 0..VALUES {
        db.put(&key(n), &value(n)).unwrap();
    }
    let long = |n| db.long_value(&key(n), 0).unwrap().unwrap();
    let mut kept: Vec<_> = (0..VALUES).map(long).collect();
    db.clear().unwrap();
    db.rotate().unwrap();
    db.merge_all(|_, _| {}).unwrap();
    let (mut whole, mut refused) = (0, 0);
    for (n, long) in kept.iter_mut().enumerate() {
        let mut read = Vec::new();
        match long.read_to_end(&mut read) {
            Ok(_) => {
                assert!(read == value(n), "{n}");
                whole += 1;
            }
            Err(error) => {
                let cause = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
                let kind = cause.and_then(Error::storage_kind);
                assert_eq!(kind, Some(ErrorKind::Closed), "{error}");
                refused += 1;
            }
        }
    }
    assert!(whole > 0 && refused > 0, "{whole} whole, {refused} not");
}

#[test]
fn a_thousand_gets_complete_while_an_append_is_blocked() {
    gets_complete_while_blocked(Call::Append, |db| {
        db.put(b"late", b"value").unwrap();
    });
}

#[test]
fn a_thousand_gets_complete_while_a_sync_is_blocked() {
    gets_complete_while_blocked(Call::Sync, |db| {
        db.put_with(b"late", b"value", &at(Ack::Synced)).unwrap();
    });
}

#[test]
fn a_thousand_gets_complete_while_a_rotation_is_blocked() {
    gets_complete_while_blocked(Call::Sync, |db| db.rotate().unwrap());
}

#[test]
fn a_thousand_gets_complete_while_a_merge_is_blocked() {
    gets_complete_while_blocked(Call::Append, |db| {
        db.merge_all(|_, _| {}).unwrap();
    });
}

#[test]
fn writes_go_on_while_the_files_of_a_merge_are_synced() {
    let world = World::new();
    let db = world.open();
    for n in 0..100 {
        db.put(&key(n), b"value").unwrap();
    }
    db.rotate().unwrap();
    db.sync().unwrap();
    while db.merge_plan().unwrap().files.len() > 2 {
        db.merge_all(|_, _| {}).unwrap();
    }
    // The rotation of the merge passes, then its first file stands at the gate.
    let rotated = std::sync::Barrier::new(2);
    thread::scope(|scope| {
        let merge = scope.spawn(|| {
            let mut first = true;
            db.merge_all(|_, _| {
                if std::mem::take(&mut first) {
                    rotated.wait();
                    rotated.wait();
                }
            })
        });
        rotated.wait();
        world.gates.hold(Call::Sync);
        rotated.wait();
        world.gates.wait_until(|seen| seen.held_syncs > 0);
        db.put(b"meanwhile", b"value").unwrap();
        assert!(!merge.is_finished());
        world.gates.release(Call::Sync);
        merge.join().unwrap().unwrap();
    });
    assert_eq!(db.len().unwrap(), 101);
}

#[test]
fn a_walk_that_merges_overtake_in_the_middle_of_a_page_meets_every_key_once() {
    const KEYS: usize = 250;
    let world = World::new();
    let db = world.open();
    let value = |n: usize| [key(n), vec![n as u8; 10_000]].concat();
    for n in 0..KEYS {
        db.put(&key(n), &value(n)).unwrap();
    }
    world.gates.hold(Call::Read);
    thread::scope(|scope| {
        let walk = scope.spawn(|| db.iter().collect::<portcask::Result<Vec<_>>>());
        world.gates.wait_until(|seen| seen.held_reads == 1);
        // Twice, so that other files take over the numbers of those that the walk has seen.
        for _ in 0..2 {
            for n in 0..KEYS / 2 {
                db.put(&key(n), &value(n)).unwrap();
            }
            db.merge_all(|_, _| {}).unwrap();
        }
        world.gates.release(Call::Read);
        let mut met = walk.join().unwrap().unwrap();
        met.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(met.len(), KEYS);
        for (n, entry) in met.iter().enumerate() {
            assert_eq!(entry.key, key(n));
            assert!(entry.value == value(n), "key {n} has another value");
        }
    });
}

#[test]
fn a_get_that_a_merge_overtakes_reads_on_in_the_file_that_it_found() {
    let world = World::new();
    let mut options = quiet();
    options.engine.recent_bytes = 0;
    let db = world.open_with(options);
    db.put(b"cat", b"meow").unwrap();
    world.gates.hold(Call::Read);
    thread::scope(|scope| {
        let get = scope.spawn(|| db.get(b"cat"));
        world.gates.wait_until(|seen| seen.held_reads == 1);
        for _ in 0..3 {
            db.merge_all(|_, _| {}).unwrap();
        }
        world.gates.release(Call::Read);
        assert_eq!(get.join().unwrap().unwrap().as_deref(), Some(&b"meow"[..]));
    });
}

#[test]
fn what_was_written_lately_is_read_without_a_call_to_the_disk() {
    let world = World::new();
    let mut options = quiet();
    options.engine.recent_bytes = 8 << 10;
    let db = world.open_with(options);
    for n in 0..1000 {
        db.put(&key(n), &[n as u8; 100]).unwrap();
    }
    // Whoever reads the disk now waits.
    world.gates.hold(Call::Read);
    for n in 950..1000 {
        assert_eq!(db.get(&key(n)).unwrap().unwrap(), [n as u8; 100]);
    }
    thread::scope(|scope| {
        let older = scope.spawn(|| db.get(&key(0)));
        world.gates.wait_until(|seen| seen.held_reads == 1);
        world.gates.release(Call::Read);
        assert_eq!(older.join().unwrap().unwrap().unwrap(), [0; 100]);
    });
}

#[test]
fn verify_history_changes_and_stats_do_not_hold_up_writers() {
    let world = World::new();
    let db = world.open();
    for n in 0..100 {
        db.put(&key(n), b"value").unwrap();
    }
    let mut written = 0;
    let report = db
        .verify(|_, _| {
            // Inside of it, on this very thread: a lock held around it would never be free.
            db.put(b"meanwhile", b"value").unwrap();
            written += 1;
        })
        .unwrap();
    assert!(written > 0 && report.is_sound(), "{report:?}");
    assert_eq!(db.history(b"meanwhile").unwrap().len(), written);
    assert_eq!(db.changes(0, 1_000).unwrap().changes.len(), 100 + written);
    assert_eq!(db.stats().unwrap().keys, 101);
}

#[test]
fn a_backup_holds_what_was_written_before_it_while_writes_and_merges_go_on() {
    let world = World::new();
    let mut options = quiet();
    options.engine.merge = eager();
    let db = world.open_with(options);
    for n in 0..200 {
        db.put(&key(n), &[7; 9_000]).unwrap();
    }
    let copy = World::new();
    db.backup(&copy.gates, |_, _| {
        db.delete(&key(0)).unwrap();
        db.put(b"meanwhile", b"value").unwrap();
        db.merge_all(|_, _| {}).unwrap();
    })
    .unwrap();
    let copied = copy.open();
    assert_eq!(copied.len().unwrap(), 200);
    assert!(copied.verify(|_, _| {}).unwrap().is_sound());
    assert_eq!(db.len().unwrap(), 200);
    assert!(db.verify(|_, _| {}).unwrap().is_sound());
}

#[test]
fn a_reader_beside_the_writer_follows_when_files_are_replaced() {
    let world = World::new();
    let db = world.open();
    for n in 0..100 {
        db.put(&key(n), b"old").unwrap();
    }
    db.flush().unwrap();
    let options = DbOptions {
        engine: Options::read_only(),
        ..quiet()
    };
    let reader = Db::open_with(world.dir.path(), options).unwrap();
    assert_eq!(reader.get(&key(7)).unwrap().as_deref(), Some(&b"old"[..]));
    assert_eq!(reader.put(b"k", b"v"), Err(Error::ReadOnly));
    db.put(&key(7), b"new").unwrap();
    db.merge_all(|_, _| {}).unwrap();
    reader.refresh().unwrap();
    assert_eq!(reader.get(&key(7)).unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(reader.iter().filter(Result::is_ok).count(), 100);
    reader.close().unwrap();
    assert_eq!(db.len().unwrap(), 100);
}

#[test]
fn buffered_writes_are_read_before_they_are_handed_over() {
    let world = World::new();
    let db = world.open_with(DbOptions {
        engine: Options {
            ack: Ack::Buffered,
            ..quiet().engine
        },
        ..quiet()
    });
    let appends = world.gates.seen().appends;
    db.put(b"cat", b"meow").unwrap();
    assert_eq!(db.get(b"cat").unwrap().as_deref(), Some(&b"meow"[..]));
    assert_eq!(world.gates.seen().appends, appends);
    db.flush().unwrap();
    assert_eq!(world.gates.seen().appends, appends + 1);
    assert_eq!(db.get(b"cat").unwrap().as_deref(), Some(&b"meow"[..]));
}

#[test]
fn a_feed_goes_on_where_it_stood_across_segments_and_merges() {
    let world = World::new();
    let mut options = quiet();
    options.engine.segment_bytes = 1 << 20;
    let db = world.open_with(options);
    let mut feed = Feed::from(0);
    let mut seen = Vec::new();
    for round in 0..6_u8 {
        for n in 0..60 {
            db.put(&key(n), &[round; 9_000]).unwrap();
            if n % 7 == 0 {
                db.delete(&key(n)).unwrap();
            }
        }
        let whole = db.changes(feed.next_seq(), usize::MAX).unwrap();
        let mut pieces = Vec::new();
        loop {
            let page = db.next_changes(&mut feed, 10, 30_000).unwrap();
            if page.is_empty() {
                break;
            }
            // Each put takes 9,000 bytes and its key: the fourth is the last.
            let puts = page.iter().filter(|it| it.kind != ChangeKind::Delete);
            assert!(puts.count() <= 4 && page.len() <= 10);
            pieces.extend(page);
        }
        assert_eq!(pieces, whole.changes);
        assert_eq!(feed.next_seq(), whole.next_seq);
        seen.extend(pieces);
        // Everything up to here may be rewritten; the feed does not need it any more.
        db.merge_all(|_, _| {}).unwrap();
    }
    assert!(seen.is_sorted_by(|a, b| a.seq < b.seq));
    assert_eq!(seen.len(), 6 * (60 + 9));
}
