//! The one store behind all connections: who may write now, what a command sees, and when what it wrote
//! is durable.

mod feeds;
mod group;
mod keyspace;
mod syncing;
mod troubles;
mod watches;

pub(crate) use group::Group;
pub(crate) use keyspace::{Entry, Keyspace};
pub use syncing::SyncPolicy;
pub(crate) use syncing::Syncing;
pub(crate) use watches::Watch;

use crate::pubsub::Events;
use feeds::Feeds;
use portcask::{Ack, Change, Db, DbOptions, Error, Ttl};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use troubles::Troubles;
use watches::Watches;

/// Keys whose ends are noted at one go before writers have their turn.
const ENDS_KEYS: usize = 256;

/// The store as the server uses it.
pub(crate) struct Store {
    db: Db,
    /// Held from the first look of a writing command to its commit: a command reads what it changes,
    /// and all writes of the server are in one order. Never held while something is synced.
    turn: Mutex<()>,
    watches: Watches,
    feeds: Feeds,
    events: Events,
    /// Keys that commands changed since the start.
    changes: AtomicU64,
    /// Wakes those who wait for a commit.
    committed: Notify,
    troubles: Troubles,
}

impl Store {
    /// Opens the directory, creating a store in it if there is none.
    pub(crate) fn open(
        dir: &Path,
        mut options: DbOptions,
        events: Events,
    ) -> portcask::Result<Self> {
        // Syncs are this crate's business: see `syncing`.
        options.engine.ack = Ack::Written;
        options.engine.sync_every_ms = None;
        Ok(Self {
            db: Db::open_with(dir, options)?,
            turn: Mutex::new(()),
            watches: Watches::default(),
            feeds: Feeds::default(),
            events,
            changes: AtomicU64::new(0),
            committed: Notify::new(),
            troubles: Troubles::default(),
        })
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// What it could not do, for whoever runs the server.
    pub(crate) fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// The log's changes from a number on, at most `limit` and about `bytes_max`, and the number to go on with.
    pub(crate) fn log_changes(
        &self,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Change>, u64), Error> {
        self.feeds.next(&self.db, from, limit, bytes_max)
    }

    /// Keys that commands changed since the start.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Looks at the store while others write.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&mut Keyspace<'_>) -> T) -> T {
        let mut keys = Keyspace::reading(self);
        let seen = look(&mut keys);
        keys.tell();
        seen
    }

    /// Shows `look` the values of several keys in turn, until it answers that it has seen enough. Each is read on its own;
    /// after an error those before it have been shown.
    pub(crate) fn get_many(
        &self,
        keys: &[&[u8]],
        mut look: impl FnMut(Option<&[u8]>) -> bool,
    ) -> Result<(), Error> {
        self.db.get_many_while(keys, |_, value| look(value))
    }

    /// Looks at several keys as they were at one moment.
    pub(crate) fn read_alone<T>(&self, look: impl FnOnce(&mut Keyspace<'_>) -> T) -> T {
        let _turn = self.turn();
        self.read(look)
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
        if wanted && done.is_ok() {
            keys.tell();
        }
        self.committed.notify_waiters();
        (answer, done)
    }

    /// Is woken by the next commit, from when it is first polled or enabled.
    #[cfg(feature = "grpc")]
    pub(crate) fn committed(&self) -> tokio::sync::futures::Notified<'_> {
        self.committed.notified()
    }

    /// Starts to watch a key, as it is now.
    pub(crate) fn watch(&self, key: &[u8], watch: &mut Watch) -> Result<(), Error> {
        if watch.holds(key) {
            return Ok(());
        }
        let _turn = self.turn();
        let expiry_ms = match self.db.ttl(key)? {
            Ttl::ExpiresAtMs(at) => Some(at),
            Ttl::Forever | Ttl::Missing => None,
        };
        self.watches.add(key, watch, expiry_ms);
        Ok(())
    }

    /// Memory that all watches take, about.
    pub(crate) fn watches_cost_bytes(&self) -> usize {
        self.watches.cost_bytes()
    }

    /// Whether nothing that is watched was changed since. Only right inside [`Store::write`].
    pub(crate) fn is_untouched(&self, watch: &Watch) -> bool {
        watch.is_untouched(self.db.now_ms())
    }

    /// Stops watching.
    pub(crate) fn unwatch(&self, watch: &mut Watch) {
        self.watches.remove(watch);
    }

    /// What is told of changes, and to whom.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Tells of keys whose time was up at `now_ms`, some of them at a time.
    pub(crate) fn tell_of_ends(&self, now_ms: u64) {
        let _turn = self.turn();
        self.events.tell_of_ends(now_ms);
    }

    /// Notes the ends of the keys that are in the store, for those who want to be told of them. Costs a walk
    /// over the store; writers come in between.
    pub(crate) fn note_ends(&self) {
        let mut cursor = 0;
        while self.events.notes_ends() {
            let Ok(page) = self.db.scan_keys(cursor, ENDS_KEYS) else {
                // What cannot be read is told of by whoever asks for it.
                return;
            };
            let turn = self.turn();
            for key in &page.keys {
                // As it is now: a writer may have been here since.
                if let Ok(Ttl::ExpiresAtMs(at)) = self.db.ttl(key) {
                    self.events.note_end(key, Some(at), None);
                }
            }
            drop(turn);
            cursor = page.next;
            if cursor == 0 {
                return;
            }
        }
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
