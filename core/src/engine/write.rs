//! Puts, deletes and batches: judge, stage, commit, in this order.

use super::Engine;
use super::batch::{Batch, BatchOp, Deed};
use super::newest::Newest;
use super::stage::{Deletion, Staged};
use crate::error::{Error, Result};
use crate::fallible;
use crate::format::Space;
use crate::format::file::names;
use crate::format::manifest::Edit;
use crate::index::{Index, IndexCell};
use crate::keydir::AHEAD;
use crate::options::{Ack, WriteOptions};
use crate::prelude::*;
use crate::storage::Storage;

/// The sequence numbers that a taken batch got; equal to one another for a batch of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The first operation's.
    pub first_seq: u64,
    /// The last operation's.
    pub last_seq: u64,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Stores a value. Returns the sequence number of this version.
    ///
    /// Costs one append (none at [`Ack::Buffered`]) and no read, unless the old version has an
    /// expiry or `verify_overwrite` is on.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<u64> {
        self.put_with(key, value, &WriteOptions::default())
    }

    /// Stores a value with an expiry, a condition or an acknowledgement level of its own.
    pub fn put_with(&mut self, key: &[u8], value: &[u8], how: &WriteOptions) -> Result<u64> {
        self.writable()?;
        if let Some(condition) = how.condition {
            self.judge(&[(key, condition)], how.ack)?;
        }
        let keyed = self.look_up(Space::User, key);
        let staged = self.stage_put(Space::User, key, value, how.expiry, keyed)?;
        let committed = self.commit_staged(&mut [staged], how.ack)?;
        Ok(committed.last_seq)
    }

    /// Deletes a key. Returns whether it existed. Deleting an absent key writes nothing, unless keys
    /// have expired since the clock was last written down (at opening, rotation and close).
    pub fn delete(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.delete_with(key, &WriteOptions::default())?.is_some())
    }

    /// Deletes a key under a condition or at an acknowledgement level of its own. Returns the
    /// tombstone's sequence number, or `None` if the key did not exist.
    pub fn delete_with(&mut self, key: &[u8], how: &WriteOptions) -> Result<Option<u64>> {
        self.writable()?;
        if let Some(condition) = how.condition {
            self.judge(&[(key, condition)], how.ack)?;
        }
        let Some(Deletion { tombstone, existed }) = self.stage_delete(Space::User, key)? else {
            self.settle_answer(how.ack)?;
            return Ok(None);
        };
        let mut staged = [tombstone];
        let mut done = self.commit_staged(&mut staged, how.ack);
        if matches!(done, Err(Error::Full { .. })) && self.spend_reserve() {
            done = self.commit_staged(&mut staged, how.ack);
        }
        done.map(|committed| existed.then_some(committed.last_seq))
    }

    /// Takes all of a batch or nothing of it, at the store's acknowledgement level.
    pub fn write<B: AsRef<[u8]>>(&mut self, batch: &Batch<B>) -> Result<Committed> {
        self.write_with(batch, None)
    }

    /// As [`Engine::write`], at a level of its own.
    ///
    /// The batch is one append into one segment file. Errors with [`Error::ConditionFailed`] if a
    /// precondition does not hold, with [`Error::BatchTooLarge`] if no file could hold it.
    pub fn write_with<B: AsRef<[u8]>>(
        &mut self,
        batch: &Batch<B>,
        ack: Option<Ack>,
    ) -> Result<Committed> {
        self.writable()?;
        if batch.incomplete {
            return Err(Error::OutOfMemory);
        }
        self.judge(&batch.conditions, ack)?;
        let mut staged = Vec::new();
        fallible::reserve(&mut staged, batch.ops.len())?;
        // What an earlier operation of the batch puts is not in the index yet.
        let mut newest = Newest::with_room(batch.ops.len())?;
        for some in batch.ops.chunks(AHEAD) {
            let known = self.look_up_some(some);
            for (op, keyed) in some.iter().zip(known) {
                let key = op.key.as_ref();
                match &op.deed {
                    Deed::Put { value, expiry } => {
                        let put = self.stage_put(op.space, key, value.as_ref(), *expiry, keyed)?;
                        self.refuse_collision(newest.of(put.hash, &staged), op)?;
                        fallible::push(&mut staged, put)?;
                        newest.note(&staged)?;
                    }
                    Deed::Delete => {
                        let put_here = newest.of(keyed.0, &staged);
                        self.refuse_collision(put_here, op)?;
                        let put_here = put_here.is_some();
                        match self.stage_delete(op.space, key)? {
                            Some(deletion) => fallible::push(&mut staged, deletion.tombstone)?,
                            None if put_here => {
                                fallible::push(&mut staged, self.tombstone(op.space, key, None))?;
                            }
                            None => {}
                        }
                    }
                }
            }
        }
        if staged.is_empty() {
            self.settle_answer(ack)?;
            let seq = self.writer()?.seq;
            return Ok(Committed {
                first_seq: seq,
                last_seq: seq,
            });
        }
        let mut done = self.commit_staged(&mut staged, ack);
        // As for a single delete; what a batch notes in the system key space is small.
        let gives_back =
            |op: &BatchOp<B>| matches!(op.deed, Deed::Delete) || op.space == Space::Meta;
        if matches!(done, Err(Error::Full { .. }))
            && batch.ops.iter().all(gives_back)
            && self.spend_reserve()
        {
            done = self.commit_staged(&mut staged, ack);
        }
        done
    }

    /// Removes every key in one step: a single manifest record. Returns how many there were.
    pub fn clear(&mut self) -> Result<u64> {
        self.writable()?;
        self.sweep_expired();
        self.abandon_merge();
        self.flush_tail()?;
        // A number of its own: a follower that had seen everything before must meet a gap.
        let floor = self.issue_seqs(1)?;
        let fresh = self.index.read(Index::successor)?;
        let edits = [Edit::Clear, Edit::HistoryFloor(floor)];
        let mut started = self.start_segment(&edits);
        // As for a delete: what is removed gives more back than its record takes.
        if matches!(started, Err(Error::Full { .. })) && self.spend_reserve() {
            started = self.start_segment(&edits);
        }
        started?;
        // Only now: had the clear been refused, keys would still need the copies of a committed merge.
        self.writer_mut()?.merge = None;
        let active = self.writer()?.active.slot;
        let old = self.index.write(|index| index.clear_but(active, fresh));
        let removed = old.len();
        drop(old);
        self.check_fence()?;
        self.remove_condemned();
        Ok(removed)
    }

    /// Refuses to write a key over another one of the same batch that has its hash.
    fn refuse_collision<B: AsRef<[u8]>>(
        &self,
        earlier: Option<&Staged<'_>>,
        op: &BatchOp<B>,
    ) -> Result<()> {
        let is_same =
            |earlier: &Staged<'_>| earlier.space == op.space && earlier.key == op.key.as_ref();
        if earlier.is_none_or(is_same) {
            return Ok(());
        }
        let active = &self.writer()?.active;
        Err(Error::key_collision(names::segment(active.id), active.end))
    }

    /// Makes what an answer without a write was based on as safe as the answer claims: it may rest
    /// on records that are still in the buffer, and on a store that a newer writer has taken over.
    pub(super) fn settle_answer(&mut self, ack: Option<Ack>) -> Result<()> {
        let ack = ack.unwrap_or(self.options.ack);
        if ack == Ack::Synced {
            self.sync()?;
        }
        if ack >= Ack::Written {
            self.flush()?;
        }
        Ok(())
    }
}
