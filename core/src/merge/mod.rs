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
//! expired record is a tombstone for this rule. Memory does not grow with the data. Writes go on
//! between any two steps.

mod plan;

pub use plan::{MergeFile, MergePlan, MergeReason};

use crate::engine::{Engine, HintLog, create_segment, header_of};
use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, Footer};
use crate::format::hint;
use crate::format::manifest::{Edit, SegmentEntry, SegmentState};
use crate::format::record::{Head, Kind, Site};
use crate::format::{KeyHash, Space};
use crate::index::{IndexCell, Segment};
use crate::keydir::{Place, SizeClass, Slot};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::append::Appender;
use crate::segment::walk::{Found, State, Step, Walker};
use crate::storage::{File, Storage};
use plan::Facts;

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

/// A merge in progress.
pub(crate) struct Job<F> {
    inputs: Vec<Input<F>>,
    outputs: Vec<Output<F>>,
    /// The run starts at the oldest segment: nothing older can be resurrected.
    from_oldest: bool,
    phase: Phase,
    /// The greatest sequence number of a dropped record.
    dropped_seq: u64,
    done_bytes: u64,
    report: MergeReport,
}

struct Input<F> {
    slot: u16,
    id: u64,
    site: Site,
    file: F,
    end: u64,
}

struct Output<F> {
    out: Appender<F>,
    id: u64,
    hint: HintLog<F>,
    records: u64,
    last_seq: u64,
    tombstone_bytes: u64,
    /// Known once committed.
    slot: u16,
}

#[derive(Clone, Copy)]
enum Phase {
    Copy { input: usize, offset: u64 },
    Publish { output: usize, offset: u64 },
}

/// What becomes of a record.
enum Fate {
    Keep,
    /// Its value is gone, but it still hides older versions.
    Tombstone,
    Drop,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// What merge would do now, and why. Errors only with [`Error::OutOfMemory`].
    pub fn merge_plan(&self) -> Result<MergePlan> {
        Ok(plan::plan(&self.facts()?, &self.options.merge, self.hour(), false)?.0)
    }

    /// Does about `budget_bytes` of merging: continues the merge in progress, or starts one if one
    /// is due. Correct between any two steps, whatever is written meanwhile.
    pub fn merge_step(&mut self, budget_bytes: u64) -> Result<MergeProgress> {
        self.writable()?;
        if self.writer()?.merge.is_none() {
            let facts = self.facts()?;
            let (_, run) = plan::plan(&facts, &self.options.merge, self.hour(), false)?;
            let Some(run) = run else {
                return Ok(MergeProgress::Idle);
            };
            self.start_merge(&facts, run)?;
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
        facts.sort_unstable_by_key(|file| (file.live + file.tombstones, file.id));
        for i in 0..facts.len() {
            // What refused may have come after the commit.
            self.settle_merge()?;
            // The reserve is for this.
            self.spend_reserve();
            self.start_merge(&facts, i..i + 1)?;
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
        let (_, run) = plan::plan(&facts, &self.options.merge, None, true)?;
        if let Some(run) = run {
            self.start_merge(&facts, run)?;
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

    /// Ends a merge in progress before something else needs its files: gives it up while it
    /// copies, completes it once it is committed.
    ///
    /// A committed merge must not be left half published: its inputs are no longer part of the
    /// store, and another merge would take the copies of keys that still point there for dead.
    fn settle_merge(&mut self) -> Result<()> {
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
        let uncommitted = |job: &mut Job<_>| matches!(job.phase, Phase::Copy { .. });
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
        if self.commit(&[Edit::Condemn(ids)]).is_ok() {
            self.remove_condemned();
        }
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

    /// Begins to merge a run of `facts`. No other merge may be in progress: see
    /// [`Engine::settle_merge`].
    fn start_merge(&mut self, facts: &[Facts], run: core::ops::Range<usize>) -> Result<()> {
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
        self.writer_mut()?.merge = Some(Job {
            from_oldest: run.first().map(|file| file.id) == oldest,
            inputs,
            outputs: Vec::new(),
            phase: Phase::Copy {
                input: 0,
                offset: FILE_HEADER_BYTES as u64,
            },
            dropped_seq: 0,
            done_bytes: 0,
            report,
        });
        Ok(())
    }

    fn advance_merge(&mut self, budget_bytes: u64) -> Result<MergeProgress> {
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

    /// Copies from one input until the budget is spent. Returns whether the merge is complete.
    fn copy(
        &mut self,
        job: &mut Job<S::File>,
        input: usize,
        offset: u64,
        budget: u64,
    ) -> Result<bool> {
        let Some(source) = job.inputs.get(input) else {
            return self.commit_merge(job);
        };
        let (slot, id, end) = (source.slot, source.id, source.end);
        let name = names::segment(id);
        let mut walker = Walker::new(source.file.clone(), name, source.site, offset, end);
        let now = self.observe_clock();
        while walker.pos() < end {
            if walker.pos() - offset >= budget {
                job.done_bytes += walker.pos() - offset;
                job.phase = Phase::Copy {
                    input,
                    offset: walker.pos(),
                };
                return Ok(false);
            }
            let found = match walker.next()? {
                Some(Step::Record(found)) => found,
                Some(Step::Gap(gap)) => return Err(self.damaged(slot, id, gap.from, gap.damage)),
                None => break,
            };
            if found.head.kind == Kind::Marker {
                continue;
            }
            if found.state == State::KeyRotten {
                let damage = walker.damage_of(&found);
                return Err(self.damaged(slot, id, found.offset, damage));
            }
            let hash = self.hash(found.head.kind.space(), walker.key());
            let place = Place {
                segment: slot,
                offset: u32::try_from(found.offset).map_err(|_| Error::TooLarge)?,
            };
            match self.fate(&found, (hash, walker.key()), place, job.from_oldest, now) {
                Fate::Drop => job.drop_record(&found),
                _ if found.state != State::Intact => {
                    let damage = walker.damage_of(&found);
                    return Err(self.damaged(slot, id, found.offset, damage));
                }
                // Nobody wrote it there: an output could not hold it behind a newer one.
                _ if found.head.seq < job.newest_seq() => {
                    return Err(self.damaged(slot, id, found.offset, Damage::Head));
                }
                Fate::Keep => self.keep(job, &mut walker, &found, hash, false)?,
                Fate::Tombstone => {
                    self.keep(job, &mut walker, &found, hash, true)?;
                    job.dropped_seq = job.dropped_seq.max(found.head.seq);
                }
            }
        }
        job.done_bytes += end - offset;
        job.phase = Phase::Copy {
            input: input + 1,
            offset: FILE_HEADER_BYTES as u64,
        };
        if job.is_copied() {
            // The commit is a step of its own, with as little as possible left to hand over.
            for output in &mut job.outputs {
                output.out.flush()?;
                output.hint.finish();
            }
        }
        Ok(false)
    }

    fn fate(
        &self,
        found: &Found,
        (hash, key): (KeyHash, &[u8]),
        place: Place,
        from_oldest: bool,
        now: Option<u64>,
    ) -> Fate {
        let slot = self.index.read(|index| index.keydir.get(hash));
        let live = slot.is_some_and(|slot| slot.place == place);
        let expired = match (found.head.expiry_ms, now) {
            (Some(expiry), Some(now)) => expiry <= now,
            _ => false,
        };
        if live && !expired {
            return Fate::Keep;
        }
        if live && let Some(expiry) = found.head.expiry_ms {
            self.index
                .write(|index| index.expire(hash, key, expiry, place));
        }
        let deleted = found.head.kind.is_tombstone() && !planted(Bug::TombstoneDropped);
        let hides_older = deleted || (expired && !planted(Bug::ExpiredDropped));
        let newer_exists = slot.is_some() && !live;
        if !hides_older || from_oldest || newer_exists {
            Fate::Drop
        } else {
            Fate::Tombstone
        }
    }

    /// Appends a record to the outputs: whole, or its key alone as a tombstone.
    fn keep(
        &mut self,
        job: &mut Job<S::File>,
        walker: &mut Walker<S::File>,
        found: &Found,
        hash: KeyHash,
        as_tombstone: bool,
    ) -> Result<()> {
        let full = job.outputs.last().is_none_or(|output| {
            output.out.end() + found.bytes > self.options.segment_bytes && output.records > 0
        });
        if full {
            self.start_output(job, found.head.seq)?;
        }
        let Some(output) = job.outputs.last_mut() else {
            return Err(Error::Changed);
        };
        let space = found.head.kind.space();
        let kind = match (as_tombstone, space) {
            (false, _) => found.head.kind,
            (true, Space::User) => Kind::Tombstone,
            (true, Space::Meta) => Kind::MetaTombstone,
        };
        let (_, bytes) = if as_tombstone {
            let head = Head::new(kind, found.head.seq, walker.key(), b"");
            output.out.bare(&head, walker.key())?
        } else {
            output.out.copy(walker, found)?
        };
        output.records += 1;
        output.last_seq = found.head.seq;
        if kind.is_tombstone() {
            output.tombstone_bytes += bytes;
        }
        output.hint.push(&hint::Entry {
            kind,
            record_bytes: bytes,
            hash: Some(hash),
            expiry_ms: found.head.expiry_ms.filter(|_| !as_tombstone),
        });
        job.report.records_kept += 1;
        Ok(())
    }

    /// A new output, listed as pending before it exists, so that a crash leaves it deletable.
    fn start_output(&mut self, job: &mut Job<S::File>, base_seq: u64) -> Result<()> {
        let now = self.storage.now_ms().unwrap_or(0);
        // Nothing is created before there is room to keep it.
        fallible::grow(&mut job.outputs, 1)?;
        let created = loop {
            let id = self.reserve_id()?;
            match create_segment(&self.storage, self.store, id, base_seq, now) {
                Ok(Some(created)) => break created,
                Ok(None) => self.give_up_id(id)?,
                Err(error) => {
                    // Removed again, but that is certain only once the names are synced. Where not
                    // even the creation came through, the name may be somebody else's.
                    if self.give_up_id(id).is_ok() {
                        self.remove_condemned();
                    }
                    return Err(error);
                }
            }
        };
        let name = names::segment(created.id);
        let output = Output {
            hint: HintLog::new(
                &self.storage,
                self.store,
                created.id,
                created.site.salt,
                now,
            ),
            out: Appender::new(created.file, name, created.site, FILE_HEADER_BYTES as u64),
            id: created.id,
            records: 0,
            last_seq: 0,
            tombstone_bytes: 0,
            slot: 0,
        };
        Ok(fallible::push(&mut job.outputs, output)?)
    }

    /// The commit, in the order that loses nothing.
    fn commit_merge(&mut self, job: &mut Job<S::File>) -> Result<bool> {
        if !planted(Bug::MergedForUndurable) {
            self.sync()?;
        }
        let now = self.storage.now_ms().unwrap_or(0);
        let mut entries = Vec::new();
        for output in &mut job.outputs {
            output.out.flush()?;
            let site = output.out.site;
            let data_end = output.out.end();
            let footer = Footer {
                header: header_of(output.id, site, self.store, now),
                data_end,
                records: output.records,
                first_seq: site.base_seq,
                last_seq: output.last_seq,
                sealed_ms: now,
            };
            let (file, name) = (&output.out.file, output.out.name);
            file.append(data_end, &footer.encode())
                .during(Op::Append, name)?;
            if !planted(Bug::OutputsUnsynced) {
                file.sync().during(Op::Sync, name)?;
            }
            if let Some(hint) = output.hint.finish() {
                hint.sync().during(Op::Sync, names::hint(output.id))?;
            }
            let entry = SegmentEntry {
                id: output.id,
                salt: site.salt,
                base_seq: site.base_seq,
                last_seq: output.last_seq,
                state: SegmentState::Sealed,
                valid_bytes: data_end,
                records: output.records,
            };
            fallible::push(&mut entries, entry)?;
        }
        crate::engine::sync_names(&self.storage)?;
        let floor = self.state().history_floor.max(job.dropped_seq);
        self.observe_clock();
        let clock_ms = self.index.read(|index| index.clock.floor_ms());
        let remove = fallible::collect(job.inputs.iter().map(|input| input.id))?;
        self.check_fence()?;
        if planted(Bug::InputsRemovedEarly) {
            for input in &job.inputs {
                let _ = self.storage.remove(&names::segment(input.id));
            }
        }
        // Whatever can be refused comes before the commit: nothing may stop halfway behind it.
        let mut slots = Vec::new();
        let done = self.add_outputs(job, &mut slots).and_then(|()| {
            self.commit(&[
                Edit::Replace {
                    remove,
                    with: entries,
                },
                Edit::HistoryFloor(floor),
                // What was dropped because its time was up must not be expected at an earlier one.
                Edit::Clock(clock_ms),
            ])
        });
        if let Err(refused) = done {
            self.index.write(|index| {
                for slot in slots {
                    index.remove_segment(slot);
                }
            });
            return Err(refused);
        }
        job.phase = Phase::Publish {
            output: 0,
            offset: FILE_HEADER_BYTES as u64,
        };
        job.report.outputs = job.outputs.len();
        job.report.bytes_after = job.outputs.iter().map(|output| output.out.end()).sum();
        self.rank_segments();
        if job.outputs.is_empty() {
            return self.finish_merge(job);
        }
        Ok(false)
    }

    /// Gives every output a slot in the index.
    fn add_outputs(&mut self, job: &mut Job<S::File>, slots: &mut Vec<u16>) -> Result<()> {
        for output in &mut job.outputs {
            let end = output.out.end();
            let segment = Segment {
                file: output.out.file.clone(),
                id: output.id,
                site: output.out.site,
                rank: 0,
                durable_end: end,
                end,
                live_bytes: 0,
                live_keys: 0,
                tombstone_bytes: output.tombstone_bytes,
                damaged: false,
            };
            fallible::grow(slots, 1)?;
            output.slot = self.index.write(|index| index.add_segment(segment))?;
            fallible::push(slots, output.slot)?;
        }
        Ok(())
    }

    /// Points keys at their copies until the budget is spent.
    fn publish_copies(
        &mut self,
        job: &mut Job<S::File>,
        output: usize,
        offset: u64,
        budget: u64,
    ) -> Result<bool> {
        let Some(target) = job.outputs.get(output) else {
            return self.finish_merge(job);
        };
        let inputs = fallible::collect(job.inputs.iter().map(|input| input.slot))?;
        let (file, site, end) = (target.out.file.clone(), target.out.site, target.out.end());
        let mut walker = Walker::new(file, target.out.name, site, offset, end);
        while walker.pos() < end && walker.pos() - offset < budget {
            let found = match walker.next()? {
                Some(Step::Record(found)) if found.state == State::Intact => found,
                Some(Step::Record(found)) => {
                    let damage = walker.damage_of(&found);
                    return Err(self.damaged(target.slot, target.id, found.offset, damage));
                }
                Some(Step::Gap(gap)) => {
                    return Err(self.damaged(target.slot, target.id, gap.from, gap.damage));
                }
                None => break,
            };
            if found.head.kind.is_tombstone() {
                continue;
            }
            let hash = self.hash(found.head.kind.space(), walker.key());
            let to = Slot {
                place: Place {
                    segment: target.slot,
                    offset: u32::try_from(found.offset).map_err(|_| Error::TooLarge)?,
                },
                size: SizeClass::of(found.bytes),
                has_ttl: found.head.expiry_ms.is_some(),
            };
            self.index.write(|index| index.repoint(hash, &inputs, to));
        }
        job.done_bytes += walker.pos() - offset;
        job.phase = if walker.pos() < end {
            Phase::Publish {
                output,
                offset: walker.pos(),
            }
        } else {
            Phase::Publish {
                output: output + 1,
                offset: FILE_HEADER_BYTES as u64,
            }
        };
        if walker.pos() >= end && output + 1 == job.outputs.len() {
            return self.finish_merge(job);
        }
        Ok(false)
    }

    /// Takes the inputs out of the index and removes their files.
    fn finish_merge(&mut self, job: &mut Job<S::File>) -> Result<bool> {
        self.index.write(|index| {
            for input in &job.inputs {
                index.remove_segment(input.slot);
            }
        });
        self.remove_condemned();
        self.lay_reserve();
        Ok(true)
    }

    /// Marks a segment so that no merge takes it again, and says what was met.
    fn damaged(&mut self, slot: u16, id: u64, offset: u64, damage: Damage) -> Error {
        self.index.write(|index| {
            if let Some(segment) = index.segment_mut(slot) {
                segment.damaged = true;
            }
        });
        Error::Corrupt {
            file: names::segment(id),
            offset,
            damage,
        }
    }
}

impl<F> Job<F> {
    /// The seq of the last record copied.
    fn newest_seq(&self) -> u64 {
        self.outputs.last().map_or(0, |output| output.last_seq)
    }

    /// Everything is copied; the commit is next.
    fn is_copied(&self) -> bool {
        matches!(self.phase, Phase::Copy { input, .. } if input == self.inputs.len())
    }

    fn drop_record(&mut self, found: &Found) {
        self.report.records_dropped += 1;
        self.dropped_seq = self.dropped_seq.max(found.head.seq);
    }
}
