//! A long value, read in pieces where it lies.

use super::read::{Located, Spot};
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
/// It is the version that was found: writes, merges and deletes after that change nothing about it. As long as it is
/// kept, so is its file, also if a merge has removed that, and with it the file's room on the disk.
pub struct LongValue<F> {
    spot: Spot<F>,
    head: Head,
    /// Where in the file it begins.
    at: u64,
}

impl<F: File> LongValue<F> {
    /// Its length in bytes.
    #[allow(
        clippy::len_without_is_empty,
        reason = "what is empty is not long, and nobody asks"
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

    /// Fills `into` from `offset` on. Returns the bytes read; fewer than asked means the end of the value.
    ///
    /// All of it was checked when it was found, and is not checked again.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let left = self.len().saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let into = &mut into[..wanted];
        self.spot.fill(self.at + offset, into)?;
        Ok(wanted)
    }
}

impl<F: File> Located<F> {
    /// The value of a user's `key` where it lies, all of it checked, if its record has at least `record_bytes`. `None` for
    /// whatever is shorter, in memory, or out of the ordinary: reading it whole says what.
    pub(crate) fn long(self, key: &[u8], record_bytes: u64) -> Result<Option<LongValue<F>>> {
        match self {
            Self::Filed(spot) if spot.bytes >= record_bytes => spot.long(key),
            _ => Ok(None),
        }
    }
}

impl<F: File> Spot<F> {
    fn long(self, key: &[u8]) -> Result<Option<LongValue<F>>> {
        let wanted = self.wanted_bytes()?;
        let mut piece = Vec::new();
        self.read_bytes(
            self.offset,
            wanted.min(HEAD_BYTES_MAX + key.len()),
            &mut piece,
        )?;
        let Ok(Decoded { head, head_bytes }) = record::decode(&piece, self.site, self.offset)
        else {
            return Ok(None);
        };
        let key_end = head_bytes + usize::from(head.key_bytes);
        let own = head.kind == Kind::Put && piece.get(head_bytes..key_end) == Some(key);
        let value_bytes = head.value_bytes as usize;
        if !own || wanted - key_end.min(wanted) < value_bytes {
            return Ok(None);
        }
        let at = self.offset + key_end as u64;
        let mut check = Running::new();
        check.update(key);
        fallible::resize(&mut piece, PIECE_BYTES.min(value_bytes))?;
        let mut done = 0;
        while done < value_bytes {
            let more = piece.len().min(value_bytes - done);
            self.fill(at + done as u64, &mut piece[..more])?;
            check.update(&piece[..more]);
            done += more;
        }
        let intact = check.finish() == head.body_crc;
        Ok(intact.then_some(LongValue {
            spot: self,
            head,
            at,
        }))
    }

    fn fill(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let read = self
            .file
            .pread(offset, into)
            .during(Op::Read, self.name())?;
        match read == into.len() {
            true => Ok(()),
            false => Err(Error::corrupt(self.name(), self.offset, Damage::Truncated)),
        }
    }
}
