//! A few bits per key that tell most absent keys without a look at the table.
//!
//! ```text
//!   table   [ ][a][ ][b][c][d][e][ ]        20 bytes each: most lookups wait for memory
//!   sieve   00 01 00 10 01 ...              two bits for each home: near enough to stay in a cache
//! ```
//!
//! A bit stands for half a home and is set exactly if some entry's hash falls there. Entries lie in the
//! order of their hashes, so those that share a bit are neighbours, and a removal knows whether it was the last.
//! At a load of 6/7, two of three absent keys meet a bit that is not set.

use super::shard::home;
use super::slot::Entry;
use crate::fallible::{self, OutOfMemory};
use crate::prelude::*;

/// Bits for each home.
const FINE: u32 = 2;

/// See the [module](self).
pub(super) struct Sieve {
    words: Vec<u32>,
    /// How many bits there are: none if they are too many to be counted, or if there is no table.
    bits: u32,
    shared_bits: u8,
}

impl Sieve {
    /// Of no table; lets everything through.
    pub(super) const NONE: Self = Self {
        words: Vec::new(),
        bits: 0,
        shared_bits: 0,
    };

    /// Of a table with so many homes.
    pub(super) fn of(table: &[Entry], homes: u32, shared_bits: u8) -> Result<Self, OutOfMemory> {
        let bits = homes.checked_mul(FINE).unwrap_or(0);
        let mut sieve = Self {
            words: Vec::new(),
            bits,
            shared_bits,
        };
        fallible::fill(&mut sieve.words, bits.div_ceil(u32::BITS) as usize, 0)?;
        // What goes to one word comes one behind the other, and is written at once.
        let (mut at, mut gathered) = (0, 0);
        for entry in table.iter().filter(|entry| !entry.is_empty()) {
            let (word, bit) = sieve.place(entry.hi());
            if word != at {
                sieve.add(at, gathered);
                (at, gathered) = (word, 0);
            }
            gathered |= 1 << bit;
        }
        sieve.add(at, gathered);
        Ok(sieve)
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>()
    }

    /// Whether some entry's hash may begin with `hi`. If not, none does.
    #[inline]
    pub(super) fn lets_through(&self, hi: u64) -> bool {
        let (word, bit) = self.place(hi);
        self.words.get(word).is_none_or(|word| word >> bit & 1 != 0)
    }

    /// An entry whose hash begins with `hi` was put in.
    #[inline]
    pub(super) fn set(&mut self, hi: u64) {
        let (word, bit) = self.place(hi);
        self.add(word, 1 << bit);
    }

    /// An entry whose hash begins with `hi` was taken out from between these two.
    pub(super) fn clear(&mut self, hi: u64, neighbours: [Option<&Entry>; 2]) {
        let (word, bit) = self.place(hi);
        let shared = neighbours
            .into_iter()
            .flatten()
            .any(|entry| !entry.is_empty() && self.place(entry.hi()) == (word, bit));
        if let Some(word) = self.words.get_mut(word).filter(|_| !shared) {
            *word &= !(1 << bit);
        }
    }

    #[inline]
    fn add(&mut self, word: usize, bits: u32) {
        if let Some(word) = self.words.get_mut(word) {
            *word |= bits;
        }
    }

    #[inline]
    fn place(&self, hi: u64) -> (usize, u32) {
        let at = home(hi, self.shared_bits, self.bits);
        (at / u32::BITS as usize, at as u32 % u32::BITS)
    }
}

#[cfg(test)]
impl Sieve {
    /// Panics unless exactly the bits of these entries are set.
    pub(super) fn check_invariants(&self, table: &[Entry], homes: u32, shared_bits: u8) {
        let fresh = Self::of(table, homes, shared_bits).unwrap();
        assert!(self.words == fresh.words && self.bits == fresh.bits);
    }
}
