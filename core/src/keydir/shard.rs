//! One table of the keydir: linear probing, kept in the order of the hashes.
//!
//! ```text
//!            home of b, c, d
//!            |
//!   [ ][a][ ][b][c][d][e][ ] ... [y][ | z][ ][ ]
//!   0 ............................. homes | pad
//! ```
//!
//! An entry's *home* is its hash scaled to `0..homes`, which keeps order. It lies at its home or
//! after it, and always:
//! 1. no entry lies before its home, and none between its home and itself is empty;
//! 2. the entries' hashes strictly increase.
//!
//! So a lookup walks from the home to the first entry that is not smaller, a scan from any hash is
//! a walk, a removal moves the rest of the run back by one, and growing is one linear pass.
//! The pad takes in what runs past the last home; it is lengthened when it is used up, so nothing
//! ever wraps around, and even hashes that all share one home only cost time.
//!
//! Sources: Amble and Knuth, "Ordered hash tables" (1974); Knuth, TAOCP 6.4 (expected walks: 4
//! entries at a load of 6/7); Celis, "Robin Hood hashing" (1986): keeping order is one of its
//! forms, and evens out the walks.

use super::sieve::Sieve;
use super::slot::{ENTRY_BYTES, Entry, Slot};
use crate::fallible::{self, OutOfMemory};
use crate::format::KeyHash;
use crate::prelude::*;

/// A table grows when more than 10/11 of it is used...
const FULL: (usize, usize) = (10, 11);
/// ...by an eighth: so it is between 0.81 and 0.91 full, and the shards together 0.86.
const GROWTH: usize = 8;
/// The least a table grows by, in entries; also its least size.
const GROWTH_MIN: usize = 12;
/// Room for a table is taken as it is if at most this part of it is too much.
const ROOM_EXCESS: usize = 32;
/// Cache lines that an insertion reads and moves, on average.
const RUN_LINES: usize = 8;
/// The longest pad that a table is planned with. Longer runs past the last home are rare.
const PAD_MAX: usize = 64;

/// See the [module](self).
pub(super) struct Shard {
    /// `homes` entries, then the pad.
    entries: Vec<Entry>,
    /// Of these entries.
    sieve: Sieve,
    /// How many entries are not empty.
    len: usize,
    /// Zero exactly if there are no entries at all.
    homes: u32,
    /// Bits of a hash that all keys of this shard share; homes are made of the bits after them.
    shared_bits: u8,
    /// Staggers the sizes: of shards with equally many keys, this many 256ths of a growth step
    /// lie between this one's size and the least size.
    phase: u8,
    /// It was half full once since it was spread. If not, its room is a reservation.
    worn_in: bool,
}

impl Shard {
    /// No keys and no allocation.
    pub(super) fn new(shared_bits: u8, phase: u8) -> Self {
        Self {
            entries: Vec::new(),
            sieve: Sieve::NONE,
            len: 0,
            homes: 0,
            shared_bits,
            phase,
            worn_in: false,
        }
    }

    /// Copies `entries`, which are in order and fit a shard of these `shared_bits`. It lies in `room` if
    /// that is of a size that suits.
    pub(super) fn of(
        entries: &[Entry],
        shared_bits: u8,
        phase: u8,
        mut room: Vec<Entry>,
    ) -> Result<Self, OutOfMemory> {
        let mut shard = Self::new(shared_bits, phase);
        shard.len = entries.iter().filter(|entry| !entry.is_empty()).count();
        if shard.len == 0 {
            return Ok(shard);
        }
        let mut size = shard.size_for(shard.len);
        let not_full = shard.len * FULL.1 <= room.capacity() * FULL.0;
        if not_full && (GROWTH_MIN..=size + size / ROOM_EXCESS).contains(&room.capacity()) {
            size = room.capacity();
        } else {
            room = Vec::new();
        }
        (shard.entries, shard.homes, shard.sieve) = spread(entries, shared_bits, size, room)?;
        shard.worn_in = true;
        Ok(shard)
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        self.entries.capacity() * ENTRY_BYTES + self.sieve.memory_bytes()
    }

    #[inline]
    pub(super) fn get(&self, hash: KeyHash) -> Option<Slot> {
        if !self.sieve.lets_through(hash.hi) {
            return None;
        }
        let found = self.entries.get(self.seek(hash))?;
        found.slot().filter(|_| found.holds(hash))
    }

    /// Some bits of the entries where a walk to a hash begins and often ends.
    #[inline]
    pub(super) fn peek(&self, hash: KeyHash) -> u64 {
        let bits = u64::from(self.sieve.lets_through(hash.hi));
        self.nearby(hash)
            .fold(bits, |seen, entry| seen ^ entry.hi())
    }

    /// The entry where the walk to a hash begins, and one where it often ends: the next cache line.
    #[inline]
    pub(super) fn nearby(&self, hash: KeyHash) -> impl Iterator<Item = &Entry> {
        let home = self.home(hash.hi);
        let ends = [home, home + 64 / ENTRY_BYTES];
        ends.into_iter().filter_map(|at| self.entries.get(at))
    }

    /// Entries all over what an insertion reads and moves, one for each cache line, on average.
    #[inline]
    pub(super) fn run_of(&self, hash: KeyHash) -> impl Iterator<Item = &Entry> {
        const STEP: usize = 64 / ENTRY_BYTES;
        let run = self.entries.get(self.home(hash.hi)..).unwrap_or_default();
        run.iter().step_by(STEP).take(RUN_LINES)
    }

    /// What of the sieve an insertion changes.
    #[inline]
    pub(super) fn sieved(&self, hash: KeyHash) -> Option<&impl Sized> {
        self.sieve.word(hash.hi)
    }

    /// Sets the slot of a hash and answers the one it replaces. Errors only for a new hash.
    pub(super) fn insert(
        &mut self,
        hash: KeyHash,
        slot: Slot,
    ) -> Result<Option<Slot>, OutOfMemory> {
        let mut at = self.seek(hash);
        if let Some(found) = self.entries.get_mut(at).filter(|entry| entry.holds(hash)) {
            let old = found.slot();
            *found = Entry::new(hash, slot);
            return Ok(old);
        }
        if (self.len + 1) * FULL.1 > self.entries.len() * FULL.0 {
            self.respread(self.grown_size())?;
            at = self.seek(hash);
        }
        let gap = match first_empty(&self.entries[at..]) {
            Some(run) => at + run,
            None => self.lengthen_pad()?,
        };
        self.entries.copy_within(at..gap, at + 1);
        self.entries[at] = Entry::new(hash, slot);
        self.sieve.note(hash.hi, true);
        self.len += 1;
        self.worn_in |= self.len * 2 >= self.entries.len();
        Ok(None)
    }

    /// Changes the slot of a hash if it is there and `condition` holds; answers whether it did.
    pub(super) fn replace_if(
        &mut self,
        hash: KeyHash,
        condition: impl FnOnce(Slot) -> bool,
        with: Slot,
    ) -> bool {
        let at = self.seek(hash);
        let found = self.entries.get_mut(at).filter(|entry| entry.holds(hash));
        let Some(found) = found.filter(|entry| entry.slot().is_some_and(condition)) else {
            return false;
        };
        *found = Entry::new(hash, with);
        true
    }

    /// Takes out a hash. Gives memory back when most of it is unused.
    pub(super) fn remove(&mut self, hash: KeyHash) -> Option<Slot> {
        let at = self.seek(hash);
        let found = self.entries.get(at).filter(|entry| entry.holds(hash))?;
        let old = found.slot();
        // What follows moves back by one, up to what lies at its home and may not.
        let rest = &self.entries[at + 1..];
        let run = rest
            .iter()
            .zip(at + 1..)
            .position(|(entry, place)| entry.is_empty() || self.home(entry.hi()) == place)
            .unwrap_or(rest.len());
        self.entries.copy_within(at + 1..at + 1 + run, at);
        self.entries[at + run] = Entry::EMPTY;
        let before = at.checked_sub(1).and_then(|at| self.entries.get(at));
        let neighbours = [before, self.entries.get(at)];
        self.sieve.clear(hash.hi, neighbours);
        self.len -= 1;
        if self.worn_in && self.len * 8 < self.entries.len() * 3 {
            self.shrink();
        }
        old
    }

    /// Makes room for `more` further keys.
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), OutOfMemory> {
        let size = self.size_for(self.len.saturating_add(more));
        if size <= self.entries.len() {
            return Ok(());
        }
        self.respread(size)
    }

    /// Gives back room beyond the size that suits its keys, if that is more than a step of growth.
    /// If there is no memory for the smaller copy, the room stays.
    pub(super) fn shrink(&mut self) {
        let size = self.size_for(self.len);
        if self.len == 0 {
            *self = Self::new(self.shared_bits, self.phase);
        } else if size + size / GROWTH < self.entries.len() {
            // Out of memory is no failure here: nothing was changed.
            let _ = self.respread(size);
        }
    }

    /// The entries of hashes from `hash` on, in order, with empty ones between them.
    pub(super) fn from(&self, hash: KeyHash) -> &[Entry] {
        &self.entries[self.seek(hash)..]
    }

    /// The entries whose uppermost byte is `top`, in order, with empty ones around them.
    pub(super) fn of_top(&self, top: u8) -> &[Entry] {
        let place = |top: u8| {
            let hi = u64::from(top) << (u64::BITS - u8::BITS);
            self.seek(KeyHash { hi, lo: 0 })
        };
        let end = top.checked_add(1).map_or(self.entries.len(), place);
        &self.entries[place(top)..end]
    }

    /// All entries, in order, with empty ones between them.
    pub(super) fn all(&self) -> &[Entry] {
        &self.entries
    }

    /// The place of the first entry from `hash`'s home on that is empty or not smaller; all
    /// entries before it are smaller, none after it is.
    #[inline]
    fn seek(&self, hash: KeyHash) -> usize {
        let home = self.home(hash.hi);
        let rest = &self.entries[home..];
        let stop = rest
            .iter()
            .position(|entry| entry.is_empty() || entry.hash() >= hash);
        home + stop.unwrap_or(rest.len())
    }

    #[inline]
    fn home(&self, hi: u64) -> usize {
        home(hi, self.shared_bits, self.homes)
    }

    /// Adds empty entries at the end and answers where. Geometric, because degenerate hashes make
    /// the pad the greater part of the table.
    fn lengthen_pad(&mut self) -> Result<usize, OutOfMemory> {
        let end = self.entries.len();
        lengthen(&mut self.entries, 4 + end / 64)?;
        Ok(end)
    }

    /// The size for a shard with `len` keys: full at phase 0, just grown at phase 255.
    pub(super) fn size_for(&self, len: usize) -> usize {
        let full = len.saturating_mul(FULL.1) / FULL.0;
        let step = full / GROWTH;
        let staggered = full.saturating_add(step.saturating_mul(usize::from(self.phase)) / 256);
        staggered.saturating_add(2).max(GROWTH_MIN)
    }

    fn grown_size(&self) -> usize {
        let size = self.entries.len();
        size.saturating_add((size / GROWTH).max(GROWTH_MIN))
    }

    fn respread(&mut self, size: usize) -> Result<(), OutOfMemory> {
        (self.entries, self.homes, self.sieve) =
            spread(&self.entries, self.shared_bits, size, Vec::new())?;
        self.worn_in = self.len * 2 >= self.entries.len();
        Ok(())
    }
}

#[cfg(test)]
impl Shard {
    /// Panics unless the table is as the [module](self) says. Answers how many entries it has.
    pub(super) fn check_invariants(&self) -> usize {
        let (entries, homes) = (&self.entries, self.homes as usize);
        assert_eq!(homes == 0, entries.is_empty());
        assert!(homes <= entries.len());
        assert_eq!(
            entries.len(),
            entries.capacity(),
            "room that no one can use"
        );
        assert!(self.len * FULL.1 <= entries.len() * FULL.0);
        let mut len = 0;
        let mut gap = None;
        let mut before = None;
        for (place, entry) in entries.iter().enumerate() {
            if entry.is_empty() {
                gap = Some(place);
                continue;
            }
            let home = self.home(entry.hi());
            assert!(home < homes && home <= place, "{home} at {place}");
            assert!(
                gap < Some(home),
                "a gap at {gap:?} before {home} at {place}"
            );
            assert!(before < Some(entry.hash()), "order broken at {place}");
            before = Some(entry.hash());
            len += 1;
        }
        assert_eq!(len, self.len);
        self.sieve
            .check_invariants(entries, self.homes, self.shared_bits);
        len
    }
}

/// Lays out entries, given in order, in a table of `size` entries (more if their hashes crowd at the
/// end), which lies in `table` if that has the room. Answers the table, its homes and its sieve.
fn spread(
    from: &[Entry],
    shared_bits: u8,
    size: usize,
    mut table: Vec<Entry>,
) -> Result<(Vec<Entry>, u32, Sieve), OutOfMemory> {
    let pad = (4 + size / 64).min(PAD_MAX);
    let homes = u32::try_from(size - pad).map_err(|_| OutOfMemory)?;
    let mut sieve = Sieve::new(homes, shared_bits)?;
    table.clear();
    lengthen(&mut table, size)?;
    let mut next = 0;
    for (at, &entry) in from.iter().enumerate() {
        // An empty entry has home 0 and is written over: a branch would be mispredicted often.
        let place = home(entry.hi(), shared_bits, homes).max(next);
        if place >= table.len() {
            let rest = from[at..].iter().filter(|entry| !entry.is_empty());
            lengthen(&mut table, rest.count() + pad)?;
        }
        table[place] = entry;
        let is_there = !entry.is_empty();
        sieve.note(entry.hi(), is_there);
        next = place + usize::from(is_there);
    }
    Ok((table, homes, sieve))
}

/// The place of the first empty entry. Looks at eight at a time, as there are mostly some twenty before it.
fn first_empty(entries: &[Entry]) -> Option<usize> {
    let (eights, _) = entries.as_chunks::<8>();
    let some_empty = |eight: &[Entry; 8]| eight.iter().fold(false, |any, it| any | it.is_empty());
    let full = eights.iter().take_while(|eight| !some_empty(eight)).count() * 8;
    let rest = entries[full..].iter().position(|entry| entry.is_empty());
    rest.map(|run| full + run)
}

/// Adds `more` empty entries at the end.
fn lengthen(table: &mut Vec<Entry>, more: usize) -> Result<(), OutOfMemory> {
    fallible::fill(table, more, Entry::EMPTY)
}

/// `hi` without its shared bits, scaled to `0..homes`; keeps order.
#[inline]
pub(super) fn home(hi: u64, shared_bits: u8, homes: u32) -> usize {
    // 32 bits of the hash are enough to tell 2^32 homes apart, and one multiplication of 64 bits
    // is enough on a 32-bit host. The result is below `homes`, or 0.
    let next = (hi << shared_bits) >> 32;
    ((next * u64::from(homes)) >> 32) as usize
}
