//! Copying: each record of the inputs is kept, cut down to a tombstone, or dropped.

use super::job::{Job, Output, Phase};
use crate::engine::Engine;
use crate::error::{Damage, Error, Result};
use crate::fallible;
use crate::format::file::FILE_HEADER_BYTES;
use crate::format::hint;
use crate::format::record::{Head, Kind};
use crate::format::{KeyHash, Space};
use crate::index::IndexCell;
use crate::keydir::{AHEAD, Place, Slot};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::append::Appender;
use crate::segment::create::create_segment;
use crate::segment::hint_log::HintLog;
use crate::segment::told::Told;
use crate::segment::walk::{Found, Gap, State, Step, Walker};
use crate::storage::Storage;

/// What becomes of a record.
enum Fate {
    Keep,
    /// Its value is gone, but it still hides older versions.
    Tombstone,
    Drop,
}

/// Records that are dealt with together, so that the index is entered once for them and the lookups
/// of their keys wait for memory once.
#[derive(Default)]
struct Batch {
    /// Each with its key's hash, and whether the segment's hint tells something else of it.
    found: Vec<(Found, Option<KeyHash>, bool)>,
    /// What the keydir says of the key of each.
    slots: Vec<Option<Slot>>,
}

impl Batch {
    /// Takes the records out: each, its key's hash and slot, and whether the hint tells otherwise.
    fn drain(&mut self) -> impl Iterator<Item = (Found, Keyed, bool)> {
        let found = self.found.drain(..).zip(self.slots.drain(..));
        found.map(|((found, hash, otherwise), slot)| (found, (hash, slot), otherwise))
    }
}

/// The hash of a record's key, and what the keydir says of it.
type Keyed = (Option<KeyHash>, Option<Slot>);

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
        // The one of the step before, whose window goes on.
        let walker = job.walker.take().filter(|walker| walker.pos() == offset);
        let fresh = || {
            Box::new(Walker::new(
                source.file.clone(),
                id,
                source.site,
                offset,
                end,
            ))
        };
        let mut walker = walker.unwrap_or_else(fresh);
        if offset == FILE_HEADER_BYTES as u64 {
            let segment = (id, source.site.salt);
            let told = Told::open(&self.storage, self.store, segment, end);
            job.told = Some(Box::new(told));
        }
        let now = self.observe_clock();
        let mut batch = Batch::default();
        while walker.pos() < end {
            if walker.pos() - offset >= budget {
                job.done_bytes += walker.pos() - offset;
                job.phase = Phase::Copy {
                    input,
                    offset: walker.pos(),
                };
                job.walker = Some(walker);
                return Ok(false);
            }
            let until = offset.saturating_add(budget);
            let gap = self.gather(&mut batch, job, &mut walker, until)?;
            for (found, known, told_otherwise) in batch.drain() {
                if found.state == State::KeyRotten && found.head.kind != Kind::Marker {
                    let damage = walker.damage_of(&found);
                    return Err(self.damaged(slot, id, found.offset, damage));
                }
                if told_otherwise && !planted(Bug::HintUnheeded) {
                    return Err(self.damaged(slot, id, found.offset, Damage::Hint));
                }
                self.deal_with(job, &mut walker, (slot, id), &found, known, now)?;
            }
            if let Some(gap) = gap {
                return Err(self.damaged(slot, id, gap.from, gap.damage));
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

    /// The next records whose heads lie in the walk's window, at least one, none that begins at
    /// `until`, with the slots of their keys: one visit to the index. Or the gap they end at.
    fn gather(
        &self,
        batch: &mut Batch,
        job: &mut Job<S::File>,
        walker: &mut Walker<S::File>,
        until: u64,
    ) -> Result<Option<Gap>> {
        let mut gap = None;
        while batch.found.len() < AHEAD {
            match walker.next_key()? {
                Some(Step::Record) => {
                    let mut found = *walker.found();
                    let kind = found.head.kind;
                    let keyed = kind != Kind::Marker && found.state != State::KeyRotten;
                    let mut hash = keyed.then(|| self.hash(kind.space(), walker.key()));
                    let entry = hint::Entry {
                        kind,
                        record_bytes: found.bytes,
                        hash,
                        expiry_ms: found.head.expiry_ms,
                    };
                    let told = job
                        .told
                        .as_mut()
                        .map(|told| told.next())
                        .transpose()?
                        .flatten();
                    let confirmed = told == Some((found.offset, entry));
                    if !confirmed {
                        // Else the hint's 96 bits say more for the key than its own 16.
                        found.state = walker.check(&found)?;
                        if found.state == State::KeyRotten {
                            hash = None;
                        }
                    }
                    let otherwise = told.is_some() && !confirmed;
                    fallible::push(&mut batch.found, (found, hash, otherwise))?;
                }
                Some(Step::Gap) => gap = Some(*walker.gap()),
                None => break,
            }
            if gap.is_some() || walker.pos() >= until || !walker.is_near() {
                break;
            }
        }
        let Batch { found, slots } = batch;
        self.index.read(|index| {
            let hashes = || found.iter().map(|(_, hash, _)| *hash);
            index.keydir.approach(hashes().flatten());
            hashes()
                .map(|hash| hash.and_then(|hash| index.keydir.get(hash)))
                .try_for_each(|slot| fallible::push(slots, slot))
        })?;
        Ok(gap)
    }

    /// Keeps, cuts down or drops one record of an input.
    fn deal_with(
        &mut self,
        job: &mut Job<S::File>,
        walker: &mut Walker<S::File>,
        (slot, id): (u16, u64),
        found: &Found,
        (hash, known): Keyed,
        now: Option<u64>,
    ) -> Result<()> {
        let Some(hash) = hash else { return Ok(()) };
        let place = Place::at(slot, found.offset)?;
        let fate = self.fate(walker, found, (hash, known), place, job.from_oldest, now)?;
        if matches!(fate, Fate::Drop) {
            job.drop_record(found);
            return Ok(());
        }
        // Only what is kept is looked at whole.
        let state = walker.check(found)?;
        if state != State::Intact {
            let damage = walker.damage_of(&Found { state, ..*found });
            return Err(self.damaged(slot, id, found.offset, damage));
        }
        if found.head.seq < job.newest_seq() {
            // Nobody wrote it there: an output could not hold it behind a newer one.
            return Err(self.damaged(slot, id, found.offset, Damage::Head));
        }
        let as_tombstone = matches!(fate, Fate::Tombstone);
        self.keep(job, walker, found, hash, as_tombstone)?;
        if as_tombstone {
            job.dropped_seq = job.dropped_seq.max(found.head.seq);
        }
        Ok(())
    }

    fn fate(
        &self,
        walker: &mut Walker<S::File>,
        found: &Found,
        (hash, slot): (KeyHash, Option<Slot>),
        place: Place,
        from_oldest: bool,
        now: Option<u64>,
    ) -> Result<Fate> {
        let live = slot.is_some_and(|slot| slot.place == place);
        let expired = match (found.head.expiry_ms, now) {
            (Some(expiry), Some(now)) => expiry <= now,
            _ => false,
        };
        if live && !expired {
            return Ok(Fate::Keep);
        }
        if live && let Some(expiry) = found.head.expiry_ms {
            let key = walker.key_of(found)?;
            self.index
                .write(|index| index.expire(hash, key, expiry, place));
        }
        let deleted = found.head.kind.is_tombstone() && !planted(Bug::TombstoneDropped);
        let hides_older = deleted || (expired && !planted(Bug::ExpiredDropped));
        let newer_exists = slot.is_some() && !live;
        Ok(if !hides_older || from_oldest || newer_exists {
            Fate::Drop
        } else {
            Fate::Tombstone
        })
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
            output.out.end() + found.bytes > job.output_bytes && output.records > 0
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
            let key = walker.key_of(found)?;
            let head = Head::new(kind, found.head.seq, key, b"");
            output.out.bare(&head, key)?
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
        let output = Output {
            hint: HintLog::new(
                &self.storage,
                self.store,
                created.id,
                created.site.salt,
                now,
            ),
            out: Appender::new(
                created.file,
                created.id,
                created.site,
                FILE_HEADER_BYTES as u64,
            ),
            id: created.id,
            records: 0,
            last_seq: 0,
            tombstone_bytes: 0,
            slot: 0,
        };
        Ok(fallible::push(&mut job.outputs, output)?)
    }
}
