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

    /// Of an empty table with so many homes.
    pub(super) fn new(homes: u32, shared_bits: u8) -> Result<Self, OutOfMemory> {
        let bits = homes.checked_mul(FINE).unwrap_or(0);
        let mut words = Vec::new();
        fallible::fill(&mut words, bits.div_ceil(u32::BITS) as usize, 0)?;
        Ok(Self {
            words,
            bits,
            shared_bits,
        })
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

    /// The word with the bit of `hi`.
    #[inline]
    pub(super) fn word(&self, hi: u64) -> Option<&impl Sized> {
        self.words.get(self.place(hi).0)
    }

    /// An entry whose hash begins with `hi` was put in, if `is_there`: told so, the many that a table is laid out
    /// with cost no branch.
    #[inline]
    pub(super) fn note(&mut self, hi: u64, is_there: bool) {
        let (word, bit) = self.place(hi);
        if let Some(word) = self.words.get_mut(word) {
            *word |= u32::from(is_there) << bit;
        }
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
    fn place(&self, hi: u64) -> (usize, u32) {
        let at = home(hi, self.shared_bits, self.bits);
        (at / u32::BITS as usize, at as u32 % u32::BITS)
    }
}

#[cfg(test)]
impl Sieve {
    /// Panics unless exactly the bits of these entries are set.
    pub(super) fn check_invariants(&self, table: &[Entry], homes: u32, shared_bits: u8) {
        let mut fresh = Self::new(homes, shared_bits).unwrap();
        for entry in table {
            fresh.note(entry.hi(), !entry.is_empty());
        }
        assert!(self.words == fresh.words && self.bits == fresh.bits);
    }
}
