//! Which time the store believes. A wall clock may jump; keys must not die of it.
//!
//! The store keeps the latest time it trusted (the *floor*, also in the manifest). Time never
//! runs backwards below the floor, and a host clock more than [`JUMP_MS`] ahead of it is not
//! believed until somebody confirms it: until then the floor stands and nothing expires early.

use crate::planted::{Bug, planted};

/// A host clock further ahead of the last trusted time than this is a jump: one day.
pub const JUMP_MS: u64 = 24 * 60 * 60 * 1000;

/// The time a store trusts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The latest trusted wall-clock time in ms, 0 before any was seen.
    floor_ms: u64,
    /// Set by the caller: jumps are believed.
    trust: bool,
}

impl Clock {
    /// A clock that last trusted `floor_ms`.
    pub(crate) fn new(floor_ms: u64, trust: bool) -> Self {
        Self { floor_ms, trust }
    }

    /// The trusted time for what the host says now; `None` without any clock at all.
    pub(crate) fn now(&self, host_ms: Option<u64>) -> Option<u64> {
        match host_ms {
            None if self.floor_ms == 0 => None,
            None => Some(self.floor_ms),
            Some(host) if self.is_jump(host) => Some(self.floor_ms),
            Some(host) => Some(host.max(self.floor_ms)),
        }
    }

    /// Takes note of the host's time, and returns the trusted one.
    pub(crate) fn observe(&mut self, host_ms: Option<u64>) -> Option<u64> {
        let now = self.now(host_ms);
        if let Some(now) = now {
            self.floor_ms = now;
        }
        now
    }

    /// Believes the host's time whatever it says, backwards excepted.
    pub(crate) fn confirm(&mut self, host_ms: Option<u64>) {
        self.floor_ms = self.floor_ms.max(host_ms.unwrap_or(0));
    }

    /// The jump that is not believed, if the host's time is one: (from, to).
    pub(crate) fn jump(&self, host_ms: Option<u64>) -> Option<(u64, u64)> {
        host_ms
            .filter(|host| self.is_jump(*host))
            .map(|host| (self.floor_ms, host))
    }

    /// The latest trusted time, to be written down.
    pub(crate) fn floor_ms(&self) -> u64 {
        self.floor_ms
    }

    fn is_jump(&self, host_ms: u64) -> bool {
        !self.trust
            && !planted(Bug::JumpBelieved)
            && self.floor_ms != 0
            && host_ms > self.floor_ms.saturating_add(JUMP_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_backwards() {
        let mut clock = Clock::new(1_000, false);
        assert_eq!(clock.observe(Some(2_000)), Some(2_000));
        assert_eq!(clock.observe(Some(1_500)), Some(2_000));
    }

    #[test]
    fn a_jump_of_more_than_a_day_is_not_believed_until_confirmed() {
        let mut clock = Clock::new(1_000, false);
        let far = 1_000 + JUMP_MS + 1;
        assert_eq!(clock.observe(Some(far)), Some(1_000));
        assert_eq!(clock.jump(Some(far)), Some((1_000, far)));
        assert_eq!(clock.observe(Some(1_200)), Some(1_200));
        clock.confirm(Some(far));
        assert_eq!(clock.now(Some(far)), Some(far));
    }

    #[test]
    fn the_first_time_ever_seen_is_believed() {
        let mut clock = Clock::new(0, false);
        assert_eq!(clock.now(None), None);
        // A clock that was taken away later leaves the time it had shown.
        assert_eq!(Clock::new(7, false).now(None), Some(7));
        assert_eq!(clock.observe(Some(5)), Some(5));
    }
}
