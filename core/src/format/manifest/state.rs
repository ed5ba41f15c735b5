//! The store's set of files, and how each edit changes it.

use super::{Edit, SegmentEntry, SegmentState};
use crate::fallible::{self, OutOfMemory};
use crate::format::FILE_BYTES_MAX;
use crate::format::counter::COUNTER_MAX;
use crate::format::file::FILE_HEADER_BYTES;
use crate::prelude::*;
use crate::sort;
use core::fmt;

/// The most segments of one store. A key's place in memory can name a few thousand more, so that a
/// full store can still be opened and merged.
pub const SEGMENTS_MAX: usize = 60_000;

/// Everything a manifest says. [`State::check_invariants`] holds what is always true between two
/// records.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct State {
    /// The key of the store's hash; never changes.
    pub hash_key: [u8; 16],
    /// No seq above this one was ever issued.
    pub seq_bound: u64,
    /// The greatest seq known to have been issued, as of the last opening or clean close.
    pub last_seq: u64,
    /// Changes before this seq are no longer complete.
    pub history_floor: u64,
    /// Above every id ever used.
    pub next_id: u64,
    /// The wall clock last trusted, in milliseconds since 1970; 0 = none yet.
    pub clock_ms: u64,
    /// The last writer closed, and nobody has written since.
    pub clean: bool,
    /// The segments in their total order, oldest first; only the last may be active.
    pub segments: Vec<SegmentEntry>,
    /// Ids under which a merge is writing; ascending.
    pub pending: Vec<u64>,
    /// Ids whose files may be deleted; ascending. No other file ever is.
    pub condemned: Vec<u64>,
}

impl State {
    /// A new store: no segments, ids from 1.
    pub fn new(hash_key: [u8; 16]) -> Self {
        Self {
            hash_key,
            next_id: 1,
            ..Self::empty()
        }
    }

    /// A copy. Not `Clone`, because memory may be refused.
    pub fn try_clone(&self) -> Result<Self, OutOfMemory> {
        Ok(Self {
            segments: fallible::copy(&self.segments)?,
            pending: fallible::copy(&self.pending)?,
            condemned: fallible::copy(&self.condemned)?,
            ..*self
        })
    }

    /// What the first record of a manifest is applied to.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Makes one edit. On an error the state is as before. Costs O(files).
    ///
    /// Only what a single edit can get wrong is refused here; what must hold after the last edit
    /// of a record is for [`State::check_invariants`], so edits of one record may stand in any
    /// order that their ids allow.
    pub fn apply(&mut self, edit: &Edit) -> Result<(), EditDamage> {
        match edit {
            Edit::HashKey(key) => {
                if self.hash_key != [0; 16] && self.hash_key != *key {
                    return Err(EditDamage::HashKeyChanged);
                }
                self.hash_key = *key;
            }
            Edit::SeqBound(seq) => self.seq_bound = *seq,
            Edit::LastSeq(seq) => self.last_seq = *seq,
            Edit::HistoryFloor(seq) => self.history_floor = *seq,
            Edit::NextId(id) => self.next_id = *id,
            Edit::Clock(ms) => self.clock_ms = *ms,
            Edit::Add(entry) => self.add(entry)?,
            Edit::Seal {
                id,
                valid_bytes,
                last_seq,
                records,
                footer,
            } => {
                let position = self.position(*id).ok_or(EditDamage::Unknown { id: *id })?;
                let entry = &mut self.segments[position];
                if entry.state != SegmentState::Active {
                    return Err(EditDamage::NotActive { id: *id });
                }
                entry.state = match footer {
                    true => SegmentState::Sealed,
                    false => SegmentState::Cut,
                };
                entry.valid_bytes = *valid_bytes;
                entry.last_seq = *last_seq;
                entry.records = *records;
            }
            Edit::Pending(id) => {
                if self.is_used(*id) {
                    return Err(EditDamage::Duplicate { id: *id });
                }
                insert_ids(&mut self.pending, &[*id])?;
            }
            Edit::Replace { remove, with } => self.replace(remove, with)?,
            Edit::Forget(ids) => {
                let ids = sorted(ids)?;
                take_out(&mut self.condemned, &ids);
            }
            Edit::Clear => {
                insert_ids(&mut self.condemned, &ids_of(&self.segments)?)?;
                self.segments.clear();
            }
            Edit::CleanClose {
                valid_bytes,
                last_seq,
                records,
            } => {
                match self.segments.last_mut() {
                    Some(entry) if entry.state == SegmentState::Active => {
                        entry.valid_bytes = *valid_bytes;
                        entry.last_seq = *last_seq;
                        entry.records = *records;
                    }
                    _ if *valid_bytes == 0 && *records == 0 => {}
                    _ => return Err(EditDamage::NothingActive),
                }
                self.last_seq = *last_seq;
                self.clean = true;
            }
            Edit::Condemn(ids) => {
                let ids = sorted(ids)?;
                let used = self.segments.iter().map(|entry| entry.id);
                if let Some(id) = used.into_iter().find(|id| ids.binary_search(id).is_ok()) {
                    return Err(EditDamage::Duplicate { id });
                }
                insert_ids(&mut self.condemned, &ids)?;
                take_out(&mut self.pending, &ids);
            }
        }
        Ok(())
    }

    /// The edits that turn [`State::empty`] into this state: the first record of a new manifest.
    pub fn snapshot(&self) -> Result<Vec<Edit>, OutOfMemory> {
        let mut edits = Vec::new();
        fallible::push(&mut edits, Edit::HashKey(self.hash_key))?;
        fallible::push(&mut edits, Edit::SeqBound(self.seq_bound))?;
        fallible::push(&mut edits, Edit::HistoryFloor(self.history_floor))?;
        fallible::push(&mut edits, Edit::NextId(self.next_id))?;
        fallible::push(&mut edits, Edit::Clock(self.clock_ms))?;
        for entry in &self.segments {
            fallible::push(&mut edits, Edit::Add(*entry))?;
        }
        for id in &self.pending {
            fallible::push(&mut edits, Edit::Pending(*id))?;
        }
        if !self.condemned.is_empty() {
            let condemned = fallible::copy(&self.condemned)?;
            fallible::push(&mut edits, Edit::Condemn(condemned))?;
        }
        if self.clean {
            let active = self.active();
            let closed = Edit::CleanClose {
                valid_bytes: active.map_or(0, |entry| entry.valid_bytes),
                last_seq: active.map_or(self.last_seq, |entry| entry.last_seq),
                records: active.map_or(0, |entry| entry.records),
            };
            fallible::push(&mut edits, closed)?;
        }
        fallible::push(&mut edits, Edit::LastSeq(self.last_seq))?;
        Ok(edits)
    }

    /// The segment that grows, if there is one.
    pub fn active(&self) -> Option<&SegmentEntry> {
        self.segments
            .last()
            .filter(|entry| entry.state == SegmentState::Active)
    }

    /// The entry of the segment with this id. Costs O(segments), least for the newest.
    pub fn segment(&self, id: u64) -> Option<&SegmentEntry> {
        self.position(id).map(|position| &self.segments[position])
    }

    /// Checks what is always true between two records: each id is used once, is not 0 and is below
    /// `next_id`; no counter is beyond [`COUNTER_MAX`]; only the newest segment is active; seq ranges
    /// are disjoint and ascending;
    /// lengths are within the format's limits; ids that are not segments are ascending. Costs
    /// O(files x log files); errors only with [`EditDamage::OutOfMemory`] for want of scratch.
    pub fn check_invariants(&self) -> Result<(), EditDamage> {
        for ids in [&self.pending, &self.condemned] {
            must_ascend(ids)?;
        }
        let mut used = ids_of(&self.segments)?;
        for ids in [&self.pending, &self.condemned] {
            fallible::extend(&mut used, ids)?;
        }
        sort::by(&mut used, Ord::cmp);
        must_ascend(&used)?;
        if let Some(id) = used.into_iter().find(|id| *id == 0 || *id >= self.next_id) {
            return Err(EditDamage::IdOutOfRange { id });
        }
        let numbers = [
            self.seq_bound,
            self.last_seq,
            self.history_floor,
            self.next_id,
        ];
        let seqs = |entry: &SegmentEntry| entry.base_seq.max(entry.last_seq);
        let mut numbers = numbers.into_iter().chain(self.segments.iter().map(seqs));
        if let Some(counter) = numbers.find(|counter| *counter > COUNTER_MAX) {
            return Err(EditDamage::CounterOutOfRange { counter });
        }
        let newest = self.segments.last().map(|entry| entry.id);
        for entry in &self.segments {
            if entry.state == SegmentState::Active && Some(entry.id) != newest {
                return Err(EditDamage::NotNewest { id: entry.id });
            }
            let lengths = FILE_HEADER_BYTES as u64..=FILE_BYTES_MAX;
            if !lengths.contains(&entry.valid_bytes) {
                return Err(EditDamage::LengthOutOfRange { id: entry.id });
            }
        }
        match self
            .segments
            .windows(2)
            .find(|pair| pair[0].last_seq > pair[1].base_seq)
        {
            Some(pair) => Err(EditDamage::SeqOverlap { id: pair[1].id }),
            None => Ok(()),
        }
    }

    fn add(&mut self, entry: &SegmentEntry) -> Result<(), EditDamage> {
        if self.position(entry.id).is_some() || self.condemned.binary_search(&entry.id).is_ok() {
            return Err(EditDamage::Duplicate { id: entry.id });
        }
        if self.segments.len() >= SEGMENTS_MAX {
            return Err(EditDamage::TooMany);
        }
        fallible::push(&mut self.segments, *entry)?;
        take_out(&mut self.pending, &[entry.id]);
        Ok(())
    }

    fn replace(&mut self, remove: &[u64], with: &[SegmentEntry]) -> Result<(), EditDamage> {
        let first = *remove.first().ok_or(EditDamage::NotNeighbours)?;
        let from = self
            .position(first)
            .ok_or(EditDamage::Unknown { id: first })?;
        let run = self.segments[from..].iter().map(|entry| entry.id);
        if !run.take(remove.len()).eq(remove.iter().copied()) {
            return Err(EditDamage::NotNeighbours);
        }
        let mut outputs = ids_of(with)?;
        sort::by(&mut outputs, Ord::cmp);
        must_ascend(&outputs)?;
        let is_output = |id: &u64| outputs.binary_search(id).is_ok();
        let segments = self.segments.iter().map(|entry| entry.id);
        if let Some(id) = segments
            .chain(self.condemned.iter().copied())
            .find(is_output)
        {
            return Err(EditDamage::Duplicate { id });
        }
        if self.segments.len() - remove.len() + with.len() > SEGMENTS_MAX {
            return Err(EditDamage::TooMany);
        }
        let rest = fallible::copy(&self.segments[from + remove.len()..])?;
        fallible::reserve(&mut self.segments, with.len())?;
        insert_ids(&mut self.condemned, remove)?;
        take_out(&mut self.pending, &outputs);
        self.segments.truncate(from);
        fallible::extend(&mut self.segments, with)?;
        fallible::extend(&mut self.segments, &rest)?;
        Ok(())
    }

    /// Searches from the newest: most edits are about it.
    fn position(&self, id: u64) -> Option<usize> {
        self.segments.iter().rposition(|entry| entry.id == id)
    }

    fn is_used(&self, id: u64) -> bool {
        self.position(id).is_some()
            || self.pending.binary_search(&id).is_ok()
            || self.condemned.binary_search(&id).is_ok()
    }
}

/// Why an edit, or a whole state, cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EditDamage {
    /// The id is already used for something else.
    Duplicate {
        /// Which.
        id: u64,
    },
    /// No segment has the id.
    Unknown {
        /// Which.
        id: u64,
    },
    /// The segment to seal does not grow.
    NotActive {
        /// Which.
        id: u64,
    },
    /// A segment that grows has newer ones after it.
    NotNewest {
        /// Which.
        id: u64,
    },
    /// A clean close names the end of an active segment that does not exist.
    NothingActive,
    /// The ids to replace are not a run of neighbours in their order.
    NotNeighbours,
    /// The id is 0 or not below the next id.
    IdOutOfRange {
        /// Which.
        id: u64,
    },
    /// No id or seq is that great.
    CounterOutOfRange {
        /// What was found.
        counter: u64,
    },
    /// The segment's length is shorter than its header or longer than a file can be.
    LengthOutOfRange {
        /// Which.
        id: u64,
    },
    /// The segment's seqs begin before those of the one before it end.
    SeqOverlap {
        /// Which.
        id: u64,
    },
    /// The store's hash key is already another.
    HashKeyChanged,
    /// More than [`SEGMENTS_MAX`] segments.
    TooMany,
    /// The allocator refused.
    OutOfMemory,
}

impl fmt::Display for EditDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { id } => write!(f, "id {id} is used twice"),
            Self::Unknown { id } => write!(f, "there is no segment {id}"),
            Self::NotActive { id } => write!(f, "segment {id} is already sealed"),
            Self::NotNewest { id } => write!(f, "segment {id} grows but is not the newest"),
            Self::NothingActive => f.write_str("no segment is active"),
            Self::NotNeighbours => f.write_str("the segments to replace are not neighbours"),
            Self::IdOutOfRange { id } => write!(f, "id {id} was never given out"),
            Self::CounterOutOfRange { counter } => write!(f, "no number goes up to {counter}"),
            Self::LengthOutOfRange { id } => write!(f, "segment {id} has an impossible length"),
            Self::SeqOverlap { id } => write!(f, "segment {id} overlaps the one before it"),
            Self::HashKeyChanged => f.write_str("the hash key cannot change"),
            Self::TooMany => write!(f, "more than {SEGMENTS_MAX} segments"),
            Self::OutOfMemory => OutOfMemory.fmt(f),
        }
    }
}

impl core::error::Error for EditDamage {}

impl From<OutOfMemory> for EditDamage {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// Refuses a list in which an id is not greater than the one before.
fn must_ascend(ids: &[u64]) -> Result<(), EditDamage> {
    match ids.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(EditDamage::Duplicate { id: pair[1] }),
        None => Ok(()),
    }
}

/// Takes `ids`, which ascend, out of a list.
fn take_out(list: &mut Vec<u64>, ids: &[u64]) {
    list.retain(|id| ids.binary_search(id).is_err());
}

/// Merges `more` into an ascending list of distinct ids.
fn insert_ids(ids: &mut Vec<u64>, more: &[u64]) -> Result<(), EditDamage> {
    fallible::extend(ids, more)?;
    sort::by(ids, Ord::cmp);
    ids.dedup();
    Ok(())
}

/// The distinct ids, ascending.
fn sorted(ids: &[u64]) -> Result<Vec<u64>, EditDamage> {
    let mut list = Vec::new();
    insert_ids(&mut list, ids)?;
    Ok(list)
}

fn ids_of(segments: &[SegmentEntry]) -> Result<Vec<u64>, EditDamage> {
    Ok(fallible::collect(segments.iter().map(|entry| entry.id))?)
}

#[cfg(test)]
mod tests;
