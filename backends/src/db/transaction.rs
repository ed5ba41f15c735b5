//! Transactions: they have the writer to themselves, read their own writes, and commit whole or not at all.

use super::write::attempt;
use super::writer::Held;
use super::{Db, SharedStorage};
use portcask_core::{Ack, Batch, Error, Expiry, Result};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What [`Db::transaction`] passes to its closure. Nothing is in the store before the closure returns
/// `Ok`.
pub struct Transaction<'a, S: SharedStorage> {
    engine: &'a mut Held<S>,
    /// What it did to user keys and to system keys: the last deed for each.
    own: BTreeMap<Vec<u8>, Deed>,
    own_meta: BTreeMap<Vec<u8>, Deed>,
    ack: Option<Ack>,
}

enum Deed {
    Put { value: Vec<u8>, expiry: Expiry },
    Delete,
}

impl<S: SharedStorage> Db<S> {
    /// Runs `body` with the writer to itself. When `body` returns `Ok`, everything it wrote becomes one
    /// batch; an `Err` or a panic discards it all. Other threads keep reading, and see all of it or
    /// nothing; other writers wait.
    ///
    /// Inside, write through the transaction: the handle's own writing methods return
    /// [`Error::InTransaction`] there.
    ///
    /// ```
    /// # fn main() -> Result<(), portcask::Error> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = portcask::open(dir.path())?;
    /// # db.put(b"from", b"5")?;
    /// let moved = db.transaction(|t| {
    ///     let Some(coins) = t.get(b"from")? else {
    ///         return Ok(false);
    ///     };
    ///     t.put(b"to", coins);
    ///     t.delete(b"from")
    /// })?;
    /// assert!(moved);
    /// # Ok(())
    /// # }
    /// ```
    pub fn transaction<R>(
        &self,
        body: impl FnOnce(&mut Transaction<'_, S>) -> Result<R>,
    ) -> Result<R> {
        self.try_transaction(body)
    }

    /// As [`Db::transaction`], for a closure with an error type of its own.
    pub fn try_transaction<R, E: From<Error>>(
        &self,
        body: impl FnOnce(&mut Transaction<'_, S>) -> Result<R, E>,
    ) -> Result<R, E> {
        let core = self.core();
        let mut level = core.options.engine.ack;
        let done = core.writer.with_marked(|engine| {
            let mut t = Transaction {
                engine,
                own: BTreeMap::new(),
                own_meta: BTreeMap::new(),
                ack: None,
            };
            // Nothing was done to the engine yet, so a panic of the body is no reason to poison.
            let answer = catch_unwind(AssertUnwindSafe(|| body(&mut t)));
            level = t.ack.unwrap_or(level);
            let batch = match &answer {
                Ok(Ok(_)) => t.batch(),
                Ok(Err(_)) | Err(_) => Batch::new(),
            };
            let committed = attempt(t.engine, level, |engine, ack| {
                engine.write_with(&batch, Some(ack))
            });
            (answer, committed)
        });
        let (answer, committed) = done?;
        let answer = answer.unwrap_or_else(|panic| resume_unwind(panic));
        core.reach(level, committed?)?;
        answer
    }
}

impl<S: SharedStorage> Transaction<'_, S> {
    /// The value of a key, as this transaction left it.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.own.get(key) {
            Some(deed) => Ok(self.value(deed)),
            None => self.engine.get(key),
        }
    }

    /// Whether a key exists, as this transaction left it.
    pub fn contains_key(&self, key: &[u8]) -> Result<bool> {
        match self.own.get(key) {
            Some(deed) => Ok(self.value(deed).is_some()),
            None => self.engine.contains_key(key),
        }
    }

    /// The value of a key of the system key space, as this transaction left it.
    pub fn get_meta(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.own_meta.get(key) {
            Some(deed) => Ok(self.value(deed)),
            None => self.engine.get_meta(key),
        }
    }

    /// Stores a value. Limits are checked when the transaction commits.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.put_with(key, value, Expiry::Default);
    }

    /// Stores a value with an expiry.
    pub fn put_with(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>, expiry: Expiry) {
        let value = value.into();
        self.own.insert(key.into(), Deed::Put { value, expiry });
    }

    /// Deletes a key. Returns whether it existed.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool> {
        let existed = self.contains_key(key)?;
        self.own.insert(key.to_vec(), Deed::Delete);
        Ok(existed)
    }

    /// Stores a value in the system key space.
    pub fn put_meta(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        let deed = Deed::Put {
            value: value.into(),
            expiry: Expiry::Never,
        };
        self.own_meta.insert(key.into(), deed);
    }

    /// Deletes a key of the system key space.
    pub fn delete_meta(&mut self, key: impl Into<Vec<u8>>) {
        self.own_meta.insert(key.into(), Deed::Delete);
    }

    /// Commits at this level instead of the store's.
    pub fn acknowledge_at(&mut self, ack: Ack) {
        self.ack = Some(ack);
    }

    /// The wall-clock time that this store trusts, in milliseconds since 1970.
    pub fn now_ms(&self) -> Option<u64> {
        self.engine.now_ms()
    }

    /// The value that a deed left behind, if its time is not up already.
    fn value(&self, deed: &Deed) -> Option<Vec<u8>> {
        match deed {
            Deed::Delete => None,
            Deed::Put { expiry, .. } if self.is_over(*expiry) => None,
            Deed::Put { value, .. } => Some(value.clone()),
        }
    }

    fn is_over(&self, expiry: Expiry) -> bool {
        match expiry {
            Expiry::Default | Expiry::Never => false,
            Expiry::AfterMs(ms) => ms == 0,
            Expiry::AtMs(at) => self.engine.now_ms().is_some_and(|now| at <= now),
        }
    }

    fn batch(&mut self) -> Batch {
        let mut batch = Batch::new();
        for (key, deed) in std::mem::take(&mut self.own) {
            match deed {
                Deed::Put { value, expiry } => batch.put_with(key, value, expiry),
                Deed::Delete => batch.delete(key),
            };
        }
        for (key, deed) in std::mem::take(&mut self.own_meta) {
            match deed {
                Deed::Put { value, .. } => batch.put_meta(key, value),
                Deed::Delete => batch.delete_meta(key),
            };
        }
        batch
    }
}
