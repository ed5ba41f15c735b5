//! What one file in memory holds: its length and pages of 64 KiB. What no page holds reads as zeros, so holes cost
//! nothing.
//!
//! Invariants: a page is never longer than 64 KiB; no page holds bytes past the length.

use crate::fallible::{self, OutOfMemory};
use crate::prelude::*;
use compat::collections::BTreeMap;

/// Files grow in steps of this size, so growth never copies what is already there.
const PAGE_BYTES: usize = 64 * 1024;

/// One file's bytes, and what its directory pays for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
    /// Sum of the pages' lengths.
    stored: u64,
    /// Space set aside by `preallocate`, counted from the file's start.
    reserved: u64,
    /// Removed or replaced: open handles may go on, but the directory no longer pays for it.
    unnamed: bool,
}

impl Bytes {
    /// Length in bytes, holes included.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// What the file is charged for: stored or set aside, whichever is more.
    pub(super) fn space(&self) -> u64 {
        self.stored.max(self.reserved)
    }

    /// What of that is not yet written.
    pub(super) fn set_aside(&self) -> u64 {
        self.space() - self.stored
    }

    /// From now on at least the first `len` bytes are charged for.
    pub(super) fn set_space_aside(&mut self, len: u64) {
        self.reserved = self.reserved.max(len);
    }

    /// No name leads here any more: open handles may go on, but the directory no longer pays.
    pub(super) fn unname(&mut self) {
        self.unnamed = true;
    }

    pub(super) fn is_unnamed(&self) -> bool {
        self.unnamed
    }

    /// How many bytes from `at` lie in one page.
    pub(super) fn left_in_page(at: u64) -> usize {
        PAGE_BYTES - place(at).1
    }

    /// By how much writing `count` bytes at `at`, all in one page, lengthens what is stored.
    pub(super) fn growth(&self, at: u64, count: usize) -> u64 {
        let (page, start) = place(at);
        let held = self.pages.get(&page).map_or(0, Vec::len);
        (start + count).saturating_sub(held) as u64
    }

    /// Writes one piece that lies in one page.
    pub(super) fn put(&mut self, at: u64, piece: &[u8]) -> Result<(), OutOfMemory> {
        let (page, start) = place(at);
        let end = start + piece.len();
        let page = fallible::entry_in_tree(&mut self.pages, page)?;
        if page.len() < end {
            if page.capacity() < end {
                // Doubling inside a page keeps many small appends linear; a page is at most 64 KiB.
                let more = end.max(page.capacity() * 2).min(PAGE_BYTES) - page.len();
                fallible::reserve(page, more)?;
            }
            let held = page.len();
            fallible::resize(page, end)?;
            self.stored += (end - held) as u64;
        }
        page[start..end].copy_from_slice(piece);
        self.len = self.len.max(at + piece.len() as u64);
        Ok(())
    }

    /// Copies what lies from `offset`, and answers how much of `into` that was; holes are zeros.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let left = self.len.saturating_sub(offset);
        let count = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        let mut done = 0;
        while done < count {
            let (page, start) = place(offset + done as u64);
            let piece = (count - done).min(PAGE_BYTES - start);
            let target = &mut into[done..done + piece];
            let held = self.pages.get(&page).map_or(&[][..], Vec::as_slice);
            let held = held.get(start..).unwrap_or(&[]);
            let known = held.len().min(piece);
            target[..known].copy_from_slice(&held[..known]);
            target[known..].fill(0);
            done += piece;
        }
        count
    }

    /// Shortens to `len`; never lengthens.
    pub(super) fn cut(&mut self, len: u64) {
        if len >= self.len {
            return;
        }
        let (page, keep) = place(len);
        self.pages.retain(|at, _| *at <= page);
        if let Some(last) = self.pages.get_mut(&page) {
            last.truncate(keep);
        }
        self.stored = self.pages.values().map(|page| page.len() as u64).sum();
        self.reserved = self.reserved.min(len);
        self.len = len;
    }

    /// Forgets everything, also what was set aside.
    pub(super) fn clear(&mut self) {
        self.cut(0);
        self.reserved = 0;
    }

    /// Takes the memory for every page below `len`, so that writing them cannot fail.
    pub(super) fn allocate(&mut self, len: u64) -> Result<(), OutOfMemory> {
        let mut at = 0;
        while at < len {
            let (page, _) = place(at);
            let wanted = (len - at).min(PAGE_BYTES as u64) as usize;
            let page = fallible::entry_in_tree(&mut self.pages, page)?;
            let more = wanted.saturating_sub(page.len());
            fallible::reserve(page, more)?;
            at += PAGE_BYTES as u64;
        }
        Ok(())
    }
}

/// The page of an offset, and the place in it.
fn place(offset: u64) -> (u64, usize) {
    let page = PAGE_BYTES as u64;
    (offset / page, (offset % page) as usize)
}
