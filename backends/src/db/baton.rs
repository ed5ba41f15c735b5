//! Who drives a merge: one thread at a time, and never one that drives it already.

use super::writer::{Mark, this_thread};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Held by whoever drives a merge.
#[derive(Default)]
pub(super) struct Baton {
    lock: Mutex<()>,
    /// The thread that has it, 0 for none: it would wait for itself.
    holder: AtomicUsize,
}

/// Has the baton until it is dropped, also by a panic.
pub(super) struct Driving<'a> {
    // Before the lock is let go: the next holder writes its own mark.
    _mark: Mark<'a>,
    _lock: MutexGuard<'a, ()>,
}

impl Baton {
    /// Waits for the baton. `None` on the thread that has it, which is then inside the progress of a merge.
    pub(super) fn take(&self) -> Option<Driving<'_>> {
        if self.holder.load(Ordering::Relaxed) == this_thread() {
            return None;
        }
        Some(self.driving(self.lock.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Takes the baton if nobody has it.
    pub(super) fn try_take(&self) -> Option<Driving<'_>> {
        match self.lock.try_lock() {
            Ok(lock) => Some(self.driving(lock)),
            Err(TryLockError::Poisoned(lock)) => Some(self.driving(lock.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn driving<'a>(&'a self, lock: MutexGuard<'a, ()>) -> Driving<'a> {
        Driving {
            _mark: Mark::set(&self.holder),
            _lock: lock,
        }
    }
}
