//! Merge: rewriting the live records of a run of old segments, in small steps.
//!
//! ```text
//!   copy     record by record: live -> output, needed tombstone -> output, the rest is dropped
//!   commit   sync(active, buffer too) -> sync(outputs, hints) -> names -> manifest record, synced
//!   publish  every key that still lies in an input now points at its copy
//!   remove   the inputs' files; only now, and only because the manifest lists them
//! ```
//!
//! A record is dropped only in favour of a newer one that is durable by the commit. A tombstone
//! goes only when the run starts at the oldest segment or a newer record of its key exists, and an
//! expired record is a tombstone for this rule. A record is only believed where the segment's hint
//! confirms it: an opening took the keys from the hint, so what the record alone says may be in
//! nobody's favour. Memory does not grow with the data. Writes go on between any two steps.

mod copy;
mod decide;
mod job;
mod plan;
mod publish;

pub use plan::{MergeFile, MergePlan, MergeReason};

pub(crate) use job::Job;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::fallible;
use crate::format::manifest::SegmentState;
use crate::index::IndexCell;
use crate::prelude::*;
use crate::sort;
use crate::storage::Storage;
use core::ops::Range;
use decide::Facts;

/// A plan looks at every segment, which is not worth it for less than this.
const LOOK_BYTES_MIN: u64 = 1 << 20;

/// How far a merge is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeProgress {
    /// Nothing is due.
    Idle,
    /// There is more to do.
    Working {
        /// Bytes dealt with.
        done_bytes: u64,
        /// Bytes in all; copying and publishing both count.
        total_bytes: u64,
    },
    /// The merge that was in progress is complete.
    Done(MergeReport),
}

/// What a merge did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeReport {
    /// Segments taken.
    pub inputs: usize,
    /// Segments written.
    pub outputs: usize,
    /// Bytes of the inputs.
    pub bytes_before: u64,
    /// Bytes of the outputs.
    pub bytes_after: u64,
    /// Records copied, tombstones included.
    pub records_kept: u64,
    /// Records dropped.
    pub records_dropped: u64,
}

impl MergeReport {
    fn add(&mut self, other: &Self) {
        self.inputs += other.inputs;
        self.outputs += other.outputs;
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.records_kept += other.records_kept;
        self.records_dropped += other.records_dropped;
    }
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// What merge would do now, and why. Errors only with [`Error::OutOfMemory`].
    pub fn merge_plan(&self) -> Result<MergePlan> {
        Ok(plan::plan(
            &self.facts()?,
            &self.options.merge,
            self.hour(),
            false,
        )?)
    }

    /// Whether so much was written since this last answered yes that a merge may have become due: a
    /// segment was begun, or the active one has grown by what a small one may have. For a front end
    /// that merges elsewhere, after each write. Costs nothing, and never answers yes where merging
    /// by itself is off.
    pub fn merge_may_be_due(&mut self) -> bool {
        let policy = &self.options.merge;
        let (auto, step) = (policy.auto, policy.small_file_bytes.max(LOOK_BYTES_MIN));
        let Ok(writer) = self.writer_mut() else {
            return false;
        };
        let (id, end) = (writer.active.id, writer.active.end);
        let (looked_id, looked_end) = writer.looked;
        let grown = id != looked_id || end.saturating_sub(looked_end) >= step;
        if grown {
            writer.looked = (id, end);
        }
        grown && auto
    }

    /// Does about `budget_bytes` of merging: continues the merge in progress, or starts one if one
    /// is due, sealing the active segment if the plan takes it. Correct between any two steps, whatever is written meanwhile.
    pub fn merge_step(&mut self, budget_bytes: u64) -> Result<MergeProgress> {
        self.writable()?;
        if self.writer()?.merge.is_none() {
            let mut facts = self.facts()?;
            let mut run = self.due_run(&facts)?;
            if run
                .clone()
                .is_some_and(|run| facts[run].iter().any(|file| file.active))
            {
                match self.rotate() {
                    // No room to seal it: what is sealed already may give some back.
                    Err(Error::Full { .. }) => facts.retain(|file| !file.active),
                    done => {
                        done?;
                        facts = self.facts()?;
                    }
                }
                run = self.due_run(&facts)?;
            }
            let Some(run) = run else {
                let policy = &self.options.merge;
                if facts.iter().any(|file| file.is_worth_dividing(policy)) {
                    match self.rotate() {
                        Err(Error::Full { .. }) => {}
                        done => done?,
                    }
                }
                return Ok(MergeProgress::Idle);
            };
            let output_bytes = decide::output_bytes(&facts, &self.options.merge);
            self.start_merge(&facts, run, output_bytes)?;
        }
        self.advance_merge(budget_bytes)
    }

    /// Seals the active segment and merges everything, telling `progress` the bytes done and in
    /// all. Damaged segments are left alone.
    pub fn merge_all(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<MergeReport> {
        if !self.begin_merge_all()? {
            return Ok(MergeReport::default());
        }
        match self.finish_merging(&mut progress) {
            Err(error @ Error::Full { .. }) => self.merge_piecemeal(error, &mut progress),
            done => done,
        }
    }

    /// The first part of [`Engine::merge_all`]: seals the active segment and starts a merge of
    /// everything, for [`Engine::merge_step`] to continue. Returns whether there is one.
    pub fn begin_merge_all(&mut self) -> Result<bool> {
        self.writable()?;
        self.settle_merge()?;
        self.sweep_expired();
        let mut sealed = self.rotate();
        if matches!(sealed, Err(Error::Full { .. })) && self.spend_reserve() {
            sealed = self.rotate();
        }
        match sealed {
            // No room to seal it: what is sealed already may give some back.
            Err(Error::Full { .. }) => {}
            done => done?,
        }
        let facts = self.facts()?;
        let run = decide::decide(&facts, &self.options.merge, None, true)?.due;
        if let Some(run) = run {
            self.start_merge(&facts, run, self.options.segment_bytes)?;
        }
        Ok(self.writer()?.merge.is_some())
    }

    /// The files that the next [`Engine::merge_step`] syncs before it commits; empty unless
    /// everything is copied and the commit is next, or where memory ends. A front end that syncs them (and the store)
    /// outside its lock first leaves the commit little to wait for.
    pub fn merge_files_to_sync(&self) -> Vec<S::File> {
        let job = self.writer().ok().and_then(|writer| writer.merge.as_ref());
        let files = job.filter(|job| job.is_copied()).map(|job| {
            let outputs = job.outputs.iter();
            let files = outputs.flat_map(|output| [Some(&output.out.file), output.hint.file()]);
            fallible::collect(files.flatten().cloned()).unwrap_or_default()
        });
        files.unwrap_or_default()
    }

    /// Where there is no room for copies of everything: one segment at a time, those first that
    /// need the least room, each of them giving its space back before the next.
    fn merge_piecemeal(
        &mut self,
        full: Error,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<MergeReport> {
        let mut sum = MergeReport::default();
        // What was refused may have been the publishing of a merge that is committed already.
        self.settle_merge()?;
        let mut facts = self.facts()?;
        facts.retain(|file| !file.active && !file.damaged && file.dead + file.tombstones > 0);
        let room = |file: &Facts| (file.live + file.tombstones, file.id);
        sort::by(&mut facts, |a, b| room(a).cmp(&room(b)));
        for i in 0..facts.len() {
            // What refused may have come after the commit.
            self.settle_merge()?;
            // The reserve is for this.
            self.spend_reserve();
            self.start_merge(&facts, i..i + 1, self.options.segment_bytes)?;
            match self.finish_merging(progress) {
                Ok(done) => sum.add(&done),
                Err(Error::Full { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.lay_reserve();
        if sum.bytes_after < sum.bytes_before {
            Ok(sum)
        } else {
            Err(full)
        }
    }

    /// Carries the merge in progress to its end.
    fn finish_merging(&mut self, progress: &mut impl FnMut(u64, u64)) -> Result<MergeReport> {
        loop {
            match self.advance_merge(8 << 20)? {
                MergeProgress::Working {
                    done_bytes,
                    total_bytes,
                } => progress(done_bytes, total_bytes),
                MergeProgress::Done(report) => return Ok(report),
                MergeProgress::Idle => return Ok(MergeReport::default()),
            }
        }
    }

    fn due_run(&self, facts: &[Facts]) -> Result<Option<Range<usize>>> {
        Ok(decide::decide(facts, &self.options.merge, self.hour(), false)?.due)
    }

    fn facts(&self) -> Result<Vec<Facts>> {
        let state = self.state();
        let facts = self.index.read(|index| {
            fallible::collect(state.segments.iter().filter_map(|entry| {
                let slot = index.slot_of(entry.id)?;
                let active = entry.state == SegmentState::Active;
                Some(Facts::of(index.segment(slot)?, active))
            }))
        });
        Ok(facts?)
    }

    fn hour(&self) -> Option<u8> {
        self.now_ms().map(|ms| ((ms / 3_600_000) % 24) as u8)
    }
}
