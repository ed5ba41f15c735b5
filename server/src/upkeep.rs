//! What clients asked for in the background, and how it went.

use portcask::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Saves and merges.
pub(crate) struct Upkeep(Mutex<State>);

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
    pub(crate) fn begin_save(&self) -> bool {
        !std::mem::replace(&mut self.state().is_saving, true)
    }

    pub(crate) fn end_save(&self, succeeded: bool) {
        let mut state = self.state();
        state.is_saving = false;
        state.save_failed = !succeeded;
        if succeeded {
            state.saved = SystemTime::now();
        }
    }

    /// Whether a save is on its way, and whether the last one failed.
    pub(crate) fn saves(&self) -> (bool, bool) {
        let state = self.state();
        (state.is_saving, state.save_failed)
    }

    /// Notes that a merge begins, unless one is on its way.
    pub(crate) fn begin_merge(&self) -> bool {
        !std::mem::replace(&mut self.state().is_merging, true)
    }

    pub(crate) fn end_merge(&self, error: Option<Error>) {
        let mut state = self.state();
        state.is_merging = false;
        state.merges += u64::from(error.is_none());
        state.merge_error = error;
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
