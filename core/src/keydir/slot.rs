//! What the keydir knows of one key, and how it fits 20 bytes.
//!
//! ```text
//!  word 0   1   2   3                                    4
//!     hi  hi  lo  segment 16 | has TTL 1 | size class 15  offset
//! ```
//!
//! `hi` is split upper half first, so that words compare as hashes do. The words are 32 bits wide
//! so that an entry needs no padding. A size class is never zero, so a word 3 of zero is an entry
//! that holds nothing, and one with the TTL bit alone stands for a removal.

use crate::error::{Error, Result};
use crate::format::KeyHash;

/// Where a record begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The engine's own number for an open segment; not the segment's id.
    pub segment: u16,
    /// The record's first byte in the segment's file.
    pub offset: u32,
}

impl Place {
    /// The place in an open segment. No segment is so long that an offset would not fit; a walk over bytes of
    /// strangers may still meet one, and gets [`Error::TooLarge`].
    pub(crate) fn at(segment: u16, offset: u64) -> Result<Self> {
        let offset = u32::try_from(offset).map_err(|_| Error::TooLarge)?;
        Ok(Self { segment, offset })
    }
}

/// What the keydir holds for one key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    /// Where the key's newest record begins.
    pub place: Place,
    /// How many bytes to read there.
    pub size: SizeClass,
    /// The record carries an expiry.
    pub has_ttl: bool,
}

/// A record's length in 15 bits: exact below 1024 bytes, else rounded up by less than 1/1000.
///
/// From 1024 on, a class is an exponent and the ten bits after the leading one, so each power of
/// two is cut into 1024 equal steps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SizeClass(u16);

/// Steps per power of two, and the length up to which a class is exact.
const STEPS: u64 = 1 << STEP_BITS;
const STEP_BITS: u32 = 10;
const SIZE_BITS: u32 = 15;
const SIZE_MASK: u32 = (1 << SIZE_BITS) - 1;
const TTL_BIT: u32 = 1 << SIZE_BITS;
const _: () = assert!(
    SizeClass(SIZE_MASK as u16).bytes() > 1 << 33,
    "the longest record (a value of 4 GiB - 1 and its key) has a class"
);

impl SizeClass {
    /// The smallest class that holds `record_bytes`. Above the greatest class, about 2^41 bytes
    /// and far above any record, it is the greatest class.
    pub const fn of(record_bytes: u64) -> Self {
        let index = if record_bytes < STEPS {
            record_bytes
        } else {
            // Below the leading one of `record_bytes` there are at least STEP_BITS bits.
            let shift = record_bytes.ilog2() - STEP_BITS;
            // STEPS..=2 * STEPS; the upper end is the first step of the next power of two.
            let steps = ((record_bytes - 1) >> shift) + 1;
            (shift as u64) * STEPS + steps
        };
        if index < SIZE_MASK as u64 {
            Self(index as u16 + 1)
        } else {
            Self(SIZE_MASK as u16)
        }
    }

    /// The greatest length of this class, in bytes: at least the length it was made of.
    pub const fn bytes(self) -> u64 {
        let index = self.0 as u64 - 1;
        if index < STEPS {
            return index;
        }
        (STEPS + index % STEPS) << (index / STEPS - 1)
    }
}

/// A hash and its slot as they lie in the table, or nothing.
#[derive(Clone, Copy)]
pub(super) struct Entry([u32; 5]);

pub(super) const ENTRY_BYTES: usize = size_of::<Entry>();
const _: () = assert!(ENTRY_BYTES == 20);

impl Entry {
    pub(super) const EMPTY: Self = Self([0; 5]);

    pub(super) fn new(hash: KeyHash, slot: Slot) -> Self {
        let ttl = if slot.has_ttl { TTL_BIT } else { 0 };
        Self([
            (hash.hi >> 32) as u32,
            hash.hi as u32,
            hash.lo,
            u32::from(slot.place.segment) << 16 | ttl | u32::from(slot.size.0),
            slot.place.offset,
        ])
    }

    pub(super) fn is_empty(self) -> bool {
        self.0[3] == 0
    }

    pub(super) fn holds(self, hash: KeyHash) -> bool {
        !self.is_empty() && self.hash() == hash
    }

    /// Meaningless if empty.
    pub(super) fn hash(self) -> KeyHash {
        KeyHash {
            hi: self.hi(),
            lo: self.0[2],
        }
    }

    /// Meaningless if empty.
    pub(super) fn hi(self) -> u64 {
        u64::from(self.0[0]) << 32 | u64::from(self.0[1])
    }

    /// `None` if empty.
    pub(super) fn slot(self) -> Option<Slot> {
        let packed = self.0[3];
        if packed == 0 {
            return None;
        }
        Some(Slot {
            place: Place {
                segment: (packed >> 16) as u16,
                offset: self.0[4],
            },
            size: SizeClass((packed & SIZE_MASK) as u16),
            has_ttl: packed & TTL_BIT != 0,
        })
    }
}

/// Entries that are not in a table yet.
#[cfg(not(all(feature = "small", target_family = "wasm")))]
impl Entry {
    /// Stands for a hash that is no more.
    pub(super) fn removal(hash: KeyHash) -> Self {
        Self([(hash.hi >> 32) as u32, hash.hi as u32, hash.lo, TTL_BIT, 0])
    }

    pub(super) fn is_removal(self) -> bool {
        self.0[3] == TTL_BIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_CLASSES: core::ops::RangeInclusive<u16> = 1..=SIZE_MASK as u16;

    #[test]
    fn a_size_below_1024_is_exact() {
        for bytes in 0..1024 {
            assert_eq!(SizeClass::of(bytes).bytes(), bytes);
        }
    }

    /// Tries both ends of every class, so it holds for every size.
    #[test]
    fn a_size_is_rounded_up_in_order_by_less_than_a_thousandth() {
        for class in ALL_CLASSES {
            let bytes = SizeClass(class).bytes();
            assert_eq!(SizeClass::of(bytes), SizeClass(class), "{bytes}");
            if class == *ALL_CLASSES.end() {
                break;
            }
            let next = SizeClass(class + 1);
            assert!(next.bytes() > bytes);
            assert_eq!(SizeClass::of(bytes + 1), next, "{bytes} + 1");
            let excess = next.bytes() - (bytes + 1);
            assert!(excess * 1000 < bytes + 1, "{excess} too much at {bytes}");
        }
    }

    #[test]
    fn every_record_that_can_be_written_has_a_class_that_holds_it() {
        for bytes in [u64::from(u32::MAX), (1 << 32) + 65_535 + 64, 1 << 33] {
            assert!(SizeClass::of(bytes).bytes() >= bytes);
        }
        // Beyond, the greatest class serves; nothing overflows.
        for bytes in [1 << 41, 1 << 63, u64::MAX] {
            assert_eq!(SizeClass::of(bytes).0, SIZE_MASK as u16);
        }
    }

    #[test]
    fn an_entry_gives_back_what_it_was_made_of() {
        for bits in [0, u64::MAX, 0x0123_4567_89ab_cdef] {
            let hash = KeyHash {
                hi: bits,
                lo: bits as u32,
            };
            let place = Place {
                segment: (bits >> 32) as u16,
                offset: bits as u32,
            };
            for class in [1, 2, 1024, 32_767] {
                for has_ttl in [false, true] {
                    let size = SizeClass(class);
                    let slot = Slot {
                        place,
                        size,
                        has_ttl,
                    };
                    let entry = Entry::new(hash, slot);
                    assert!(!entry.is_empty() && entry.holds(hash));
                    assert_eq!((entry.hash(), entry.slot()), (hash, Some(slot)));
                }
            }
        }
        assert!(Entry::EMPTY.is_empty() && Entry::EMPTY.slot().is_none());
        assert!(!Entry::EMPTY.holds(KeyHash { hi: 0, lo: 0 }));
    }
}
