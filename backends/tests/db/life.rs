//! Opening, closing, and what comes after.

use super::gate::Call;
use super::{World, at, key, quiet};
use portcask::{Ack, Db, DbOptions, Error, Options};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[test]
fn a_second_handle_on_one_directory_is_told_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = portcask::open(dir.path()).unwrap();
    let error = portcask::open(dir.path()).unwrap_err();
    let Error::Locked { holder } = &error else {
        panic!("{error}");
    };
    let me = std::process::id().to_string();
    assert!(holder.contains(&me), "{holder:?} does not name {me}");
    assert!(error.to_string().contains(&me));
    drop(db);
    portcask::open(dir.path()).unwrap();
}

#[test]
fn a_missing_parent_a_missing_store_and_a_file_in_the_way_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    assert!(portcask::open(dir.path().join("no/such")).is_err());
    let absent = dir.path().join("absent");
    let no_create = Options {
        create: false,
        ..Options::default()
    };
    assert!(Db::open_with(&absent, no_create.clone()).is_err());
    assert!(Db::open_with(&absent, Options::read_only()).is_err());
    assert!(!absent.exists());
    let empty = Db::open_with(dir.path(), no_create).unwrap_err();
    assert_eq!(empty, Error::NoStore);
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert!(portcask::open(&file).is_err());
}

#[test]
fn closing_one_clone_closes_all_and_says_so() {
    let world = World::new();
    let db = world.open_with(Options::default());
    let other = db.clone();
    db.put(b"cat", b"meow").unwrap();
    let mut walk = other.iter();
    db.close().unwrap();
    assert_eq!(walk.next(), Some(Err(Error::Closed)));
    assert_eq!(walk.next(), None);
    assert_eq!(other.get(b"cat"), Err(Error::Closed));
    assert_eq!(other.len(), Err(Error::Closed));
    assert_eq!(other.put(b"cat", b"purr"), Err(Error::Closed));
    assert_eq!(
        other.put_with(b"cat", b"purr", &at(Ack::Synced)),
        Err(Error::Closed)
    );
    assert_eq!(other.sync(), Err(Error::Closed));
    assert_eq!(other.stats().unwrap_err(), Error::Closed);
    assert_eq!(other.tick(), Err(Error::Closed));
    assert_eq!(other.close(), Err(Error::Closed));
    // The directory is free although clones are left.
    let again = world.open();
    assert!(again.report().unwrap().clean);
    assert_eq!(again.get(b"cat").unwrap().as_deref(), Some(&b"meow"[..]));
}

#[test]
fn dropping_the_last_clone_closes_in_order() {
    let world = World::new();
    let db = world.open_with(Options {
        ack: Ack::Buffered,
        ..Options::default()
    });
    let other = db.clone();
    db.put(b"cat", b"meow").unwrap();
    drop(db);
    assert!(other.get(b"cat").unwrap().is_some());
    drop(other);
    let again = world.open();
    assert!(again.report().unwrap().clean);
    assert!(again.get(b"cat").unwrap().is_some());
}

#[test]
fn closing_while_writers_run_loses_nothing_that_was_acknowledged() {
    const WRITERS: usize = 4;
    let world = World::new();
    let db = world.open_with(quiet());
    let acknowledged: Vec<AtomicUsize> = (0..WRITERS).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for (writer, acknowledged) in acknowledged.iter().enumerate() {
            let db = db.clone();
            scope.spawn(move || {
                let level = [Ack::Buffered, Ack::Written, Ack::Synced][writer % 3];
                for n in 0.. {
                    let key = [key(writer), key(n)].concat();
                    match db.put_with(&key, b"value", &at(level)) {
                        Ok(_) => acknowledged.store(n + 1, Ordering::SeqCst),
                        Err(error) => return assert_eq!(error, Error::Closed),
                    }
                }
            });
        }
        while acknowledged.iter().any(|n| n.load(Ordering::SeqCst) < 20) {
            thread::yield_now();
        }
        db.close().unwrap();
    });
    let db = world.open();
    assert!(db.report().unwrap().clean);
    for (writer, acknowledged) in acknowledged.iter().enumerate() {
        for n in 0..acknowledged.load(Ordering::SeqCst) {
            let key = [key(writer), key(n)].concat();
            assert!(db.contains_key(&key).unwrap(), "{writer} {n}");
        }
    }
}

#[test]
fn writers_that_wait_for_a_sync_get_it_from_closing() {
    let world = World::new();
    let db = world.open();
    world.gates.hold(Call::Sync);
    thread::scope(|scope| {
        let leader = scope.spawn(|| db.put_with(b"a", b"1", &at(Ack::Synced)));
        world.gates.wait_until(|seen| seen.held_syncs == 1);
        let follower = scope.spawn(|| db.put_with(b"b", b"2", &at(Ack::Synced)));
        while db.get(b"b").unwrap().is_none() {
            thread::yield_now();
        }
        let close = scope.spawn(|| db.close());
        world.gates.release(Call::Sync);
        close.join().unwrap().unwrap();
        leader.join().unwrap().unwrap();
        follower.join().unwrap().unwrap();
    });
    assert_eq!(world.open().len().unwrap(), 2);
}

#[test]
fn a_get_that_meets_closing_answers_the_value_or_closed_and_never_absence() {
    for _ in 0..20 {
        let world = World::new();
        let db = world.open();
        db.put(b"cat", b"meow").unwrap();
        let begun = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        match db.get(b"cat") {
                            Ok(found) => assert_eq!(found.as_deref(), Some(&b"meow"[..])),
                            Err(error) => return assert_eq!(error, Error::Closed),
                        }
                        begun.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while begun.load(Ordering::Relaxed) < 10 {
                thread::yield_now();
            }
            db.close().unwrap();
        });
    }
}

#[test]
fn a_check_that_meets_closing_finds_no_damage() {
    let world = World::new();
    let db = world.open();
    for n in 0..50 {
        db.put(&key(n), b"value").unwrap();
    }
    db.rotate().unwrap();
    db.put(b"cat", b"meow").unwrap();
    let mut closed = false;
    let found = db.verify(|_, _| {
        if !std::mem::replace(&mut closed, true) {
            db.close().unwrap();
        }
    });
    assert_eq!(found, Err(Error::Closed));
}

#[test]
fn a_history_that_meets_closing_is_not_told_as_whole() {
    let world = World::new();
    let db = world.open();
    for value in [b"1", b"2", b"3"] {
        db.put(b"cat", value).unwrap();
    }
    let mut versions = 0;
    let done = db.each_version(b"cat", |_| {
        versions += 1;
        if versions == 1 {
            db.close()?;
        }
        Ok(true)
    });
    assert_eq!((done, versions), (Err(Error::Closed), 3));
}

#[test]
fn a_panic_below_a_write_wedges_nobody_and_the_next_opening_is_whole() {
    for call in [Call::Append, Call::Sync] {
        let world = World::new();
        let db = world.open();
        db.put_with(b"cat", b"meow", &at(Ack::Synced)).unwrap();
        world.gates.panic_at(call);
        thread::scope(|scope| {
            let put = scope.spawn(|| db.put_with(b"dog", b"woof", &at(Ack::Synced)));
            assert!(put.join().is_err(), "{call:?}");
        });
        world.gates.calm_down();
        let again = db.put_with(b"dog", b"woof", &at(Ack::Synced));
        assert!(again.is_err(), "{call:?}: what the panic left is unknown");
        assert_eq!(db.get(b"cat").unwrap().as_deref(), Some(&b"meow"[..]));
        let sound = |met| matches!(met, Ok(_) | Err(Error::Poisoned));
        assert!(db.iter().all(sound), "{call:?}");
        assert!(db.close().is_err(), "{call:?}");
        assert_eq!(db.get(b"cat"), Err(Error::Closed));
        let db = world.open();
        assert_eq!(db.get(b"cat").unwrap().as_deref(), Some(&b"meow"[..]));
    }
}

#[test]
fn a_handle_and_its_walks_can_be_sent_to_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let world = World::new();
    let db = world.open_with(DbOptions::default());
    shared(&db);
    shared(&db.iter());
    shared(&db.keys());
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_whose_writes_are_synced_sets_space_aside_and_gives_it_back() {
    let world = World::new();
    let length = || {
        let segment = world.dir.path().join("segment-0000000001");
        std::fs::metadata(segment).unwrap().len()
    };
    let db = world.open();
    for n in 0..20 {
        db.put_with(&key(n), b"value", &at(Ack::Synced)).unwrap();
    }
    assert!(length() > 64 << 10);
    // A copy of what a power cut would leave now.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(world.dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    db.close().unwrap();
    assert!(length() < 4 << 10);
    let gates = super::Gates::new(copy.path());
    let db = Db::on(gates, quiet()).unwrap();
    let report = db.report().unwrap();
    assert!(!report.clean && report.is_spotless(), "{report}");
    assert_eq!(report.keys, 20);
    assert!(report.undecidable_bytes < 4 << 10, "{report:?}");
}
