//! A hasher that costs one multiplication a word.

/// For side tables of our own numbers and of keyed hashes, which nobody outside can choose.
pub(crate) type Mixed = core::hash::BuildHasherDefault<Mixer>;

/// Mixes words by a multiplication (Knuth, TAOCP 6.4: the golden ratio of 2^64).
#[derive(Default)]
pub(crate) struct Mixer(u64);

impl core::hash::Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(29) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
