//! The merge in progress: begun, carried on step by step, given up or settled.

use core::ops::Range;

use super::decide::Facts;
use super::{MergeProgress, MergeReport};
use crate::engine::Engine;
use crate::error::{Damage, Error, Result};
use crate::fallible;
use crate::format::file::FILE_HEADER_BYTES;
use crate::format::file::names;
use crate::format::manifest::Edit;
use crate::format::record::Site;
use crate::index::IndexCell;
use crate::prelude::*;
use crate::segment::append::Appender;
use crate::segment::hint_log::HintLog;
use crate::segment::told::Told;
use crate::segment::walk::{Found, Walker};
use crate::storage::Storage;

/// A merge in progress.
pub(crate) struct Job<F> {
    pub(super) inputs: Vec<Input<F>>,
    /// What the hint of the input that is copied tells of its next records.
    pub(super) told: Option<Box<Told<F>>>,
    /// The walk over that input, between two steps.
    pub(super) walker: Option<Box<Walker<F>>>,
    pub(super) outputs: Vec<Output<F>>,
    /// No output grows longer than this, but for a single record.
    pub(super) output_bytes: u64,
    /// The run starts at the oldest segment: nothing older can be resurrected.
    pub(super) from_oldest: bool,
    pub(super) phase: Phase,
    /// The greatest sequence number of a dropped record.
    pub(super) dropped_seq: u64,
    pub(super) done_bytes: u64,
    pub(super) report: MergeReport,
}

pub(super) struct Input<F> {
    pub slot: u16,
    pub id: u64,
    pub site: Site,
    pub file: F,
    pub end: u64,
}

pub(super) struct Output<F> {
    pub out: Appender<F>,
    pub id: u64,
    pub hint: HintLog<F>,
    pub records: u64,
    pub last_seq: u64,
    pub tombstone_bytes: u64,
    /// Known once committed.
    pub slot: u16,
}

#[derive(Clone, Copy)]
pub(super) enum Phase {
    Copy { input: usize, offset: u64 },
    Publish { output: usize, offset: u64 },
}

impl<F> Job<F> {
    /// The seq of the last record copied.
    pub(super) fn newest_seq(&self) -> u64 {
        self.outputs.last().map_or(0, |output| output.last_seq)
    }

    /// Everything is copied; the commit is next.
    pub(super) fn is_copied(&self) -> bool {
        matches!(self.phase, Phase::Copy { input, .. } if input == self.inputs.len())
    }

    pub(super) fn drop_record(&mut self, found: &Found) {
        self.report.records_dropped += 1;
        self.dropped_seq = self.dropped_seq.max(found.head.seq);
    }
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Begins to merge a run of `facts`. No other merge may be in progress: see
    /// [`Engine::settle_merge`].
    pub(super) fn start_merge(
        &mut self,
        facts: &[Facts],
        run: Range<usize>,
        output_bytes: u64,
    ) -> Result<()> {
        debug_assert!(self.writer()?.merge.is_none(), "a merge would be forgotten");
        let run = &facts[run];
        let oldest = self.state().segments.first().map(|entry| entry.id);
        let inputs = self.index.read(|index| {
            fallible::collect(run.iter().filter_map(|file| {
                let slot = index.slot_of(file.id)?;
                let segment = index.segment(slot)?;
                Some(Input {
                    slot,
                    id: file.id,
                    site: segment.site,
                    file: segment.file.clone(),
                    end: segment.end,
                })
            }))
        })?;
        let report = MergeReport {
            inputs: inputs.len(),
            bytes_before: inputs.iter().map(|input| input.end).sum(),
            ..MergeReport::default()
        };
        self.writer_mut()?.merge = Some(Box::new(Job {
            from_oldest: run.first().map(|file| file.id) == oldest,
            inputs,
            told: None,
            walker: None,
            outputs: Vec::new(),
            output_bytes: output_bytes.min(self.options.segment_bytes),
            phase: Phase::Copy {
                input: 0,
                offset: FILE_HEADER_BYTES as u64,
            },
            dropped_seq: 0,
            done_bytes: 0,
            report,
        }));
        Ok(())
    }

    pub(super) fn advance_merge(&mut self, budget_bytes: u64) -> Result<MergeProgress> {
        let Some(mut job) = self.writer_mut()?.merge.take() else {
            return Ok(MergeProgress::Idle);
        };
        let done = match job.phase {
            Phase::Copy { input, offset } => self.copy(&mut job, input, offset, budget_bytes),
            Phase::Publish { output, offset } => {
                self.publish_copies(&mut job, output, offset, budget_bytes)
            }
        };
        match done {
            Ok(true) => Ok(MergeProgress::Done(job.report)),
            Ok(false) => {
                let total: u64 = job.inputs.iter().map(|input| input.end).sum::<u64>()
                    + job
                        .outputs
                        .iter()
                        .map(|output| output.out.end())
                        .sum::<u64>();
                let progress = MergeProgress::Working {
                    done_bytes: job.done_bytes.min(total),
                    total_bytes: total,
                };
                self.writer_mut()?.merge = Some(job);
                Ok(progress)
            }
            Err(error) => {
                let committed = matches!(job.phase, Phase::Publish { .. });
                self.poison_if_unsynced(&error);
                self.writer_mut()?.merge = Some(job);
                if !committed {
                    self.abandon_merge();
                }
                Err(error)
            }
        }
    }

    /// Ends a merge in progress before something else needs its files: gives it up while it
    /// copies, completes it once it is committed.
    ///
    /// A committed merge must not be left half published: its inputs are no longer part of the
    /// store, and another merge would take the copies of keys that still point there for dead.
    pub(super) fn settle_merge(&mut self) -> Result<()> {
        while let Some(job) = &self.writer()?.merge {
            match job.phase {
                Phase::Copy { .. } => self.abandon_merge(),
                Phase::Publish { .. } => {
                    self.advance_merge(u64::MAX)?;
                }
            }
        }
        Ok(())
    }

    /// Gives a merge in progress up and removes its outputs, unless it is committed already: such a
    /// one stays, to be published whole.
    pub(crate) fn abandon_merge(&mut self) {
        let Ok(writer) = self.writer_mut() else {
            return;
        };
        let uncommitted = |job: &mut Box<Job<_>>| matches!(job.phase, Phase::Copy { .. });
        let Some(job) = writer.merge.take_if(uncommitted) else {
            return;
        };
        if job.outputs.is_empty() || self.index.read(|index| index.poisoned) {
            // Poisoned, not even the manifest is certain: the commit may have come through.
            return;
        }
        let ids = || job.outputs.iter().map(|output| output.id);
        for id in ids() {
            // Pending is enough, and on a full disk saying more may need the space they take.
            let _ = self.storage.remove(&names::hint(id));
            let _ = self.storage.remove(&names::segment(id));
        }
        let Ok(ids) = fallible::collect(ids()) else {
            return;
        };
        if self.commit(&[Edit::Condemn(&ids)]).is_ok() {
            self.remove_condemned();
        }
    }

    /// Marks a segment so that no merge takes it again, and says what was met.
    pub(super) fn damaged(&self, slot: u16, id: u64, offset: u64, damage: Damage) -> Error {
        self.index.write(|index| {
            if let Some(segment) = index.segment_mut(slot) {
                segment.damaged = true;
            }
        });
        Error::corrupt(names::segment(id), offset, damage)
    }
}
