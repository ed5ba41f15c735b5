//! Corners of the interface: batches and conditions, lives of keys, the system's own key space,
//! levels of acknowledgement, options that make no sense.

mod common;

use common::{NOW_MS, Script, check, name_of};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{Call, Fault, SimDisk};
use portcask_core::testing::world::Store;
use portcask_core::{
    Ack, Batch, Condition, Engine, Error, Expiry, MergePolicy, OpenMode, Options, Ttl, WriteOptions,
};

// Batches.

#[test]
fn operations_of_a_batch_apply_in_their_order() {
    check(
        "put a 0; batch a=1 a=2 -b b=3 -a; scan; kill; scan",
        "b=3 b=3",
    );
    check(
        "batch a=1 -a a=2; get a; len; kill; get a; len",
        "a=2 1 a=2 1",
    );
    check(
        "batch; put a 1; batch -nothing; scan; kill; scan",
        "a=1 a=1",
    );
}

// With 16 bits of hash, some of so many keys would be refused.
#[cfg(not(feature = "short-hash"))]
#[test]
fn keys_put_together_take_the_memory_of_keys_put_one_by_one() {
    let keys: Vec<[u8; 4]> = (0..5000_u32).map(u32::to_le_bytes).collect();
    let (mut one_by_one, mut together) = (Script::new(), Script::new());
    let mut batch = Batch::new();
    for key in &keys {
        one_by_one.store().unwrap().put(key, b"v").unwrap();
        batch.put(key.to_vec(), "v");
    }
    together.store().unwrap().write(&batch).unwrap();
    let memory = |it: &mut Script| it.store().unwrap().stats().unwrap().memory_bytes;
    let usual = memory(&mut one_by_one);
    assert!(memory(&mut together) <= usual + usual / 8);

    let mut again = Batch::new();
    for _ in 0..5000 {
        again.put("the same key", "v");
    }
    let mut few = Script::new();
    few.store().unwrap().write(&again).unwrap();
    assert!(memory(&mut few) < usual / 100);
    assert_eq!(few.store().unwrap().len(), 1);
}

#[test]
fn room_that_a_batch_cannot_have_is_no_reason_to_refuse_it() {
    let mut batch = Batch::new();
    batch.reserve(usize::MAX);
    batch.put("a", "1");
    assert!(!batch.is_incomplete());
    let mut world = Script::new();
    world.store().unwrap().write(&batch).unwrap();
    assert_eq!(world.store().unwrap().get(b"a").unwrap().unwrap(), b"1");
}

#[test]
fn a_batch_whose_conditions_do_not_all_hold_leaves_no_trace() {
    let mut world = Script::new();
    world.run("put there 1");
    let files = world.disk.files();
    let store = world.store().unwrap();
    let seq = store.get_entry(b"there").unwrap().unwrap().seq;
    let (holds, fails) = (("there", Condition::Seq(seq)), ("there", Condition::Absent));
    let mut batch = Batch::new();
    batch.put("x", "1").delete("there");
    batch.require(holds.0, holds.1).require(fails.0, fails.1);
    let found = Some(seq);
    assert_eq!(store.write(&batch), Err(Error::condition_failed(1, found)));
    assert_eq!(store.last_seq(), seq);
    assert_eq!(world.disk.files(), files);
    // Judged before any operation of the batch, not after.
    let store = world.store().unwrap();
    let mut batch = Batch::new();
    batch.put("new", "1").require("new", Condition::Absent);
    batch.delete("there").require("there", Condition::Present);
    let done = store.write(&batch).unwrap();
    assert_eq!((done.first_seq, done.last_seq), (seq + 1, seq + 2));
    world.check("scan; kill; scan", "new=1 new=1");
}

#[test]
fn a_batch_gets_one_file_however_large_it_is() {
    let mut world = Script::new();
    world.options.segment_bytes = 1 << 20;
    world.run("put before 1");
    let mut batch = Batch::new();
    for n in 0..40_u8 {
        batch.put([n], vec![n; 60_000]);
    }
    let store = world.store().unwrap();
    store.write(&batch).unwrap();
    let files: Vec<_> = (0..40_u8)
        .map(|n| store.history(&[n]).unwrap()[0].file)
        .collect();
    assert!(files.iter().all(|file| *file == files[0]));
    world.run("put after 1; kill");
    assert_eq!(world.store().unwrap().len(), 42);
    assert!(
        world
            .store()
            .unwrap()
            .get(&[39])
            .unwrap()
            .is_some_and(|v| v.len() == 60_000)
    );
}

#[test]
fn a_too_long_key_or_value_refuses_the_whole_batch() {
    let mut world = Script::new();
    world.options.value_bytes_max = 100;
    world.run("put a 1");
    let files = world.disk.files();
    let store = world.store().unwrap();
    let mut batch = Batch::new();
    batch.put("b", "2").put("c", vec![0; 101]);
    assert_eq!(name_of(&store.write(&batch).unwrap_err()), "ValueTooLarge");
    let mut batch = Batch::new();
    batch.put("b", "2").put(vec![0; 65_536], "");
    assert_eq!(name_of(&store.write(&batch).unwrap_err()), "KeyTooLong");
    assert_eq!(world.disk.files(), files);
    world.check("scan", "a=1");
}

// Conditions.

#[test]
fn conditional_writes_are_judged_by_presence_and_by_version() {
    let mut store: Store = Engine::open(SimDisk::new(1), Options::default()).unwrap();
    let how = |condition| WriteOptions {
        condition: Some(condition),
        ..WriteOptions::default()
    };
    let refused = |found| Err(Error::condition_failed(0, found));
    assert_eq!(
        store.put_with(b"k", b"1", &how(Condition::Present)),
        refused(None)
    );
    let first = store.put_with(b"k", b"1", &how(Condition::Absent)).unwrap();
    assert_eq!(
        store.put_with(b"k", b"2", &how(Condition::Absent)),
        refused(Some(first))
    );
    let second = store
        .put_with(b"k", b"2", &how(Condition::Seq(first)))
        .unwrap();
    assert!(second > first);
    let stale = store.delete_with(b"k", &how(Condition::Seq(first)));
    assert_eq!(stale.map(|_| 0), refused(Some(second)));
    store.rotate().unwrap();
    store.merge_all(|_, _| {}).unwrap();
    // A merge moves the record and keeps its version.
    let gone = store
        .delete_with(b"k", &how(Condition::Seq(second)))
        .unwrap();
    assert!(gone.is_some_and(|seq| seq > second));
    assert_eq!(
        store.put_with(b"k", b"3", &how(Condition::Seq(second))),
        refused(None)
    );
    store.put_with(b"k", b"3", &how(Condition::Absent)).unwrap();
}

#[test]
fn an_expired_key_is_absent_for_a_condition() {
    let mut world = Script::new();
    world.run("put k v ttl=10; wait 10");
    let how = WriteOptions {
        condition: Some(Condition::Absent),
        ..WriteOptions::default()
    };
    world.store().unwrap().put_with(b"k", b"new", &how).unwrap();
    world.check("get k; ttl k; kill; get k", "k=new forever k=new");
}

// Lives.

#[test]
fn a_key_lives_up_to_its_last_millisecond_and_not_longer() {
    check(
        "put k v ttl=10; wait 9; get k; ttl k; wait 1; get k; ttl k; len",
        "k=v +10 k? missing 0",
    );
    check("put k v ttl=10; wait 10; kill; get k; len; scan", "k? 0 ");
    check(
        "put k v ttl=10; wait 10; del k; put k w; kill; get k",
        "k=w",
    );
}

#[test]
fn expire_persist_and_overwriting_set_the_life_anew() {
    check(
        "put k v; expire k 10; ttl k; persist k; ttl k; wait 20; get k",
        "+10 forever k=v",
    );
    check(
        "put k v ttl=10; put k w; ttl k; wait 20; get k",
        "forever k=w",
    );
    check(
        "put k v ttl=10; put k w ttl=30; wait 20; tick; get k; ttl k; len",
        "k=w +30 1",
    );
    check(
        "put k v ttl=10; expire k 30; rotate; wait 20; merge; kill; get k; ttl k",
        "k=v +30",
    );
    check("expire no 10; persist no; ttl no; len", "missing 0");
}

#[test]
fn a_default_life_is_for_keys_without_one_of_their_own() {
    let mut world = Script::new();
    world.options.default_ttl_ms = Some(100);
    world.run("put a 1; put b 2 ttl=5");
    let store = world.store().unwrap();
    let never = WriteOptions {
        expiry: Expiry::Never,
        ..WriteOptions::default()
    };
    store.put_with(b"c", b"3", &never).unwrap();
    assert_eq!(store.ttl(b"a"), Ok(Ttl::ExpiresAtMs(NOW_MS + 100)));
    world.check("ttl b; ttl c; wait 100; scan", "+5 forever c=3");
}

#[test]
fn a_host_without_a_clock_refuses_lives_and_nothing_else() {
    let disk = SimDisk::new(1);
    disk.set_now_ms(None);
    let mut world = Script::on(disk);
    world.check(
        "put a 1; put b 2 ttl=10; expire a 5; tick; rotate; merge; close; scan",
        "!NoClock !NoClock a=1",
    );
}

#[test]
fn merging_reclaims_expired_keys() {
    let mut world = Script::new();
    for n in 0..50 {
        world.run(&format!("put k{n} x*100 ttl=10"));
    }
    world.run("put a 1; rotate; wait 20");
    let before = world.store().unwrap().stats().unwrap().total_bytes;
    world.run("merge");
    let stats = world.store().unwrap().stats().unwrap();
    assert!(stats.total_bytes * 10 < before);
    assert_eq!(
        (stats.keys, stats.dead_bytes, stats.tombstone_bytes),
        (1, 0, 0)
    );
    world.check("scan; kill; scan", "a=1 a=1");
}

#[test]
fn a_version_whose_life_ended_is_not_the_live_one() {
    let disk = SimDisk::new(1);
    disk.set_now_ms(Some(NOW_MS));
    let mut store = Engine::open(disk.clone(), Options::default()).unwrap();
    store.put(b"k", b"first").unwrap();
    let mut batch = Batch::new();
    batch.put_with("k", "second", Expiry::AfterMs(10));
    store.write(&batch).unwrap();
    let live = |store: &Store| {
        let versions = store.history(b"k").unwrap();
        versions.iter().map(|it| it.live).collect::<Vec<_>>()
    };
    assert_eq!(live(&store), [false, true]);
    disk.set_now_ms(Some(NOW_MS + 10));
    assert_eq!(store.get(b"k").unwrap(), None);
    assert_eq!(live(&store), [false, false]);
}

// The system's own space.

#[test]
fn system_keys_are_out_of_reach_of_user_keys() {
    let mut world = Script::new();
    let store = world.store().unwrap();
    let mut batch = Batch::new();
    batch.put("applied", "user").put_meta("applied", "system");
    store.write(&batch).unwrap();
    assert_eq!(store.get(b"applied").unwrap().unwrap(), b"user");
    assert_eq!(store.get_meta(b"applied").unwrap().unwrap(), b"system");
    world.check("scan; len; history applied", "applied=user 1 user");
    world.run("rotate; merge; del applied; kill");
    let store = world.store().unwrap();
    assert_eq!(store.get_meta(b"applied").unwrap().unwrap(), b"system");
    let mut batch = Batch::new();
    batch.delete_meta("applied");
    store.write(&batch).unwrap();
    assert_eq!(store.get_meta(b"applied").unwrap(), None);
    world.check("clear; len", "0");
}

// Reading.

#[test]
fn get_into_replaces_what_the_buffer_held_and_get_many_keeps_the_order() {
    let mut world = Script::new();
    world.run("put a 11; put b \"\"; put c 333");
    let store = world.store().unwrap();
    let mut buffer = b"left over from before".to_vec();
    for (key, value) in [
        (&b"a"[..], Some(&b"11"[..])),
        (b"no", None),
        (b"b", Some(b"")),
    ] {
        assert_eq!(store.get_into(key, &mut buffer).unwrap(), value.is_some());
        assert_eq!(buffer, value.unwrap_or_default());
    }
    let many = store.get_many(&[b"c", b"no", b"a"]).unwrap();
    assert_eq!(many, [Some(b"333".to_vec()), None, Some(b"11".to_vec())]);
}

#[test]
fn a_value_is_shown_where_it_lies_in_its_record_alone_or_one_of_many() {
    let mut world = Script::new();
    world.run("put a 11; put b \"\"; put c 333");
    let store = world.store().unwrap();
    let mut buffer = b"left over from before".to_vec();
    let found = store.get_record(b"c", &mut buffer).unwrap().unwrap();
    assert_eq!(&buffer[found], b"333");
    assert_eq!(store.get_record(b"no", &mut buffer).unwrap(), None);
    let mut shown = Vec::new();
    let keys: Vec<&[u8]> = (0..99).map(|n| [&b"c"[..], b"no", b"b"][n % 3]).collect();
    let done = store.get_many_with(&keys, &mut buffer, |at, value| {
        assert_eq!(at, shown.len());
        shown.push(value.map(<[u8]>::to_vec));
        Ok(())
    });
    done.unwrap();
    let expected = [Some(b"333".to_vec()), None, Some(Vec::new())];
    assert!(shown.chunks(3).all(|three| three == expected) && shown.len() == 99);
    let refused = store.get_many_with(&keys, &mut buffer, |_, _| Err(Error::Closed));
    assert_eq!(refused, Err(Error::Closed));
}

// Levels of acknowledgement.

#[test]
fn each_level_loses_what_its_sentence_says_and_nothing_else() {
    check(
        "put a 1 synced; put b 2; put c 3 buffered; get c; kill; scan",
        "c=3 a=1 b=2",
    );
    check(
        "put a 1 synced; put b 2; put c 3 buffered; flush; kill; scan",
        "a=1 b=2 c=3",
    );
    check(
        "put a 1 synced; put b 2; put c 3 buffered; cut; scan",
        "a=1",
    );
    check(
        "put a 1 buffered; put b 2 buffered; put c 3; kill; scan",
        "a=1 b=2 c=3",
    );
    check("put a 1 buffered; put b 2 synced; cut; scan", "a=1 b=2");
    check("put a 1; put b 2 buffered; close; cut; scan", "a=1 b=2");
}

#[test]
fn interval_syncing_loses_at_most_its_interval() {
    let mut world = Script::new();
    world.options.sync_every_ms = Some(100);
    world.run("put a 1; wait 100; put b 2; wait 50; put c 3; cut");
    world.check("scan", "a=1 b=2");
    world.run("put c 3; wait 100; tick; cut");
    world.check("scan", "a=1 b=2 c=3");
}

// Failures that must not be borne.

#[test]
fn the_first_failing_sync_of_any_kind_poisons() {
    for call in [Call::Sync, Call::SyncNamespace] {
        for nth in 1.. {
            let mut world = Script::new();
            world.run("put a 1; rotate; put a 2; put b 1");
            world.disk.inject(Fault::once(nth, ErrorKind::Io).on(call));
            let mut refused = false;
            for step in ["rotate", "merge", "put c 1 synced"] {
                let expected = if refused { "!Poisoned" } else { "" };
                let said = world.run(step).said.pop().unwrap_or_default();
                assert!(
                    said == expected || !refused,
                    "{call:?} {nth}: {step}: {said}"
                );
                refused |= !said.is_empty();
            }
            if !refused {
                assert!(nth > 2, "{call:?} was called {nth} times");
                break;
            }
        }
    }
}

// Options.

#[test]
fn options_that_make_no_sense_are_refused_before_anything_is_touched() {
    let policy = MergePolicy::default;
    let bad = [
        Options {
            segment_bytes: 1 << 19,
            ..Options::default()
        },
        Options {
            segment_bytes: (4 << 30) + 1,
            ..Options::default()
        },
        Options {
            key_bytes_max: 65_536,
            ..Options::default()
        },
        Options {
            value_bytes_max: 1 << 32,
            ..Options::default()
        },
        Options {
            default_ttl_ms: Some(0),
            ..Options::default()
        },
        Options {
            merge: MergePolicy {
                min_files: 1,
                ..policy()
            },
            ..Options::default()
        },
        Options {
            merge: MergePolicy {
                max_files: 2,
                ..policy()
            },
            ..Options::default()
        },
        Options {
            merge: MergePolicy {
                window_hours: Some((0, 24)),
                ..policy()
            },
            ..Options::default()
        },
        Options {
            merge: MergePolicy {
                fragmentation_trigger_percent: 0,
                ..policy()
            },
            ..Options::default()
        },
    ];
    for options in bad {
        let disk = SimDisk::new(1);
        let opened: Result<Store, Error> = Engine::open(disk.clone(), options.clone());
        let error = opened.map(|_| ()).unwrap_err();
        assert_eq!(name_of(&error), "BadOption", "{options:?}");
        assert_eq!(disk.steps(), 0);
    }
}

#[test]
fn verify_overwrite_reads_before_it_replaces() {
    let mut world = Script::new();
    world.options.verify_overwrite = true;
    world.check(
        "put a 1; put a 2; put b 1; del b; put b 2; kill; scan",
        "a=2 b=2",
    );
    let how = WriteOptions {
        ack: Some(Ack::Buffered),
        ..WriteOptions::default()
    };
    let store = world.store().unwrap();
    store.put_with(b"a", b"3", &how).unwrap();
    store.put_with(b"a", b"4", &how).unwrap();
    assert_eq!(store.get(b"a").unwrap().unwrap(), b"4");
}

#[cfg(feature = "short-hash")]
#[test]
fn two_keys_of_one_hash_in_one_batch_are_refused_and_neither_replaces_the_other() {
    let mut store = Store::open(SimDisk::new(1), Options::default()).unwrap();
    store.put(b"a", b"1").unwrap();
    let collides = |key: &Vec<u8>| matches!(store.get(key), Err(Error::KeyCollision { .. }));
    let mut names = (0..).map(|n: u32| format!("b{n}").into_bytes());
    let other = names.find(collides).unwrap();
    store.delete(b"a").unwrap();
    let mut both = Batch::new();
    both.put(b"a", b"2").put(other.clone(), b"3");
    let mut undone = Batch::new();
    undone.put(b"a", b"2").delete(other.clone());
    for batch in [both, undone] {
        assert!(matches!(
            store.write(&batch),
            Err(Error::KeyCollision { .. })
        ));
        assert_eq!(store.get(b"a"), Ok(None));
        assert_eq!(store.get(&other), Ok(None));
        assert_eq!(store.len(), 0);
    }
}

#[test]
fn who_opens_to_write_is_refused_options_for_reading_and_else_gets_the_same_store() {
    let disk = SimDisk::new(1);
    let salvage = Options {
        mode: OpenMode::Salvage,
        ..Options::default()
    };
    for options in [Options::read_only(), salvage] {
        let refused = Engine::open_writer(disk.clone(), options).err().unwrap();
        assert_eq!(name_of(&refused), "BadOption");
    }
    let mut store = Engine::open_writer(disk.clone(), Options::default()).unwrap();
    store.put(b"cat", b"meow").unwrap();
    drop(store);
    let store = Engine::open_writer(disk, Options::default()).unwrap();
    assert_eq!((store.len(), store.report().keys), (1, 1));
    assert_eq!(store.get(b"cat").unwrap().as_deref(), Some(&b"meow"[..]));
}
