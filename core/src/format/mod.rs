//! Every byte that Portcask puts on a medium, as pure functions over slices.
//!
//! ```text
//! segment   | header 80 | record | record | ... | footer 132 (once sealed) |
//! record    | check 4 | body crc 4 | key check 2 | tag 1 | varints | key | value |
//! hint      | header 80 | block | block | ...
//! manifest  | header 80 | fence 16 | record | record | ...
//! ```
//!
//! Nothing here opens a file, reads a clock or allocates by a number it has not checked; a decoder
//! is given bytes and answers with a value or with what is wrong with them. `FORMAT.md` next to
//! this crate holds every offset and the reasons; the snapshot tests hold both to each other.
//!
//! Two kinds of checksum guard a place: a *masked* check covers (salt, offset, the fields of the
//! head) and is right at one place of one file only; the *body* CRC covers key and value alone and
//! travels with them unchanged through merge and backup.

pub mod check;
pub mod counter;
#[cfg(any(test, all(feature = "small", target_family = "wasm")))]
mod crc;
pub mod file;
pub mod hint;
pub mod manifest;
pub mod record;
pub mod varint;

use core::fmt;

/// What stands for a key wherever keys are not kept: 96 bits of a keyed hash.
///
/// Ordered by (`hi`, `lo`), which is the order of every scan. On the medium: `hi` then `lo`,
/// little-endian, 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct KeyHash {
    /// The upper 64 bits.
    pub hi: u64,
    /// The lower 32 bits.
    pub lo: u32,
}

/// Which of the two key spaces a record belongs to. The same key bytes may exist in both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Space {
    /// The caller's keys: what scans show.
    User,
    /// The system's keys, which user keys cannot reach and scans never show.
    Meta,
}

/// The greatest offset or length inside one file: 35 bits, five bytes as a varint.
///
/// A segment is at most 4 GiB when its last record begins, and that record's value may itself be
/// just under 4 GiB; this leaves room above both.
pub const FILE_BYTES_MAX: u64 = (1 << 35) - 1;

/// Bytes as lowercase hexadecimal, without allocation.
pub(crate) struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The `N` bytes at `at`. Callers have checked the length; a slice too short reads as zeros.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    match bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
        Some(chunk) => *chunk,
        None => {
            debug_assert!(false, "the length is checked first");
            [0; N]
        }
    }
}

/// The little-endian `u16` at `at`.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// The little-endian `u32` at `at`.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// The little-endian `u64` at `at`.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

#[cfg(test)]
pub(crate) mod tests;
