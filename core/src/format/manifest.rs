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

pub use edit::{Edit, Edits, SegmentEntry, SegmentState};
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
pub fn encode_record(edits: &[Edit<'_>], salt: u64, offset: u64) -> Result<Vec<u8>, OutOfMemory> {
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

/// The edits of the manifest record at `offset`, whose bytes `bytes` begins with, and how many bytes it takes. Its
/// checks are right then; whether its edits make sense shows as they are [read](Edits::read).
pub fn decode_record(
    bytes: &[u8],
    salt: u64,
    offset: u64,
) -> Result<(Edits<'_>, usize), RecordDamage> {
    let head = decode_head(bytes, salt, offset)?;
    let end = MANIFEST_HEAD_BYTES + head.payload_bytes;
    let Some(payload) = bytes.get(MANIFEST_HEAD_BYTES..end) else {
        return Err(RecordDamage::Short);
    };
    if check::plain(payload) != head.payload_crc {
        return Err(RecordDamage::Check);
    }
    Ok((Edits::new(payload, head.edits), end))
}

/// Makes the manifest record at the front of `bytes` what it was before one of its bits flipped. Asked when it does not
/// decode. Answers whether there is such a bit; else `bytes` is as before.
///
/// Uses of a 32-bit check what it can: two records never differ in one bit, so at most one is found.
pub fn repair_one_bit(bytes: &mut [u8], salt: u64, offset: u64) -> bool {
    if let Ok(head) = decode_head(bytes, salt, offset) {
        let end = MANIFEST_HEAD_BYTES + head.payload_bytes;
        let payload = bytes.get_mut(MANIFEST_HEAD_BYTES..end);
        return payload.is_some_and(|payload| {
            let flipped = check::flipped_bit(payload, head.payload_crc);
            flipped.is_some_and(|bit| flip(payload, bit))
        });
    }
    let head_bits = MANIFEST_HEAD_BYTES.min(bytes.len()) * 8;
    (0..head_bits).any(|bit| {
        flip(bytes, bit);
        decode_record(bytes, salt, offset).is_ok() || !flip(bytes, bit)
    })
}

/// Flips a bit, counted from the lowest of the first byte. Always true.
fn flip(bytes: &mut [u8], bit: usize) -> bool {
    bytes[bit / 8] ^= 1 << (bit % 8);
    true
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

impl From<OutOfMemory> for RecordDamage {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
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
