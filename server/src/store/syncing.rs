//! When writes become durable: group commit across connections, and the interval.
//!
//! ```text
//!   client A  write | wants a sync ................. | acknowledged
//!   client B     write | wants a sync .............. | acknowledged
//!   syncing          [ sync for both, on one thread ] [ the next one ...
//! ```
//!
//! One thread has the store synced as long as somebody wants it; no other thread waits for that.
//!
//! Clients that were just told that a write is durable are often about to send the next one. So the thread waits for
//! as many as there were, while they keep coming: one sync for all of them takes less time than one for each half.

use super::Store;
use portcask::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Those who come again come one behind the other; after so long without any the rest do not.
const GAP: Duration = Duration::from_micros(100);
/// How long they are waited for in all.
const GATHERING: Duration = Duration::from_millis(2);
/// After a wait in vain so many syncs begin without one, doubled each time up to this.
const VAIN_MAX: u32 = 64;

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

/// What past syncs tell of the next one.
#[derive(Default)]
struct Pace {
    /// Those that the last sync was for, and those who came meanwhile.
    expected: u64,
    /// How many syncs began at once after the last wait in vain: twice as many after the next.
    pause: u32,
    /// How many of them are still to come.
    left: u32,
}

impl Pace {
    /// Whether the next sync begins at once.
    fn skips(&mut self) -> bool {
        let skips = self.left > 0;
        self.left = self.left.saturating_sub(1);
        skips
    }

    /// A wait is over, and all came who were waited for, or not.
    fn learn(&mut self, came: bool) {
        self.pause = match came {
            true => 0,
            false => (self.pause * 2).clamp(1, VAIN_MAX),
        };
        self.left = self.pause;
    }
}

/// Has the store synced, for all connections.
pub(crate) struct Syncing {
    policy: AtomicU64,
    work: Mutex<Work>,
    /// Wakes the thread that syncs.
    bell: Condvar,
    /// Changes of the store that a sync has covered.
    covered: AtomicU64,
    /// The last sync: which wants it covered, and how it went.
    done: watch::Sender<(u64, Result<(), Error>)>,
}

/// What there is to do for the thread that syncs.
#[derive(Default)]
struct Work {
    /// Syncs wanted so far.
    wanted: u64,
    /// How many of them a sync began for.
    taken: u64,
    /// The thread waits until so many are wanted and not taken; 0 if it does not wait.
    rests_for: u64,
    is_over: bool,
}

impl Syncing {
    pub(crate) fn new(policy: SyncPolicy) -> Self {
        Self {
            policy: AtomicU64::new(policy.encode()),
            work: Mutex::default(),
            bell: Condvar::new(),
            covered: AtomicU64::new(0),
            done: watch::Sender::new((0, Ok(()))),
        }
    }

    pub(crate) fn policy(&self) -> SyncPolicy {
        SyncPolicy::decode(self.policy.load(Ordering::Relaxed))
    }

    pub(crate) fn set_policy(&self, policy: SyncPolicy) {
        let mut work = self.work();
        self.policy.store(policy.encode(), Ordering::Relaxed);
        self.wake(&mut work);
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
        let mut done = self.done.subscribe();
        let mine = {
            let mut work = self.work();
            if work.is_over {
                return Err(Error::Closed);
            }
            work.wanted += 1;
            if work.wanted - work.taken >= work.rests_for {
                self.wake(&mut work);
            }
            work.wanted
        };
        match done.wait_for(|(upto, _)| *upto >= mine).await {
            Ok(done) => done.1.clone(),
            // It ended before this was wanted: nothing is synced any more.
            Err(_) => Err(Error::Closed),
        }
    }

    /// Syncs until the end. Takes a thread of its own: nobody who waits for a sync holds one, and none has to be
    /// found for each sync.
    pub(crate) fn run(&self, store: &Store) {
        let mut synced_changes = 0;
        let mut pace = Pace::default();
        loop {
            let mut work = self.work();
            let mut is_due = false;
            while !is_due && !work.is_over && work.wanted == work.taken {
                (work, is_due) = self.rest(work);
            }
            if work.is_over {
                return;
            }
            let is_wanted = work.wanted > work.taken;
            if is_wanted {
                work = self.gather(work, &mut pace);
            }
            if work.is_over {
                return;
            }
            let upto = work.wanted;
            let count = upto - work.taken;
            work.taken = upto;
            drop(work);
            let changes = store.changes();
            if !is_wanted && changes == synced_changes {
                continue;
            }
            let synced = catch_unwind(AssertUnwindSafe(|| store.db().sync()));
            let synced = synced.unwrap_or(Err(Error::Poisoned));
            if let Err(error) = &synced {
                tracing::error!(%error, "a sync failed: writes are refused from now on");
            }
            synced_changes = changes;
            if synced.is_ok() {
                self.covered.store(changes, Ordering::Release);
            }
            pace.expected = count + (self.work().wanted - upto);
            drop(self.done.send_replace((upto, synced)));
        }
    }

    /// Has [`Self::run`] return after the sync at hand.
    pub(crate) fn end(&self) {
        let mut work = self.work();
        work.is_over = true;
        self.wake(&mut work);
    }

    /// Waits for those who are expected, while they keep coming.
    fn gather<'a>(
        &'a self,
        mut work: MutexGuard<'a, Work>,
        pace: &mut Pace,
    ) -> MutexGuard<'a, Work> {
        let expected = pace.expected;
        let is_waited_for = |work: &Work| !work.is_over && work.wanted - work.taken < expected;
        if !is_waited_for(&work) || pace.skips() {
            return work;
        }
        let began = Instant::now();
        while is_waited_for(&work) {
            let before = work.wanted;
            work.rests_for = expected;
            let waited = self.bell.wait_timeout(work, GAP);
            let how;
            (work, how) = waited.unwrap_or_else(PoisonError::into_inner);
            work.rests_for = 0;
            if how.timed_out() && (work.wanted == before || began.elapsed() >= GATHERING) {
                break;
            }
        }
        let came = !is_waited_for(&work);
        pace.learn(came);
        work
    }

    /// Waits once. Returns whether the interval is over.
    fn rest<'a>(&'a self, mut work: MutexGuard<'a, Work>) -> (MutexGuard<'a, Work>, bool) {
        work.rests_for = 1;
        let (mut work, is_due) = match self.policy() {
            SyncPolicy::Every(time) => {
                let waited = self.bell.wait_timeout(work, time);
                let (work, how) = waited.unwrap_or_else(PoisonError::into_inner);
                (work, how.timed_out())
            }
            SyncPolicy::Always | SyncPolicy::Never => {
                let waited = self.bell.wait(work);
                (waited.unwrap_or_else(PoisonError::into_inner), false)
            }
        };
        work.rests_for = 0;
        (work, is_due)
    }

    fn wake(&self, work: &mut Work) {
        // A call of the system for one of them, not for each.
        if std::mem::take(&mut work.rests_for) > 0 {
            self.bell.notify_one();
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        // Nothing that is done under this lock can panic half-way.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, SyncPolicy, Syncing};
    use crate::config::Limits;
    use crate::outgoing::Outgoing;
    use crate::pubsub::{Events, Hub};
    use crate::store::Store;
    use portcask::{DbOptions, Error};
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    fn store(dir: &std::path::Path) -> Store {
        let outgoing = Outgoing::new(1 << 20);
        let hub = Hub::new(Limits::default().mail, Arc::new(outgoing));
        Store::open(dir, DbOptions::default(), Events::new(Arc::new(hub))).unwrap()
    }

    #[test]
    fn everybody_who_wants_a_sync_gets_one_that_began_later_and_nobody_after_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let syncing = Syncing::new(SyncPolicy::Never);
        let wait = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.unwrap().block_on(syncing.durable())
        };
        thread::scope(|scope| {
            scope.spawn(|| syncing.run(&store));
            let clients = (0..4).map(|client: u8| {
                let (store, syncing, wait) = (&store, &syncing, &wait);
                scope.spawn(move || {
                    for number in 0..50_u8 {
                        let ((), written) = store.write(|keys| {
                            keys.put(&[client, number], vec![number], None).unwrap();
                            ((), true)
                        });
                        written.unwrap();
                        let written = store.changes();
                        wait().unwrap();
                        assert!(syncing.covers(written));
                    }
                })
            });
            for client in clients.collect::<Vec<_>>() {
                client.join().unwrap();
            }
            assert!(syncing.covers(200));
            syncing.end();
        });
        assert_eq!(wait(), Err(Error::Closed));
    }

    #[test]
    fn who_does_not_come_again_is_waited_for_less_and_less() {
        let mut pace = Pace::default();
        let mut syncs_without_a_wait = Vec::new();
        for _ in 0..9 {
            pace.learn(false);
            let mut count = 0;
            while pace.skips() {
                count += 1;
            }
            syncs_without_a_wait.push(count);
        }
        assert_eq!(syncs_without_a_wait, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        pace.learn(true);
        assert!(!pace.skips());
        pace.learn(false);
        assert!(pace.skips() && !pace.skips());
    }

    #[test]
    fn a_shorter_interval_counts_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let syncing = Syncing::new(SyncPolicy::Every(Duration::from_secs(3600)));
        let ((), written) = store.write(|keys| {
            keys.put(b"key", b"value".to_vec(), None).unwrap();
            ((), true)
        });
        written.unwrap();
        thread::scope(|scope| {
            scope.spawn(|| syncing.run(&store));
            syncing.set_policy(SyncPolicy::Every(Duration::from_millis(1)));
            while !syncing.covers(1) {
                thread::yield_now();
            }
            syncing.end();
        });
    }
}
