//! What a hint tells of its segment's records, one after the other.

use crate::error::Result;
use crate::fallible;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FileKind, StoreId};
use crate::format::hint::{self, BLOCK_BYTES_MAX, Entry};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::create::header_in;
use crate::storage::{Access, File, Storage};

/// Reads a hint as an opening does: block after block while each is right, bound to the segment
/// and joined to the one before. Holds one block.
pub(crate) struct Told<F> {
    /// `None` where there is no hint, and behind its last block.
    hint: Option<F>,
    salt: u64,
    /// Where the next block begins in the hint.
    at: u64,
    block: Vec<u8>,
    /// Where the next entry begins in the block.
    entry_at: usize,
    /// Where the record of the next entry begins in the segment.
    offset: u64,
    /// Where the segment's records end; what reaches beyond was cut off.
    end: u64,
}

impl<F: File> Told<F> {
    /// From the first record of a segment on, whose records end at `end`. A hint that cannot be
    /// read tells nothing.
    pub(crate) fn open<S: Storage<File = F>>(
        storage: &S,
        store: StoreId,
        (segment, salt): (u64, u64),
        end: u64,
    ) -> Self {
        let (hint, salt) = match open_hint(storage, store, (segment, salt)) {
            Some((hint, salt)) => (Some(hint), salt),
            None => (None, salt),
        };
        Self {
            hint,
            salt,
            at: FILE_HEADER_BYTES as u64,
            block: Vec::new(),
            entry_at: 0,
            offset: FILE_HEADER_BYTES as u64,
            end,
        }
    }

    /// The next record and where it begins; `None` where nothing more is told.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Entry)>> {
        if self.entry_at == self.block.len() && !self.turn()? {
            return Ok(None);
        }
        let entry = hint::next_entry(&self.block, &mut self.entry_at);
        Ok(entry.map(|entry| {
            let offset = self.offset;
            self.offset += entry.record_bytes;
            (offset, entry)
        }))
    }

    /// Fetches the next block. Answers whether there is one.
    fn turn(&mut self) -> Result<bool> {
        let Some(hint) = &self.hint else {
            return Ok(false);
        };
        fallible::resize(&mut self.block, BLOCK_BYTES_MAX)?;
        let got = hint.pread(self.at, &mut self.block).unwrap_or(0);
        let right = hint::decode_block(&self.block[..got], self.salt, self.at)
            .ok()
            .filter(|(block, _)| block.from == self.offset && block.to <= self.end);
        let length = right.map_or(0, |(_, length)| length);
        if length == 0 {
            self.hint = None;
        }
        self.block.truncate(length);
        self.at += length as u64;
        self.entry_at = hint::BLOCK_HEAD_BYTES.min(length);
        Ok(length > 0)
    }
}

/// The hint of a segment and the salt of its checks, if it is the segment's own.
pub(crate) fn open_hint<S: Storage>(
    storage: &S,
    store: StoreId,
    (segment, salt): (u64, u64),
) -> Option<(S::File, u64)> {
    let file = storage.open(&names::hint(segment), Access::Read).ok()?;
    let header = header_in(&file).ok()?;
    let bound = header.kind == FileKind::Hint
        && (header.id, header.salt, header.store) == (segment, salt, store);
    (bound || planted(Bug::StaleHintTrusted)).then_some((file, header.salt))
}
