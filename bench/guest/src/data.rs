//! Keys and values: cheap to make, and every value can be checked against its key.
//!
//! ```text
//!   key     a bijection of a counter: 16 (or 8) bytes that look random and never repeat
//!   value   checksum 8 | random bytes; the checksum is seeded with the key
//! ```

use std::hint::black_box;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of the longest key.
pub const KEY_BYTES_MAX: usize = 16;
/// Bytes of a value's checksum.
const SUM_BYTES: usize = 8;

/// Sizes of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// 8 or 16.
    pub key_bytes: usize,
    /// At least 16.
    pub value_bytes: usize,
}

/// 16 B and 100 B.
pub const SMALL: Shape = Shape {
    key_bytes: 16,
    value_bytes: 100,
};
/// 8 B and 1 KiB.
pub const MIDDLE: Shape = Shape {
    key_bytes: 8,
    value_bytes: 1 << 10,
};
/// 16 B and 1 MiB.
pub const LARGE: Shape = Shape {
    key_bytes: 16,
    value_bytes: 1 << 20,
};

/// A key.
#[derive(Clone, Copy)]
pub struct Key {
    number: u64,
    all: [u8; KEY_BYTES_MAX],
    bytes: usize,
}

impl Key {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.all[..self.bytes]
    }
}

impl Shape {
    /// Bytes that a user stores with `keys` of these.
    pub fn user_bytes(self, keys: u64) -> u64 {
        keys * (self.key_bytes + self.value_bytes) as u64
    }

    /// The key of a number: each half is a bijection, so that 8 bytes of it are one too.
    pub fn key(self, number: u64) -> Key {
        let mut all = [0; KEY_BYTES_MAX];
        all[..8].copy_from_slice(&mixed(number).to_le_bytes());
        all[8..].copy_from_slice(&mixed(!number).to_le_bytes());
        let bytes = self.key_bytes;
        Key { number, all, bytes }
    }

    /// Ends the program if `value` was never made for this key: no figure of a store that answers
    /// wrongly is worth printing. Reads every byte.
    pub fn check(self, key: &Key, value: &[u8]) {
        let is_whole = value.len() == self.value_bytes;
        let sum = value.first_chunk::<SUM_BYTES>();
        let is_right = is_whole
            && sum.is_some_and(|sum| {
                u64::from_le_bytes(*sum)
                    == xxh3_64_with_seed(&value[SUM_BYTES..], mixed(key.number))
            });
        assert!(
            is_right,
            "what key {} got was never stored for it",
            key.number
        );
    }
}

/// Makes entries, in memory of its own.
pub struct Maker {
    shape: Shape,
    key: Key,
    value: Vec<u8>,
    random: Random,
}

impl Maker {
    /// Makers with different seeds make different values for the same keys.
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            key: shape.key(0),
            value: vec![0; shape.value_bytes],
            random: Random::new(seed),
        }
    }

    /// The key of a number, and a new value for it.
    pub fn entry(&mut self, number: u64) -> (&[u8], &[u8]) {
        self.key = self.shape.key(number);
        let mut state = self.random.bits();
        for word in self.value[SUM_BYTES..].chunks_mut(8) {
            // A sequence of 2^64 different words; the product hides the step.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
            word.copy_from_slice(&mixed.to_le_bytes()[..word.len()]);
        }
        let sum = xxh3_64_with_seed(&self.value[SUM_BYTES..], mixed(number));
        self.value[..SUM_BYTES].copy_from_slice(&sum.to_le_bytes());
        (self.key.bytes(), &self.value)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), a bijection.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// SplitMix64: fast, and the same run for the same seed.
pub struct Random(u64);

impl Random {
    /// Every seed gives another run.
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Keys as YCSB draws them: few are asked for often, and those are scattered over all keys.
///
/// The method of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), with the
/// constant 0.99 and the scrambling of YCSB's `ScrambledZipfianGenerator`.
pub struct Zipf {
    keys: u64,
    zeta: f64,
    alpha: f64,
    eta: f64,
    second: f64,
}

const THETA: f64 = 0.99;

impl Zipf {
    /// For keys below `keys`. Costs a sum over all of them.
    pub fn new(keys: u64) -> Self {
        let sum = |n: u64| (1..=n).map(|i| (i as f64).powf(-THETA)).sum::<f64>();
        let zeta = sum(keys);
        Self {
            keys,
            zeta,
            alpha: 1.0 / (1.0 - THETA),
            eta: (1.0 - (2.0 / keys as f64).powf(1.0 - THETA)) / (1.0 - sum(2) / zeta),
            second: 1.0 + 0.5f64.powf(THETA),
        }
    }

    /// A key's number.
    pub fn draw(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let at = unit * self.zeta;
        let rank = if at < 1.0 {
            0
        } else if at < self.second {
            1
        } else {
            (self.keys as f64 * (self.eta * unit - self.eta + 1.0).powf(self.alpha)) as u64
        };
        // Scattered, so that neighbours in rank are no neighbours in any store.
        mixed(rank) % self.keys
    }
}

/// Nanoseconds that the harness itself costs, which every row includes.
pub struct OwnCost {
    /// Making a key and a value.
    pub make_ns: f64,
    /// Checking a value.
    pub check_ns: f64,
    /// Drawing a zipfian key.
    pub zipf_ns: f64,
    /// Reading the clock twice, as the percentiles need it.
    pub clock_ns: f64,
}

impl OwnCost {
    /// Measures it with values of 100 B.
    pub fn measure() -> Self {
        const TIMES: u64 = 1_000_000;
        let mut maker = Maker::new(SMALL, 1);
        let mut random = Random::new(2);
        let zipf = Zipf::new(TIMES);
        let make_ns = per_time(TIMES, |i| {
            black_box(maker.entry(i));
        });
        let value = maker.entry(7).1.to_vec();
        Self {
            make_ns,
            check_ns: per_time(TIMES, |_| {
                SMALL.check(&SMALL.key(black_box(7)), black_box(&value))
            }),
            zipf_ns: per_time(TIMES, |_| {
                black_box(zipf.draw(&mut random));
            }),
            clock_ns: per_time(TIMES, |_| {
                black_box(std::time::Instant::now().elapsed());
            }),
        }
    }
}

fn per_time(times: u64, mut deed: impl FnMut(u64)) -> f64 {
    let start = std::time::Instant::now();
    (0..times).for_each(&mut deed);
    start.elapsed().as_nanos() as f64 / times as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_never_repeat_in_any_length() {
        for key_bytes in [8, 16] {
            let shape = Shape { key_bytes, ..SMALL };
            let keys: HashSet<Vec<u8>> =
                (0..50_000).map(|n| shape.key(n).bytes().to_vec()).collect();
            assert_eq!(keys.len(), 50_000);
            assert!(keys.iter().all(|key| key.len() == key_bytes));
        }
    }

    fn passes(number: u64, value: &[u8]) -> bool {
        std::panic::catch_unwind(|| SMALL.check(&SMALL.key(number), value)).is_ok()
    }

    #[test]
    fn a_value_passes_for_its_own_key_only() {
        let value = Maker::new(SMALL, 0).entry(5).1.to_vec();
        assert!(passes(5, &value));
        assert!(!passes(6, &value));
    }

    #[test]
    fn one_wrong_bit_anywhere_is_noticed() {
        let mut value = Maker::new(SMALL, 0).entry(5).1.to_vec();
        for bit in 0..value.len() * 8 {
            value[bit / 8] ^= 1 << (bit % 8);
            assert!(!passes(5, &value), "bit {bit}");
            value[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn the_hottest_key_gets_what_the_law_says() {
        let (zipf, mut random) = (Zipf::new(1000), Random::new(3));
        let hottest = mixed(0) % 1000;
        let hits = (0..100_000)
            .filter(|_| zipf.draw(&mut random) == hottest)
            .count();
        // The first rank's share is 1 / zeta(1000, 0.99) = 13.2 %; scrambling may add another rank.
        assert!((12_000..16_000).contains(&hits), "{hits}");
    }
}
