//! One record of a segment: a head that says what and how long, then the key, then the value.
//!
//! ```text
//!  0 4 check       CRC-32 of (salt, offset of the record, head from byte 4 to its end)
//!  4 4 body crc    CRC-32 of (key, value)
//!  8 2 key check   the key's CRC-32 folded to 16 bits
//! 10 1 tag         kind in the low three bits, then one bit per extension
//! 11 . varints     seq - base seq | key bytes | value bytes
//!                  [expiry ms] [durable offset] [batch: bytes that follow, records that follow]
//!  . . key, value
//! ```
//!
//! No length is believed before the check over it is right. A head of a small put takes 14 to 16
//! bytes. All zeros are never a record: kind 0 does not exist.

use super::check::{self, MASK_BYTES};
use super::counter::COUNTER_MAX;
use super::{FILE_BYTES_MAX, Space, u16_at, u32_at, varint};
use crate::fallible::{self, OutOfMemory};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use core::fmt;

/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 65_535;
/// Longest value in bytes, as the format allows it; options set a lower limit.
pub const VALUE_BYTES_MAX: u32 = u32::MAX;
/// Bytes of a marker's value: a wall-clock time.
pub const MARKER_VALUE_BYTES: usize = 8;
/// Bytes of the check, which covers all of the head after itself.
const CHECK_BYTES: usize = 4;
/// Where the varints begin: check 4, body crc 4, key check 2, tag 1.
const FIXED_BYTES: usize = CHECK_BYTES + 4 + 2 + 1;
/// The shortest head: three varints of one byte.
pub const HEAD_BYTES_MIN: usize = FIXED_BYTES + 3;
/// The longest head: every extension at its widest.
pub const HEAD_BYTES_MAX: usize = FIXED_BYTES
    + varint::bytes_of(COUNTER_MAX)
    + varint::bytes_of(KEY_BYTES_MAX as u64)
    + varint::bytes_of(VALUE_BYTES_MAX as u64)
    + varint::BYTES_MAX
    + 3 * varint::bytes_of(FILE_BYTES_MAX);
// As FORMAT.md has them.
const _: () = assert!(HEAD_BYTES_MIN == 14 && HEAD_BYTES_MAX == 53);
const _: () = assert!(BATCH_RECORDS_MAX <= FILE_BYTES_MAX);

/// The most records that may follow a batch's first one.
pub const BATCH_RECORDS_MAX: u64 = u32::MAX as u64;

const TAG_KIND: u8 = 0x07;
const TAG_EXPIRY: u8 = 0x08;
const TAG_DURABLE: u8 = 0x10;
const TAG_BATCH_FIRST: u8 = 0x20;
const TAG_BATCH_MEMBER: u8 = 0x40;
const TAG_RESERVED: u8 = 0x80;

/// What a record does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Sets a user key.
    Put = 1,
    /// Deletes a user key.
    Tombstone = 2,
    /// Says how far the file was durable when it was written; belongs to no key.
    Marker = 3,
    /// Sets a key of the system's own space.
    MetaPut = 4,
    /// Deletes a key of the system's own space.
    MetaTombstone = 5,
}

impl Kind {
    /// Whether it sets a key, in either space.
    #[inline]
    pub const fn is_put(self) -> bool {
        matches!(self, Self::Put | Self::MetaPut)
    }

    /// Whether it deletes a key, in either space.
    #[inline]
    pub const fn is_tombstone(self) -> bool {
        matches!(self, Self::Tombstone | Self::MetaTombstone)
    }

    /// The key space it belongs to. A marker has no key and counts as the system's.
    #[inline]
    pub const fn space(self) -> Space {
        match self {
            Self::Put | Self::Tombstone => Space::User,
            Self::Marker | Self::MetaPut | Self::MetaTombstone => Space::Meta,
        }
    }

    #[inline]
    pub(crate) const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            1 => Some(Self::Put),
            2 => Some(Self::Tombstone),
            3 => Some(Self::Marker),
            4 => Some(Self::MetaPut),
            5 => Some(Self::MetaTombstone),
            _ => None,
        }
    }
}

/// What a segment lends to each of its records: the mask, and where its seqs start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    /// The file's salt.
    pub salt: u64,
    /// At most the seq of every record of the file.
    pub base_seq: u64,
}

/// A record's part in a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Batch {
    /// Written alone.
    #[default]
    None,
    /// The first record of a batch, which knows how much belongs to it.
    First {
        /// Bytes after this record that belong to the batch.
        rest_bytes: u64,
        /// Records after this one that belong to the batch; at least 1.
        rest_records: u64,
    },
    /// A later record of the batch.
    Member,
}

/// Everything about a record but its key and value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// What the record does.
    pub kind: Kind,
    /// The record's number in the store; a marker repeats the last one issued, or the segment's
    /// base where that is greater.
    pub seq: u64,
    /// Bytes of the key.
    pub key_bytes: u16,
    /// Bytes of the value; 0 for a tombstone, 8 for a marker.
    pub value_bytes: u32,
    /// When a put stops being visible, in milliseconds since 1970.
    pub expiry_ms: Option<u64>,
    /// Bytes of this file known to survive power loss when the record was written; at most the
    /// record's own offset.
    pub durable: Option<u64>,
    /// The record's part in a batch.
    pub batch: Batch,
    /// CRC-32 of key and value.
    pub body_crc: u32,
    /// The key's CRC-32 folded to 16 bits.
    pub key_check: u16,
}

impl Head {
    /// The head of a record with this key and value, alone and without extensions.
    ///
    /// The caller has checked the lengths: [`KEY_BYTES_MAX`], [`VALUE_BYTES_MAX`], no value on a
    /// tombstone. A marker also needs its `durable` offset before it is encoded.
    #[inline]
    pub fn new(kind: Kind, seq: u64, key: &[u8], value: &[u8]) -> Self {
        debug_assert!(key.len() <= KEY_BYTES_MAX);
        debug_assert!(value.len() as u64 <= u64::from(VALUE_BYTES_MAX));
        let (key_check, body_crc) = check::key_and_body(key, value);
        Self {
            kind,
            seq,
            key_bytes: key.len() as u16,
            value_bytes: value.len() as u32,
            expiry_ms: None,
            durable: None,
            batch: Batch::None,
            body_crc,
            key_check,
        }
    }

    /// Bytes of this head in a segment with this base.
    #[inline]
    pub fn head_bytes(&self, base_seq: u64) -> usize {
        let mut bytes = FIXED_BYTES
            + varint::bytes_of(self.seq.wrapping_sub(base_seq))
            + varint::bytes_of(u64::from(self.key_bytes))
            + varint::bytes_of(u64::from(self.value_bytes));
        if let Some(expiry_ms) = self.expiry_ms {
            bytes += varint::bytes_of(expiry_ms);
        }
        if let Some(durable) = self.durable {
            bytes += varint::bytes_of(durable);
        }
        if let Batch::First {
            rest_bytes,
            rest_records,
        } = self.batch
        {
            bytes += varint::bytes_of(rest_bytes) + varint::bytes_of(rest_records);
        }
        bytes
    }

    /// Bytes of the key and the value.
    #[inline]
    pub fn body_bytes(&self) -> u64 {
        u64::from(self.key_bytes) + u64::from(self.value_bytes)
    }

    /// Bytes of the whole record in a segment with this base.
    #[inline]
    pub fn record_bytes(&self, base_seq: u64) -> u64 {
        self.head_bytes(base_seq) as u64 + self.body_bytes()
    }

    /// Appends the head of a record that will lie at `offset`; the caller then appends the key
    /// and the value.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>, site: Site, offset: u64) -> Result<(), OutOfMemory> {
        debug_assert!(
            self.seq >= site.base_seq,
            "a segment's base is at most every seq"
        );
        debug_assert!(self.is_well_formed(offset), "{self:?} at {offset}");
        let mut tag = self.kind as u8;
        // The head lies so that its check covers all that is before its end: the mask first, and
        // the check itself overwrites the mask's last bytes when they have been summed.
        const HEAD: usize = MASK_BYTES - CHECK_BYTES;
        let mut buffer = [0; HEAD + HEAD_BYTES_MAX];
        buffer[..MASK_BYTES].copy_from_slice(&check::mask(site.salt, offset));
        let seq_delta = self.seq.wrapping_sub(site.base_seq);
        let mut at = varint::put(&mut buffer, HEAD + FIXED_BYTES, seq_delta);
        at = varint::put(&mut buffer, at, u64::from(self.key_bytes));
        at = varint::put(&mut buffer, at, u64::from(self.value_bytes));
        if let Some(expiry_ms) = self.expiry_ms {
            tag |= TAG_EXPIRY;
            at = varint::put(&mut buffer, at, expiry_ms);
        }
        if let Some(durable) = self.durable {
            tag |= TAG_DURABLE;
            at = varint::put(&mut buffer, at, durable);
        }
        match self.batch {
            Batch::None => {}
            Batch::First {
                rest_bytes,
                rest_records,
            } => {
                tag |= TAG_BATCH_FIRST;
                at = varint::put(&mut buffer, at, rest_bytes);
                at = varint::put(&mut buffer, at, rest_records);
            }
            Batch::Member => tag |= TAG_BATCH_MEMBER,
        }
        buffer[HEAD + 4..HEAD + 8].copy_from_slice(&self.body_crc.to_le_bytes());
        buffer[HEAD + 8..HEAD + 10].copy_from_slice(&self.key_check.to_le_bytes());
        buffer[HEAD + 10] = tag;
        let masked = check::plain(&buffer[..at]);
        buffer[HEAD..HEAD + CHECK_BYTES].copy_from_slice(&masked.to_le_bytes());
        fallible::extend(out, &buffer[HEAD..at])
    }

    /// Whether these are the key and value the record was written with.
    #[inline]
    pub fn body_is_intact(&self, key: &[u8], value: &[u8]) -> bool {
        key.len() == usize::from(self.key_bytes)
            && value.len() as u64 == u64::from(self.value_bytes)
            && check::body(key, value) == self.body_crc
    }

    /// Whether this is, as far as 16 bits tell, the key the record was written with. Asked when
    /// the body is not intact: then the key still names what was lost.
    #[inline]
    pub fn key_is_intact(&self, key: &[u8]) -> bool {
        key.len() == usize::from(self.key_bytes) && check::key(key) == self.key_check
    }

    /// The combinations that mean something: what a decoder accepts and an encoder is given.
    #[inline]
    fn is_well_formed(&self, offset: u64) -> bool {
        let kind_fits = match self.kind {
            Kind::Put | Kind::MetaPut => true,
            Kind::Tombstone | Kind::MetaTombstone => {
                self.value_bytes == 0 && self.expiry_ms.is_none()
            }
            Kind::Marker => {
                self.key_bytes == 0
                    && self.value_bytes == MARKER_VALUE_BYTES as u32
                    && self.expiry_ms.is_none()
                    && self.durable.is_some()
                    && self.batch == Batch::None
            }
        };
        let batch_fits = match self.batch {
            Batch::First {
                rest_bytes,
                rest_records,
            } => {
                (1..=BATCH_RECORDS_MAX).contains(&rest_records)
                    && rest_bytes <= FILE_BYTES_MAX
                    && rest_bytes >= rest_records * HEAD_BYTES_MIN as u64
            }
            Batch::None | Batch::Member => true,
        };
        let durable_fits = match self.durable {
            Some(durable) => durable <= offset && durable <= FILE_BYTES_MAX,
            None => true,
        };
        kind_fits && batch_fits && durable_fits
    }
}

/// A head as it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// What the head says.
    pub head: Head,
    /// Bytes it took: the key begins here.
    pub head_bytes: usize,
}

impl Decoded {
    /// Bytes of the whole record.
    #[inline]
    pub fn record_bytes(&self) -> u64 {
        self.head_bytes as u64 + self.head.body_bytes()
    }
}

/// Reads the head of the record at `offset`, whose bytes `bytes` begins with.
///
/// [`HEAD_BYTES_MAX`] bytes are always enough; the key and value need not be there. What the head
/// says is believed only with its check right, and is then within the format's limits; that the
/// body ends inside the file is for the caller to compare.
#[inline]
pub fn decode(bytes: &[u8], site: Site, offset: u64) -> Result<Decoded, HeadDamage> {
    let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else {
        return Err(HeadDamage::Short);
    };
    let tag = fixed[10];
    let Some(kind) = Kind::from_bits(tag & TAG_KIND) else {
        return Err(match *fixed == [0; FIXED_BYTES] {
            true => HeadDamage::Zeros,
            false => HeadDamage::Malformed,
        });
    };
    if tag & TAG_RESERVED != 0 {
        return Err(HeadDamage::Malformed);
    }
    let mut at = FIXED_BYTES;
    let mut next = |max: u64| match varint::take(bytes, &mut at) {
        Ok(v) if v <= max => Ok(v),
        Err(varint::VarintDamage::Short) => Err(HeadDamage::Short),
        _ => Err(HeadDamage::Malformed),
    };
    let seq_delta = next(COUNTER_MAX.saturating_sub(site.base_seq))?;
    let key_bytes = next(KEY_BYTES_MAX as u64)? as u16;
    let value_bytes = next(u64::from(VALUE_BYTES_MAX))? as u32;
    let expiry_ms = match tag & TAG_EXPIRY {
        0 => None,
        _ => Some(next(u64::MAX)?),
    };
    let durable = match tag & TAG_DURABLE {
        0 => None,
        _ => Some(next(FILE_BYTES_MAX)?),
    };
    let batch = match (tag & TAG_BATCH_FIRST, tag & TAG_BATCH_MEMBER) {
        (0, 0) => Batch::None,
        (0, _) => Batch::Member,
        (_, 0) => Batch::First {
            rest_bytes: next(FILE_BYTES_MAX)?,
            rest_records: next(BATCH_RECORDS_MAX)?,
        },
        _ => return Err(HeadDamage::Malformed),
    };
    let head = Head {
        kind,
        seq: site.base_seq + seq_delta,
        key_bytes,
        value_bytes,
        expiry_ms,
        durable,
        batch,
        body_crc: u32_at(fixed, 4),
        key_check: u16_at(fixed, 8),
    };
    let checks = masked_check(bytes, at, site.salt, offset) == u32_at(fixed, 0);
    if !checks && !planted(Bug::LengthBelieved) {
        return Err(HeadDamage::Check);
    }
    if !head.is_well_formed(offset) {
        return Err(HeadDamage::Malformed);
    }
    Ok(Decoded {
        head,
        head_bytes: at,
    })
}

/// The check of the head that ends at `end`.
#[inline]
fn masked_check(bytes: &[u8], end: usize, salt: u64, offset: u64) -> u32 {
    // Nearly every head is short and has its key and value behind it: a copy of fixed size and one
    // sum take 25 ns where two sums took 31.
    const SHORT: usize = 24;
    match bytes.first_chunk::<SHORT>() {
        Some(chunk) if end <= SHORT => {
            let mut joined = [0; MASK_BYTES + SHORT - CHECK_BYTES];
            joined[..MASK_BYTES].copy_from_slice(&check::mask(salt, offset));
            joined[MASK_BYTES..].copy_from_slice(&chunk[CHECK_BYTES..]);
            check::plain(&joined[..MASK_BYTES + end - CHECK_BYTES])
        }
        _ => check::masked(salt, offset, &bytes[CHECK_BYTES..end]),
    }
}

/// Why bytes are not the head of a record at their place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadDamage {
    /// The bytes ended inside a head that so far makes sense.
    Short,
    /// Zeros: space that was allotted and never written.
    Zeros,
    /// No record has such a kind, flag, length or combination.
    Malformed,
    /// It reads like a head, but the check is not right at this place of this file.
    Check,
}

impl fmt::Display for HeadDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "the bytes end inside a record's head",
            Self::Zeros => "zeros where a record should be",
            Self::Malformed => "no record begins like this",
            Self::Check => "the record's head fails its check",
        })
    }
}

impl core::error::Error for HeadDamage {}

/// Reads a head that fails by one flipped bit: the head that exactly one flip makes valid.
///
/// For a place where a record is known to begin. Random bytes pass as repairable about once in ten
/// million, so a scan for lost records must not call this at every offset, and the body CRC
/// should confirm the result. Costs up to 8 x [`HEAD_BYTES_MAX`] decodings. `None` for an intact
/// head.
pub fn repair_one_bit(bytes: &[u8], site: Site, offset: u64) -> Option<Decoded> {
    let mut buffer = [0; HEAD_BYTES_MAX];
    let known = bytes.len().min(HEAD_BYTES_MAX);
    buffer[..known].copy_from_slice(&bytes[..known]);
    let buffer = &mut buffer[..known];
    let mut found = None;
    for bit in 0..8 * known {
        buffer[bit / 8] ^= 1 << (bit % 8);
        if let Ok(decoded) = decode(buffer, site, offset) {
            if found.is_some() {
                return None;
            }
            found = Some(decoded);
        }
        buffer[bit / 8] ^= 1 << (bit % 8);
    }
    found
}

#[cfg(test)]
mod tests;
