//! Watched keys: who is to be told that a key was changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one client watches.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    touched: Arc<AtomicBool>,
    keys: Vec<WatchedKey>,
}

#[derive(Debug)]
struct WatchedKey {
    key: Vec<u8>,
    /// When its life was to end as it was when it began to be watched.
    expiry_ms: Option<u64>,
}

impl Watch {
    pub(super) fn is_untouched(&self, now_ms: Option<u64>) -> bool {
        let is_over =
            |expiry_ms: Option<u64>| expiry_ms.zip(now_ms).is_some_and(|(at, now)| at <= now);
        let over = self.keys.iter().any(|it| is_over(it.expiry_ms));
        !over && !self.touched.load(Ordering::Acquire)
    }

    /// Memory that the watched keys take, here and in the table.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.keys.iter().map(|it| 2 * it.key.len() + 128).sum()
    }
}

/// All watched keys.
#[derive(Default)]
pub(super) struct Watches {
    /// How many keys are in the table: writers look here first.
    watched: AtomicUsize,
    table: Mutex<HashMap<Vec<u8>, Vec<Arc<AtomicBool>>>>,
}

impl Watches {
    pub(super) fn add(&self, key: &[u8], watch: &mut Watch, expiry_ms: Option<u64>) {
        if watch.keys.iter().any(|it| it.key == key) {
            return;
        }
        let mut table = self.table();
        let watchers = table.entry(key.to_vec()).or_default();
        watchers.push(Arc::clone(&watch.touched));
        self.watched.store(table.len(), Ordering::Release);
        let key = key.to_vec();
        watch.keys.push(WatchedKey { key, expiry_ms });
    }

    pub(super) fn remove(&self, watch: &mut Watch) {
        if watch.keys.is_empty() {
            return;
        }
        let mut table = self.table();
        for watched in watch.keys.drain(..) {
            if let Some(watchers) = table.get_mut(&watched.key) {
                watchers.retain(|other| !Arc::ptr_eq(other, &watch.touched));
                if watchers.is_empty() {
                    table.remove(&watched.key);
                }
            }
        }
        self.watched.store(table.len(), Ordering::Release);
        watch.touched = Arc::default();
    }

    /// Tells those who watch a key that it was changed.
    pub(super) fn touch(&self, key: &[u8]) {
        if self.watched.load(Ordering::Acquire) == 0 {
            return;
        }
        for touched in self.table().get(key).into_iter().flatten() {
            touched.store(true, Ordering::Release);
        }
    }

    /// The watched keys.
    pub(super) fn keys(&self) -> Vec<Vec<u8>> {
        self.table().keys().cloned().collect()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Vec<Arc<AtomicBool>>>> {
        // Nothing that is done under this lock can panic half-way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
