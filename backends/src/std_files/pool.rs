//! How many descriptors are open, and which one to close when there are too many.
//!
//! Three quarters of the cap are **resident**: the first files opened keep their descriptors until
//! they are dropped, and their reads meet no lock. Files beyond that share the last quarter: one
//! that was not used since the pool last looked (a clock's second chance) is closed when another
//! one is needed.
//!
//! Lock order: a handle's slot, then the pool's roll; whoever holds the roll only tries a slot. A
//! handle that was reached through the roll is dropped after the roll's lock is released, because
//! its last drop takes that lock.

use super::handle::Handle;
use portcask_core::storage::FileName;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Fewest descriptors a pool works with.
const DESCRIPTORS_MIN: usize = 4;

#[derive(Debug)]
pub(super) struct Pool {
    cap: usize,
    /// Descriptors in either seat. May exceed the cap for the moment of an open, or while every
    /// pooled file is in use.
    open: AtomicUsize,
    /// Handles with a resident descriptor; at most three quarters of the cap.
    residents: AtomicUsize,
    roll: Mutex<Roll>,
}

/// The pooled handles.
#[derive(Debug, Default)]
struct Roll {
    /// Those with an open descriptor, in the order in which they are looked at.
    queue: VecDeque<Weak<Handle>>,
    /// All of them, by the name they were opened with or renamed to.
    names: HashMap<FileName, Vec<Weak<Handle>>>,
}

impl Pool {
    pub(super) fn new(cap: usize) -> Self {
        Self {
            cap: cap.max(DESCRIPTORS_MIN),
            open: AtomicUsize::new(0),
            residents: AtomicUsize::new(0),
            roll: Mutex::default(),
        }
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a resident seat and counts its descriptor, if one is left.
    pub(super) fn seat_resident(&self) -> bool {
        let seats = self.cap - self.cap / 4;
        let seated = self
            .residents
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < seats).then_some(taken + 1)
            })
            .is_ok();
        if seated {
            self.open.fetch_add(1, Ordering::Relaxed);
        }
        seated
    }

    pub(super) fn resident_left(&self) {
        self.residents.fetch_sub(1, Ordering::Relaxed);
        self.closed();
    }

    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a pooled handle's descriptor that was just opened, as the last to be closed again.
    pub(super) fn queue(&self, handle: &Arc<Handle>) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let mut roll = entered(&self.roll);
        roll.queue.push_back(Arc::downgrade(handle));
    }

    /// Lists a new pooled handle by its name.
    pub(super) fn enrol(&self, handle: &Arc<Handle>, name: &FileName) {
        let mut roll = entered(&self.roll);
        let named = roll.names.entry(*name).or_default();
        named.push(Arc::downgrade(handle));
    }

    /// Forgets a pooled handle that is being dropped.
    pub(super) fn strike(&self, name: &FileName, was_open: bool) {
        if was_open {
            self.closed();
        }
        let mut roll = entered(&self.roll);
        if let Some(named) = roll.names.get_mut(name) {
            named.retain(|handle| handle.strong_count() > 0);
            if named.is_empty() {
                roll.names.remove(name);
            }
        }
        // Sweeping at every drop would cost the whole queue each time.
        if roll.queue.len() > 2 * self.cap {
            roll.queue.retain(|handle| handle.strong_count() > 0);
        }
    }

    /// Closes idle descriptors until one more fits under the cap, as far as there are idle ones.
    pub(super) fn make_room(&self) {
        while self.open_count() >= self.cap && self.close_one() {}
    }

    /// Closes one pooled descriptor, the idlest one by the clock. Says whether there was one.
    pub(super) fn close_one(&self) -> bool {
        let mut met = Vec::new();
        let mut roll = entered(&self.roll);
        // The first round gives second chances; the second one takes what it can.
        let round = roll.queue.len();
        let mut done = false;
        for step in 0..2 * round {
            let Some(handle) = roll.queue.pop_front() else {
                break;
            };
            let Some(strong) = handle.upgrade() else {
                continue;
            };
            done = strong.evict(step >= round);
            met.push(strong);
            if done {
                self.closed();
                break;
            }
            roll.queue.push_back(handle);
        }
        drop(roll);
        done
    }

    /// Keeps the open files of a name readable while the name changes hands, `lasting` for good or
    /// until [`Pool::unpin`]. For good only while descriptors last: the others answer `Closed`.
    pub(super) fn pin(&self, name: &FileName, lasting: bool) -> Vec<Arc<Handle>> {
        let handles: Vec<_> = entered(&self.roll)
            .names
            .get(name)
            .map(|named| named.iter().filter_map(Weak::upgrade).collect())
            .unwrap_or_default();
        for handle in &handles {
            self.make_room();
            handle.pin(!lasting || self.open_count() < self.cap);
        }
        handles
    }

    pub(super) fn unpin(&self, handles: &[Arc<Handle>]) {
        for handle in handles {
            handle.unpin();
        }
    }

    /// Lets open files follow their new name.
    pub(super) fn renamed(&self, handles: &[Arc<Handle>], from: &FileName, to: &FileName) {
        let mut roll = entered(&self.roll);
        // Those of the replaced file have no name any more, and are pinned.
        roll.names.remove(to);
        if let Some(named) = roll.names.remove(from) {
            roll.names.insert(*to, named);
        }
        for handle in handles {
            handle.renamed(to);
        }
    }
}

/// The guarded value. No lock here is held over anything that could leave it half changed, so a
/// panic of another thread is no reason to give up.
pub(super) fn entered<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
