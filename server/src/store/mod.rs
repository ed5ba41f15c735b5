//! The one store behind all connections: who may write now, what a command sees, and when what it wrote
//! is durable.

mod keyspace;
mod syncing;
mod watches;

pub(crate) use keyspace::{Entry, Keyspace};
pub use syncing::SyncPolicy;
pub(crate) use syncing::Syncing;
pub(crate) use watches::Watch;

use portcask::{Ack, Db, DbOptions, Error};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use watches::Watches;

/// The store as the server uses it.
pub(crate) struct Store {
    db: Db,
    /// Held from the first look of a writing command to its commit: a command reads what it changes,
    /// and all writes of the server are in one order. Never held while something is synced.
    turn: Mutex<()>,
    watches: Watches,
    /// Keys that commands changed since the start.
    changes: AtomicU64,
}

impl Store {
    /// Opens the directory, creating a store in it if there is none.
    pub(crate) fn open(dir: &Path, mut options: DbOptions) -> portcask::Result<Self> {
        // Syncs are this crate's business: see `syncing`.
        options.engine.ack = Ack::Written;
        options.engine.sync_every_ms = None;
        Ok(Self {
            db: Db::open_with(dir, options)?,
            turn: Mutex::new(()),
            watches: Watches::default(),
            changes: AtomicU64::new(0),
        })
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// Keys that commands changed since the start.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Looks at the store while others write.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&mut Keyspace<'_>) -> T) -> T {
        look(&mut Keyspace::reading(self))
    }

    /// Looks at several keys as they were at one moment.
    pub(crate) fn read_alone<T>(&self, look: impl FnOnce(&mut Keyspace<'_>) -> T) -> T {
        let _turn = self.turn();
        look(&mut Keyspace::reading(self))
    }

    /// Runs a deed alone among writers and commits what it wrote as one batch, if it wants that. The
    /// second answer is how the commit went.
    pub(crate) fn write<T>(
        &self,
        deed: impl FnOnce(&mut Keyspace<'_>) -> (T, bool),
    ) -> (T, Result<(), Error>) {
        let _turn = self.turn();
        let mut keys = Keyspace::reading(self);
        let (answer, wanted) = deed(&mut keys);
        let done = match wanted {
            true => keys.commit(),
            false => Ok(()),
        };
        (answer, done)
    }

    /// Starts to watch a key, as it is now.
    pub(crate) fn watch(&self, key: &[u8], watch: &mut Watch) -> Result<(), Error> {
        let _turn = self.turn();
        let entry = Keyspace::reading(self).entry(key)?;
        self.watches
            .add(key, watch, entry.and_then(|it| it.expiry_ms));
        Ok(())
    }

    /// Whether nothing that is watched was changed since. Only right inside [`Store::write`].
    pub(crate) fn is_untouched(&self, watch: &Watch) -> bool {
        watch.is_untouched(self.db.now_ms())
    }

    /// Stops watching.
    pub(crate) fn unwatch(&self, watch: &mut Watch) {
        self.watches.remove(watch);
    }

    fn touched(&self, key: &[u8]) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.watches.touch(key);
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // Nothing is half-done by a panic under it: a command's writes are committed at its end.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
