//! The keydir against a `BTreeMap`, and its promises about memory, order and sizes.

use super::*;
use compat::collections::BTreeMap;

/// SplitMix64 (Steele, Lea and Flood, 2014): a seed makes a test's world.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A family of hashes: the `n`th of it.
type Hashes = fn(u64) -> KeyHash;

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

const FAMILIES: [Hashes; 7] = [
    even,
    all_in_one_shard,
    consecutive,
    consecutive_up_to_the_last,
    equal_hi,
    few_his,
    sixteen_bits,
];

fn slot(n: u64) -> Slot {
    Slot {
        place: Place {
            segment: (n >> 32) as u16,
            offset: n as u32,
        },
        size: SizeClass::of(n % 5000),
        has_ttl: n.is_multiple_of(3),
    }
}

fn collect(from: impl Iterator<Item = (KeyHash, Slot)>) -> Vec<(KeyHash, Slot)> {
    from.collect()
}

/// Applies random operations on `keys` different hashes to a keydir and to the model.
fn compare_with_model(hashes: Hashes, keys: u64, steps: u64, seed: u64) {
    let mut random = Random(seed);
    let mut keydir = Keydir::new();
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
    for (family, hashes) in FAMILIES.into_iter().enumerate() {
        for (keys, steps) in [(1, 50), (3, 300), (40, 4_000), (2_000, 30_000)] {
            compare_with_model(hashes, keys, steps, family as u64);
        }
    }
}
