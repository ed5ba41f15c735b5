//! Committing the copies, pointing the keys at them, and letting the inputs go.

use super::job::{Job, Output, Phase};
use crate::engine::Engine;
use crate::error::{Context, Op, Result};
use crate::fallible;
use crate::format::KeyHash;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, Footer};
use crate::format::hint;
use crate::format::manifest::{Edit, SegmentEntry, SegmentState};
use crate::format::record::Site;
use crate::index::{IndexCell, Segment};
use crate::keydir::{AHEAD, Place, SizeClass, Slot};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::create::{header_of, sync_names};
use crate::segment::told::Told;
use crate::segment::walk::{State, Step, Walker};
use crate::storage::{File, Storage};

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// The commit, in the order that loses nothing.
    pub(super) fn commit_merge(&mut self, job: &mut Job<S::File>) -> Result<bool> {
        if !planted(Bug::MergedForUndurable) {
            self.sync()?;
        }
        let now = self.storage.now_ms().unwrap_or(0);
        let mut entries = Vec::new();
        for output in &mut job.outputs {
            fallible::push(&mut entries, self.seal_output(output, now)?)?;
        }
        sync_names(&self.storage)?;
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
                    remove: &remove,
                    with: &entries,
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

    /// Ends an output, so that all of it is durable but its name.
    fn seal_output(&mut self, output: &mut Output<S::File>, now: u64) -> Result<SegmentEntry> {
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
        let (file, name) = (&output.out.file, names::segment(output.id));
        file.append(data_end, &footer.encode())
            .during(Op::Append, name)?;
        if !planted(Bug::OutputsUnsynced) {
            file.sync().during(Op::Sync, name)?;
        }
        if let Some(hint) = output.hint.finish() {
            hint.sync().during(Op::Sync, names::hint(output.id))?;
        } else if !output.hint.cut_again() {
            self.give_up_hint(output.id);
        }
        Ok(SegmentEntry {
            id: output.id,
            salt: site.salt,
            base_seq: site.base_seq,
            last_seq: output.last_seq,
            state: SegmentState::Sealed,
            valid_bytes: data_end,
            records: output.records,
        })
    }

    /// Gives every output a slot in the index.
    fn add_outputs(&mut self, job: &mut Job<S::File>, slots: &mut Vec<u16>) -> Result<()> {
        for output in &mut job.outputs {
            let end = output.out.end();
            let (file, site) = (output.out.file.clone(), output.out.site);
            let mut segment = Segment::new(file, output.id, site, 0, end);
            segment.tombstone_bytes = output.tombstone_bytes;
            fallible::grow(slots, 1)?;
            output.slot = self.index.write(|index| index.add_segment(segment))?;
            fallible::push(slots, output.slot)?;
        }
        Ok(())
    }

    /// Points keys at their copies until the budget is spent.
    pub(super) fn publish_copies(
        &mut self,
        job: &mut Job<S::File>,
        output: usize,
        offset: u64,
        budget: u64,
    ) -> Result<bool> {
        let Some(target) = job.outputs.get(output) else {
            return self.finish_merge(job);
        };
        let copies = Copies {
            file: target.out.file.clone(),
            id: target.id,
            site: target.out.site,
            slot: target.slot,
            end: target.out.end(),
            inputs: fallible::collect(job.inputs.iter().map(|input| input.slot))?,
        };
        if offset == FILE_HEADER_BYTES as u64 {
            let segment = (copies.id, copies.site.salt);
            let told = Told::open(&self.storage, self.store, segment, copies.end);
            job.told = Some(Box::new(told));
        }
        let until = copies.end.min(offset.saturating_add(budget));
        let mut pos = offset;
        if let Some(told) = &mut job.told {
            pos = self.repoint_told(&copies, told, pos, until)?;
            if pos < until {
                job.told = None;
            }
        }
        pos = self.repoint_walked(&copies, pos, until)?;
        job.done_bytes += pos - offset;
        let ended = pos >= copies.end;
        if ended && output + 1 == job.outputs.len() {
            return self.finish_merge(job);
        }
        let (output, offset) = match ended {
            true => (output + 1, FILE_HEADER_BYTES as u64),
            false => (output, pos),
        };
        job.phase = Phase::Publish { output, offset };
        Ok(false)
    }

    /// By the hint that was written along, which says all that is needed. Answers where it got to: before `until` where
    /// the hint ends.
    fn repoint_told(
        &self,
        copies: &Copies<S::File>,
        told: &mut Told<S::File>,
        mut pos: u64,
        until: u64,
    ) -> Result<u64> {
        let mut keys = Vec::new();
        while pos < until {
            let next = told.next()?.filter(|(at, _)| *at == pos);
            let Some((at, entry)) = next else { break };
            pos += entry.record_bytes;
            if let Some(hash) = entry.hash.filter(|_| entry.kind.is_put()) {
                fallible::push(&mut keys, (hash, copies.slot_of(at, &entry)?))?;
            }
            if keys.len() == AHEAD {
                self.repoint(copies, &keys);
                keys.clear();
            }
        }
        self.repoint(copies, &keys);
        Ok(pos)
    }

    /// By the records themselves. Answers where it got to.
    fn repoint_walked(&self, copies: &Copies<S::File>, pos: u64, until: u64) -> Result<u64> {
        let file = copies.file.clone();
        let mut walker = Walker::new(file, copies.id, copies.site, pos, copies.end);
        while walker.pos() < until {
            let wrong = match walker.next()? {
                Some(Step::Record) if walker.found().state == State::Intact => None,
                Some(Step::Record) => {
                    Some((walker.found().offset, walker.damage_of(walker.found())))
                }
                Some(Step::Gap) => Some((walker.gap().from, walker.gap().damage)),
                None => break,
            };
            if let Some((offset, damage)) = wrong {
                return Err(self.damaged(copies.slot, copies.id, offset, damage));
            }
            let found = walker.found();
            if found.head.kind.is_put() {
                let hash = self.hash(found.head.kind.space(), walker.key());
                let entry = hint::Entry {
                    kind: found.head.kind,
                    record_bytes: found.bytes,
                    hash: Some(hash),
                    expiry_ms: found.head.expiry_ms,
                };
                self.repoint(copies, &[(hash, copies.slot_of(found.offset, &entry)?)]);
            }
        }
        Ok(walker.pos())
    }

    /// Points some keys at their copies, where they still are where merge found them.
    fn repoint(&self, copies: &Copies<S::File>, keys: &[(KeyHash, Slot)]) {
        self.index.write(|index| {
            index.keydir.approach(keys.iter().map(|(hash, _)| *hash));
            for (hash, to) in keys {
                index.repoint(*hash, &copies.inputs, *to);
            }
        });
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
}

/// An output whose keys are being repointed.
struct Copies<F> {
    file: F,
    id: u64,
    site: Site,
    /// Its slot in the index, and those of the inputs that the keys may still point at.
    slot: u16,
    inputs: Vec<u16>,
    end: u64,
}

impl<F> Copies<F> {
    fn slot_of(&self, offset: u64, entry: &hint::Entry) -> Result<Slot> {
        Ok(Slot {
            place: Place::at(self.slot, offset)?,
            size: SizeClass::of(entry.record_bytes),
            has_ttl: entry.expiry_ms.is_some(),
        })
    }
}
