//! Filling the index from a segment's hint, as far as its blocks are valid.

use super::opened::Opened;
use super::replay::{Counted, Replay};
use crate::error::{Damage, Result};
use crate::fallible;
use crate::format::file::FILE_HEADER_BYTES;
use crate::format::file::names;
use crate::format::hint::{self, BLOCK_BYTES_MAX};
use crate::prelude::*;
use crate::report::DamageReport;
use crate::segment::told::open_hint;
use crate::storage::{File, Storage};

/// The longest blocks that one read holds.
const BLOCKS_READ: usize = 4;

impl<S: Storage> Replay<'_, S> {
    /// Takes every hint block that covers the segment up to `to` at most. Returns where the valid
    /// blocks end in the hint (`None` without a usable hint) and how far they cover the segment.
    pub(super) fn take_hint(
        &mut self,
        opened: &Opened<S::File>,
        to: u64,
        counted: &mut Counted,
    ) -> Result<(Option<u64>, u64)> {
        let start = FILE_HEADER_BYTES as u64;
        let segment = (opened.id, opened.site.salt);
        let Some((file, salt)) = open_hint(self.storage, self.store, segment) else {
            return Ok((None, start));
        };
        let mut buffer = Vec::new();
        let (mut at, mut covered) = (start, start);
        let mut loaded = None;
        loop {
            let bytes = &buffer[(at - loaded.unwrap_or(at)) as usize..];
            let (block, length) = match hint::decode_block(bytes, salt, at) {
                Ok(decoded) => decoded,
                // Several blocks fit into one read, and the last of them may be there in part.
                Err(_) if loaded != Some(at) => {
                    fallible::resize(&mut buffer, BLOCKS_READ * BLOCK_BYTES_MAX)?;
                    let got = file.pread(at, &mut buffer).unwrap_or(0);
                    buffer.truncate(got);
                    loaded = Some(at);
                    continue;
                }
                Err(_) => break,
            };
            if block.from != covered || block.to > to {
                break;
            }
            for (offset, entry) in block.entries() {
                counted.records += 1;
                self.publish(opened, offset, entry.record_bytes, &entry, None)?;
            }
            covered = block.to;
            at += length as u64;
        }
        self.report.hinted_bytes += covered - start;
        if covered > opened.file_bytes {
            // Named by the hint, so no key is hidden; each answers for itself.
            self.report.note(DamageReport {
                file: names::segment(opened.id),
                offset: opened.file_bytes,
                bytes: covered - opened.file_bytes,
                damage: Damage::Truncated,
                key: None,
                live: true,
            })?;
            counted.damaged = true;
        }
        Ok((Some(at), covered))
    }

    /// The places of the segment at which blocks of its hint begin and end, in order, none beyond the
    /// end of the file: at each of them a record begins. Empty without a usable hint.
    pub(super) fn hint_joints(&self, opened: &Opened<S::File>) -> Result<Vec<u64>> {
        let mut joints = Vec::new();
        let segment = (opened.id, opened.site.salt);
        let Some((file, salt)) = open_hint(self.storage, self.store, segment) else {
            return Ok(joints);
        };
        let mut block = fallible::zeroed(BLOCK_BYTES_MAX)?;
        let (mut at, mut covered) = (FILE_HEADER_BYTES as u64, FILE_HEADER_BYTES as u64);
        loop {
            let got = file.pread(at, &mut block).unwrap_or(0);
            match hint::decode_block(&block[..got], salt, at) {
                Ok((block, length)) if block.from == covered && block.to <= opened.file_bytes => {
                    covered = block.to;
                    at += length as u64;
                }
                _ => return Ok(joints),
            }
            fallible::push(&mut joints, covered)?;
        }
    }
}
