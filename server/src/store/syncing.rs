//! When writes become durable: group commit across connections, and the interval.
//!
//! ```text
//!   client A  write | wants a sync ................. | acknowledged
//!   client B     write | wants a sync .............. | acknowledged
//!   syncing          [ sync for both, on one thread ] [ the next one ...
//! ```
//!
//! No thread waits for a connection's sync, and no connection waits for a thread: one task has the store
//! synced as long as somebody wants it.

use super::Store;
use portcask::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// When a write is acknowledged, and so what a power cut may take. A killed process loses nothing at any
/// of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// A write is acknowledged once it is on the disk.
    Always,
    /// What was acknowledged is on the disk after this time.
    Every(Duration),
    /// The operating system decides.
    Never,
}

impl SyncPolicy {
    const MS_MAX: u64 = (1 << 62) - 2;

    fn encode(self) -> u64 {
        match self {
            Self::Always => 0,
            Self::Never => u64::MAX,
            Self::Every(time) => {
                let ms = u64::try_from(time.as_millis()).unwrap_or(Self::MS_MAX);
                ms.clamp(1, Self::MS_MAX)
            }
        }
    }

    fn decode(code: u64) -> Self {
        match code {
            0 => Self::Always,
            u64::MAX => Self::Never,
            ms => Self::Every(Duration::from_millis(ms)),
        }
    }
}

/// As the command line and `CONFIG` spell it.
impl fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Never => f.write_str("no"),
            Self::Every(time) if *time == Duration::from_secs(1) => f.write_str("everysec"),
            Self::Every(time) => write!(f, "{}ms", time.as_millis()),
        }
    }
}

/// Has the store synced, for all connections.
pub(crate) struct Syncing {
    policy: AtomicU64,
    /// Syncs wanted so far.
    wanted: AtomicU64,
    work: Notify,
    /// Changes of the store that a sync has covered.
    covered: AtomicU64,
    /// The last sync: which wants it covered, and how it went.
    done: watch::Sender<(u64, Result<(), Error>)>,
}

impl Syncing {
    pub(crate) fn new(policy: SyncPolicy) -> Self {
        Self {
            policy: AtomicU64::new(policy.encode()),
            wanted: AtomicU64::new(0),
            work: Notify::new(),
            covered: AtomicU64::new(0),
            done: watch::Sender::new((0, Ok(()))),
        }
    }

    pub(crate) fn policy(&self) -> SyncPolicy {
        SyncPolicy::decode(self.policy.load(Ordering::Relaxed))
    }

    pub(crate) fn set_policy(&self, policy: SyncPolicy) {
        self.policy.store(policy.encode(), Ordering::Relaxed);
        self.work.notify_one();
    }

    /// How the last sync failed, if it did.
    pub(crate) fn last_error(&self) -> Option<Error> {
        self.done.borrow().1.clone().err()
    }

    /// Whether so many [changes](Store::changes) are durable.
    pub(crate) fn covers(&self, changes: u64) -> bool {
        self.covered.load(Ordering::Acquire) >= changes
    }

    /// Returns once everything written before the call is durable, sharing the sync with others.
    pub(crate) async fn durable(&self) -> Result<(), Error> {
        let mine = self.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        let mut done = self.done.subscribe();
        self.work.notify_one();
        match done.wait_for(|(upto, _)| *upto >= mine).await {
            Ok(done) => done.1.clone(),
            // It ended before this was wanted: nothing is synced any more.
            Err(_) => Err(Error::Closed),
        }
    }

    /// Syncs for as long as the server runs. `work` is on a thread that may block.
    pub(crate) async fn run(self: Arc<Self>, store: Arc<Store>) {
        let mut synced_changes = store.changes();
        loop {
            let interval = match self.policy() {
                SyncPolicy::Every(time) => time,
                SyncPolicy::Always | SyncPolicy::Never => Duration::MAX,
            };
            let due = tokio::time::timeout(interval, self.work.notified()).await;
            let upto = self.wanted.load(Ordering::Acquire);
            let changes = store.changes();
            let is_wanted = upto > self.done.borrow().0;
            if !is_wanted && (due.is_ok() || changes == synced_changes) {
                continue;
            }
            let db = store.db().clone();
            let synced = tokio::task::spawn_blocking(move || db.sync()).await;
            let synced = synced.unwrap_or(Err(Error::Poisoned));
            if let Err(error) = &synced {
                tracing::error!(%error, "a sync failed: writes are refused from now on");
            }
            synced_changes = changes;
            if synced.is_ok() {
                self.covered.store(changes, Ordering::Release);
            }
            drop(self.done.send_replace((upto, synced)));
        }
    }
}
