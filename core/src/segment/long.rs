//! A long value, read in pieces where it lies.

use super::read::{Checked, Located, Spot};
use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::check::Running;
use crate::format::record::{self, Decoded, HEAD_BYTES_MAX, Head, Kind};
use crate::prelude::*;
use crate::storage::File;

/// Bytes read at a time while the record is checked.
const PIECE_BYTES: usize = 64 << 10;

/// A value that is read in pieces, so that nobody has to hold all of it.
///
/// It is the version that was found: writes, merges, deletes and closing the store do not change
/// what it reads. Its file stays open as long as it is kept; if a merge removes that file, its room
/// on the disk is free once the last such value is dropped. Where the platform does not let a
/// removed file be read, or has no descriptor left for it, a read answers [`Error::Storage`]
/// (`Closed` or `NotFound`), and never other bytes.
pub struct LongValue<F> {
    spot: Spot<F>,
    head: Head,
    /// Where in the file it begins.
    at: u64,
    /// How much of it was taken, from its beginning on.
    taken: u64,
    /// The key, and what was taken.
    check: Running,
}

impl<F: File> LongValue<F> {
    /// Its length in bytes.
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether it is empty"
    )]
    pub fn len(&self) -> u64 {
        u64::from(self.head.value_bytes)
    }

    /// The sequence number of this version.
    pub fn seq(&self) -> u64 {
        self.head.seq
    }

    /// When the key's life ends, in milliseconds since 1970.
    pub fn expiry_ms(&self) -> Option<u64> {
        self.head.expiry_ms
    }

    /// How many bytes were read [in order](Self::read_next).
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Fills `into` with what follows the bytes taken so far. Returns how many were read; fewer than
    /// asked means the end of the value.
    ///
    /// All of it was checked when it was found, and is checked again on the way: if it is not what
    /// was written, the last piece is [`Error::Corrupt`]. So whoever has it to the end has the value.
    /// Costs one positional read.
    pub fn read_next(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = self.read_at(self.taken, into)?;
        self.check.update(&into[..read]);
        self.taken += read as u64;
        if self.taken == self.len() && self.check.finish() != self.head.body_crc {
            return Err(self.spot.corrupt(Damage::Body));
        }
        Ok(read)
    }

    /// Fills `into` from `offset` on. Returns how many bytes were read; fewer than asked means the end
    /// of the value. They were checked when the value was found, and are not checked again.
    ///
    /// Costs one positional read. Errors with [`Error::Storage`] and, if the file was cut short,
    /// [`Error::Corrupt`].
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let left = self.len().saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        if wanted > 0 {
            self.spot.fill(self.at + offset, &mut into[..wanted])?;
        }
        Ok(wanted)
    }
}

impl<F: File + Clone> Located<F> {
    /// The value of a user's `key` where it lies, all of it checked, if its record has about
    /// `record_bytes` or more. `None` for whatever is shorter, in memory, or out of the ordinary:
    /// reading it whole says what.
    pub(crate) fn long(&self, key: &[u8], record_bytes: u64) -> Result<Option<LongValue<F>>> {
        match self {
            Self::Filed(spot) if spot.bytes >= record_bytes => spot.long(key),
            _ => Ok(None),
        }
    }
}

impl<F: File + Clone> Spot<F> {
    fn long(&self, key: &[u8]) -> Result<Option<LongValue<F>>> {
        // As `Spot::read_long` begins. A function for both would make guests 100 bytes larger.
        let wanted = self.wanted_bytes()?;
        let mut piece = Vec::new();
        let front_bytes = wanted.min(HEAD_BYTES_MAX + key.len());
        self.read_bytes(self.offset, front_bytes, &mut piece)?;
        let Ok(Decoded { head, head_bytes }) = record::decode(&piece, self.site, self.offset)
        else {
            return Ok(None);
        };
        let checked = Checked { head, head_bytes };
        let value = checked.value();
        let own = head.kind == Kind::Put && piece.get(checked.key()) == Some(key);
        if !own || value.end > wanted {
            return Ok(None);
        }
        let (at, value_bytes) = (self.offset + value.start as u64, value.len());
        let mut begun = Running::new();
        begun.update(key);
        let mut check = begun.clone();
        fallible::resize(&mut piece, PIECE_BYTES.min(value_bytes))?;
        let mut done = 0;
        while done < value_bytes {
            let more = piece.len().min(value_bytes - done);
            self.fill(at + done as u64, &mut piece[..more])?;
            check.update(&piece[..more]);
            done += more;
        }
        let intact = check.finish() == head.body_crc;
        Ok(intact.then(|| LongValue {
            spot: self.clone(),
            head,
            at,
            taken: 0,
            check: begun,
        }))
    }
}

impl<F: File> Spot<F> {
    fn fill(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let read = self
            .file
            .pread(offset, into)
            .during(Op::Read, self.name())?;
        match read == into.len() {
            true => Ok(()),
            false => Err(self.corrupt(Damage::Truncated)),
        }
    }

    fn corrupt(&self, damage: Damage) -> Error {
        Error::corrupt(self.name(), self.offset, damage)
    }
}
