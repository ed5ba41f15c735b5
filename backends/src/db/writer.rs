//! The one writer, behind its lock.

use super::shared::Shared;
use super::steady::{Steady, SteadyFile};
use portcask_core::{Engine, Error, Result, Storage};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

/// The engine as the handle keeps it.
pub(super) type Held<S> = Engine<Steady<S>, Shared<SteadyFile<<S as Storage>::File>>>;

/// The lock around the engine. Whoever has it may do I/O; readers by key never want it.
pub(super) struct Writer<S: Storage> {
    /// `None` once closed.
    engine: Mutex<Option<Box<Held<S>>>>,
    /// Threads that want the lock now.
    waiting: AtomicUsize,
    /// The thread inside a transaction, 0 for none: it would wait for itself.
    transacting: AtomicUsize,
}

impl<S: Storage> Writer<S> {
    pub(super) fn new(engine: Held<S>) -> Self {
        Self {
            engine: Mutex::new(Some(Box::new(engine))),
            waiting: AtomicUsize::new(0),
            transacting: AtomicUsize::new(0),
        }
    }

    /// Lends the engine. Errors with [`Error::Closed`], with [`Error::InTransaction`] on a thread
    /// that has it lent already, and with [`Error::Poisoned`] after a panic inside: what the engine
    /// was doing then is unknown, so that only a new opening can tell.
    pub(super) fn with<R>(&self, deed: impl FnOnce(&mut Held<S>) -> R) -> Result<R> {
        self.refuse_reentry()?;
        let locked = match self.engine.try_lock() {
            Err(TryLockError::WouldBlock) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let locked = self.engine.lock();
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                locked
            }
            Err(TryLockError::Poisoned(poisoned)) => Err(poisoned),
            Ok(engine) => Ok(engine),
        };
        let mut engine = locked.map_err(|_| Error::Poisoned)?;
        engine.as_deref_mut().map(deed).ok_or(Error::Closed)
    }

    /// As [`Writer::with`], for deeds that run code of the caller.
    pub(super) fn with_marked<R>(&self, deed: impl FnOnce(&mut Held<S>) -> R) -> Result<R> {
        self.with(|engine| {
            let _unmark = Mark::set(&self.transacting);
            deed(engine)
        })
    }

    /// Refuses a thread that is inside [`Writer::with_marked`].
    pub(super) fn refuse_reentry(&self) -> Result<()> {
        if self.transacting.load(Ordering::Relaxed) == this_thread() {
            return Err(Error::InTransaction);
        }
        Ok(())
    }

    /// Whether somebody is waiting for the lock.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Takes the engine out for good; whether it may be closed in order is the second answer.
    pub(super) fn take(&self) -> (Option<Box<Held<S>>>, bool) {
        let sound = !self.engine.is_poisoned();
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        (engine.take(), sound)
    }
}

/// Tells which thread has something; takes it back also when the deed panics.
pub(super) struct Mark<'a>(&'a AtomicUsize);

impl<'a> Mark<'a> {
    pub(super) fn set(mark: &'a AtomicUsize) -> Self {
        mark.store(this_thread(), Ordering::Relaxed);
        Self(mark)
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number that no other living thread has, and never 0.
pub(super) fn this_thread() -> usize {
    thread_local!(static HERE: Cell<u8> = const { Cell::new(0) });
    HERE.with(|here| here.as_ptr().addr())
}
