//! CRC-32 with a table of 1 KiB: a byte at a time, where the size of the program counts more than its speed.

/// For each byte, what it adds to the remainder. Little-endian bits, as the IEEE polynomial is used everywhere.
static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ (POLYNOMIAL & (remainder & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

/// Stands in for the hasher of `crc32fast`.
#[derive(Clone, Debug, Default)]
pub(super) struct Hasher(u32);

impl Hasher {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let mut crc = !self.0;
        for byte in bytes {
            crc = (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)];
        }
        self.0 = !crc;
    }

    pub(super) fn finalize(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[test]
    fn the_small_table_gives_the_checks_that_the_fast_one_gives() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| ((n * n) >> 3) as u8).collect();
        for length in 0..bytes.len() {
            let (one, two) = bytes[..length].split_at(length / 3);
            let mut small = Hasher::new();
            small.update(one);
            small.update(two);
            assert_eq!(small.finalize(), crc32fast::hash(&bytes[..length]));
        }
    }
}
