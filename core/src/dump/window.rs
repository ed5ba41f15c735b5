//! A bounded view of a file that may be larger than memory.

use super::DumpError;
use crate::fallible;
use crate::format::FILE_BYTES_MAX;
use crate::format::hint::BLOCK_BYTES_MAX;
use crate::format::record::{HEAD_BYTES_MAX, KEY_BYTES_MAX};
use crate::prelude::*;

/// Bytes held at once: whatever is looked at as a whole fits, a long value is walked.
pub(super) const WINDOW_BYTES: usize = 128 << 10;
const _: () = assert!(WINDOW_BYTES >= BLOCK_BYTES_MAX);
const _: () = assert!(WINDOW_BYTES >= HEAD_BYTES_MAX + KEY_BYTES_MAX);

/// The bytes `base..base + filled` of the file, and how to get others.
pub(super) struct Window<F> {
    read: F,
    bytes: Vec<u8>,
    base: u64,
    filled: usize,
    /// The file's length when the window was made, less if a read has met an earlier end.
    end: u64,
}

impl<F, R> Window<F>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
{
    /// Finds the file's end with a few dozen reads of one byte.
    pub(super) fn new<W>(read: F) -> Result<Self, DumpError<R, W>> {
        let mut window = Self {
            read,
            bytes: fallible::zeroed(WINDOW_BYTES)?,
            base: 0,
            filled: 0,
            end: 0,
        };
        // Doubling finds a power of two at or past the end, halving finds the end below it.
        let mut step = 1;
        while step <= FILE_BYTES_MAX && window.has(step - 1)? {
            step *= 2;
        }
        let mut end = 0;
        while step > 0 {
            if end + step <= FILE_BYTES_MAX && window.has(end + step - 1)? {
                end += step;
            }
            step /= 2;
        }
        window.end = end;
        Ok(window)
    }

    /// The file's length as far as it is known. Never grows.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The bytes from `offset`, `want` of them unless the file ends before. `want` is at most
    /// [`WINDOW_BYTES`].
    pub(super) fn at<W>(&mut self, offset: u64, want: usize) -> Result<&[u8], DumpError<R, W>> {
        let rest = self.end.saturating_sub(offset);
        let want = want.min(usize::try_from(rest).unwrap_or(usize::MAX));
        let held = self.base..=self.base + self.filled as u64;
        if !held.contains(&offset) || !held.contains(&(offset + want as u64)) {
            let load = WINDOW_BYTES.min(usize::try_from(rest).unwrap_or(usize::MAX));
            self.base = offset;
            self.filled = 0;
            let found = (self.read)(offset, &mut self.bytes[..load]).map_err(DumpError::Read)?;
            self.filled = found.min(load);
            if found < load {
                self.end = offset + found as u64;
            }
        }
        let from = (offset - self.base) as usize;
        let to = (from + want).min(self.filled);
        Ok(&self.bytes[from.min(to)..to])
    }

    /// Fills `into` from `offset`, at most a window of it, and says how many bytes there were.
    pub(super) fn copy<W>(
        &mut self,
        offset: u64,
        into: &mut [u8],
    ) -> Result<usize, DumpError<R, W>> {
        let found = self.at(offset, into.len())?;
        into[..found.len()].copy_from_slice(found);
        Ok(found.len())
    }

    fn has<W>(&mut self, offset: u64) -> Result<bool, DumpError<R, W>> {
        Ok((self.read)(offset, &mut [0]).map_err(DumpError::Read)? > 0)
    }
}
