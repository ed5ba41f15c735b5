//! One record at a known place: read whole, checked, and proven to be the asked key's.

use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::Space;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
use crate::format::check;
use crate::format::file::names;
use crate::format::record::{self, Decoded, HEAD_BYTES_MAX, Head, Kind, Site};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::storage::{File, FileName};

/// Records at most this long are read without first asking whether the file is that long.
const UNCHECKED_BYTES: u64 = 1 << 20;

/// From this length on, moving a value costs more than a second call.
pub(crate) const LONG_BYTES: u64 = 16 << 10;

/// Where a record is, with an open file, so that it can be read without holding the index.
#[derive(Clone)]
pub(crate) struct Spot<F> {
    pub file: F,
    pub segment: u64,
    pub site: Site,
    pub offset: u64,
    /// At least the record's length; from the keydir's size class.
    pub bytes: u64,
}

/// Where a key's record is.
pub(crate) enum Located<F> {
    /// The key has no record.
    Absent,
    /// In a file.
    Filed(Spot<F>),
    /// Still in memory; the bytes start with the record.
    Buffered(Spot<F>, Vec<u8>),
}

/// A checked record inside the buffer it was read into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    pub head: Head,
    pub head_bytes: usize,
}

impl Checked {
    /// Where the value lies in the buffer.
    pub(crate) fn value(&self) -> core::ops::Range<usize> {
        let start = self.head_bytes + usize::from(self.head.key_bytes);
        start..start + self.head.value_bytes as usize
    }

    /// Where the key lies in the buffer.
    pub(crate) fn key(&self) -> core::ops::Range<usize> {
        self.head_bytes..self.head_bytes + usize::from(self.head.key_bytes)
    }
}

impl<F: File> Located<F> {
    /// Reads and checks the record; `None` if there is none.
    pub(crate) fn read(self, buffer: &mut Vec<u8>) -> Result<Option<(Spot<F>, Checked)>> {
        match self {
            Self::Absent => Ok(None),
            Self::Filed(spot) => {
                let checked = spot.read(buffer)?;
                Ok(Some((spot, checked)))
            }
            Self::Buffered(spot, bytes) => {
                *buffer = bytes;
                let checked = spot.check(buffer)?;
                Ok(Some((spot, checked)))
            }
        }
    }

    /// As [`Located::read`], for a record that must be the key's.
    pub(crate) fn read_proven(
        self,
        key: (Space, &[u8]),
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Checked>> {
        let Some((spot, checked)) = self.read(buffer)? else {
            return Ok(None);
        };
        spot.prove_key(&checked, buffer, key)?;
        Ok(Some(checked))
    }
}

/// Checks all of the record of a user's `key`, which was found at an offset: where in `bytes` its value lies, and its
/// expiry. `None` for whatever is out of the ordinary.
#[cfg(not(all(feature = "small", target_family = "wasm")))]
#[inline]
pub(crate) fn ordinary(
    key: &[u8],
    bytes: &[u8],
    site: Site,
    offset: u64,
) -> Option<(core::ops::Range<usize>, Option<u64>)> {
    let Decoded { head, head_bytes } = record::decode(bytes, site, offset).ok()?;
    let checked = Checked { head, head_bytes };
    let value = checked.value();
    // Key and value lie side by side, as their check wants them.
    let body = bytes.get(head_bytes..value.end)?;
    let own = head.kind == Kind::Put && body.get(..usize::from(head.key_bytes)) == Some(key);
    (own && check::plain(body) == head.body_crc).then_some((value, head.expiry_ms))
}

impl<F: File> Spot<F> {
    /// Reads the record into `buffer` and checks all of it.
    pub(crate) fn read(&self, buffer: &mut Vec<u8>) -> Result<Checked> {
        let wanted = self.wanted_bytes()?;
        self.read_bytes(self.offset, wanted, buffer)?;
        self.check(buffer)
    }

    /// Reads the record of a user's `key` and checks all of it, as [`ordinary`] does. `None`, with anything in `buffer`,
    /// for whatever is out of the ordinary: [`Spot::read`] says what.
    #[cfg(not(all(feature = "small", target_family = "wasm")))]
    #[inline]
    pub(crate) fn read_ordinary(
        &self,
        key: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Option<(core::ops::Range<usize>, Option<u64>)> {
        if self.bytes > UNCHECKED_BYTES {
            return None;
        }
        let wanted = self.bytes as usize;
        fallible::reserve(buffer, wanted.saturating_sub(buffer.len())).ok()?;
        self.file.pread_into(self.offset, wanted, buffer).ok()?;
        ordinary(key, buffer, self.site, self.offset)
    }

    /// Reads the value of a user's `key` alone into `into` and checks the whole record: what pays for the
    /// second call is that nothing long is moved to the front. `None`, with anything in `into`, for
    /// a record that is not `key`'s or not whole: [`Spot::read`] says why.
    pub(crate) fn read_long(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Head>> {
        let wanted = self.wanted_bytes()?;
        let mut front = Vec::new();
        let front_bytes = wanted.min(HEAD_BYTES_MAX + key.len());
        self.read_bytes(self.offset, front_bytes, &mut front)?;
        let Ok(Decoded { head, head_bytes }) = record::decode(&front, self.site, self.offset)
        else {
            return Ok(None);
        };
        let checked = Checked { head, head_bytes };
        let value = checked.value();
        let own = head.kind == Kind::Put && front.get(checked.key()) == Some(key);
        if !own || value.end > wanted {
            return Ok(None);
        }
        self.read_bytes(self.offset + value.start as u64, value.len(), into)?;
        let whole = into.len() == value.len() && head.body_is_intact(key, into);
        Ok(whole.then_some(head))
    }

    /// Whether [`Spot::read_long`] is the better way to the value.
    pub(crate) fn is_long(&self) -> bool {
        self.bytes >= LONG_BYTES
    }

    pub(super) fn read_bytes(&self, offset: u64, bytes: usize, into: &mut Vec<u8>) -> Result<()> {
        fallible::reserve(into, bytes.saturating_sub(into.len()))?;
        let done = self.file.pread_into(offset, bytes, into);
        done.map_err(|source| Error::storage(Op::Read, Some(self.name()), source))
    }

    /// Checks the record at the start of `bytes`, which were found at this spot.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<Checked> {
        let corrupt = |damage| Error::corrupt(self.name(), self.offset, damage);
        let Decoded { head, head_bytes } =
            record::decode(bytes, self.site, self.offset).map_err(|damage| match damage {
                record::HeadDamage::Short => corrupt(Damage::Truncated),
                _ => corrupt(Damage::Head),
            })?;
        let checked = Checked { head, head_bytes };
        let value = checked.value();
        if value.end > bytes.len() {
            return Err(corrupt(Damage::Truncated));
        }
        if !head.body_is_intact(&bytes[checked.key()], &bytes[value]) {
            return Err(corrupt(Damage::Body));
        }
        Ok(checked)
    }

    /// Refuses the checked record in `buffer` if it is not `key`'s: another key's is a collision,
    /// never an absence.
    pub(crate) fn prove_key(
        &self,
        checked: &Checked,
        buffer: &[u8],
        (space, key): (Space, &[u8]),
    ) -> Result<()> {
        self.prove_put(checked)?;
        let same = checked.head.kind.space() == space && &buffer[checked.key()] == key;
        if same || planted(Bug::KeyUncompared) {
            return Ok(());
        }
        Err(Error::key_collision(self.name(), self.offset))
    }

    /// Refuses a record that no key can live in. Places may come from a hint, which says what kind
    /// of record is there.
    pub(crate) fn prove_put(&self, checked: &Checked) -> Result<()> {
        match checked.head.kind.is_put() {
            true => Ok(()),
            false => Err(Error::corrupt(self.name(), self.offset, Damage::Hint)),
        }
    }

    pub(crate) fn name(&self) -> FileName {
        names::segment(self.segment)
    }

    /// The length to read: never more memory than the file can justify.
    pub(super) fn wanted_bytes(&self) -> Result<usize> {
        let mut wanted = self.bytes;
        if wanted > UNCHECKED_BYTES {
            let len = self.file.len().during(Op::Read, self.name())?;
            wanted = wanted.min(len.saturating_sub(self.offset));
        }
        usize::try_from(wanted).map_err(|_| Error::TooLarge)
    }
}
