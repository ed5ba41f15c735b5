//! Numbers that look random and are the same every time (SplitMix64, by Steele, Lea and Flood).

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A permutation of all 64-bit numbers.
pub fn mixed(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

/// A number drawn by a seed.
pub fn mixed_with(seed: u64, n: u64) -> u64 {
    mixed(mixed(seed.wrapping_add(GOLDEN)).wrapping_add(n.wrapping_mul(GOLDEN)))
}

/// A sequence of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mixed(self.0)
    }

    /// A number below `bound`, which is above 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}
