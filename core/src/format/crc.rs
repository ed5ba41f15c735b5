//! CRC-32 with four tables of 1 KiB, made at the first use: where the size of the program counts more than its speed.
//!
//! Four bytes at a time, each looked up in the table of its distance from the end ("slicing by four", Kounavis and
//! Berry 2005); and a table that is made is none that is loaded.

use core::sync::atomic::{AtomicU32, Ordering};

/// Little-endian bits, as it is used everywhere.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// For each byte, what it adds to the remainder when so many bytes follow it. All zeros until [`made`].
static TABLES: [[AtomicU32; 256]; 4] = [const { [const { AtomicU32::new(0) }; 256] }; 4];

/// Written last, and never zero.
fn last() -> &'static AtomicU32 {
    &TABLES[3][255]
}

/// The tables. Threads that meet here at once make the same ones.
fn tables() -> &'static [[AtomicU32; 256]; 4] {
    if last().load(Ordering::Acquire) == 0 {
        made();
    }
    &TABLES
}

#[cold]
fn made() {
    for byte in 0..256_u32 {
        let mut remainder = byte;
        for _ in 0..8 {
            remainder = (remainder >> 1) ^ (POLYNOMIAL & (remainder & 1).wrapping_neg());
        }
        TABLES[0][byte as usize].store(remainder, Ordering::Relaxed);
    }
    for byte in 0..256 {
        let mut remainder = looked_up(&TABLES[0], byte);
        for table in &TABLES[1..] {
            remainder = (remainder >> 8) ^ looked_up(&TABLES[0], remainder);
            table[byte as usize].store(remainder, Ordering::Release);
        }
    }
}

/// What the lowest byte adds.
fn looked_up(table: &[AtomicU32; 256], crc: u32) -> u32 {
    table[usize::from(crc as u8)].load(Ordering::Relaxed)
}

/// Stands in for the hasher of `crc32fast`.
#[derive(Clone, Debug, Default)]
pub(super) struct Hasher(u32);

impl Hasher {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let [last, third, second, first] = tables();
        let (fours, rest) = bytes.as_chunks();
        let mut crc = !self.0;
        for four in fours {
            crc ^= u32::from_le_bytes(*four);
            crc = looked_up(first, crc)
                ^ looked_up(second, crc >> 8)
                ^ looked_up(third, crc >> 16)
                ^ looked_up(last, crc >> 24);
        }
        for byte in rest {
            crc = (crc >> 8) ^ looked_up(last, crc ^ u32::from(*byte));
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
    fn the_small_tables_give_the_checks_that_the_fast_ones_give() {
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
