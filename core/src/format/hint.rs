//! One block of a hint: what a run of a segment's records is, without keys and values.
//!
//! ```text
//!  0 4 check     CRC-32 of (salt, offset of the block, bytes from 4 to the end of the payload)
//!  4 4 payload bytes
//!  8 8 from      segment offset of the first record covered
//! 16 8 to        segment offset after the last record covered
//! 24 4 entries
//! 28 . payload   entries back to back
//!
//! entry: kind, 0x08 if it expires 1 | varint record bytes | unless a marker: hash 12 [varint expiry]
//! ```
//!
//! Offsets are not stored: an entry's record begins where the one before it ended. A reader takes
//! blocks while their check is right and each begins where the last one ended.

use super::record::{HEAD_BYTES_MAX, HEAD_BYTES_MIN, KEY_BYTES_MAX, Kind, VALUE_BYTES_MAX};
use super::{FILE_BYTES_MAX, KeyHash, check, u32_at, u64_at, varint};
use crate::fallible::{self, OutOfMemory};
use crate::prelude::*;
use core::fmt;

/// Bytes before a block's payload.
pub const BLOCK_HEAD_BYTES: usize = 4 + 4 + 8 + 8 + 4;
/// The most payload bytes in one block.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 10;
/// The longest block.
pub const BLOCK_BYTES_MAX: usize = BLOCK_HEAD_BYTES + PAYLOAD_BYTES_MAX;
/// The longest entry: kind, record bytes, hash, expiry.
pub const ENTRY_BYTES_MAX: usize =
    1 + varint::bytes_of(RECORD_BYTES_MAX) + HASH_BYTES + varint::BYTES_MAX;

/// The longest record.
const RECORD_BYTES_MAX: u64 = (HEAD_BYTES_MAX + KEY_BYTES_MAX) as u64 + VALUE_BYTES_MAX as u64;
const HASH_BYTES: usize = 8 + 4;
const PAYLOAD_BYTES_FULL: usize = 60 << 10;
const _: () = assert!(PAYLOAD_BYTES_FULL + ENTRY_BYTES_MAX <= PAYLOAD_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX <= FILE_BYTES_MAX);

/// The tag of a put that does not expire. Two bytes of length say at least 128, which a record may be.
const PUT: u8 = Kind::Put as u8;
const _: () = assert!(HEAD_BYTES_MIN <= 128);
const TAG_KIND: u8 = 0x07;
const TAG_EXPIRY: u8 = 0x08;

/// What a hint knows about one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What the record does.
    pub kind: Kind,
    /// Bytes of the whole record.
    pub record_bytes: u64,
    /// The key's hash; `None` for a marker, and only for a marker.
    pub hash: Option<KeyHash>,
    /// When a put stops being visible, in milliseconds since 1970.
    pub expiry_ms: Option<u64>,
}

impl Entry {
    /// Bytes of this entry in a block.
    pub fn entry_bytes(&self) -> usize {
        1 + varint::bytes_of(self.record_bytes)
            + self.hash.map_or(0, |_| HASH_BYTES)
            + self.expiry_ms.map_or(0, varint::bytes_of)
    }

    fn is_well_formed(&self) -> bool {
        (HEAD_BYTES_MIN as u64..=RECORD_BYTES_MAX).contains(&self.record_bytes)
            && self.hash.is_some() == (self.kind != Kind::Marker)
            && (self.expiry_ms.is_none() || self.kind.is_put())
    }
}

/// Collects entries until they fill a block.
#[derive(Clone, Debug)]
pub struct BlockBuilder {
    from: u64,
    /// Always `from` plus the record bytes of all entries.
    to: u64,
    entries: u32,
    payload: Vec<u8>,
}

impl BlockBuilder {
    /// An empty block whose first record will begin at `from` of the segment.
    pub fn new(from: u64) -> Self {
        Self {
            from,
            to: from,
            entries: 0,
            payload: Vec::new(),
        }
    }

    /// Adds the record that begins at [`BlockBuilder::to`]. The block must not be full.
    ///
    /// Where memory ends nothing was added.
    pub fn push(&mut self, entry: &Entry) -> Result<(), OutOfMemory> {
        debug_assert!(entry.is_well_formed(), "{entry:?}");
        debug_assert!(!self.is_full());
        let mut buffer = [0; ENTRY_BYTES_MAX];
        buffer[0] = entry.kind as u8;
        let mut at = varint::put(&mut buffer, 1, entry.record_bytes);
        if let Some(hash) = entry.hash {
            buffer[at..at + 8].copy_from_slice(&hash.hi.to_le_bytes());
            buffer[at + 8..at + HASH_BYTES].copy_from_slice(&hash.lo.to_le_bytes());
            at += HASH_BYTES;
        }
        if let Some(expiry_ms) = entry.expiry_ms {
            buffer[0] |= TAG_EXPIRY;
            at = varint::put(&mut buffer, at, expiry_ms);
        }
        fallible::extend(&mut self.payload, &buffer[..at])?;
        self.to += entry.record_bytes;
        self.entries += 1;
        Ok(())
    }

    /// Whether the block should be written before anything more is pushed.
    pub fn is_full(&self) -> bool {
        self.payload.len() >= PAYLOAD_BYTES_FULL
    }

    /// Whether nothing was pushed: an empty block is never written.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The segment offset where the first record covered begins.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The segment offset where the last record pushed ends.
    pub fn to(&self) -> u64 {
        self.to
    }

    /// Entries pushed.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// The block's bytes, for this offset of the hint of the segment with this salt.
    pub fn encode(&self, salt: u64, block_offset: u64) -> Result<Vec<u8>, OutOfMemory> {
        debug_assert!(!self.is_empty());
        let mut bytes = Vec::new();
        fallible::reserve(&mut bytes, BLOCK_HEAD_BYTES + self.payload.len())?;
        fallible::extend(&mut bytes, &[0; 4])?;
        fallible::extend(&mut bytes, &(self.payload.len() as u32).to_le_bytes())?;
        fallible::extend(&mut bytes, &self.from.to_le_bytes())?;
        fallible::extend(&mut bytes, &self.to.to_le_bytes())?;
        fallible::extend(&mut bytes, &self.entries.to_le_bytes())?;
        fallible::extend(&mut bytes, &self.payload)?;
        let masked = check::masked(salt, block_offset, &bytes[4..]);
        bytes[..4].copy_from_slice(&masked.to_le_bytes());
        Ok(bytes)
    }

    /// Empties the block, keeping its memory; the next record begins at `from`.
    pub fn reset(&mut self, from: u64) {
        self.from = from;
        self.to = from;
        self.entries = 0;
        self.payload.clear();
    }
}

/// A block whose check is right and whose entries all make sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// The segment offset where the first record covered begins.
    pub from: u64,
    /// The segment offset where the last record covered ends.
    pub to: u64,
    /// How many entries there are.
    pub count: u32,
    /// Entries back to back; their record bytes add up to `to - from`.
    payload: &'a [u8],
}

impl<'a> Block<'a> {
    /// Each entry with the segment offset of its record.
    pub fn entries(&self) -> Entries<'a> {
        Entries {
            offset: self.from,
            at: 0,
            payload: self.payload,
        }
    }
}

/// The entries of a [`Block`], each with the segment offset of its record.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    offset: u64,
    at: usize,
    payload: &'a [u8],
}

impl Iterator for Entries<'_> {
    type Item = (u64, Entry);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = next_entry(self.payload, &mut self.at)?;
        let offset = self.offset;
        self.offset += entry.record_bytes;
        Some((offset, entry))
    }
}

/// Reads the block at `block_offset` of a hint, whose bytes `bytes` begins with; also says how
/// many bytes it takes. Allocates nothing; [`BLOCK_BYTES_MAX`] bytes are always enough.
pub fn decode_block(
    bytes: &[u8],
    salt: u64,
    block_offset: u64,
) -> Result<(Block<'_>, usize), BlockDamage> {
    if bytes.len() < BLOCK_HEAD_BYTES {
        return Err(BlockDamage::Short);
    }
    let payload_bytes = u32_at(bytes, 4) as usize;
    if payload_bytes == 0 || payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(BlockDamage::Malformed);
    }
    let end = BLOCK_HEAD_BYTES + payload_bytes;
    if bytes.len() < end {
        return Err(BlockDamage::Short);
    }
    if check::masked(salt, block_offset, &bytes[4..end]) != u32_at(bytes, 0) {
        return Err(BlockDamage::Check);
    }
    let block = Block {
        from: u64_at(bytes, 8),
        to: u64_at(bytes, 16),
        count: u32_at(bytes, 24),
        payload: &bytes[BLOCK_HEAD_BYTES..end],
    };
    match block_makes_sense(&block) {
        true => Ok((block, end)),
        false => Err(BlockDamage::Malformed),
    }
}

/// Why bytes are not a hint block at their place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockDamage {
    /// The bytes end before the block does, if it is one.
    Short,
    /// A length or an entry that no block has.
    Malformed,
    /// The check is not right at this place of this file.
    Check,
}

impl fmt::Display for BlockDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "the bytes end inside a hint block",
            Self::Malformed => "no hint block looks like this",
            Self::Check => "the hint block fails its check",
        })
    }
}

impl core::error::Error for BlockDamage {}

/// Walks the entries once, so that whoever iterates later meets none that is not whole.
fn block_makes_sense(block: &Block<'_>) -> bool {
    if block.from > block.to || block.to > FILE_BYTES_MAX {
        return false;
    }
    let (mut at, mut covered, mut count) = (0, 0, 0);
    while at < block.payload.len() {
        let Some(entry) = next_entry(block.payload, &mut at) else {
            return false;
        };
        // At most 2^16 entries of at most 2^33 bytes: no sum can overflow.
        covered += entry.record_bytes;
        count += 1;
    }
    covered == block.to - block.from && count == block.count
}

/// The entry at `at` of a payload (or of a block that was decoded), moving `at` behind it.
#[inline]
pub(crate) fn next_entry(payload: &[u8], at: &mut usize) -> Option<Entry> {
    // Nearly every entry: a put that stays, of a record that takes two bytes to say its length.
    if let Some(&[PUT, low, high, ..]) = payload.get(*at..*at + 3 + HASH_BYTES)
        && low >= 0x80
        && (1..0x80).contains(&high)
    {
        let bytes = &payload[*at + 3..*at + 3 + HASH_BYTES];
        *at += 3 + HASH_BYTES;
        return Some(Entry {
            kind: Kind::Put,
            record_bytes: u64::from(low & 0x7f) | u64::from(high) << 7,
            hash: Some(KeyHash {
                hi: u64_at(bytes, 0),
                lo: u32_at(bytes, 8),
            }),
            expiry_ms: None,
        });
    }
    next_any_entry(payload, at)
}

fn next_any_entry(payload: &[u8], at: &mut usize) -> Option<Entry> {
    let tag = *payload.get(*at)?;
    if tag & !(TAG_KIND | TAG_EXPIRY) != 0 {
        return None;
    }
    let kind = Kind::from_bits(tag & TAG_KIND)?;
    *at += 1;
    let record_bytes = varint::read(payload, at)?;
    let hash = match kind {
        Kind::Marker => None,
        _ => {
            let bytes = payload.get(*at..*at + HASH_BYTES)?;
            *at += HASH_BYTES;
            Some(KeyHash {
                hi: u64_at(bytes, 0),
                lo: u32_at(bytes, 8),
            })
        }
    };
    let expiry_ms = match tag & TAG_EXPIRY {
        0 => None,
        _ => Some(varint::read(payload, at)?),
    };
    let entry = Entry {
        kind,
        record_bytes,
        hash,
        expiry_ms,
    };
    entry.is_well_formed().then_some(entry)
}

#[cfg(test)]
mod tests;
