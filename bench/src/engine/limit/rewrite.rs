//! The limit's merge: what lives is copied to a new file, both files being read and written from front to back.

use super::access::{Access, Guard};
use super::medium::Medium;
use super::{Limit, Place};
use crate::Result;
use guest::data::KEY_BYTES_MAX;
use std::fs;
use std::os::unix::fs::FileExt;

/// Bytes read at once, and written at once.
const PIECE_BYTES: usize = 1 << 20;

impl<A: Access, M: Medium> Limit<A, M> {
    /// Rewrites the file without what is dead, and syncs it. Keys of 16 bytes only.
    pub(super) fn rewrite(&mut self) -> Result<()> {
        self.log.write(|log| self.flush(log))?;
        let path = self.dir.join("data.new");
        let to = M::open(&path)?;
        let log = self.log.alone();
        let mut live: Vec<&mut Place> = log.places.values_mut().collect();
        live.sort_unstable_by_key(|place| place.offset);
        let mut from = Window::default();
        let (mut end, mut grown, mut out) = (0, 0, Vec::with_capacity(2 * PIECE_BYTES));
        for place in live {
            let start = place.offset - KEY_BYTES_MAX as u64;
            let bytes = KEY_BYTES_MAX + place.bytes as usize;
            place.offset = end + (out.len() + KEY_BYTES_MAX) as u64;
            out.extend_from_slice(from.get(&self.medium, start, bytes, log.end)?);
            if out.len() >= PIECE_BYTES {
                to.grow(&mut grown, end + out.len() as u64)?;
                to.write(end, &out)?;
                end += out.len() as u64;
                out.clear();
            }
        }
        to.grow(&mut grown, end + out.len() as u64)?;
        to.write(end, &out)?;
        to.sync()?;
        log.end = end + out.len() as u64;
        log.grown = grown;
        fs::rename(path, self.dir.join("data"))?;
        self.medium = to;
        Ok(())
    }
}

/// The piece of the old file that is being copied from.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The bytes at `start`, which never falls from call to call.
    fn get(&mut self, from: &impl Medium, start: u64, bytes: usize, end: u64) -> Result<&[u8]> {
        let is_there = start + bytes as u64 <= self.start + self.bytes.len() as u64;
        if !is_there {
            let piece = (end - start).min(PIECE_BYTES.max(bytes) as u64) as usize;
            let mut scratch = std::mem::take(&mut self.bytes);
            scratch.resize(piece, 0);
            from.file().read_exact_at(&mut scratch, start)?;
            (self.start, self.bytes) = (start, scratch);
        }
        Ok(&self.bytes[(start - self.start) as usize..][..bytes])
    }
}
