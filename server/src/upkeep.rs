//! What clients asked for in the background, and how it went.

use portcask::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Saves and merges.
pub(crate) struct Upkeep(Mutex<State>);

/// A save on its way, which ends with this value: one that panics has failed, and does not keep the next one out.
pub(crate) struct Saving {
    upkeep: Arc<Upkeep>,
    succeeded: bool,
}

impl Saving {
    pub(crate) fn end(mut self, succeeded: bool) {
        self.succeeded = succeeded;
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        let mut state = self.upkeep.state();
        state.is_saving = false;
        state.save_failed = !self.succeeded;
        if self.succeeded {
            state.saved = SystemTime::now();
        }
    }
}

/// A merge on its way, which ends with this value, as a save does.
pub(crate) struct Merging {
    upkeep: Arc<Upkeep>,
    error: Option<Error>,
}

impl Merging {
    pub(crate) fn end(mut self, error: Option<Error>) {
        self.error = error;
    }
}

impl Drop for Merging {
    fn drop(&mut self) {
        let mut state = self.upkeep.state();
        state.is_merging = false;
        state.merges += u64::from(self.error.is_none());
        state.merge_error = self.error.take();
    }
}

struct State {
    saved: SystemTime,
    is_merging: bool,
    merges: u64,
    merge_error: Option<Error>,
    is_saving: bool,
    save_failed: bool,
}

impl Upkeep {
    /// For a server that starts now, with everything durable.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            saved: SystemTime::now(),
            is_merging: false,
            merges: 0,
            merge_error: None,
            is_saving: false,
            save_failed: false,
        }))
    }

    pub(crate) fn saved(&self) {
        self.state().saved = SystemTime::now();
    }

    pub(crate) fn last_saved(&self) -> SystemTime {
        self.state().saved
    }

    /// Notes that a save begins, unless one is on its way.
    pub(crate) fn begin_save(self: &Arc<Self>) -> Option<Saving> {
        let was_saving = std::mem::replace(&mut self.state().is_saving, true);
        (!was_saving).then(|| Saving {
            upkeep: Arc::clone(self),
            succeeded: false,
        })
    }

    /// Whether a save is on its way, and whether the last one failed.
    pub(crate) fn saves(&self) -> (bool, bool) {
        let state = self.state();
        (state.is_saving, state.save_failed)
    }

    /// Notes that a merge begins, unless one is on its way.
    pub(crate) fn begin_merge(self: &Arc<Self>) -> Option<Merging> {
        let was_merging = std::mem::replace(&mut self.state().is_merging, true);
        (!was_merging).then(|| Merging {
            upkeep: Arc::clone(self),
            // What it is told if it does not come to its end.
            error: Some(Error::Poisoned),
        })
    }

    /// Whether a merge is on its way, how many were done, and why the last one failed if it did.
    pub(crate) fn merges(&self) -> (bool, u64, Option<Error>) {
        let state = self.state();
        (state.is_merging, state.merges, state.merge_error.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Upkeep;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    #[test]
    fn a_save_or_merge_that_panics_has_failed_and_does_not_keep_the_next_one_out() {
        let upkeep = Arc::new(Upkeep::new());
        let (saving, merging) = (upkeep.begin_save(), upkeep.begin_merge());
        assert!(upkeep.begin_save().is_none() && upkeep.begin_merge().is_none());
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _both = (saving, merging);
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
        assert_eq!(upkeep.saves(), (false, true));
        let (is_merging, merges, error) = upkeep.merges();
        assert!(!is_merging && merges == 0 && error.is_some());
        upkeep.begin_save().unwrap().end(true);
        upkeep.begin_merge().unwrap().end(None);
        assert_eq!(upkeep.saves(), (false, false));
        assert!(matches!(upkeep.merges(), (false, 1, None)));
    }
}
