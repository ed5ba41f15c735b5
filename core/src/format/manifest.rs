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
use crate::fallible::{self, OutOfMemory};
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
pub fn encode_record(edits: &[Edit], salt: u64, offset: u64) -> Result<Vec<u8>, OutOfMemory> {
    debug_assert!(!edits.is_empty());
    let mut bytes = fallible::zeroed(MANIFEST_HEAD_BYTES)?;
    edits.iter().try_for_each(|edit| edit.encode(&mut bytes))?;
    let payload_bytes = bytes.len() - MANIFEST_HEAD_BYTES;
    debug_assert!(payload_bytes <= MANIFEST_PAYLOAD_BYTES_MAX);
    let payload_crc = check::plain(&bytes[MANIFEST_HEAD_BYTES..]);
    bytes[4..8].copy_from_slice(&payload_crc.to_le_bytes());
    bytes[8..12].copy_from_slice(&(payload_bytes as u32).to_le_bytes());
    bytes[12..16].copy_from_slice(&(edits.len() as u32).to_le_bytes());
    let masked = check::masked(salt, offset, &bytes[4..MANIFEST_HEAD_BYTES]);
    bytes[..4].copy_from_slice(&masked.to_le_bytes());
    Ok(bytes)
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
    Ok((decode_payload(&head, payload)?, end))
}

/// The manifest record that was at the front of `bytes` before one of their bits flipped, and how
/// many bytes it takes. Asked when they do not decode.
///
/// Uses of a 32-bit check what it can: two records never differ in one bit, so at most one is found.
pub fn repair_one_bit(
    bytes: &[u8],
    salt: u64,
    offset: u64,
) -> Result<(Vec<Edit>, usize), RecordDamage> {
    let mut fixed = *bytes
        .first_chunk::<MANIFEST_HEAD_BYTES>()
        .ok_or(RecordDamage::Short)?;
    let payload_of = |head: &RecordHead| {
        let end = MANIFEST_HEAD_BYTES + head.payload_bytes;
        let payload = bytes.get(MANIFEST_HEAD_BYTES..end);
        payload
            .map(|payload| (payload, end))
            .ok_or(RecordDamage::Short)
    };
    if let Ok(head) = decode_head(&fixed, salt, offset) {
        let (payload, end) = payload_of(&head)?;
        let bit = check::flipped_bit(payload, head.payload_crc).ok_or(RecordDamage::Check)?;
        let mut payload = fallible::copy(payload).map_err(|_| RecordDamage::OutOfMemory)?;
        payload[bit / 8] ^= 1 << (bit % 8);
        return Ok((decode_payload(&head, &payload)?, end));
    }
    for bit in 0..MANIFEST_HEAD_BYTES * 8 {
        fixed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(head) = decode_head(&fixed, salt, offset) {
            let (payload, end) = payload_of(&head)?;
            return Ok((decode_payload(&head, payload)?, end));
        }
        fixed[bit / 8] ^= 1 << (bit % 8);
    }
    Err(RecordDamage::Check)
}

fn decode_payload(head: &RecordHead, payload: &[u8]) -> Result<Vec<Edit>, RecordDamage> {
    if check::plain(payload) != head.payload_crc {
        return Err(RecordDamage::Check);
    }
    let mut edits = Vec::new();
    fallible::reserve(&mut edits, head.edits as usize).map_err(|_| RecordDamage::OutOfMemory)?;
    let mut at = 0;
    for _ in 0..head.edits {
        let edit = Edit::decode(payload, &mut at)?;
        fallible::push(&mut edits, edit).map_err(|_| RecordDamage::OutOfMemory)?;
    }
    match at == payload.len() {
        true => Ok(edits),
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
mod tests;
