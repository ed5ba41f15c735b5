//! Writes: under the writer's lock until they are published, without it while they are synced.

use super::writer::Held;
use super::{Core, Db, SharedStorage};
use portcask_core::{Ack, Batch, Committed, Error, Expiry, Result, WriteOptions};

impl<S: SharedStorage> Db<S> {
    /// Stores a value. Returns the sequence number of this version.
    ///
    /// Costs one append (none at [`Ack::Buffered`]; a share of a sync at [`Ack::Synced`]) and no
    /// read, unless the old version has an expiry or `verify_overwrite` is on.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<u64> {
        self.put_with(key, value, &WriteOptions::default())
    }

    /// Stores a value with an expiry, a condition or an acknowledgement level of its own.
    pub fn put_with(&self, key: &[u8], value: &[u8], how: &WriteOptions) -> Result<u64> {
        self.core().commit(how.ack, |engine, ack| {
            engine.put_with(key, value, &at(how, ack))
        })
    }

    /// Deletes a key. Returns whether it existed; deleting an absent key writes nothing.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        Ok(self.delete_with(key, &WriteOptions::default())?.is_some())
    }

    /// Deletes a key under a condition or at an acknowledgement level of its own. Returns the
    /// tombstone's sequence number, or `None` if the key did not exist.
    pub fn delete_with(&self, key: &[u8], how: &WriteOptions) -> Result<Option<u64>> {
        self.core().commit(how.ack, |engine, ack| {
            engine.delete_with(key, &at(how, ack))
        })
    }

    /// Writes all of a batch or nothing, at the store's acknowledgement level.
    pub fn write<B: AsRef<[u8]>>(&self, batch: &Batch<B>) -> Result<Committed> {
        self.write_with(batch, None)
    }

    /// As [`Db::write`], at another acknowledgement level.
    pub fn write_with<B: AsRef<[u8]>>(
        &self,
        batch: &Batch<B>,
        ack: Option<Ack>,
    ) -> Result<Committed> {
        self.core()
            .commit(ack, |engine, ack| engine.write_with(batch, Some(ack)))
    }

    /// Changes a key's expiry and keeps its value. Returns whether the key exists.
    ///
    /// Costs a read and a put of the whole record.
    pub fn expire(&self, key: &[u8], expiry: Expiry) -> Result<bool> {
        self.core()
            .commit(None, |engine, _| engine.expire(key, expiry))
    }

    /// Removes a key's expiry. Returns whether the key exists and had one.
    pub fn persist(&self, key: &[u8]) -> Result<bool> {
        self.core().commit(None, |engine, _| engine.persist(key))
    }

    /// Removes every key in one step, which is durable when this returns. Returns how many there
    /// were.
    pub fn clear(&self) -> Result<u64> {
        self.core().writer.with(|engine| engine.clear())?
    }

    /// Hands every buffered byte to the platform. After that, all writes so far survive the death of the process.
    pub fn flush(&self) -> Result<()> {
        self.core().writer.with(|engine| engine.flush())?
    }

    /// Makes everything written so far survive a power loss, sharing the sync with others.
    ///
    /// The first error poisons the store: nobody knows what reached the medium, and every
    /// later write returns [`Error::Poisoned`] until the store is opened again.
    pub fn sync(&self) -> Result<()> {
        let core = self.core();
        let seq = core
            .writer
            .with(|engine| engine.flush().map(|()| engine.last_seq()))??;
        core.commits.wait_for(seq, &core.writer)
    }

    /// Seals the active segment, which makes everything durable, and starts the next one.
    pub fn rotate(&self) -> Result<()> {
        self.core().writer.with(|engine| engine.rotate())?
    }
}

impl<S: SharedStorage> Core<S> {
    /// Does a write and answers once its level is reached.
    fn commit<T>(
        &self,
        ack: Option<Ack>,
        deed: impl FnOnce(&mut Held<S>, Ack) -> Result<T>,
    ) -> Result<T> {
        let ack = ack.unwrap_or(self.options.engine.ack);
        let attempted = self.writer.with(|engine| attempt(engine, ack, deed))??;
        self.reach(ack, attempted)
    }

    /// Waits until the level of a write is reached, and answers it.
    ///
    /// A failed condition tells what it read, as a success does, so it waits for it too.
    pub(super) fn reach<T>(&self, ack: Ack, attempted: Attempted<T>) -> Result<T> {
        let Attempted { done, seq, grown } = attempted;
        if grown {
            self.background.look_at_merge();
        }
        if !matches!(done, Ok(_) | Err(Error::ConditionFailed { .. })) {
            return done;
        }
        if ack == Ack::Synced {
            self.commits.wait_for(seq, &self.writer)?;
        } else if self.options.engine.sync_every_ms.is_some() && !self.background.runs() {
            self.sync_if_due(seq)?;
        }
        done
    }
}

/// What a write came to under the writer's lock.
pub(super) struct Attempted<T> {
    done: Result<T>,
    /// The sequence number up to which it may have read.
    seq: u64,
    /// A merge may have become due.
    grown: bool,
}

/// Does a write under the writer's lock, at most as far as [`Ack::Written`].
pub(super) fn attempt<S: SharedStorage, T>(
    engine: &mut Held<S>,
    ack: Ack,
    deed: impl FnOnce(&mut Held<S>, Ack) -> Result<T>,
) -> Result<Attempted<T>> {
    let before = engine.last_seq();
    let done = deed(engine, ack.min(Ack::Written));
    let seq = engine.last_seq();
    // It wrote nothing, so what it read, and now tells, may still be in the buffer.
    if ack >= Ack::Written && seq == before {
        engine.flush()?;
    }
    let grown = engine.merge_may_be_due();
    Ok(Attempted { done, seq, grown })
}

/// The same write at another level.
fn at(how: &WriteOptions, ack: Ack) -> WriteOptions {
    WriteOptions {
        ack: Some(ack),
        ..*how
    }
}
