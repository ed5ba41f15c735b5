//! The bytes of one edit: a tag, then varints and fixed fields in the order of the declaration.

use super::RecordDamage;
use crate::fallible::{self, OutOfMemory};
use crate::format::{array, u64_at, varint};
use crate::prelude::*;

/// How far a segment's life has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum SegmentState {
    /// It grows: only the newest may.
    Active = 1,
    /// It never changes again, and its footer follows its records.
    Sealed = 2,
    /// It never changes again and has no footer: recovery cut it here, or it is the copy of one
    /// that was growing.
    Cut = 3,
}

impl SegmentState {
    /// Whether its valid length is final.
    pub fn is_sealed(self) -> bool {
        self != Self::Active
    }
}

/// What the manifest knows of one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentEntry {
    /// The number in its name.
    pub id: u64,
    /// The salt in its header: a file of this name with another salt is not this segment.
    pub salt: u64,
    /// The base seq in its header.
    pub base_seq: u64,
    /// At least the seq of every record; final once sealed.
    pub last_seq: u64,
    /// How far its life has gone.
    pub state: SegmentState,
    /// Sealed: where the records end. Active: the length known to be durable at its creation or
    /// the last clean close. Bytes beyond it are not part of a sealed segment.
    pub valid_bytes: u64,
    /// Records within `valid_bytes`, markers included.
    pub records: u64,
}

/// One step of a change. Each does what it says and nothing implicitly. Its lists are lent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edit<'a> {
    /// Sets the key of the store's hash; once.
    HashKey([u8; 16]),
    /// No seq above this one was issued before a greater bound was written.
    SeqBound(u64),
    /// Sets the greatest seq known to have been issued.
    LastSeq(u64),
    /// Changes before this seq are no longer complete: merges have dropped some.
    HistoryFloor(u64),
    /// The next segment gets this id or a greater one.
    NextId(u64),
    /// The wall clock that was trusted, in milliseconds since 1970.
    Clock(u64),
    /// Adds a segment as the newest. An id that was pending no longer is.
    Add(SegmentEntry),
    /// Ends the growth of the active segment.
    Seal {
        /// Which one.
        id: u64,
        /// Where its records end.
        valid_bytes: u64,
        /// The greatest seq of any of its records.
        last_seq: u64,
        /// Its records, markers included.
        records: u64,
        /// Whether a footer follows them; without one it was cut.
        footer: bool,
    },
    /// An id under which a merge is writing: its files mean nothing yet.
    Pending(u64),
    /// Puts `with` in the place of a run of neighbours, oldest first. The outputs leave the
    /// pending ids, the inputs become condemned.
    Replace {
        /// The run, in the order of the segments; not empty.
        remove: &'a [u64],
        /// What takes its place; may be empty.
        with: &'a [SegmentEntry],
    },
    /// The files of these condemned ids are gone. Ids that are not condemned are passed over.
    Forget(&'a [u64]),
    /// Condemns every segment.
    Clear,
    /// The writer closed: the active segment, if any, ends here and may be continued. Without an
    /// active segment `valid_bytes` and `records` are 0.
    CleanClose {
        /// Where the active segment's records end.
        valid_bytes: u64,
        /// The greatest seq issued.
        last_seq: u64,
        /// The active segment's records, markers included.
        records: u64,
    },
    /// The files of these ids may be deleted. Pending ids among them no longer are; the id of a
    /// segment is refused.
    Condemn(&'a [u64]),
}

const HASH_KEY: u8 = 1;
const SEQ_BOUND: u8 = 2;
const LAST_SEQ: u8 = 3;
const HISTORY_FLOOR: u8 = 4;
const NEXT_ID: u8 = 5;
const CLOCK: u8 = 6;
const ADD: u8 = 7;
const SEAL: u8 = 8;
const PENDING: u8 = 9;
const REPLACE: u8 = 10;
const FORGET: u8 = 11;
const CLEAR: u8 = 12;
const CLEAN_CLOSE: u8 = 13;
const CUT: u8 = 14;
const CONDEMN: u8 = 15;

/// The shortest segment entry: id, salt, base seq, last seq, state, valid bytes, records. The salt takes
/// eight bytes, the state one, and each of the five varints one.
const ENTRY_BYTES_MIN: usize = 1 + 8 + 1 + 1 + 1 + 1 + 1;

impl<'a> Edit<'a> {
    /// Gives pending ids up without touching what lies under their names: nothing of ours does.
    pub fn disown(ids: &'a [u64]) -> [Self; 2] {
        [Self::Condemn(ids), Self::Forget(ids)]
    }

    /// Appends the edit's bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        let (tag, numbers) = match *self {
            Self::HashKey(_) => (HASH_KEY, [0; 4]),
            Self::SeqBound(seq) => (SEQ_BOUND, [seq, 0, 0, 0]),
            Self::LastSeq(seq) => (LAST_SEQ, [seq, 0, 0, 0]),
            Self::HistoryFloor(seq) => (HISTORY_FLOOR, [seq, 0, 0, 0]),
            Self::NextId(id) => (NEXT_ID, [id, 0, 0, 0]),
            Self::Clock(ms) => (CLOCK, [ms, 0, 0, 0]),
            Self::Add(_) => (ADD, [0; 4]),
            Self::Seal {
                id,
                valid_bytes,
                last_seq,
                records,
                footer,
            } => {
                let tag = if footer { SEAL } else { CUT };
                (tag, [id, valid_bytes, last_seq, records])
            }
            Self::Pending(id) => (PENDING, [id, 0, 0, 0]),
            Self::Replace { .. } => (REPLACE, [0; 4]),
            Self::Forget(_) => (FORGET, [0; 4]),
            Self::Clear => (CLEAR, [0; 4]),
            Self::CleanClose {
                valid_bytes,
                last_seq,
                records,
            } => (CLEAN_CLOSE, [valid_bytes, last_seq, records, 0]),
            Self::Condemn(_) => (CONDEMN, [0; 4]),
        };
        fallible::push(out, tag)?;
        for number in &numbers[..numbers_behind(tag)] {
            varint::write(out, *number)?;
        }
        match self {
            Self::HashKey(key) => fallible::extend(out, key),
            Self::Add(entry) => encode_entry(out, entry),
            Self::Replace { remove, with } => {
                encode_ids(out, remove)?;
                varint::write(out, with.len() as u64)?;
                with.iter().try_for_each(|entry| encode_entry(out, entry))
            }
            Self::Forget(ids) | Self::Condemn(ids) => encode_ids(out, ids),
            _ => Ok(()),
        }
    }
}

/// The edits of a record, read one after the other: its lists lie in memory one at a time.
#[derive(Debug)]
pub struct Edits<'a> {
    payload: &'a [u8],
    /// Where the next edit begins in the payload.
    at: usize,
    /// How many are still to come.
    left: u32,
    ids: Vec<u64>,
    segments: Vec<SegmentEntry>,
}

impl<'a> Edits<'a> {
    /// So many edits, back to back.
    pub(crate) fn new(payload: &'a [u8], edits: u32) -> Self {
        Self {
            payload,
            at: 0,
            left: edits,
            ids: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// Whether each of them can be read.
    pub fn make_sense(mut self) -> Result<bool, OutOfMemory> {
        loop {
            match self.read() {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(true),
                Err(RecordDamage::OutOfMemory) => return Err(OutOfMemory),
                Err(_) => return Ok(false),
            }
        }
    }

    /// The next edit; `None` behind the last one, where the payload must end.
    pub fn read(&mut self) -> Result<Option<Edit<'_>>, RecordDamage> {
        let Some(left) = self.left.checked_sub(1) else {
            return match self.at == self.payload.len() {
                true => Ok(None),
                false => Err(RecordDamage::Malformed),
            };
        };
        self.left = left;
        self.read_one().map(|(edit, _)| Some(edit))
    }

    /// The next edit, however many there should be, and where it ends in the payload.
    pub(crate) fn read_one(&mut self) -> Result<(Edit<'_>, usize), RecordDamage> {
        let (bytes, at) = (self.payload, &mut self.at);
        let tag = byte(bytes, at)?;
        let mut numbers = [0; 4];
        for place in &mut numbers[..numbers_behind(tag)] {
            *place = number(bytes, at)?;
        }
        let [first, second, third, fourth] = numbers;
        if matches!(tag, REPLACE | FORGET | CONDEMN) {
            read_list(&mut self.ids, bytes, at, 1, number)?;
        }
        let edit = match tag {
            HASH_KEY => Edit::HashKey(array(take(bytes, at, 16)?, 0)),
            SEQ_BOUND => Edit::SeqBound(first),
            LAST_SEQ => Edit::LastSeq(first),
            HISTORY_FLOOR => Edit::HistoryFloor(first),
            NEXT_ID => Edit::NextId(first),
            CLOCK => Edit::Clock(first),
            ADD => Edit::Add(segment(bytes, at)?),
            SEAL | CUT => Edit::Seal {
                id: first,
                valid_bytes: second,
                last_seq: third,
                records: fourth,
                footer: tag == SEAL,
            },
            PENDING => Edit::Pending(first),
            REPLACE => {
                read_list(&mut self.segments, bytes, at, ENTRY_BYTES_MIN, segment)?;
                Edit::Replace {
                    remove: &self.ids,
                    with: &self.segments,
                }
            }
            FORGET => Edit::Forget(&self.ids),
            CLEAR => Edit::Clear,
            CLEAN_CLOSE => Edit::CleanClose {
                valid_bytes: first,
                last_seq: second,
                records: third,
            },
            CONDEMN => Edit::Condemn(&self.ids),
            _ => return Err(RecordDamage::Malformed),
        };
        Ok((edit, self.at))
    }
}

/// How many numbers stand behind a tag where an edit begins with such.
fn numbers_behind(tag: u8) -> usize {
    match tag {
        SEQ_BOUND | LAST_SEQ | HISTORY_FLOOR | NEXT_ID | CLOCK | PENDING => 1,
        CLEAN_CLOSE => 3,
        SEAL | CUT => 4,
        _ => 0,
    }
}

fn encode_ids(out: &mut Vec<u8>, ids: &[u64]) -> Result<(), OutOfMemory> {
    varint::write(out, ids.len() as u64)?;
    ids.iter().try_for_each(|id| varint::write(out, *id))
}

fn encode_entry(out: &mut Vec<u8>, entry: &SegmentEntry) -> Result<(), OutOfMemory> {
    varint::write(out, entry.id)?;
    fallible::extend(out, &entry.salt.to_le_bytes())?;
    varint::write(out, entry.base_seq)?;
    varint::write(out, entry.last_seq)?;
    fallible::push(out, entry.state as u8)?;
    varint::write(out, entry.valid_bytes)?;
    varint::write(out, entry.records)
}

fn segment(bytes: &[u8], at: &mut usize) -> Result<SegmentEntry, RecordDamage> {
    Ok(SegmentEntry {
        id: number(bytes, at)?,
        salt: u64_at(take(bytes, at, 8)?, 0),
        base_seq: number(bytes, at)?,
        last_seq: number(bytes, at)?,
        state: match byte(bytes, at)? {
            1 => SegmentState::Active,
            2 => SegmentState::Sealed,
            3 => SegmentState::Cut,
            _ => return Err(RecordDamage::Malformed),
        },
        valid_bytes: number(bytes, at)?,
        records: number(bytes, at)?,
    })
}

/// A count, then that many items of at least `item_bytes_min` bytes: the count is believed only
/// as far as the bytes that are there could hold it.
fn read_list<T>(
    list: &mut Vec<T>,
    bytes: &[u8],
    at: &mut usize,
    item_bytes_min: usize,
    item: fn(&[u8], &mut usize) -> Result<T, RecordDamage>,
) -> Result<(), RecordDamage> {
    let count = number(bytes, at)?;
    let count_max = (bytes.len() - *at) / item_bytes_min;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= count_max)
        .ok_or(RecordDamage::Malformed)?;
    list.clear();
    fallible::reserve(list, count)?;
    for _ in 0..count {
        fallible::push(list, item(bytes, at)?)?;
    }
    Ok(())
}

fn number(bytes: &[u8], at: &mut usize) -> Result<u64, RecordDamage> {
    varint::read(bytes, at).ok_or(RecordDamage::Malformed)
}

fn byte(bytes: &[u8], at: &mut usize) -> Result<u8, RecordDamage> {
    Ok(take(bytes, at, 1)?[0])
}

fn take<'a>(bytes: &'a [u8], at: &mut usize, count: usize) -> Result<&'a [u8], RecordDamage> {
    let taken = bytes
        .get(*at..)
        .and_then(|rest| rest.get(..count))
        .ok_or(RecordDamage::Malformed)?;
    *at += count;
    Ok(taken)
}
