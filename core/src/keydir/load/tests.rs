//! A load against a keydir that is filled key by key.

use super::super::tests::{FAMILIES, Hashes, Random, collect, slot};
use super::*;
use crate::fallible::refusal;

/// Puts the same history into a load and into a keydir: `steps` of them for `keys` different hashes, one
/// in `removals` of them a removal.
fn both(
    mut load: Load,
    hashes: Hashes,
    (keys, steps, removals): (u64, u64, u64),
) -> (Load, Keydir) {
    let mut random = Random(keys);
    let mut keydir = Keydir::new();
    for _ in 0..steps {
        let hash = hashes(random.below(keys));
        if random.below(removals) == 0 {
            load.remove(hash).unwrap();
            keydir.remove(hash);
        } else {
            let new = slot(random.next());
            load.insert(hash, new).unwrap();
            keydir.insert(hash, new).unwrap();
        }
    }
    (load, keydir)
}

/// Finishes a load and compares it with the keydir.
fn check(load: Load, keydir: &Keydir) {
    let mut shown = 0;
    let loaded = load.finish(|_| shown += 1).unwrap();
    loaded.check_invariants();
    assert_eq!(loaded.len(), keydir.len());
    assert_eq!(collect(loaded.scan(0)), collect(keydir.scan(0)));
    assert_eq!(shown, keydir.len());
}

/// A load that is cut up although it is small.
fn split_load() -> Load {
    let mut load = Load::default();
    load.first_pile().unwrap();
    load.split().unwrap();
    load
}

#[test]
fn a_load_makes_what_insertions_and_removals_make() {
    for hashes in FAMILIES {
        for (keys, steps) in [(1, 50), (3, 300), (40, 4_000), (1_000, 3_000)] {
            for removals in [2, 5, u64::MAX] {
                for load in [Load::default(), split_load()] {
                    let (load, keydir) = both(load, hashes, (keys, steps, removals));
                    check(load, &keydir);
                }
            }
        }
    }
    check(Load::default(), &Keydir::new());
}

#[test]
fn taking_out_what_is_superseded_changes_nothing() {
    for hashes in FAMILIES {
        for mut load in [Load::default(), split_load()] {
            let mut keydir = Keydir::new();
            let mut random = Random(3);
            for step in 0..3_000 {
                let (hash, new) = (hashes(random.below(200)), slot(step));
                match random.below(4) {
                    0 => {
                        load.remove(hash).unwrap();
                        keydir.remove(hash);
                    }
                    _ => {
                        load.insert(hash, new).unwrap();
                        keydir.insert(hash, new).unwrap();
                    }
                }
                if random.below(500) == 0 {
                    load.settle().unwrap();
                    assert_eq!(load.len, keydir.len());
                }
            }
            check(load, &keydir);
        }
    }
}

#[test]
fn a_load_longer_than_one_table_is_cut_up_and_a_hot_one_is_not() {
    let keys = SPLIT_KEYS as u64 * 2;
    let (load, keydir) = both(Load::default(), FAMILIES[0], (keys, keys, 9));
    assert_eq!(load.piles.len(), SHARDS);
    check(load, &keydir);

    let (load, keydir) = both(Load::default(), FAMILIES[0], (1_000, 150_000, 9));
    assert_eq!(load.piles.len(), 1);
    assert!(load.piles[0].capacity() < 2 * SPLIT_KEYS);
    check(load, &keydir);
}

/// Keys that are overwritten again and again cost memory for a few versions each, not for all.
#[test]
fn what_is_superseded_does_not_pile_up() {
    let keys = 20_000;
    let (load, keydir) = both(Load::default(), FAMILIES[0], (keys, 20 * keys, u64::MAX));
    let room: usize = load.piles.iter().map(Vec::capacity).sum();
    assert!(room as u64 <= keys * 6, "room for {room}");
    check(load, &keydir);
}

#[test]
fn tables_lie_in_the_room_that_was_reserved_for_them() {
    for keys in [1_000, 100_000] {
        let mut load = Load::default();
        load.reserve(keys, keys).unwrap();
        for n in 0..keys as u64 {
            load.insert(FAMILIES[0](n), slot(n)).unwrap();
        }
        let keydir = load.finish(|_| ()).unwrap();
        keydir.check_invariants();
        assert!(keydir.memory_bytes() < keys * 245 / 10);
    }
    // Room that nobody came for is given back.
    let mut load = Load::default();
    load.reserve(1_000_000, 1).unwrap();
    load.insert(FAMILIES[0](1), slot(1)).unwrap();
    let keydir = load.finish(|_| ()).unwrap();
    assert!(keydir.memory_bytes() <= SHARDS * size_of::<Shard>() + 300);
}

#[test]
fn a_refused_allocation_is_an_error_and_loses_nothing_before_it() {
    let mut load = Load::default();
    assert_eq!(load.reserve(usize::MAX, 1), Err(OutOfMemory));
    let mut keydir = Keydir::new();
    for n in 0..2_000 {
        let (hash, new) = (FAMILIES[0](n), slot(n));
        if refusal::after(0, || load.insert(hash, new)).is_err() {
            load.insert(hash, new).unwrap();
        }
        keydir.insert(hash, new).unwrap();
    }
    let refused = refusal::after(0, || load.settle());
    assert_eq!(refused, Err(OutOfMemory));
    check(load, &keydir);

    for granted in 0..3 {
        let (load, _) = both(Load::default(), FAMILIES[0], (1_000, 1_000, 9));
        let refused = refusal::after(granted, || load.finish(|_| ()));
        assert!(refused.is_err(), "{granted}");
    }
}
