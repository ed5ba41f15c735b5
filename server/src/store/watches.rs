//! Watched keys: who is to be told that a key was changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one client watches.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    touched: Arc<AtomicBool>,
    /// Each key, and when its life was to end as it was when it began to be watched.
    keys: HashMap<Vec<u8>, Option<u64>>,
    cost_bytes: usize,
}

impl Watch {
    pub(super) fn is_untouched(&self, now_ms: Option<u64>) -> bool {
        let is_over =
            |expiry_ms: Option<u64>| expiry_ms.zip(now_ms).is_some_and(|(at, now)| at <= now);
        let over = self.keys.values().any(|at| is_over(*at));
        !over && !self.touched.load(Ordering::Acquire)
    }

    /// Memory that the watched keys take, here and in the table.
    pub(crate) fn cost_bytes(&self) -> usize {
        self.cost_bytes
    }

    /// Whether it watches this key already.
    pub(super) fn holds(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }
}

/// What a watched key takes beside its bytes, twice: in the client's table and in that of all.
fn cost_bytes(key: &[u8]) -> usize {
    2 * key.len() + 256
}

/// All watched keys.
#[derive(Default)]
pub(super) struct Watches {
    /// How many keys are in the table: writers look here first.
    watched: AtomicUsize,
    /// What all clients' watches take, about.
    cost_bytes: AtomicUsize,
    table: Mutex<HashMap<Vec<u8>, Vec<Arc<AtomicBool>>>>,
}

impl Watches {
    pub(super) fn add(&self, key: &[u8], watch: &mut Watch, expiry_ms: Option<u64>) {
        if watch.keys.insert(key.to_vec(), expiry_ms).is_some() {
            return;
        }
        let cost = cost_bytes(key);
        watch.cost_bytes += cost;
        self.cost_bytes.fetch_add(cost, Ordering::Relaxed);
        let mut table = self.table();
        let watchers = table.entry(key.to_vec()).or_default();
        watchers.push(Arc::clone(&watch.touched));
        self.watched.store(table.len(), Ordering::Release);
    }

    /// Memory that all watches take, about.
    pub(super) fn cost_bytes(&self) -> usize {
        self.cost_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn remove(&self, watch: &mut Watch) {
        if watch.keys.is_empty() {
            return;
        }
        let mut table = self.table();
        for (key, _) in watch.keys.drain() {
            if let Some(watchers) = table.get_mut(&key) {
                watchers.retain(|other| !Arc::ptr_eq(other, &watch.touched));
                if watchers.is_empty() {
                    table.remove(&key);
                }
            }
        }
        let cost = std::mem::take(&mut watch.cost_bytes);
        self.cost_bytes.fetch_sub(cost, Ordering::Relaxed);
        watch.keys = HashMap::new();
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
