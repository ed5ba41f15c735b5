//! A long value as the standard library reads: in pieces, from any place.

use super::SharedStorage;
use super::steady::SteadyFile;
use portcask_core::{self as core, Result};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

/// A value that is read in pieces, so that nobody has to hold all of it; see [`Db::long_value`](super::Db::long_value).
///
/// It is the version that was found: writes, merges, deletes and even closing the store change nothing about it. As long
/// as it is kept, so is its file, also if a merge has removed that, and with it the file's room on the disk.
pub struct LongValue<S: SharedStorage> {
    value: core::LongValue<SteadyFile<S::File>>,
    /// What is read next.
    at: u64,
}

/// A value, as it was found by somebody who does not want to hold a long one.
pub enum Found<S: SharedStorage> {
    /// Where in the buffer it lies.
    Short(Range<usize>),
    /// To be read in pieces.
    Long(LongValue<S>),
}

impl<S: SharedStorage> LongValue<S> {
    pub(super) fn new(value: core::LongValue<SteadyFile<S::File>>) -> Self {
        Self { value, at: 0 }
    }

    /// Its length in bytes.
    #[allow(
        clippy::len_without_is_empty,
        reason = "what is empty is not long, and nobody asks"
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

    /// Fills `into` from `offset` on. Returns the bytes read; fewer than asked means the end of the value.
    ///
    /// All of it was checked when it was found, and is not checked again.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.value.read_at(offset, into)
    }
}

impl<S: SharedStorage> Read for LongValue<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(self.at, into).map_err(io::Error::other)?;
        self.at += read as u64;
        Ok(read)
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
