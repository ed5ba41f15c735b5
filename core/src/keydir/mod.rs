//! The keydir: for each live key, by its hash, where its newest record lies. All of it is in
//! memory, and all of it can be rebuilt from the segments.
//!
//! ```text
//!   hash (96 bits)   top 8 bits -> one of 256 shards -> next bits, scaled -> home in its table
//!
//!   entry, 20 bytes: hash 12 | segment 2, offset 4 | size class 15 bits, TTL 1 bit
//! ```
//!
//! A key costs 23.7 bytes on average however long it is: 20 bytes in tables that are between 0.81
//! and 0.91 full, and two bits for each place in them, which tell most absent keys (`sieve`). The shards'
//! sizes are staggered, so that they do not grow at the same time and the sum stays near the average. A
//! table grows alone, by an eighth: one insertion moves at most 1/256 of the keys. A small store has one
//! table, which is cut up at 65,536 keys.
//!
//! Shards lie in the order of their hashes and keep that order inside, so a scan from any hash is
//! a walk, and stays meaningful while keys come and go between its pages: an entry's position is
//! its hash, which never changes.
//!
//! An opening does not insert: it gathers all entries, sorts them and lays each table out once (`load`).
//!
//! A hash is the identity here; that two keys may share one is the business of the caller, who has
//! the records ([`HashKey`] says how rare it is).

mod hash;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
mod load;
#[cfg(all(feature = "small", target_family = "wasm"))]
#[path = "load_small.rs"]
mod load;
mod shard;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
mod sieve;
#[cfg(all(feature = "small", target_family = "wasm"))]
#[path = "sieve_small.rs"]
mod sieve;
mod slot;
#[cfg(test)]
mod tests;

pub use hash::HashKey;
pub(crate) use load::Load;
pub use slot::{Place, SizeClass, Slot};

use crate::fallible::{self, OutOfMemory};
use crate::format::KeyHash;
use crate::prelude::*;
use shard::Shard;

/// How many keys are worth approaching at once. A processor keeps ten to twenty loads from memory on
/// their way; what was loaded stays near for as long as this many keys take.
pub(crate) const AHEAD: usize = 32;

/// Keys at which the one table of a small store becomes [`SHARDS`].
const SPLIT_KEYS: usize = 1 << 16;
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u8 = 8;

/// See the [module](self).
#[derive(Default)]
pub struct Keydir {
    /// None, one or [`SHARDS`].
    shards: Vec<Shard>,
    /// The sum of the shards' lengths.
    len: usize,
}

impl Keydir {
    /// No keys. Allocates nothing.
    pub const fn new() -> Self {
        Self {
            shards: Vec::new(),
            len: 0,
        }
    }

    /// How many hashes are in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no hash is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes on the heap, unused room included. Costs a walk over the shards.
    pub fn memory_bytes(&self) -> usize {
        let tables: usize = self.shards.iter().map(Shard::memory_bytes).sum();
        self.shards.capacity() * size_of::<Shard>() + tables
    }

    /// Makes room for `keys` further keys, so that putting them in moves little. Room that turns
    /// out not to be needed stays until [`Keydir::shrink`].
    ///
    /// The room is about 23.7 bytes per key and is written to: justify `keys` by bytes that were
    /// read. Where memory ends midway, what was reserved so far stays and nothing else changes.
    pub fn reserve(&mut self, keys: usize) -> Result<(), OutOfMemory> {
        self.first_shard()?;
        if self.len.saturating_add(keys) >= SPLIT_KEYS {
            self.split()?;
        }
        let each = keys.div_ceil(self.shards.len());
        self.shards
            .iter_mut()
            .try_for_each(|shard| shard.reserve(each))
    }

    /// Gives back the room that [`Keydir::reserve`] or removals left unused. Costs a pass over the
    /// tables concerned. Removals do it by themselves for a table that is less than 3/8 full.
    pub fn shrink(&mut self) {
        self.shards.iter_mut().for_each(Shard::shrink);
    }

    /// The slot of a hash. Reads four entries of one table, 80 bytes, on average.
    #[inline]
    pub fn get(&self, hash: KeyHash) -> Option<Slot> {
        self.shards.get(self.shard_of(hash.hi))?.get(hash)
    }

    /// Brings what [`Keydir::get`] of each hash will look at nearer to the processor. The loads do
    /// not depend on each other, so that they take hardly longer together than one of them alone:
    /// 18 ns each instead of 225.
    #[inline]
    pub fn approach(&self, hashes: impl Iterator<Item = KeyHash>) {
        let seen = hashes.fold(0, |seen, hash| {
            let shard = self.shards.get(self.shard_of(hash.hi));
            seen ^ shard.map_or(0, |shard| shard.peek(hash))
        });
        core::hint::black_box(seen);
    }

    /// What an insertion of a hash will read and change, for loading it in advance: parts of its table and of
    /// the table's sieve. Reads none of it.
    #[inline]
    pub(crate) fn around(
        &self,
        hash: KeyHash,
    ) -> (impl Iterator<Item = &impl Sized>, Option<&impl Sized>) {
        let shard = self.shards.get(self.shard_of(hash.hi));
        let run = shard.into_iter().flat_map(move |shard| shard.run_of(hash));
        (run, shard.and_then(|shard| shard.sieved(hash)))
    }

    /// Sets the slot of a hash and answers the one it replaces.
    ///
    /// Errors only for a hash that is not there yet, and then nothing was changed. Moves half a
    /// kilobyte on average. Some insertions grow their table, which costs a pass over 1/256 of the
    /// keys (over all of them below 65,536): nine moves per insertion on average.
    pub fn insert(&mut self, hash: KeyHash, slot: Slot) -> Result<Option<Slot>, OutOfMemory> {
        self.first_shard()?;
        let at = self.shard_of(hash.hi);
        let old = self.shards[at].insert(hash, slot)?;
        if old.is_some() {
            return Ok(old);
        }
        self.len += 1;
        if self.len >= SPLIT_KEYS && self.shards.len() == 1 {
            // Without the memory for it the one table serves on, and the next key tries again.
            let _ = self.split();
        }
        Ok(None)
    }

    /// Forgets a hash and answers its slot.
    pub fn remove(&mut self, hash: KeyHash) -> Option<Slot> {
        let at = self.shard_of(hash.hi);
        let old = self.shards.get_mut(at)?.remove(hash)?;
        self.len -= 1;
        Some(old)
    }

    /// Sets the slot of a hash if it still points at `expected`; answers whether it did.
    pub fn replace_if(&mut self, hash: KeyHash, expected: Place, with: Slot) -> bool {
        let at = self.shard_of(hash.hi);
        let unchanged = |old: Slot| old.place == expected;
        self.shards
            .get_mut(at)
            .is_some_and(|shard| shard.replace_if(hash, unchanged, with))
    }

    /// All hashes whose `hi` is at least `from_hi`, in increasing order, with their slots.
    ///
    /// To resume a scan, take every hash of the last `hi` and begin at `hi + 1`: whatever was
    /// there all the time is then met exactly once, even if other keys came, went or moved tables
    /// in between.
    pub fn scan(&self, from_hi: u64) -> impl Iterator<Item = (KeyHash, Slot)> {
        let shards = self
            .shards
            .get(self.shard_of(from_hi)..)
            .unwrap_or_default();
        let from = KeyHash { hi: from_hi, lo: 0 };
        let (first, rest) = match shards.split_first() {
            Some((first, rest)) => (first.from(from), rest),
            None => (Default::default(), shards),
        };
        first
            .iter()
            .chain(rest.iter().flat_map(|shard| shard.all()))
            .filter_map(|entry| Some((entry.hash(), entry.slot()?)))
    }

    /// All hashes with exactly this `hi`, in increasing order, with their slots.
    pub fn find_hi(&self, hi: u64) -> impl Iterator<Item = (KeyHash, Slot)> {
        self.scan(hi).take_while(move |(hash, _)| hash.hi == hi)
    }

    /// Of no shard if there is none.
    #[inline]
    fn shard_of(&self, hi: u64) -> usize {
        let top = (hi >> (u64::BITS - u32::from(SHARD_BITS))) as usize;
        // The number of shards is 0, 1 or a power of two.
        top & self.shards.len().wrapping_sub(1)
    }

    fn first_shard(&mut self) -> Result<(), OutOfMemory> {
        if self.shards.is_empty() {
            fallible::reserve(&mut self.shards, 1)?;
            fallible::push(&mut self.shards, Shard::new(0, 0))?;
        }
        Ok(())
    }

    /// Cuts the one table into [`SHARDS`], if that was not done yet.
    fn split(&mut self) -> Result<(), OutOfMemory> {
        let [whole] = self.shards.as_slice() else {
            return Ok(());
        };
        let mut shards = Vec::new();
        fallible::reserve(&mut shards, SHARDS)?;
        for top in 0..=u8::MAX {
            let shard = Shard::of(whole.of_top(top), SHARD_BITS, top, Vec::new())?;
            fallible::push(&mut shards, shard)?;
        }
        self.shards = shards;
        Ok(())
    }
}

#[cfg(test)]
impl Keydir {
    /// Panics unless every table is sound and every hash is in its own.
    pub(crate) fn check_invariants(&self) {
        let count = self.shards.len();
        assert!(matches!(count, 0 | 1 | SHARDS), "{count} shards");
        let lens = self.shards.iter().map(Shard::check_invariants);
        assert_eq!(lens.sum::<usize>(), self.len);
        for (at, shard) in self.shards.iter().enumerate() {
            let mut used = shard.all().iter().filter(|entry| !entry.is_empty());
            assert!(used.all(|entry| self.shard_of(entry.hi()) == at));
        }
    }
}
