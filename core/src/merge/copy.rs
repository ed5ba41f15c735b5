//! Copying: each record of the inputs is kept, cut down to a tombstone, or dropped.

use super::job::{Job, Output, Phase};
use crate::engine::Engine;
use crate::error::{Damage, Error, Result};
use crate::fallible;
use crate::format::file::FILE_HEADER_BYTES;
use crate::format::file::names;
use crate::format::hint;
use crate::format::record::{Head, Kind};
use crate::format::{KeyHash, Space};
use crate::index::IndexCell;
use crate::keydir::{AHEAD, Place};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::append::Appender;
use crate::segment::create::create_segment;
use crate::segment::hint_log::HintLog;
use crate::segment::told::Told;
use crate::segment::walk::{Found, State, Step, Walker};
use crate::storage::Storage;

/// What becomes of a record.
enum Fate {
    Keep,
    /// Its value is gone, but it still hides older versions.
    Tombstone,
    Drop,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Copies from one input until the budget is spent. Returns whether the merge is complete.
    pub(super) fn copy(
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
        if offset == FILE_HEADER_BYTES as u64 {
            let segment = (id, source.site.salt);
            job.told = Some(Told::open(&self.storage, self.store, segment, end));
        }
        let now = self.observe_clock();
        let mut approached = 0;
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
            if approached == 0
                && let Some(told) = &job.told
            {
                let ahead = told.ahead().take(AHEAD);
                self.index.read(|index| index.keydir.approach(ahead));
                approached = AHEAD;
            }
            approached = approached.saturating_sub(1);
            let kind = found.head.kind;
            if found.state == State::KeyRotten && kind != Kind::Marker {
                let damage = walker.damage_of(&found);
                return Err(self.damaged(slot, id, found.offset, damage));
            }
            let hash = (kind != Kind::Marker).then(|| self.hash(kind.space(), walker.key()));
            let entry = hint::Entry {
                kind,
                record_bytes: found.bytes,
                hash,
                expiry_ms: found.head.expiry_ms,
            };
            let told = job.told.as_mut().map(Told::next).transpose()?.flatten();
            if told.is_some_and(|told| told != (found.offset, entry)) {
                return Err(self.damaged(slot, id, found.offset, Damage::Hint));
            }
            let Some(hash) = hash else { continue };
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
        job.told = None;
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
}
