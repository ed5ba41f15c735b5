//! What an opening finds of calls that failed, and crashes in the middle of it.

use crate::common::{Script, file};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{AllKept, Call, Dice, Fault, Laws, Leaves, NothingKept, SimDisk};
use portcask_core::testing::world::{Store, World};
use portcask_core::{Ack, Engine, WriteOptions};

#[test]
fn a_close_that_fails_leaves_the_store_as_after_a_crash() {
    for call in ["append", "sync"] {
        for nth in 1..4 {
            let mut world = Script::new();
            world.run(&format!("put a 1; put b 2; fail {call} {nth}; close; heal"));
            world.check(
                "scan; put c 3; close; scan; report",
                "a=1 b=2 a=1 b=2 c=3 clean",
            );
        }
    }
}

/// What was begun and could not be taken back is not a stranger's file.
#[test]
fn a_segment_that_could_be_neither_made_nor_removed_goes_with_the_next_chance() {
    let mut world = Script::new();
    world.check(
        "put a 1; fail append 2; fail remove; rotate; heal",
        "!Storage",
    );
    assert_eq!(world.newest_segment().as_str(), "segment-0000000002");
    world.check("rotate; put b 2; close; open; scan", "a=1 b=2");
    assert!(world.disk.bytes(&file("segment-0000000002")).is_none());
}

/// A write that fails leaves an empty segment behind, whose hint has nothing to cover.
#[test]
fn what_a_failed_append_leaves_of_a_hint_is_not_taken_for_damage() {
    for (nth, removable) in (1..=6).flat_map(|nth| [(nth, true), (nth, false)]) {
        let mut world = Script::new();
        world.run("put a 1; put b 2");
        let leaves = Leaves::Zeros;
        let append = Fault::once(nth, ErrorKind::Io).on(Call::Append);
        world.disk.inject(Fault { leaves, ..append });
        let faults = [(Call::Truncate, true), (Call::Remove, !removable)];
        for (call, fails) in faults {
            if fails {
                world.disk.inject(Fault::from(1, ErrorKind::Io).on(call));
            }
        }
        world.run("rotate; heal; rotate; put c 3");
        world.check(
            "verify; scan; close; verify; scan",
            "sound a=1 b=2 c=3 sound a=1 b=2 c=3",
        );
    }
}

#[test]
fn the_hint_of_an_empty_segment_cannot_be_damaged() {
    let mut world = Script::new();
    world.check("put a 1; rotate; fail append 1; put b 2; heal", "!Storage");
    let empty = world.newest_segment();
    let hint = empty.as_str().replace("segment", "hint");
    world.check("put b 2; sync; kill; verify", "sound");
    world.check(
        &format!("flip {hint} 10; verify; kill; scan; verify"),
        "sound a=1 b=2 sound",
    );
}

#[test]
fn recovery_cut_short_three_times_over_reaches_the_same_state() {
    let mut world = World::new(3, Laws::DISK);
    world.open().unwrap();
    let store = world.store.as_mut().unwrap();
    let synced = WriteOptions {
        ack: Some(Ack::Synced),
        ..WriteOptions::default()
    };
    store.put(b"a", b"1").unwrap();
    store.rotate().unwrap();
    store.put_with(b"b", b"2", &synced).unwrap();
    store.put(b"c", b"3").unwrap();
    store.put(b"d", b"4").unwrap();
    world.store = None;
    let crashed = world.disk.crash(&mut AllKept);
    let show = |disk: &SimDisk| {
        let store: Store = Engine::open(disk.clone(), World::options()).unwrap();
        let mut pairs: Vec<_> = store.iter().map(|entry| entry.unwrap().key).collect();
        pairs.sort();
        assert!(!store.report().degraded && store.report().damages.is_empty());
        pairs
    };
    let expected = [b"a", b"b", b"c", b"d"];
    assert_eq!(show(&crashed), expected);
    let changes = crashed.changes();
    for first in 0..=changes {
        let once = crashed.crash_at(first, &mut Dice::new(first as u64));
        assert_eq!(show(&once), expected, "cut at {first}");
        for second in (0..=once.changes()).step_by(5) {
            let twice = once.crash_at(second, &mut Dice::new(second as u64));
            assert_eq!(show(&twice), expected, "cut at {first}, {second}");
            let third = (first * 7 + second) % (twice.changes() + 1);
            let thrice = twice.crash_at(third, &mut NothingKept);
            assert_eq!(show(&thrice), expected, "cut at {first}, {second}, {third}");
        }
    }
}
