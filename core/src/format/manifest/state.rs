//! The store's set of files, and how each edit changes it.

use super::{Edit, Edits, RecordDamage, SegmentEntry, SegmentState};
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
    pub fn apply(&mut self, edit: &Edit<'_>) -> Result<(), EditDamage> {
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
                let position = self.position(*id).ok_or(EditDamage::Unknown)?;
                let entry = &mut self.segments[position];
                if entry.state != SegmentState::Active {
                    return Err(EditDamage::NotActive);
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
                    return Err(EditDamage::Duplicate);
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
                if self.segments.iter().any(|entry| is_in(&ids, entry.id)) {
                    return Err(EditDamage::Duplicate);
                }
                insert_ids(&mut self.condemned, &ids)?;
                take_out(&mut self.pending, &ids);
            }
        }
        Ok(())
    }

    /// Makes all edits of a record, after which the state must hold. On an error it is of no use.
    pub fn apply_all(&mut self, mut edits: Edits<'_>) -> Result<(), EditDamage> {
        while let Some(edit) = edits.read()? {
            self.apply(&edit)?;
        }
        self.check_invariants()
    }

    /// The edits that turn [`State::empty`] into this state: the first record of a new manifest.
    pub fn snapshot(&self) -> Result<Vec<Edit<'_>>, OutOfMemory> {
        let mut edits = Vec::new();
        let numbers = [
            Edit::HashKey(self.hash_key),
            Edit::SeqBound(self.seq_bound),
            Edit::HistoryFloor(self.history_floor),
            Edit::NextId(self.next_id),
            Edit::Clock(self.clock_ms),
        ];
        fallible::extend(&mut edits, &numbers)?;
        for entry in &self.segments {
            fallible::push(&mut edits, Edit::Add(*entry))?;
        }
        for id in &self.pending {
            fallible::push(&mut edits, Edit::Pending(*id))?;
        }
        if !self.condemned.is_empty() {
            fallible::push(&mut edits, Edit::Condemn(&self.condemned))?;
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
        let given_out = 1..self.next_id;
        if !used.iter().all(|id| given_out.contains(id)) {
            return Err(EditDamage::IdOutOfRange);
        }
        let counters = [
            self.seq_bound,
            self.last_seq,
            self.history_floor,
            self.next_id,
        ];
        if counters.into_iter().any(|counter| counter > COUNTER_MAX) {
            return Err(EditDamage::CounterOutOfRange);
        }
        let mut seqs_before = 0;
        for (entry, next) in self.segments.iter().zip(1..) {
            if entry.state == SegmentState::Active && next < self.segments.len() {
                return Err(EditDamage::NotNewest);
            }
            let lengths = FILE_HEADER_BYTES as u64..=FILE_BYTES_MAX;
            if !lengths.contains(&entry.valid_bytes) {
                return Err(EditDamage::LengthOutOfRange);
            }
            if entry.base_seq.max(entry.last_seq) > COUNTER_MAX {
                return Err(EditDamage::CounterOutOfRange);
            }
            if seqs_before > entry.base_seq {
                return Err(EditDamage::SeqOverlap);
            }
            seqs_before = entry.last_seq;
        }
        Ok(())
    }

    fn add(&mut self, entry: &SegmentEntry) -> Result<(), EditDamage> {
        if self.position(entry.id).is_some() || is_in(&self.condemned, entry.id) {
            return Err(EditDamage::Duplicate);
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
        let from = self.position(first).ok_or(EditDamage::Unknown)?;
        let run = self.segments[from..].iter().map(|entry| entry.id);
        if !run.take(remove.len()).eq(remove.iter().copied()) {
            return Err(EditDamage::NotNeighbours);
        }
        let mut outputs = ids_of(with)?;
        sort::by(&mut outputs, Ord::cmp);
        must_ascend(&outputs)?;
        let is_output = |id| is_in(&outputs, id);
        if self.segments.iter().any(|entry| is_output(entry.id))
            || self.condemned.iter().any(|id| is_output(*id))
        {
            return Err(EditDamage::Duplicate);
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
        self.position(id).is_some() || is_in(&self.pending, id) || is_in(&self.condemned, id)
    }
}

/// Why an edit, or a whole state, cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EditDamage {
    /// An id is already used for something else.
    Duplicate,
    /// No segment has the id.
    Unknown,
    /// The segment to seal does not grow.
    NotActive,
    /// A segment that grows has newer ones after it.
    NotNewest,
    /// A clean close names the end of an active segment that does not exist.
    NothingActive,
    /// The ids to replace are not a run of neighbours in their order.
    NotNeighbours,
    /// An id is 0 or not below the next id.
    IdOutOfRange,
    /// No id or seq is that great.
    CounterOutOfRange,
    /// A segment's length is shorter than its header or longer than a file can be.
    LengthOutOfRange,
    /// A segment's seqs begin before those of the one before it end.
    SeqOverlap,
    /// The store's hash key is already another.
    HashKeyChanged,
    /// More than [`SEGMENTS_MAX`] segments.
    TooMany,
    /// The bytes are no edit.
    Malformed,
    /// The allocator refused.
    OutOfMemory,
}

impl fmt::Display for EditDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate => f.write_str("an id is used twice"),
            Self::Unknown => f.write_str("there is no such segment"),
            Self::NotActive => f.write_str("the segment is already sealed"),
            Self::NotNewest => f.write_str("a segment grows but is not the newest"),
            Self::NothingActive => f.write_str("no segment is active"),
            Self::NotNeighbours => f.write_str("the segments to replace are not neighbours"),
            Self::IdOutOfRange => f.write_str("an id was never given out"),
            Self::CounterOutOfRange => f.write_str("no number goes up to this one"),
            Self::LengthOutOfRange => f.write_str("a segment has an impossible length"),
            Self::SeqOverlap => f.write_str("a segment overlaps the one before it"),
            Self::HashKeyChanged => f.write_str("the hash key cannot change"),
            Self::TooMany => write!(f, "more than {SEGMENTS_MAX} segments"),
            Self::Malformed => RecordDamage::Malformed.fmt(f),
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

impl From<RecordDamage> for EditDamage {
    fn from(damage: RecordDamage) -> Self {
        match damage {
            RecordDamage::OutOfMemory => Self::OutOfMemory,
            _ => Self::Malformed,
        }
    }
}

/// Refuses a list in which an id is not greater than the one before.
fn must_ascend(ids: &[u64]) -> Result<(), EditDamage> {
    match ids.is_sorted_by(|one, next| one < next) {
        true => Ok(()),
        false => Err(EditDamage::Duplicate),
    }
}

/// Whether an id is among `ids`, which ascend.
fn is_in(ids: &[u64], id: u64) -> bool {
    ids.binary_search(&id).is_ok()
}

/// Takes `ids`, which ascend, out of a list.
fn take_out(list: &mut Vec<u64>, ids: &[u64]) {
    list.retain(|id| !is_in(ids, *id));
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
