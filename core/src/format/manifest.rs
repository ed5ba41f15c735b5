//! The manifest: which files make up the store, as a log of atomic changes.
//!
//! ```text
//!  0 4 check         CRC-32 of (salt, offset of the record, bytes 4..16)
//!  4 4 payload crc   CRC-32 of the payload
//!  8 4 payload bytes
//! 12 4 edits
//! 16 . payload       edits back to back: a tag, then the edit's fields
//! ```
//!
//! One record is one atomic change; the first one of a manifest is the complete [`State`]. The
//! state after a prefix of the records is that of applying their edits in order.

mod edit;
mod state;

pub use edit::{Edit, SegmentEntry, SegmentState};
pub use state::{EditDamage, SEGMENTS_MAX, State};

use super::file::{FENCE_BYTES, FILE_HEADER_BYTES};
use super::{check, u32_at};
use crate::fallible;
use crate::prelude::*;
use core::fmt;

/// Where a manifest's first record lies: after the header and the fence.
pub const MANIFEST_RECORDS_OFFSET: u64 = (FILE_HEADER_BYTES + FENCE_BYTES) as u64;
/// Bytes before a manifest record's payload.
pub const MANIFEST_HEAD_BYTES: usize = 4 + 4 + 4 + 4;
/// The most payload bytes in one manifest record: a complete state with [`SEGMENTS_MAX`] segments
/// fits well.
pub const MANIFEST_PAYLOAD_BYTES_MAX: usize = 8 << 20;

/// The head of a manifest record, whose check was right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHead {
    /// Bytes of the payload, within [`MANIFEST_PAYLOAD_BYTES_MAX`].
    pub payload_bytes: usize,
    /// CRC-32 of the payload.
    pub payload_crc: u32,
    /// Edits in the payload; at least 1.
    pub edits: u32,
}

/// The bytes of the change that these edits make, for this offset of the manifest with this salt.
/// There is at least one edit.
pub fn encode_record(edits: &[Edit], salt: u64, offset: u64) -> Vec<u8> {
    debug_assert!(!edits.is_empty());
    let mut bytes = vec![0; MANIFEST_HEAD_BYTES];
    edits.iter().for_each(|edit| edit.encode(&mut bytes));
    let payload_bytes = bytes.len() - MANIFEST_HEAD_BYTES;
    debug_assert!(payload_bytes <= MANIFEST_PAYLOAD_BYTES_MAX);
    let payload_crc = check::plain(&bytes[MANIFEST_HEAD_BYTES..]);
    bytes[4..8].copy_from_slice(&payload_crc.to_le_bytes());
    bytes[8..12].copy_from_slice(&(payload_bytes as u32).to_le_bytes());
    bytes[12..16].copy_from_slice(&(edits.len() as u32).to_le_bytes());
    let masked = check::masked(salt, offset, &bytes[4..MANIFEST_HEAD_BYTES]);
    bytes[..4].copy_from_slice(&masked.to_le_bytes());
    bytes
}

/// Reads the head of the manifest record at `offset`: enough to know how many bytes to read.
pub fn decode_head(bytes: &[u8], salt: u64, offset: u64) -> Result<RecordHead, RecordDamage> {
    if bytes.len() < MANIFEST_HEAD_BYTES {
        return Err(RecordDamage::Short);
    }
    if check::masked(salt, offset, &bytes[4..MANIFEST_HEAD_BYTES]) != u32_at(bytes, 0) {
        return Err(RecordDamage::Check);
    }
    let payload_bytes = u32_at(bytes, 8) as usize;
    let edits = u32_at(bytes, 12);
    // An edit takes at least its tag.
    if edits == 0 || payload_bytes > MANIFEST_PAYLOAD_BYTES_MAX || payload_bytes < edits as usize {
        return Err(RecordDamage::Malformed);
    }
    Ok(RecordHead {
        payload_bytes,
        payload_crc: u32_at(bytes, 4),
        edits,
    })
}

/// Reads the manifest record at `offset`, whose bytes `bytes` begins with; also says how many
/// bytes it takes. Allocates at most a small multiple of the payload's bytes.
pub fn decode_record(
    bytes: &[u8],
    salt: u64,
    offset: u64,
) -> Result<(Vec<Edit>, usize), RecordDamage> {
    let head = decode_head(bytes, salt, offset)?;
    let end = MANIFEST_HEAD_BYTES + head.payload_bytes;
    let Some(payload) = bytes.get(MANIFEST_HEAD_BYTES..end) else {
        return Err(RecordDamage::Short);
    };
    if check::plain(payload) != head.payload_crc {
        return Err(RecordDamage::Check);
    }
    let mut edits = Vec::new();
    fallible::reserve(&mut edits, head.edits as usize).map_err(|_| RecordDamage::OutOfMemory)?;
    let mut at = 0;
    for _ in 0..head.edits {
        edits.push(Edit::decode(payload, &mut at)?);
    }
    match at == payload.len() {
        true => Ok((edits, end)),
        false => Err(RecordDamage::Malformed),
    }
}

/// Why bytes are not a manifest record at their place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordDamage {
    /// The bytes end before the record does.
    Short,
    /// A check is not right at this place of this file.
    Check,
    /// The checks are right, but no record of this version looks like this.
    Malformed,
    /// The record may be whole, but there is no memory to hold its edits.
    OutOfMemory,
}

impl fmt::Display for RecordDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "the bytes end inside a manifest record",
            Self::Check => "the manifest record fails its check",
            Self::Malformed => "no manifest record looks like this",
            Self::OutOfMemory => "out of memory while reading a manifest record",
        })
    }
}

impl core::error::Error for RecordDamage {}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind.
    pub(super) fn every_edit() -> Vec<Edit> {
        let sealed = SegmentEntry {
            id: 3,
            salt: 0x0123_4567_89ab_cdef,
            base_seq: 40,
            last_seq: 90,
            state: SegmentState::Sealed,
            valid_bytes: 5000,
            records: 50,
        };
        let active = SegmentEntry {
            id: 4,
            salt: u64::MAX,
            base_seq: 90,
            last_seq: 90,
            state: SegmentState::Active,
            valid_bytes: 80,
            records: 0,
        };
        vec![
            Edit::HashKey(*b"sixteen of these"),
            Edit::SeqBound(1 << 24),
            Edit::LastSeq(90),
            Edit::HistoryFloor(7),
            Edit::NextId(12),
            Edit::Clock(1_700_000_000_000),
            Edit::Add(sealed.clone()),
            Edit::Add(active),
            Edit::Seal {
                id: 4,
                valid_bytes: 300,
                last_seq: 95,
                records: 5,
            },
            Edit::Pending(5),
            Edit::Replace {
                remove: vec![3, 4],
                with: vec![SegmentEntry { id: 5, ..sealed }],
            },
            Edit::Forget(vec![3]),
            Edit::Condemn(vec![8, 9]),
            Edit::Clear,
            Edit::CleanClose {
                valid_bytes: 0,
                last_seq: 95,
                records: 0,
            },
            Edit::Unclean,
        ]
    }

    #[test]
    fn every_edit_reads_back() {
        let edits = every_edit();
        let mut bytes = encode_record(&edits, 9, 96);
        let total = bytes.len();
        bytes.extend_from_slice(b"what follows is not read");
        assert_eq!(decode_record(&bytes, 9, 96), Ok((edits, total)));
    }
}
