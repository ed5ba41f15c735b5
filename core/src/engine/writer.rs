//! What only the one writer has, and what stops it: the fence and the poison.

use super::{Engine, ReaderState, Role};
use crate::error::{Error, Op, Result};
use crate::fallible;
use crate::format::counter::{self, COUNTER_WRITE_MAX};
use crate::format::file::names;
use crate::format::manifest::Edit;
use crate::index::IndexCell;
use crate::keydir::HashKey;
use crate::manifest_log::{ManifestLog, SEQ_BLOCK};
use crate::merge::Job;
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::active::Active;
use crate::storage::Storage;

/// Everything that only the one writer has.
pub(crate) struct WriterState<S: Storage> {
    /// Held until the engine is dropped.
    pub _lock: Option<S::Lock>,
    pub manifest: ManifestLog<S::File>,
    pub active: Active<S::File>,
    /// The last sequence number issued.
    pub seq: u64,
    pub merge: Option<Box<Job<S::File>>>,
    /// The next active segment's id. Listed as pending before its file exists, so that a crash in
    /// the middle of a rotation leaves a file that may be deleted.
    pub reserved: u64,
    /// Backups in progress: files may not be removed.
    pub pins: usize,
    /// Wall-clock time of the last sync, for interval sync.
    pub synced_ms: Option<u64>,
    /// Set once a newer opener took over.
    pub fenced: Option<u64>,
    /// Segments whose hint ends in bytes of no meaning that could be neither cut off nor removed with
    /// it. The next opening writes such a hint anew.
    pub torn_hints: Vec<u64>,
    /// As the index says it to readers; here it costs no look at the index.
    pub poisoned: bool,
    /// The index's, likewise.
    pub hash_key: HashKey,
    /// Reused by every write.
    pub scratch: Vec<u8>,
    /// The active segment and its end when merge was last asked about: [`Engine::merge_may_be_due`].
    pub looked: (u64, u64),
}

impl ReaderState {
    /// What a write answers.
    #[cold]
    fn refusal(&self) -> Error {
        match self.degraded {
            Some((file, offset)) => Error::degraded(file, offset),
            None => Error::ReadOnly,
        }
    }
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Refuses unless this opener may write now.
    pub(crate) fn writable(&self) -> Result<()> {
        match &self.role {
            Role::Reader(reader) => Err(reader.refusal()),
            Role::Writer(writer) => match writer.fenced {
                Some(by) => Err(Error::fenced(by)),
                None if writer.poisoned => Err(Error::Poisoned),
                None => Ok(()),
            },
        }
    }

    pub(crate) fn writer(&self) -> Result<&WriterState<S>> {
        match &self.role {
            Role::Writer(writer) => Ok(writer),
            Role::Reader(reader) => Err(reader.refusal()),
        }
    }

    pub(crate) fn writer_mut(&mut self) -> Result<&mut WriterState<S>> {
        match &mut self.role {
            Role::Writer(writer) => Ok(writer),
            Role::Reader(reader) => Err(reader.refusal()),
        }
    }

    /// Commits edits of the manifest; where not even the old state is certain, poisons.
    pub(crate) fn commit(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        let mut done = self.writer_mut()?.manifest.commit(edits);
        if matches!(done, Err(Error::Full { .. })) && self.spend_reserve() {
            done = self.writer_mut()?.manifest.commit(edits);
        }
        if matches!(done, Err(Error::Poisoned)) {
            self.poison();
        }
        done
    }

    /// Renumbers the index's order of segments after the manifest's.
    pub(crate) fn rank_segments(&mut self) {
        let state = self.state();
        self.index
            .write(|index| index.rank(state.segments.iter().map(|segment| segment.id)));
    }

    /// Issues the next `count` sequence numbers: the first of them. Reserves in the manifest.
    pub(crate) fn issue_seqs(&mut self, count: u64) -> Result<u64> {
        let writer = self.writer()?;
        let first = counter::after(writer.seq, 1)?;
        let last = counter::after(writer.seq, count)?;
        let (bound, next_id) = {
            let state = &writer.manifest.state;
            (state.seq_bound, state.next_id)
        };
        let spent = last.max(bound).max(next_id).max(writer.manifest.epoch);
        if spent > COUNTER_WRITE_MAX {
            return Err(Error::SeqExhausted);
        }
        if last > bound {
            let next = counter::after(bound.max(last), SEQ_BLOCK)?;
            self.commit(&[Edit::SeqBound(next)])?;
        }
        // Burned even if the append fails: a failed append may have reached the medium.
        self.writer_mut()?.seq = last;
        Ok(first)
    }

    /// After a write and before its acknowledgement: nobody newer has taken over. Where that cannot
    /// be read, the write is in the log and cannot be acknowledged, so nothing may follow it.
    pub(crate) fn check_fence(&mut self) -> Result<()> {
        let checked = self.writer()?.manifest.check_fence();
        match &checked {
            _ if planted(Bug::FenceUnchecked) => return Ok(()),
            Ok(()) => {}
            Err(Error::Fenced { by }) => {
                let by = **by;
                self.writer_mut()?.fenced = Some(by);
            }
            Err(_) => self.poison(),
        }
        checked
    }

    /// Removes the hint of a sealed segment that ends in bytes of no meaning: they would look like
    /// damage. Where not even that works, it is remembered if memory can be had: this comes behind
    /// commits, where nothing may be refused.
    pub(crate) fn give_up_hint(&mut self, segment: u64) {
        if self.storage.remove(&names::hint(segment)).is_err()
            && let Role::Writer(writer) = &mut self.role
        {
            let _ = fallible::push(&mut writer.torn_hints, segment);
        }
    }

    /// The first failed sync of anything poisons: the medium is sick, and what it holds is unknown.
    pub(crate) fn poison_if_unsynced(&mut self, error: &Error) {
        let unsynced = match error {
            Error::Storage { refusal, .. } => matches!(refusal.op, Op::Sync | Op::SyncNamespace),
            Error::Poisoned => true,
            _ => false,
        };
        if unsynced {
            self.poison();
        }
    }

    pub(crate) fn poison(&mut self) {
        if planted(Bug::PoisonSkipped) {
            return;
        }
        self.index.write(|index| index.poisoned = true);
        if let Role::Writer(writer) = &mut self.role {
            writer.poisoned = true;
        }
    }
}
