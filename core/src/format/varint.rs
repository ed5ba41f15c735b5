//! Unsigned LEB128: seven bits per byte, the lowest first, the top bit says that more follow.
//!
//! Only the shortest form of a number is a varint, so every value has one encoding and equal
//! records are equal bytes.

use crate::fallible::{self, OutOfMemory};
use crate::prelude::*;

/// The longest varint: ten bytes carry 64 bits.
pub const BYTES_MAX: usize = 10;

/// Why bytes are not a varint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VarintDamage {
    /// The bytes ended before the varint did.
    Short,
    /// Not the shortest form, or more than 64 bits.
    Overlong,
}

/// Appends `v`.
#[inline]
pub fn write(out: &mut Vec<u8>, v: u64) -> Result<(), OutOfMemory> {
    let mut buffer = [0; BYTES_MAX];
    let bytes = put(&mut buffer, 0, v);
    fallible::extend(out, &buffer[..bytes])
}

/// Writes `v` at `at` of a buffer with room for it, and returns where it ends.
#[inline]
pub(crate) fn put(buffer: &mut [u8], mut at: usize, mut v: u64) -> usize {
    while v >= 0x80 {
        buffer[at] = v as u8 | 0x80;
        v >>= 7;
        at += 1;
    }
    buffer[at] = v as u8;
    at + 1
}

/// Reads the varint at `*at` and moves `*at` past it; on `None` it stays.
#[inline]
pub fn read(bytes: &[u8], at: &mut usize) -> Option<u64> {
    take(bytes, at).ok()
}

/// [`read`], telling an unfinished varint from an impossible one.
#[inline]
pub fn take(bytes: &[u8], at: &mut usize) -> Result<u64, VarintDamage> {
    match bytes.get(*at) {
        None => Err(VarintDamage::Short),
        Some(&byte) if byte < 0x80 => {
            *at += 1;
            Ok(u64::from(byte))
        }
        Some(_) => take_long(bytes, at),
    }
}

/// Bytes that `v` takes, 1 to 10.
#[inline]
pub const fn bytes_of(v: u64) -> usize {
    let bits = 64 - (v | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn take_long(bytes: &[u8], at: &mut usize) -> Result<u64, VarintDamage> {
    let mut v = 0;
    for index in 0..BYTES_MAX {
        let byte = *bytes.get(*at + index).ok_or(VarintDamage::Short)?;
        // The tenth byte has room for the 64th bit alone.
        if index == BYTES_MAX - 1 && byte > 1 {
            return Err(VarintDamage::Overlong);
        }
        v |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            if byte == 0 && index > 0 {
                return Err(VarintDamage::Overlong);
            }
            *at += index + 1;
            return Ok(v);
        }
    }
    Err(VarintDamage::Overlong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges() -> impl Iterator<Item = u64> {
        (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1, u64::MAX >> bit])
    }

    #[test]
    fn every_number_reads_back_and_takes_the_bytes_it_says() {
        for v in edges() {
            let mut bytes = Vec::new();
            write(&mut bytes, v).unwrap();
            assert_eq!(bytes.len(), bytes_of(v), "{v}");
            let mut at = 0;
            assert_eq!(read(&bytes, &mut at), Some(v));
            assert_eq!(at, bytes.len());
        }
    }

    #[test]
    fn a_cut_varint_is_short_and_moves_nothing() {
        for v in edges() {
            let mut bytes = Vec::new();
            write(&mut bytes, v).unwrap();
            for cut in 0..bytes.len() {
                let mut at = 0;
                assert_eq!(take(&bytes[..cut], &mut at), Err(VarintDamage::Short));
                assert_eq!(at, 0);
            }
        }
    }

    #[test]
    fn only_the_shortest_form_is_a_varint() {
        let overlong: [&[u8]; 5] = [
            &[0x80, 0x00],
            &[0xff, 0x00],
            &[0x81, 0x80, 0x00],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            &[
                0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01,
            ],
        ];
        for bytes in overlong {
            assert_eq!(
                take(bytes, &mut 0),
                Err(VarintDamage::Overlong),
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn reading_past_the_end_is_short() {
        assert_eq!(take(&[1], &mut 1), Err(VarintDamage::Short));
        assert_eq!(take(&[1], &mut 9), Err(VarintDamage::Short));
        assert_eq!(read(&[], &mut 0), None);
    }
}
