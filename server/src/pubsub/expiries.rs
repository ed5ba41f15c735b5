//! When keys end, for those who want to be told at that moment. Kept only while somebody may be.
//!
//! The store hides a key whose time is up without a word, so the server notes the times itself: those of
//! writes as they are committed, and those of keys that were there before by a walk over the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Keys and the ends of their lives.
#[derive(Default)]
pub(super) struct Expiries {
    is_kept: AtomicBool,
    table: Mutex<Times>,
    /// Something is due sooner than it was.
    sooner: Notify,
}

#[derive(Default)]
struct Times {
    by_key: HashMap<Arc<[u8]>, u64>,
    by_time: BTreeSet<(u64, Arc<[u8]>)>,
}

impl Expiries {
    /// Begins or ceases to keep the times. Returns whether it begins now: then what is there already must be
    /// noted.
    pub(super) fn keep(&self, wanted: bool) -> bool {
        let was_kept = self.is_kept.swap(wanted, Ordering::AcqRel);
        if !wanted {
            *self.times() = Times::default();
        }
        wanted && !was_kept
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Acquire)
    }

    /// A key was written: it ends then, or never, or is gone. Returns when it was to end before.
    pub(super) fn note(&self, key: &[u8], expiry_ms: Option<u64>) -> Option<u64> {
        let mut times = self.times();
        let before = times.by_key.remove_entry(key);
        let before = before.map(|(key, at)| {
            times.by_time.remove(&(at, key));
            at
        });
        if let Some(at) = expiry_ms {
            let key: Arc<[u8]> = key.into();
            let is_first = times.by_time.first().is_none_or(|(first, _)| at < *first);
            times.by_key.insert(Arc::clone(&key), at);
            times.by_time.insert((at, key));
            if is_first {
                self.sooner.notify_one();
            }
        }
        before
    }

    pub(super) fn clear(&self) {
        *self.times() = Times::default();
    }

    /// The keys whose time is up, at most `limit`. They are forgotten.
    pub(super) fn take_due(&self, now_ms: u64, limit: usize) -> Vec<Arc<[u8]>> {
        let mut times = self.times();
        let mut due = Vec::new();
        while due.len() < limit
            && times.by_time.first().is_some_and(|(at, _)| *at <= now_ms)
            && let Some((_, key)) = times.by_time.pop_first()
        {
            times.by_key.remove(&key);
            due.push(key);
        }
        due
    }

    /// When the next key ends.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.times().by_time.first().map(|(at, _)| *at)
    }

    /// Returns when a key was noted that ends before all others.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        // Nothing that is done under this lock can panic half-way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Expiries;

    #[test]
    fn keys_are_due_in_the_order_of_their_times_and_once() {
        let expiries = Expiries::default();
        for (key, at) in [(b"a", 30), (b"b", 10), (b"c", 20), (b"d", 40)] {
            assert_eq!(expiries.note(key, Some(at)), None);
        }
        assert_eq!(expiries.note(b"c", None), Some(20));
        assert_eq!(expiries.note(b"d", Some(15)), Some(40));
        assert_eq!(expiries.next_ms(), Some(10));
        let due = expiries.take_due(30, 2);
        assert_eq!(due.iter().map(|key| key[0]).collect::<Vec<_>>(), b"bd");
        assert_eq!(expiries.take_due(29, 9).len(), 0);
        assert_eq!(expiries.take_due(30, 9).len(), 1);
        assert_eq!(expiries.next_ms(), None);
    }
}
