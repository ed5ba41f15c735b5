//! Group commit: concurrent durable writes share one sync, which nobody holds a lock for.
//!
//! ```text
//!   writer A  append 7 | leads: begin_sync (up to 7) ---- sync ---- finish_sync | done
//!   writer B             append 8 | waits ....................................... | leads: up to 9
//!   writer C                        append 9 | waits .............................. done with B's
//! ```
//!
//! Sequence numbers are issued in the order of the log, so one number says what a sync covers. At
//! most one round is on its way. A round that fails, fails for all that it would have covered.

use super::writer::Writer;
use portcask_core::storage::File;
use portcask_core::{Error, Result, Storage};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct Commits {
    state: Mutex<State>,
    /// Told whenever a round ends.
    ended: Condvar,
}

struct State {
    /// Every write up to this sequence number survives a power loss, and the fence was looked at
    /// since. Never falls.
    durable_seq: u64,
    /// Somebody is at a round.
    led: bool,
    /// Rounds that ended.
    rounds: u64,
    /// Threads that wait, the leader included.
    waiters: usize,
    /// The rounds that failed, oldest first, for as long as somebody waits.
    failures: Vec<Failure>,
    ended_at: Instant,
}

/// A round that failed.
struct Failure {
    /// Its number, counted from 0.
    round: u64,
    /// It would have covered every write up to this one.
    upto: u64,
    error: Error,
}

impl Commits {
    /// For a store whose writes up to `durable_seq` are durable.
    pub(super) fn new(durable_seq: u64) -> Self {
        Self {
            state: Mutex::new(State {
                durable_seq,
                led: false,
                rounds: 0,
                waiters: 0,
                failures: Vec::new(),
                ended_at: Instant::now(),
            }),
            ended: Condvar::new(),
        }
    }

    /// Returns once every write up to `seq` survives a power loss: leads a round, or waits for
    /// the one that covers it. Call without the writer.
    pub(super) fn wait_for<S: Storage>(&self, seq: u64, writer: &Writer<S>) -> Result<()> {
        let mut state = self.state();
        if state.durable_seq >= seq {
            return Ok(());
        }
        state.waiters += 1;
        let joined = state.rounds;
        let done = loop {
            if state.durable_seq >= seq {
                break Ok(());
            }
            let mut failures = state.failures.iter();
            if let Some(it) = failures.find(|it| it.round >= joined && it.upto >= seq) {
                break Err(it.error.clone());
            }
            if state.led {
                state = self.wait(state);
                continue;
            }
            state.led = true;
            drop(state);
            let round = Round(self);
            let (upto, done) = sync(writer);
            round.end(upto, done);
            state = self.state();
        };
        state.waiters -= 1;
        if state.waiters == 0 {
            state.failures.clear();
        }
        done
    }

    /// Whether no round has ended for this long although there is something to sync.
    pub(super) fn is_due(&self, seq: u64, every: Duration) -> bool {
        let state = self.state();
        state.durable_seq < seq && state.ended_at.elapsed() >= every
    }

    /// Waits for the round on its way and keeps others from starting until the returned one ends.
    pub(super) fn hold(&self) -> Round<'_> {
        let mut state = self.state();
        while state.led {
            state = self.wait(state);
        }
        state.led = true;
        Round(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let woken = self.ended.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to lead. Dropped without an end, by a panic, it ends as a failure for everybody.
pub(super) struct Round<'a>(&'a Commits);

impl Round<'_> {
    /// Ends the round, which covered every write up to `upto`.
    pub(super) fn end(self, upto: u64, done: Result<()>) {
        self.0.end(upto, done);
        std::mem::forget(self);
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.end(u64::MAX, Err(Error::Poisoned));
    }
}

impl Commits {
    fn end(&self, upto: u64, done: Result<()>) {
        let mut state = self.state();
        match done {
            Ok(()) => state.durable_seq = state.durable_seq.max(upto),
            Err(error) => {
                let round = state.rounds;
                state.failures.push(Failure { round, upto, error });
            }
        }
        state.led = false;
        state.rounds += 1;
        state.ended_at = Instant::now();
        drop(state);
        self.ended.notify_all();
    }
}

/// One sync, outside the writer's lock: what it covers and how it went.
fn sync<S: Storage>(writer: &Writer<S>) -> (u64, Result<()>) {
    let begun = writer.with(|engine| {
        let upto = engine.last_seq();
        let ticket = match engine.begin_sync() {
            // Everything is durable already; only the fence is left to look at.
            Ok(None) => engine.flush().map(|()| None),
            begun => begun,
        };
        (upto, ticket)
    });
    match begun {
        Err(error) => (u64::MAX, Err(error)),
        Ok((upto, Err(error))) => (upto, Err(error)),
        Ok((upto, Ok(None))) => (upto, Ok(())),
        Ok((upto, Ok(Some(ticket)))) => {
            let done = ticket.file.sync();
            let finished = writer.with(|engine| engine.finish_sync(&ticket, done));
            (upto, finished.and_then(|done| done))
        }
    }
}
