//! A long value as the standard library reads: in pieces, from any place.

use super::SharedStorage;
use super::steady::SteadyFile;
use portcask_core::{self as core, Result};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

/// A value that is read in pieces, so that nobody has to hold all of it; see [`Db::long_value`](super::Db::long_value).
///
/// It is the version that was found: writes, merges, deletes and closing the store do not change what it reads. Its file
/// stays open as long as it is kept; if a merge removes that file, its room on the disk is free once the last such value
/// is dropped. Where the platform does not let a removed file be read, or has no descriptor left for it, a read is an
/// error, and never other bytes.
///
/// [`Read`] from the beginning to the end checks it again on the way: if it is not what was written, the last piece is an
/// error. So whoever has it to the end has the value.
pub struct LongValue<S: SharedStorage> {
    value: core::LongValue<SteadyFile<S::File>>,
    /// Where the next read begins, in bytes.
    at: u64,
}

/// What [`Db::get_or_long`](super::Db::get_or_long) found.
pub enum Found<S: SharedStorage> {
    /// The value lies in the caller's buffer, here.
    Buffered(Range<usize>),
    /// A long value, to be read in pieces.
    Long(LongValue<S>),
}

impl<S: SharedStorage> LongValue<S> {
    pub(super) fn new(value: core::LongValue<SteadyFile<S::File>>) -> Self {
        Self { value, at: 0 }
    }

    /// Its length in bytes.
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether it is empty"
    )]
    pub fn len(&self) -> u64 {
        self.value.len()
    }

    /// The sequence number of this version.
    pub fn seq(&self) -> u64 {
        self.value.seq()
    }

    /// When the key's life ends, in milliseconds since 1970.
    pub fn expiry_ms(&self) -> Option<u64> {
        self.value.expiry_ms()
    }

    /// Fills `into` with what follows the last read or seek. Returns how many bytes were read; fewer than asked means the
    /// end of the value. Costs one positional read.
    ///
    /// Without a seek in between, the last piece is [`Error::Corrupt`](portcask_core::Error::Corrupt) if the value is not
    /// what was written.
    pub fn read_next(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = match self.at == self.value.taken() {
            true => self.value.read_next(into)?,
            false => self.value.read_at(self.at, into)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl<S: SharedStorage> Read for LongValue<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read_next(into).map_err(io::Error::other)
    }
}

impl<S: SharedStorage> Seek for LongValue<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
