//! Moments at which something took long, by kind of event.

use super::unix_seconds;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Samples of an event that are kept, one for each second at most.
const SAMPLES_MAX: usize = 160;

#[derive(Default)]
pub(crate) struct Spikes(Mutex<BTreeMap<&'static str, Event>>);

#[derive(Clone, Default)]
pub(crate) struct Event {
    /// Seconds since 1970 and milliseconds, oldest first. Never empty.
    pub samples: VecDeque<(u64, u64)>,
    /// The longest since the last reset.
    pub max_ms: u64,
}

impl Spikes {
    pub(super) fn add(&self, event: &'static str, ms: u64) {
        let now = unix_seconds();
        let mut events = self.events();
        let event = events.entry(event).or_default();
        event.max_ms = event.max_ms.max(ms);
        match event.samples.back_mut() {
            Some((at, longest)) if *at == now => *longest = ms.max(*longest),
            _ => event.samples.push_back((now, ms)),
        }
        if event.samples.len() > SAMPLES_MAX {
            event.samples.pop_front();
        }
    }

    /// Every event that happened.
    pub(crate) fn all(&self) -> Vec<(&'static str, Event)> {
        let events = self.events();
        events
            .iter()
            .map(|(name, it)| (*name, it.clone()))
            .collect()
    }

    /// Forgets an event. Returns whether it had happened.
    pub(crate) fn forget(&self, event: &str) -> bool {
        self.events().remove(event).is_some()
    }

    fn events(&self) -> MutexGuard<'_, BTreeMap<&'static str, Event>> {
        // Nothing that is done under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
