//! Committing the copies, pointing the keys at them, and letting the inputs go.

use super::job::{Job, Phase};
use crate::engine::Engine;
use crate::error::{Context, Error, Op, Result};
use crate::fallible;
use crate::format::KeyHash;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, Footer};
use crate::format::hint;
use crate::format::manifest::{Edit, SegmentEntry, SegmentState};
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
        let (segment, target_slot) = ((target.id, target.out.site.salt), target.slot);
        let (file, site, end) = (target.out.file.clone(), target.out.site, target.out.end());
        let inputs = fallible::collect(job.inputs.iter().map(|input| input.slot))?;
        let repoint = |copies: &[(KeyHash, Slot)]| {
            self.index.write(|index| {
                index.keydir.approach(copies.iter().map(|(hash, _)| *hash));
                for (hash, to) in copies {
                    index.repoint(*hash, &inputs, *to);
                }
            });
        };
        let slot_of = |offset, entry: &hint::Entry| {
            Ok::<_, Error>(Slot {
                place: Place {
                    segment: target_slot,
                    offset: u32::try_from(offset).map_err(|_| Error::TooLarge)?,
                },
                size: SizeClass::of(entry.record_bytes),
                has_ttl: entry.expiry_ms.is_some(),
            })
        };
        if offset == FILE_HEADER_BYTES as u64 {
            let told = Told::open(&self.storage, self.store, segment, end);
            job.told = Some(Box::new(told));
        }
        // The hint that was written along says all that is needed; the records are behind it.
        let (mut pos, mut copies) = (offset, Vec::new());
        while let Some(told) = &mut job.told
            && pos < end
            && pos - offset < budget
        {
            let next = told.next()?.filter(|(at, _)| *at == pos);
            let Some((at, entry)) = next else {
                job.told = None;
                break;
            };
            pos += entry.record_bytes;
            if let Some(hash) = entry.hash.filter(|_| entry.kind.is_put()) {
                fallible::push(&mut copies, (hash, slot_of(at, &entry)?))?;
            }
            if copies.len() == AHEAD {
                repoint(&copies);
                copies.clear();
            }
        }
        repoint(&copies);
        let mut walker = Walker::new(file, segment.0, site, pos, end);
        while walker.pos() < end && walker.pos() - offset < budget {
            let wrong = match walker.next()? {
                Some(Step::Record) if walker.found().state == State::Intact => None,
                Some(Step::Record) => {
                    Some((walker.found().offset, walker.damage_of(walker.found())))
                }
                Some(Step::Gap) => Some((walker.gap().from, walker.gap().damage)),
                None => break,
            };
            if let Some((offset, damage)) = wrong {
                return Err(self.damaged(target_slot, segment.0, offset, damage));
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
                repoint(&[(hash, slot_of(found.offset, &entry)?)]);
            }
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
}
