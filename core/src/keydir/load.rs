//! A keydir that is filled all at once, as an opening does.
//!
//! ```text
//!   entries, as they come -> 256 piles, by the uppermost byte of the hash -> each sorted -> its table
//! ```
//!
//! An insertion into a table waits for memory, seeks and moves half a kilobyte. Here an entry is
//! written three times, one behind the other: to its pile, where its table will be; to its place in the
//! order of the hashes, in a room of one table's size that stays near the processor; and from there
//! into the table. That takes a third of the time.
//!
//! Versions of a key and its removals lie in a pile in the order in which they came, and the last
//! one counts. What is superseded is taken out whenever there are several times as many entries as
//! were left the last time, so the piles are never much larger than the tables will be.

use super::shard::{Shard, home};
use super::slot::Entry;
use super::{Keydir, SHARD_BITS, SHARDS, SPLIT_KEYS, Slot};
use crate::fallible::{self, OutOfMemory};
use crate::format::KeyHash;
use crate::prelude::*;

/// Entries that a bucket of the sorting holds on average.
const BUCKET: usize = 2;
/// Moves per entry at which the hashes of a pile are taken to crowd.
const MOVES: usize = 8;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Load {
    /// None, one or [`SHARDS`]; each in the order in which its entries came.
    piles: Vec<Vec<Entry>>,
    /// The sum of the piles' lengths.
    len: usize,
    /// The length at which what is superseded is taken out.
    due: usize,
}

impl Load {
    /// Makes room for `keys` further keys, which need not come, and lets `soon` of them come before what
    /// is superseded is taken out. Only room that is used is written to.
    ///
    /// Where memory ends midway, what was reserved so far stays and nothing else changes.
    pub(crate) fn reserve(&mut self, keys: usize, soon: usize) -> Result<(), OutOfMemory> {
        self.first_pile()?;
        let all = self.len.saturating_add(keys);
        if all >= SPLIT_KEYS {
            self.split()?;
        }
        let each = keys.div_ceil(self.piles.len());
        for (pile, phase) in self.piles.iter_mut().zip(0..=u8::MAX) {
            let size = Shard::new(0, phase).size_for(pile.len().saturating_add(each));
            fallible::reserve(pile, size - pile.len())?;
        }
        self.due = self.due.max(self.len.saturating_add(soon));
        Ok(())
    }

    /// Whether nothing was put in.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets the slot of a hash.
    #[inline]
    pub(crate) fn insert(&mut self, hash: KeyHash, slot: Slot) -> Result<(), OutOfMemory> {
        self.add(Entry::new(hash, slot))
    }

    /// Forgets a hash.
    #[inline]
    pub(crate) fn remove(&mut self, hash: KeyHash) -> Result<(), OutOfMemory> {
        self.add(Entry::removal(hash))
    }

    /// The keydir; shows each slot of it. Needs memory for one table beyond what is there already.
    pub(crate) fn finish(self, mut show: impl FnMut(Slot)) -> Result<Keydir, OutOfMemory> {
        let shared_bits = self.shared_bits();
        let mut keydir = Keydir::new();
        fallible::reserve(&mut keydir.shards, self.piles.len())?;
        let mut sorter = Sorter::for_all(&self.piles)?;
        for (pile, phase) in self.piles.into_iter().zip(0..=u8::MAX) {
            let entries = sorter.sort(&pile, shared_bits)?;
            keydir.len += entries.len();
            entries
                .iter()
                .filter_map(|entry| entry.slot())
                .for_each(&mut show);
            let shard = Shard::of(entries, shared_bits, phase, pile)?;
            fallible::push(&mut keydir.shards, shard)?;
        }
        Ok(keydir)
    }

    #[inline]
    fn add(&mut self, entry: Entry) -> Result<(), OutOfMemory> {
        if self.len >= self.due {
            self.settle()?;
        }
        // The number of piles is one or a power of two.
        let top = (entry.hi() >> (u64::BITS - u32::from(SHARD_BITS))) as usize;
        let at = top & (self.piles.len() - 1);
        fallible::push(&mut self.piles[at], entry)?;
        self.len += 1;
        Ok(())
    }

    /// Takes out what is superseded, and cuts up the one pile if it has become too long for one table.
    #[cold]
    fn settle(&mut self) -> Result<(), OutOfMemory> {
        self.first_pile()?;
        let before = self.len;
        let shared_bits = self.shared_bits();
        let mut sorter = Sorter::for_all(&self.piles)?;
        for pile in &mut self.piles {
            let entries = sorter.sort(pile, shared_bits)?;
            self.len -= pile.len() - entries.len();
            pile.truncate(entries.len());
            pile.copy_from_slice(entries);
        }
        if self.len >= SPLIT_KEYS / 2 {
            // Without the memory for it the one pile serves on.
            let _ = self.split();
        }
        // Where little was superseded, little will be.
        let times = if self.len < before / 2 { 2 } else { 4 };
        self.due = self.len.saturating_mul(times).max(SPLIT_KEYS);
        Ok(())
    }

    /// Bits of a hash that all entries of a pile share.
    fn shared_bits(&self) -> u8 {
        match self.piles.len() {
            SHARDS => SHARD_BITS,
            _ => 0,
        }
    }

    fn first_pile(&mut self) -> Result<(), OutOfMemory> {
        if self.piles.is_empty() {
            fallible::push(&mut self.piles, Vec::new())?;
        }
        Ok(())
    }

    /// Cuts the one pile into [`SHARDS`], if that was not done yet.
    fn split(&mut self) -> Result<(), OutOfMemory> {
        let [whole] = self.piles.as_slice() else {
            return Ok(());
        };
        let mut piles = Load::default();
        fallible::reserve(&mut piles.piles, SHARDS)?;
        for _ in 0..SHARDS {
            fallible::push(&mut piles.piles, Vec::new())?;
        }
        piles.due = usize::MAX;
        whole.iter().try_for_each(|entry| piles.add(*entry))?;
        self.piles = piles.piles;
        Ok(())
    }
}

/// Memory to sort one pile after the other in.
#[derive(Default)]
struct Sorter {
    entries: Vec<Entry>,
    /// Where the next entry of each bucket goes.
    buckets: Vec<u32>,
}

impl Sorter {
    /// With room for the longest pile: room that grew with the piles would leave holes in the heap.
    fn for_all(piles: &[Vec<Entry>]) -> Result<Self, OutOfMemory> {
        let mut sorter = Self::default();
        let longest = piles.iter().map(Vec::len).max().unwrap_or(0);
        fallible::reserve(&mut sorter.entries, longest)?;
        fallible::reserve(&mut sorter.buckets, longest / BUCKET + 1)?;
        Ok(sorter)
    }

    /// The last entry of each hash that was not removed, in order. The hashes share some bits.
    fn sort(&mut self, pile: &[Entry], shared_bits: u8) -> Result<&[Entry], OutOfMemory> {
        self.spread(pile, shared_bits)?;
        if !self.order() {
            self.insert_all(pile, shared_bits)?;
        }
        self.keep_last();
        Ok(&self.entries)
    }

    /// Copies the pile into buckets that are in order, keeping the order in which they came inside.
    fn spread(&mut self, pile: &[Entry], shared_bits: u8) -> Result<(), OutOfMemory> {
        let count = u32::try_from(pile.len()).map_err(|_| OutOfMemory)? / BUCKET as u32 + 1;
        let bucket = |entry: &Entry| home(entry.hi(), shared_bits, count);
        self.buckets.clear();
        fallible::fill(&mut self.buckets, count as usize, 0)?;
        for entry in pile {
            self.buckets[bucket(entry)] += 1;
        }
        let mut end = 0;
        for bucket in &mut self.buckets {
            end += core::mem::replace(bucket, end);
        }
        let more = pile.len().saturating_sub(self.entries.len());
        fallible::fill(&mut self.entries, more, Entry::EMPTY)?;
        self.entries.truncate(pile.len());
        for entry in pile {
            let next = &mut self.buckets[bucket(entry)];
            self.entries[*next as usize] = *entry;
            *next += 1;
        }
        Ok(())
    }

    /// Puts the entries in order by moving each past those of its bucket that are greater. Answers
    /// `false`, having changed their order, if that takes long: the hashes crowd.
    fn order(&mut self) -> bool {
        let entries = &mut self.entries[..];
        let mut moves = entries.len() * MOVES;
        for at in 1..entries.len() {
            let entry = entries[at];
            let mut to = at;
            while to > 0 && entries[to - 1].hash() > entry.hash() {
                entries[to] = entries[to - 1];
                to -= 1;
            }
            entries[to] = entry;
            let Some(left) = moves.checked_sub(at - to) else {
                return false;
            };
            moves = left;
        }
        true
    }

    /// The slow way, which hardly any hashes can make slower.
    #[cold]
    fn insert_all(&mut self, pile: &[Entry], shared_bits: u8) -> Result<(), OutOfMemory> {
        let mut table = Shard::new(shared_bits, 0);
        for entry in pile {
            match entry.slot().filter(|_| !entry.is_removal()) {
                Some(slot) => table.insert(entry.hash(), slot)?,
                None => table.remove(entry.hash()),
            };
        }
        self.entries.clear();
        let mut entries = table.all().iter().filter(|entry| !entry.is_empty());
        entries.try_for_each(|entry| fallible::push(&mut self.entries, *entry))
    }

    fn keep_last(&mut self) {
        let mut kept = 0;
        for at in 0..self.entries.len() {
            let entry = self.entries[at];
            let next = self.entries.get(at + 1);
            let last = next.is_none_or(|next| next.hash() != entry.hash());
            self.entries[kept] = entry;
            kept += usize::from(last && !entry.is_removal());
        }
        self.entries.truncate(kept);
    }
}

#[cfg(test)]
mod tests;
