//! Copying records to a new file: in large appends, with constant memory.

use super::walk::{Found, Walker};
use crate::error::{Context, Error, Op, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::record::{Batch, Head, Site};
use crate::prelude::*;
use crate::storage::File;

/// Bytes gathered before they are handed to the platform.
const GATHER_BYTES: usize = 1 << 20;

/// A file that is written front to back.
pub(crate) struct Appender<F> {
    pub file: F,
    pub segment: u64,
    pub site: Site,
    written: u64,
    gathered: Vec<u8>,
}

impl<F: File> Appender<F> {
    pub(crate) fn new(file: F, segment: u64, site: Site, end: u64) -> Self {
        Self {
            file,
            segment,
            site,
            written: end,
            gathered: Vec::new(),
        }
    }

    /// Where the next byte goes.
    pub(crate) fn end(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }

    /// Gathers bytes, handing them over when there are many.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        fallible::extend(&mut self.gathered, bytes)?;
        if self.gathered.len() >= GATHER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands over what is gathered. After an error it may be tried again.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.file
            .append(self.written, &self.gathered)
            .during(Op::Append, names::segment(self.segment))?;
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    /// Writes a head at the end. Returns its offset and length.
    fn push_head(&mut self, head: &Head) -> Result<(u64, u64)> {
        let offset = self.end();
        let before = self.gathered.len();
        head.encode(&mut self.gathered, self.site, offset)?;
        Ok((offset, (self.gathered.len() - before) as u64))
    }

    /// Copies the record that the walk just found; its body's check goes along, durable marker
    /// and batch do not. Returns the copy's offset and length.
    pub(crate) fn copy(&mut self, walker: &mut Walker<F>, found: &Found) -> Result<(u64, u64)> {
        let mut head = found.head;
        head.durable = None;
        head.batch = Batch::None;
        let (offset, _) = self.push_head(&head)?;
        let mut at = found.offset + found.head_bytes as u64;
        let end = found.offset + found.bytes;
        while at < end {
            let piece = (end - at).min(Walker::<F>::piece_bytes() as u64) as usize;
            let bytes = walker.bytes(at, piece)?;
            if bytes.is_empty() {
                return Err(Error::Changed);
            }
            at += bytes.len() as u64;
            self.push(bytes)?;
        }
        Ok((offset, self.end() - offset))
    }

    /// Writes a record without a value. Returns its offset and length.
    pub(crate) fn bare(&mut self, head: &Head, key: &[u8]) -> Result<(u64, u64)> {
        let (offset, _) = self.push_head(head)?;
        self.push(key)?;
        Ok((offset, self.end() - offset))
    }
}
