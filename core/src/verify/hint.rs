//! Hints against their segments.

use super::segment::Recorded;
use crate::engine::Engine;
use crate::error::{Damage, Result};
use crate::fallible;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, names};
use crate::format::hint::{self, BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES};
use crate::format::manifest::{SegmentEntry, SegmentState};
use crate::format::record::Site;
use crate::format::u32_at;
use crate::index::IndexCell;
use crate::prelude::*;
use crate::report::DamageReport;
use crate::storage::{Access, File, Storage};
use crate::verify::VerifyReport;

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Every block of a hint must check and agree with the segment's records, which end at `end`.
    /// What lies behind the blocks that cover them was cut from the segment and means nothing.
    pub(super) fn verify_hint(
        &self,
        entry: &SegmentEntry,
        site: Site,
        (end, records): (u64, &[Recorded]),
        report: &mut VerifyReport,
    ) -> Result<()> {
        let given_up = self.writer().map(|writer| &writer.torn_hints);
        if given_up.is_ok_and(|segments| segments.contains(&entry.id)) {
            return Ok(());
        }
        let name = names::hint(entry.id);
        let Ok(file) = self.storage.open(&name, Access::Read) else {
            return Ok(());
        };
        report.files += 1;
        let mut complain = |offset, bytes, undecided| {
            let list = match undecided {
                true => &mut report.undecided,
                false => &mut report.damages,
            };
            let hint = DamageReport {
                file: name,
                offset,
                bytes,
                damage: Damage::Hint,
                key: None,
                live: false,
            };
            Ok(fallible::push(list, hint)?)
        };
        let len = file.len().unwrap_or(0);
        if len == 0 || end == FILE_HEADER_BYTES as u64 {
            // Given up before its header was written, or nothing to cover.
            return Ok(());
        }
        let mut header = [0; FILE_HEADER_BYTES];
        let got = file.pread(0, &mut header).unwrap_or(0);
        if FileHeader::decode(&header[..got]).is_err() {
            // Given up while its header was written, and not put right before the segment is sealed.
            let short = got < FILE_HEADER_BYTES || header == [0; FILE_HEADER_BYTES];
            let begun = short && got as u64 == len;
            let growing = entry.state == SegmentState::Active;
            return complain(0, FILE_HEADER_BYTES as u64, growing && begun);
        }
        let mut at = FILE_HEADER_BYTES as u64;
        let mut records = records.iter();
        let mut buffer = Vec::new();
        let mut covered = FILE_HEADER_BYTES as u64;
        while at < len && covered < end {
            fallible::resize(&mut buffer, BLOCK_BYTES_MAX)?;
            let got = file.pread(at, &mut buffer).unwrap_or(0);
            let Ok((block, length)) = hint::decode_block(&buffer[..got], site.salt, at) else {
                // The last block of a growing hint may be on its way.
                let last = entry.state == SegmentState::Active
                    && !right_block_behind(&file, site.salt, at, &mut buffer);
                return complain(at, len - at, last);
            };
            for (offset, entry) in block.entries() {
                // Behind damage of the segment nothing is compared, but each block must check.
                let Some(record) = records.next() else { break };
                if *record != (Recorded { offset, entry }) {
                    return complain(at, length as u64, false);
                }
            }
            at += length as u64;
            covered = block.to;
        }
        Ok(())
    }
}

/// Whether a right block begins where the wrong one at `at` ends, as far as its length can be told:
/// as it stands, or with one bit put right.
fn right_block_behind<F: File>(file: &F, salt: u64, at: u64, buffer: &mut [u8]) -> bool {
    let mut head = [0; BLOCK_HEAD_BYTES];
    if !file.pread(at, &mut head).is_ok_and(|got| got == head.len()) {
        return false;
    }
    let length = u32_at(&head, 4);
    let flips = (0..u32::BITS).map(|bit| length ^ 1 << bit);
    let mut lengths = flips.chain([length]).map(u64::from);
    lengths.any(|payload| {
        let next = at + BLOCK_HEAD_BYTES as u64 + payload;
        payload <= BLOCK_BYTES_MAX as u64
            && file
                .pread(next, buffer)
                .is_ok_and(|got| hint::decode_block(&buffer[..got], salt, next).is_ok())
    })
}
