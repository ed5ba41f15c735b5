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

/// One step of a change. Each does what it says and nothing implicitly.
#[derive(PartialEq, Eq, Debug)]
pub enum Edit {
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
        remove: Vec<u64>,
        /// What takes its place; may be empty.
        with: Vec<SegmentEntry>,
    },
    /// The files of these condemned ids are gone. Ids that are not condemned are passed over.
    Forget(Vec<u64>),
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
    Condemn(Vec<u64>),
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

impl Edit {
    /// Gives a pending id up without touching what lies under its name: nothing of ours does.
    pub fn disown(id: u64) -> [Self; 2] {
        [
            Self::Condemn(Vec::from([id])),
            Self::Forget(Vec::from([id])),
        ]
    }

    /// Appends the edit's bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        match self {
            Self::HashKey(key) => {
                fallible::push(out, HASH_KEY)?;
                fallible::extend(out, key)
            }
            Self::SeqBound(seq) => tagged(out, SEQ_BOUND, &[*seq]),
            Self::LastSeq(seq) => tagged(out, LAST_SEQ, &[*seq]),
            Self::HistoryFloor(seq) => tagged(out, HISTORY_FLOOR, &[*seq]),
            Self::NextId(id) => tagged(out, NEXT_ID, &[*id]),
            Self::Clock(ms) => tagged(out, CLOCK, &[*ms]),
            Self::Add(entry) => {
                fallible::push(out, ADD)?;
                encode_entry(out, entry)
            }
            Self::Seal {
                id,
                valid_bytes,
                last_seq,
                records,
                footer,
            } => {
                let tag = if *footer { SEAL } else { CUT };
                tagged(out, tag, &[*id, *valid_bytes, *last_seq, *records])
            }
            Self::Pending(id) => tagged(out, PENDING, &[*id]),
            Self::Replace { remove, with } => {
                encode_ids(out, REPLACE, remove)?;
                varint::write(out, with.len() as u64)?;
                with.iter().try_for_each(|entry| encode_entry(out, entry))
            }
            Self::Forget(ids) => encode_ids(out, FORGET, ids),
            Self::Clear => fallible::push(out, CLEAR),
            Self::CleanClose {
                valid_bytes,
                last_seq,
                records,
            } => tagged(out, CLEAN_CLOSE, &[*valid_bytes, *last_seq, *records]),
            Self::Condemn(ids) => encode_ids(out, CONDEMN, ids),
        }
    }

    /// Reads the edit at `*at` and moves `*at` past it.
    pub(crate) fn decode(bytes: &[u8], at: &mut usize) -> Result<Self, RecordDamage> {
        let tag = byte(bytes, at)?;
        let mut numbers = [0; 4];
        for place in &mut numbers[..numbers_behind(tag)] {
            *place = number(bytes, at)?;
        }
        let [first, second, third, fourth] = numbers;
        Ok(match tag {
            HASH_KEY => Self::HashKey(array(take(bytes, at, 16)?, 0)),
            SEQ_BOUND => Self::SeqBound(first),
            LAST_SEQ => Self::LastSeq(first),
            HISTORY_FLOOR => Self::HistoryFloor(first),
            NEXT_ID => Self::NextId(first),
            CLOCK => Self::Clock(first),
            ADD => Self::Add(decode_entry(bytes, at)?),
            SEAL | CUT => Self::Seal {
                id: first,
                valid_bytes: second,
                last_seq: third,
                records: fourth,
                footer: tag == SEAL,
            },
            PENDING => Self::Pending(first),
            REPLACE => Self::Replace {
                remove: decode_list(bytes, at, 1, number)?,
                with: decode_list(bytes, at, ENTRY_BYTES_MIN, decode_entry)?,
            },
            FORGET => Self::Forget(decode_list(bytes, at, 1, number)?),
            CLEAR => Self::Clear,
            CLEAN_CLOSE => Self::CleanClose {
                valid_bytes: first,
                last_seq: second,
                records: third,
            },
            CONDEMN => Self::Condemn(decode_list(bytes, at, 1, number)?),
            _ => return Err(RecordDamage::Malformed),
        })
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

fn tagged(out: &mut Vec<u8>, tag: u8, numbers: &[u64]) -> Result<(), OutOfMemory> {
    fallible::push(out, tag)?;
    numbers
        .iter()
        .try_for_each(|number| varint::write(out, *number))
}

fn encode_ids(out: &mut Vec<u8>, tag: u8, ids: &[u64]) -> Result<(), OutOfMemory> {
    tagged(out, tag, &[ids.len() as u64])?;
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

fn decode_entry(bytes: &[u8], at: &mut usize) -> Result<SegmentEntry, RecordDamage> {
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
fn decode_list<T>(
    bytes: &[u8],
    at: &mut usize,
    item_bytes_min: usize,
    item: fn(&[u8], &mut usize) -> Result<T, RecordDamage>,
) -> Result<Vec<T>, RecordDamage> {
    let count = number(bytes, at)?;
    let count_max = (bytes.len() - *at) / item_bytes_min;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= count_max)
        .ok_or(RecordDamage::Malformed)?;
    let mut list = Vec::new();
    fallible::reserve(&mut list, count).map_err(|_| RecordDamage::OutOfMemory)?;
    for _ in 0..count {
        fallible::push(&mut list, item(bytes, at)?).map_err(|_| RecordDamage::OutOfMemory)?;
    }
    Ok(list)
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
