//! Verify: every byte of every segment, hint and manifest read and checked, whatever the index says.

mod hint;
mod manifest;
mod places;
mod segment;

use crate::engine::Engine;
use crate::error::Result;
use crate::format::manifest::SegmentEntry;
use crate::index::IndexCell;
use crate::prelude::*;
use crate::report::DamageReport;
use crate::storage::Storage;

/// What verify found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files read, manifests among them.
    pub files: u64,
    /// Records checked, markers included.
    pub records: u64,
    /// Records that live keys need.
    pub live_records: u64,
    /// Bytes of segments read.
    pub bytes: u64,
    /// Everything that is not as it was written.
    pub damages: Vec<DamageReport>,
    /// Places that are damaged, or hold what was being written when the last writer stopped, or
    /// what a writer is writing now: nobody can tell which, and no acknowledged data depends on
    /// them. At the end of the active segment as a reader sees it, of the active segment's hint, and
    /// of manifests.
    pub undecided: Vec<DamageReport>,
}

impl VerifyReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// Damaged places that a live key depends on, or may.
    pub fn live_damages(&self) -> impl Iterator<Item = &DamageReport> {
        self.damages.iter().filter(|damage| damage.live)
    }
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Reads and checks every file of the store: headers, every record's head and body, footers,
    /// hints against their segments, manifests, and every live key's place. What lies past a
    /// logical end means nothing and is not looked at, nor are a manifest's fence, the reserve and
    /// files of strangers. Tells `progress` the bytes done
    /// and in all. Finds damage; repairs nothing.
    pub fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let segments = &self.state().segments;
        let total = segments.iter().map(|entry| self.checked_end(entry)).sum();
        let mut part = 0;
        while self.verify_part(part, &mut report, |done| progress(done, total))? {
            part += 1;
        }
        Ok(report)
    }

    /// One part of [`Self::verify`], for hosts that have other things to do in between: a segment for each number from
    /// 0 on, then the manifests and the places of the keys, all into one report. Answers whether there is a further
    /// part. For an engine that only reads: between two parts a writer's segments may be others. Tells `progress` the
    /// bytes done so far.
    pub fn verify_part(
        &self,
        part: usize,
        report: &mut VerifyReport,
        mut progress: impl FnMut(u64),
    ) -> Result<bool> {
        if part == 0 {
            // What has expired is not live, here as elsewhere.
            self.sweep_expired();
        }
        let Some(entry) = self.state().segments.get(part) else {
            self.verify_manifests(report)?;
            self.verify_places(report)?;
            return Ok(false);
        };
        let (before, end) = (report.bytes, self.checked_end(entry));
        self.verify_segment(entry, end, report, &mut |done| progress(before + done))?;
        report.bytes = before + end;
        progress(report.bytes);
        Ok(true)
    }

    /// Where what a segment's file holds for sure ends.
    fn checked_end(&self, entry: &SegmentEntry) -> u64 {
        let end = self.index.read(|index| {
            let slot = index.slot_of(entry.id)?;
            // Beside a writer, the segment that was active may have been sealed since.
            let buffered = match index.tail.segment == slot {
                true => index.tail.bytes.len() as u64,
                false => 0,
            };
            Some(index.segment(slot)?.end - buffered)
        });
        end.unwrap_or(entry.valid_bytes)
    }
}
