//! The checksums: CRC-32 (IEEE, reflected), plain or masked with a place.
//!
//! A masked check starts with the file's random salt and the offset, so the same bytes copied
//! inside a value, left over from a deleted file or written to the wrong place do not validate.
//! It is a guard against accidents, not against someone who can read the salt.

#[cfg(all(feature = "small", target_family = "wasm"))]
use super::crc::Hasher;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
use crc32fast::Hasher;

/// Bytes of a mask: the salt and the offset, 8 each, little-endian.
pub(crate) const MASK_BYTES: usize = 8 + 8;

/// CRC-32 of `salt` and `offset` (8 bytes each, little-endian) followed by `bytes`.
#[inline]
pub fn masked(salt: u64, offset: u64, bytes: &[u8]) -> u32 {
    let mut crc = Hasher::new();
    crc.update(&mask(salt, offset));
    crc.update(bytes);
    crc.finalize()
}

/// The bytes that a masked check begins with. A record's head is summed in one go
/// behind them, which costs less than the two sums of [`masked`].
#[inline]
pub(crate) fn mask(salt: u64, offset: u64) -> [u8; MASK_BYTES] {
    (u128::from(offset) << 64 | u128::from(salt)).to_le_bytes()
}

/// CRC-32 of the key followed by the value: the part of a record that moves with it unchanged.
#[inline]
pub fn body(key: &[u8], value: &[u8]) -> u32 {
    let mut crc = Hasher::new();
    crc.update(key);
    crc.update(value);
    crc.finalize()
}

/// The two halves of the key's CRC-32 folded together: tells a rotten value from a rotten key.
#[inline]
pub fn key(key: &[u8]) -> u16 {
    fold(plain(key))
}

/// [`key`] and [`body`] in one pass.
#[inline]
pub fn key_and_body(key: &[u8], value: &[u8]) -> (u16, u32) {
    let mut crc = Hasher::new();
    crc.update(key);
    let key_crc = crc.clone().finalize();
    crc.update(value);
    (fold(key_crc), crc.finalize())
}

#[inline]
fn fold(crc: u32) -> u16 {
    (crc ^ (crc >> 16)) as u16
}

/// CRC-32 of `bytes`.
#[inline]
pub fn plain(bytes: &[u8]) -> u32 {
    let mut crc = Hasher::new();
    crc.update(bytes);
    crc.finalize()
}

/// The one bit of `bytes` whose flip explains that their CRC-32 is not `right`, counted from the
/// lowest bit of the first byte; `None` if no single flip does. Costs a step per bit.
pub fn flipped_bit(bytes: &[u8], right: u32) -> Option<usize> {
    // A CRC is linear: the difference depends on the place of the flip alone, and is what a lone
    // one becomes after as many steps as there are bits from the flip to the end.
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let difference = plain(bytes) ^ right;
    let mut lone = 1_u32;
    for back in 0..bytes.len() * 8 {
        lone = (lone >> 1) ^ (POLYNOMIAL & (lone & 1).wrapping_neg());
        if lone == difference {
            return Some(bytes.len() * 8 - 1 - back);
        }
    }
    None
}

/// A body CRC over bytes that arrive piece by piece: the key first, then the value.
#[derive(Clone, Debug, Default)]
pub struct Running(Hasher);

impl Running {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The CRC of everything taken in.
    pub fn finish(&self) -> u32 {
        self.0.clone().finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_crc_32() {
        assert_eq!(plain(b"123456789"), 0xcbf4_3926);
        assert_eq!(plain(b""), 0);
    }

    #[test]
    fn a_body_is_its_key_then_its_value_however_it_arrives() {
        assert_eq!(body(b"12345", b"6789"), 0xcbf4_3926);
        let mut running = Running::new();
        for byte in b"123456789" {
            running.update(&[*byte]);
        }
        assert_eq!(running.finish(), 0xcbf4_3926);
    }

    #[test]
    fn a_flipped_bit_is_found_by_the_difference_it_makes() {
        let sound = *b"a few bytes";
        let right = plain(&sound);
        assert_eq!(flipped_bit(&sound, right), None);
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(flipped_bit(&bytes, right), Some(bit));
            bytes[(bit / 8 + 3) % sound.len()] ^= 0x11;
            assert_eq!(flipped_bit(&bytes, right), None);
        }
    }

    #[test]
    fn a_mask_is_the_salt_then_the_offset() {
        let bytes = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'x'];
        assert_eq!(masked(1, 2, b"x"), plain(&bytes));
        assert_ne!(masked(1, 2, b"x"), masked(2, 2, b"x"));
        assert_ne!(masked(1, 2, b"x"), masked(1, 3, b"x"));
    }
}
