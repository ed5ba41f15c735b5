//! Rotation: the active segment is sealed, and the next one is created and committed.

use super::Engine;
use crate::error::{Context, Error, Op, Result};
use crate::fallible;
use crate::format::counter;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, Footer};
use crate::format::manifest::Edit;
use crate::index::{IndexCell, Segment};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::active::Active;
use crate::segment::create::{create_segment, header_of, may_be_abandoned};
use crate::segment::hint_log::HintLog;
use crate::storage::{File, Storage};

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Seals the active segment and starts the next one.
    pub fn rotate(&mut self) -> Result<()> {
        self.writable()?;
        if self.writer()?.active.records == 0 {
            return Ok(());
        }
        self.seal_and_continue()
    }

    /// Sync(old) with footer, create next, names, manifest record; only then the first append.
    pub(crate) fn seal_and_continue(&mut self) -> Result<()> {
        self.flush_tail()?;
        let now = self.storage.now_ms().unwrap_or(0);
        let (seq, store) = (self.writer()?.seq, self.store);
        let active = &mut self.writer_mut()?.active;
        let footer = Footer {
            header: header_of(active.id, active.site, store, now),
            data_end: active.end,
            records: active.records,
            first_seq: active.site.base_seq,
            last_seq: seq,
            sealed_ms: now,
        };
        let name = names::segment(active.id);
        let footer = footer.encode();
        active
            .file
            .append(active.end, &footer)
            .during(Op::Append, name)?;
        let end = active.end + footer.len() as u64;
        active.room.give_back(&active.file, end, active.durable);
        if let Err(source) = active.file.sync() {
            self.poison();
            return Err(Error::storage(Op::Sync, Some(name), source));
        }
        // Everything up to the footer is durable now, whatever happens to the rotation.
        let (slot, end) = (active.slot, active.end);
        active.durable = end;
        self.index.write(|index| {
            if let Some(segment) = index.segment_mut(slot) {
                segment.durable_end = end;
            }
        });
        let seal = {
            let active = &self.writer()?.active;
            Edit::Seal {
                id: active.id,
                valid_bytes: active.end,
                last_seq: seq,
                records: active.records,
                footer: true,
            }
        };
        self.start_segment(&[seal])?;
        self.check_fence()
    }

    /// Creates the next active segment and commits it together with `change`. `Ok` says that the
    /// commit is done; whether a newer writer came in between is for the caller to check, after
    /// its own part of the change.
    pub(crate) fn start_segment(&mut self, change: &[Edit<'_>]) -> Result<()> {
        let (seq, store) = (self.writer()?.seq, self.store);
        let base_seq = counter::after(seq, 1)?;
        let now = self.storage.now_ms().unwrap_or(0);
        // Nothing is created before there is room to say so.
        let mut edits = fallible::copy(change)?;
        fallible::reserve(&mut edits, 4)?;
        let created = loop {
            let id = self.writer()?.reserved;
            let created = create_segment(&self.storage, store, id, base_seq, now);
            match created.inspect_err(|error| self.poison_if_unsynced(error))? {
                Some(created) => break created,
                // Somebody else's file or directory, or what an earlier try could not remove.
                None => {
                    self.give_up_id(id)?;
                    self.writer_mut()?.reserved = self.reserve_id()?;
                }
            }
        };
        let next_id = self.state().next_id;
        self.observe_clock();
        let clock_ms = self.index.read(|index| index.clock.floor_ms());
        let entry = created.entry(seq, FILE_HEADER_BYTES as u64, 0);
        let next = Edit::NextId(counter::after(next_id, 1)?);
        let reserved = match planted(Bug::ReservedForgotten) {
            true => next,
            false => Edit::Pending(next_id),
        };
        let last = [next, reserved, Edit::Add(entry), Edit::Clock(clock_ms)];
        fallible::extend(&mut edits, &last)?;
        // Whatever can be refused comes before the commit: nothing may stop halfway behind it.
        let id = created.id;
        let start = FILE_HEADER_BYTES as u64;
        let segment = Segment::new(created.file.clone(), id, created.site, u32::MAX, start);
        let added = self.index.write(|index| index.add_segment(segment));
        let committed = added.and_then(|slot| {
            let done = self.commit(&edits);
            if done.is_err() {
                self.index.write(|index| index.remove_segment(slot));
            }
            done.map(|()| slot)
        });
        let slot = match committed {
            Ok(slot) => slot,
            Err(refused) => {
                if !matches!(refused, Error::Poisoned) {
                    // Nobody knows of it: as if it had never been created.
                    let _ = self.storage.remove(&names::segment(id));
                }
                return Err(refused);
            }
        };
        self.index.write(|index| index.clock_told(clock_ms));
        self.writer_mut()?.reserved = next_id;
        // The hint is a cache: failing to write it costs a scan at the next opening, nothing else.
        let sealed = &mut self.writer_mut()?.active;
        let _ = sealed.hint.finish();
        if !sealed.hint.cut_again() {
            let segment = sealed.id;
            self.give_up_hint(segment);
        }
        let hint = HintLog::new(&self.storage, store, id, created.site.salt, now);
        let writer = self.writer_mut()?;
        writer.active = Active::at((slot, id), created.file, created.site, start, 0, hint);
        self.rank_segments();
        Ok(())
    }

    /// Lists a new id as pending: what is then created under it may be deleted after a crash.
    pub(crate) fn reserve_id(&mut self) -> Result<u64> {
        let id = self.state().next_id;
        let next = counter::after(id, 1)?;
        self.commit(&[Edit::Pending(id), Edit::NextId(next)])?;
        // A newer writer gives these ids out by its own manifest: to it, a file under one of ours would
        // be proof that its state is not the newest.
        self.check_fence()?;
        Ok(id)
    }

    /// Gives up a pending id under whose name something lies: what is ours may then be deleted, a
    /// stranger's file stays. What cannot be looked at stays pending, for the next opening to judge.
    pub(crate) fn give_up_id(&mut self, id: u64) -> Result<()> {
        match may_be_abandoned(&self.storage, self.store, id) {
            Ok(true) => self.commit(&[Edit::Condemn(&[id])]),
            Ok(false) => self.commit(&Edit::disown(&[id])),
            Err(_) => Ok(()),
        }
    }
}
