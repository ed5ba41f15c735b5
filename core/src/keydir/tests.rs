//! The keydir against a `BTreeMap`, and its promises about memory, order and sizes.

use super::*;
use crate::fallible::refusal;
use compat::collections::{BTreeMap, BTreeSet};
use core::ops::Range;

/// SplitMix64 (Steele, Lea and Flood, 2014): a seed makes a test's world.
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A family of hashes: the `n`th of it.
pub(super) type Hashes = fn(u64) -> KeyHash;

fn even(n: u64) -> KeyHash {
    let mut random = Random(n);
    KeyHash {
        hi: random.next(),
        lo: random.next() as u32,
    }
}

fn all_in_one_shard(n: u64) -> KeyHash {
    let KeyHash { hi, lo } = even(n);
    KeyHash {
        hi: hi >> 8 | 0xAB << 56,
        lo,
    }
}

fn consecutive(n: u64) -> KeyHash {
    KeyHash { hi: n, lo: 0 }
}

fn consecutive_up_to_the_last(n: u64) -> KeyHash {
    KeyHash {
        hi: u64::MAX - n,
        lo: u32::MAX,
    }
}

fn equal_hi(n: u64) -> KeyHash {
    KeyHash {
        hi: 0x8000_0000_0000_0000,
        lo: n as u32,
    }
}

fn few_his(n: u64) -> KeyHash {
    KeyHash {
        hi: (n % 7) * (u64::MAX / 6),
        lo: (n / 7) as u32,
    }
}

fn sixteen_bits(n: u64) -> KeyHash {
    KeyHash { hi: n << 48, lo: 0 }
}

pub(super) const FAMILIES: [Hashes; 7] = [
    even,
    all_in_one_shard,
    consecutive,
    consecutive_up_to_the_last,
    equal_hi,
    few_his,
    sixteen_bits,
];

pub(super) fn slot(n: u64) -> Slot {
    Slot {
        place: Place {
            segment: (n >> 32) as u16,
            offset: n as u32,
        },
        size: SizeClass::of(n % 5000),
        has_ttl: n.is_multiple_of(3),
    }
}

pub(super) fn collect(from: impl Iterator<Item = (KeyHash, Slot)>) -> Vec<(KeyHash, Slot)> {
    from.collect()
}

/// A keydir that was cut into shards although it is small.
fn split_keydir() -> Keydir {
    let mut keydir = Keydir::new();
    keydir.first_shard().unwrap();
    keydir.split().unwrap();
    keydir
}

/// `keys` hashes of a family.
fn filled(hashes: Hashes, keys: u64) -> Keydir {
    let mut keydir = Keydir::new();
    add(&mut keydir, hashes, 0..keys);
    keydir
}

fn add(keydir: &mut Keydir, hashes: Hashes, keys: Range<u64>) {
    for n in keys {
        assert_eq!(keydir.insert(hashes(n), slot(n)), Ok(None));
    }
}

/// Applies random operations on `keys` different hashes to a keydir and to the model.
fn compare_with_model(mut keydir: Keydir, hashes: Hashes, keys: u64, steps: u64) {
    let mut random = Random(keys);
    let mut model = BTreeMap::new();
    for step in 0..steps {
        let hash = hashes(random.below(keys));
        let new = slot(random.next());
        // Phases of mostly growing and mostly shrinking.
        let growing = (step / (2 * keys)).is_multiple_of(2);
        let insertions = if growing { 6 } else { 2 };
        match random.below(10) {
            choice if choice < insertions => {
                assert_eq!(keydir.insert(hash, new), Ok(model.insert(hash, new)));
            }
            6 => {
                let expected = slot(random.next()).place;
                assert!(!keydir.replace_if(hash, expected, new));
                let old = model.get(&hash).copied();
                let place = old.map_or(expected, |old| old.place);
                assert_eq!(keydir.replace_if(hash, place, new), old.is_some());
                model.entry(hash).and_modify(|slot| *slot = new);
            }
            7 => assert_eq!(keydir.get(hash), model.get(&hash).copied()),
            _ => assert_eq!(keydir.remove(hash), model.remove(&hash)),
        }
        assert_eq!(keydir.len(), model.len());
        if step % (keys / 4).max(16) == 0 {
            keydir.check_invariants();
            let KeyHash { hi, .. } = hash;
            let from = KeyHash { hi, lo: 0 };
            let wanted = model.range(from..).map(|(hash, slot)| (*hash, *slot));
            assert_eq!(collect(keydir.scan(hi)), collect(wanted));
            let to = KeyHash { hi, lo: u32::MAX };
            let wanted = model.range(from..=to).map(|(hash, slot)| (*hash, *slot));
            assert_eq!(collect(keydir.find_hi(hi)), collect(wanted));
        }
    }
    keydir.check_invariants();
}

#[test]
fn any_history_answers_like_a_sorted_map() {
    for hashes in FAMILIES {
        for (keys, steps) in [(1, 50), (3, 300), (40, 4_000), (1_000, 15_000)] {
            compare_with_model(Keydir::new(), hashes, keys, steps);
            compare_with_model(split_keydir(), hashes, keys, steps);
        }
    }
}

#[test]
fn a_small_table_cut_into_shards_has_all_its_keys() {
    for hashes in FAMILIES {
        for keys in [0, 1, 5, 300, 3_000] {
            let mut keydir = filled(hashes, keys);
            keydir.first_shard().unwrap();
            let before = collect(keydir.scan(0));
            keydir.split().unwrap();
            keydir.check_invariants();
            assert_eq!(collect(keydir.scan(0)), before);
            assert_eq!(keydir.len(), before.len());
        }
    }
}

#[test]
fn growing_past_the_split_keeps_every_key() {
    let keys = SPLIT_KEYS as u64 + 5_000;
    let mut keydir = filled(even, keys);
    keydir.check_invariants();
    assert_eq!(keydir.shards.len(), SHARDS);
    for n in 0..keys {
        assert_eq!(keydir.get(even(n)), Some(slot(n)));
        assert_eq!(keydir.get(even(n + keys)), None);
    }
    let sorted: BTreeMap<_, _> = (0..keys).map(|n| (even(n), slot(n))).collect();
    assert!(keydir.scan(0).eq(sorted));
    assert_eq!(keydir.remove(even(0)), Some(slot(0)));
}

#[test]
fn hashes_that_all_share_one_home_cost_time_and_not_much_memory() {
    let keydir = filled(equal_hi, 5_000);
    keydir.check_invariants();
    assert_eq!(keydir.scan(0).count(), 5_000);
    assert!(keydir.memory_bytes() < 5_000 * 50);
}

/// Scans in pages while other keys come and go, and while the table grows, is cut and shrinks.
#[test]
fn a_resumed_scan_meets_each_key_once_while_others_come_and_go() {
    for hashes in FAMILIES {
        for seed in 0..4 {
            let mut random = Random(seed);
            let mut keydir = Keydir::new();
            let (steady, all) = (200, 1_200);
            add(&mut keydir, hashes, 0..steady);
            let mut seen = BTreeSet::new();
            let mut cursor = Some(0);
            while let Some(from) = cursor {
                let mut page = keydir.scan(from).peekable();
                let mut left = random.below(20);
                cursor = None;
                while let Some((hash, _)) = page.next() {
                    assert!(hash.hi >= from);
                    assert!(seen.insert(hash), "{hash:?} twice");
                    left = left.saturating_sub(1);
                    let ends = page.peek().is_some_and(|(next, _)| next.hi != hash.hi);
                    if left == 0 && ends {
                        cursor = hash.hi.checked_add(1);
                        break;
                    }
                }
                drop(page);
                for _ in 0..random.below(200) {
                    let n = steady + random.below(all - steady);
                    if random.below(3) > 0 {
                        keydir.insert(hashes(n), slot(n)).unwrap();
                    } else {
                        keydir.remove(hashes(n));
                    }
                }
                match random.below(20) {
                    0 => keydir.split().unwrap(),
                    1 => keydir.reserve(3_000).unwrap(),
                    2 => keydir.shrink(),
                    _ => {}
                }
            }
            assert!((0..steady).all(|n| seen.contains(&hashes(n))));
        }
    }
}

#[test]
fn a_refused_allocation_changes_nothing_and_the_next_try_may_succeed() {
    for hashes in FAMILIES {
        for mut keydir in [Keydir::new(), split_keydir()] {
            let mut refused = 0;
            for n in 0..1_000 {
                let (hash, new) = (hashes(n), slot(n));
                let (len, memory) = (keydir.len(), keydir.memory_bytes());
                if refusal::after(0, || keydir.insert(hash, new)).is_err() {
                    refused += 1;
                    keydir.check_invariants();
                    assert_eq!((keydir.len(), keydir.memory_bytes()), (len, memory));
                    assert_eq!(keydir.get(hash), None);
                    assert_eq!(keydir.insert(hash, new), Ok(None));
                }
                // What is there is replaced and removed without memory.
                let again = refusal::after(0, || keydir.insert(hash, new));
                assert_eq!(again, Ok(Some(new)));
                if n % 5 == 0 {
                    let gone = hashes(n / 2);
                    let old = keydir.get(gone);
                    assert_eq!(refusal::after(0, || keydir.remove(gone)), old);
                    keydir.insert(gone, slot(n / 2)).unwrap();
                }
            }
            assert!(refused > 5, "refused {refused} times");
            assert!((0..1_000).all(|n| keydir.get(hashes(n)) == Some(slot(n))));
        }
    }
}

#[test]
fn a_refused_reservation_or_split_keeps_every_key() {
    for granted in [0, 1, 2, 100, 256, 257] {
        let mut keydir = filled(even, 1_000);
        let before = collect(keydir.scan(0));
        let refused = refusal::after(granted, || keydir.reserve(SPLIT_KEYS));
        assert_eq!(refused, Err(OutOfMemory));
        keydir.check_invariants();
        assert_eq!(collect(keydir.scan(0)), before);
    }
    let mut keydir = filled(even, 10);
    assert_eq!(keydir.reserve(usize::MAX), Err(OutOfMemory));
    keydir.check_invariants();
    assert_eq!(keydir.len(), 10);
}

/// A store at the splitting point that has no memory for 256 tables goes on with one.
#[test]
fn a_refused_split_does_not_stop_the_writer() {
    let mut keydir = filled(even, SPLIT_KEYS as u64 - 1);
    keydir.shards[0].reserve(10_000).unwrap();
    let at = SPLIT_KEYS as u64 - 1;
    assert_eq!(
        refusal::after(9, || keydir.insert(even(at), slot(at))),
        Ok(None)
    );
    assert_eq!(keydir.shards.len(), 1);
    add(&mut keydir, even, at + 1..at + 2);
    assert_eq!(keydir.shards.len(), SHARDS);
    keydir.check_invariants();
}

#[test]
fn an_empty_keydir_allocates_nothing_and_a_small_one_little() {
    let mut keydir = Keydir::new();
    assert_eq!(keydir.memory_bytes(), 0);
    assert_eq!(keydir.get(even(0)), None);
    assert_eq!(keydir.remove(even(0)), None);
    assert!(!keydir.replace_if(even(0), slot(0).place, slot(1)));
    assert_eq!(keydir.scan(0).count() + keydir.find_hi(0).count(), 0);
    keydir.shrink();
    assert_eq!(keydir.memory_bytes(), 0);
    add(&mut keydir, even, 0..10);
    assert!(keydir.memory_bytes() < 512);
    add(&mut keydir, even, 10..1_000);
    assert!(keydir.memory_bytes() < 26 * 1_000);
}

#[test]
fn a_key_costs_less_than_24_bytes_at_every_size() {
    let mut keydir = filled(even, 90_000);
    let (mut sum, mut points) = (0, 0);
    let mut keys = 90_000;
    while keys < 2_000_000 {
        let more = keys / 100;
        add(&mut keydir, even, keys..keys + more);
        keys += more;
        // In thousandths of a byte.
        let each = keydir.memory_bytes() as u64 * 1000 / keys;
        assert!(each < 24_000, "{each} at {keys}");
        (sum, points) = (sum + each, points + 1);
    }
    assert!(sum / points < 23_800, "{} on average", sum / points);
}

#[test]
fn tables_grow_one_after_another() {
    let sizes =
        |keydir: &Keydir| -> Vec<usize> { keydir.shards.iter().map(Shard::memory_bytes).collect() };
    let mut keydir = Keydir::new();
    keydir.reserve(1_000_000).unwrap();
    let reserved = sizes(&keydir);
    assert!(reserved.is_sorted_by(|smaller, larger| smaller < larger));
    assert!(reserved[SHARDS - 1] * 100 > reserved[0] * 112);

    let keys = 200_000;
    let mut keydir = filled(even, keys);
    for step in 0..25 {
        let before = sizes(&keydir);
        let from = keys + step * keys / 200;
        add(&mut keydir, even, from..from + keys / 200);
        let grown = before
            .iter()
            .zip(sizes(&keydir))
            .filter(|(old, new)| *old < new);
        // Half a percent more keys: a twenty-fourth of the tables is due.
        assert!(grown.count() < SHARDS / 8);
    }
}

#[test]
fn reserved_room_is_used_and_what_is_not_needed_can_be_given_back() {
    for keys in [1_000, 100_000] {
        let mut keydir = Keydir::new();
        keydir.reserve(keys).unwrap();
        let reserved = keydir.memory_bytes();
        assert!(reserved < keys * 24);
        // Also while the first keys come and go.
        add(&mut keydir, even, 0..50);
        (0..50).for_each(|n| assert!(keydir.remove(even(n)).is_some()));
        assert_eq!(keydir.memory_bytes(), reserved);
        add(&mut keydir, even, 0..keys as u64);
        assert!(keydir.memory_bytes() < keys * 245 / 10);

        keydir.reserve(keys * 4).unwrap();
        assert!(keydir.memory_bytes() > keys * 100);
        keydir.shrink();
        assert!(keydir.memory_bytes() < keys * 25);
        keydir.check_invariants();
        assert_eq!(keydir.len(), keys);
    }
}

#[test]
fn removed_keys_give_their_memory_back() {
    let mut keydir = filled(even, 100_000);
    for n in 10_000..100_000 {
        assert_eq!(keydir.remove(even(n)), Some(slot(n)));
    }
    assert!(keydir.memory_bytes() < 10_000 * 20 * 8 / 3 + 30_000);
    keydir.check_invariants();
    for n in 0..10_000 {
        assert_eq!(keydir.remove(even(n)), Some(slot(n)));
    }
    assert!(keydir.is_empty());
    assert!(keydir.memory_bytes() <= SHARDS * size_of::<Shard>() + 12 * 20 * SHARDS);
}
