//! The background thread: expiry, interval sync, the durable marker, merge.

use super::{Core, SharedStorage};
use portcask_core::storage::{ErrorKind, StorageError};
use portcask_core::{Error, MergeProgress, Op, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes that one step of a merge deals with, under the writer's lock: about a millisecond.
pub(super) const STEP_BYTES: u64 = 512 << 10;
/// Longest rest between two steps of a merge that others had to wait for.
const REST_MAX: Duration = Duration::from_millis(50);
/// The thread looks around no more often than this.
const EVERY_MIN: Duration = Duration::from_millis(1);
/// After errors the thread looks around less and less often, down to this.
const EVERY_MAX: Duration = Duration::from_secs(60);
/// Keys looked at in one piece of a sweep.
const SWEEP_KEYS: usize = 256;
/// Merges done in one round, so that a round ends.
const ROUND_MERGES: usize = 8;

/// What the thread and its callers tell each other.
pub(super) struct Background {
    signals: Mutex<Signals>,
    changed: Condvar,
}

#[derive(Default)]
struct Signals {
    thread: Option<JoinHandle<()>>,
    /// The thread runs, or is about to.
    runs: bool,
    stop: bool,
    /// Somebody waits for a round.
    asked: bool,
    /// So much was written that a merge may be due.
    grown: bool,
    /// Rounds that began and that ended.
    begun: u64,
    ended: u64,
    /// How the last round went.
    last: Option<Error>,
    /// The last error of all rounds.
    error: Option<Error>,
    /// The last sequence number when the last round ended.
    seen_seq: u64,
}

/// Starts the thread of a store.
pub(super) fn start<S: SharedStorage>(core: &Arc<Core<S>>, every: Duration) -> Result<()> {
    let mut signals = core.background.signals();
    signals.runs = true;
    let shared = Arc::clone(core);
    let spawned = thread::Builder::new()
        .name("portcask".into())
        .spawn(move || shared.run(every));
    match spawned {
        Ok(thread) => signals.thread = Some(thread),
        Err(cause) => {
            signals.runs = false;
            let words = format!("the background thread does not start: {cause}");
            return Err(Error::storage(
                Op::Open,
                None,
                StorageError::with_detail(ErrorKind::Io, words),
            ));
        }
    }
    Ok(())
}

impl Background {
    pub(super) fn new() -> Self {
        Self {
            signals: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Stops the thread and waits for it.
    pub(super) fn stop(&self) {
        let mut signals = self.signals();
        signals.stop = true;
        let thread = signals.thread.take();
        drop(signals);
        self.changed.notify_all();
        if let Some(thread) = thread {
            // A panic of the thread was noted when it happened.
            let _ = thread.join();
        }
    }

    pub(super) fn error(&self) -> Option<Error> {
        self.signals().error.clone()
    }

    pub(super) fn runs(&self) -> bool {
        self.signals().runs
    }

    /// Waits for a round of the thread that begins after this call. `None` if there is no thread.
    pub(super) fn wait_for_round(&self) -> Option<Result<()>> {
        let mut signals = self.signals();
        let wanted = signals.begun + 1;
        while signals.ended < wanted {
            if !signals.runs {
                return None;
            }
            if signals.stop {
                return Some(Err(Error::Closed));
            }
            signals.asked = true;
            self.changed.notify_all();
            signals = self.wait(signals, Duration::MAX);
        }
        Some(signals.last.clone().map_or(Ok(()), Err))
    }

    /// Tells the thread that a merge may be due: under a heavy load it must not wait for its next
    /// round, in which space would be used up many times over.
    pub(super) fn look_at_merge(&self) {
        let mut signals = self.signals();
        if signals.runs {
            signals.grown = true;
            drop(signals);
            self.changed.notify_all();
        }
    }

    /// Lets others have the writer for a while. Returns whether to go on.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut signals = self.signals();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if signals.stop || left.is_zero() {
                return !signals.stop;
            }
            signals = self.wait(signals, left);
        }
    }

    /// Sleeps until one of two times, or until somebody wants something.
    fn wait_for_work(&self, one: Option<Instant>, other: Option<Instant>) -> Work {
        let until = one.into_iter().chain(other).min();
        let mut signals = self.signals();
        loop {
            if signals.stop {
                return Work::Stop;
            }
            if std::mem::take(&mut signals.asked) {
                return Work::Asked;
            }
            let left = until.map_or(Duration::MAX, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Work::Due;
            }
            if std::mem::take(&mut signals.grown) {
                return Work::Grown;
            }
            signals = self.wait(signals, left);
        }
    }

    fn is_stopping(&self) -> bool {
        self.signals().stop
    }

    fn signals(&self) -> MutexGuard<'_, Signals> {
        // Nothing that is done under this lock can panic half-way.
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        signals: MutexGuard<'a, Signals>,
        time: Duration,
    ) -> MutexGuard<'a, Signals> {
        match time {
            Duration::MAX => self.changed.wait(signals),
            time => self
                .changed
                .wait_timeout(signals, time)
                .map(|woken| woken.0)
                .map_err(|lost| PoisonError::new(lost.into_inner().0)),
        }
        .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the thread woke.
enum Work {
    Stop,
    /// Somebody waits for a round.
    Asked,
    /// A merge may be due.
    Grown,
    /// A time has come.
    Due,
}

/// Notes the end of the thread, by a panic too, so that nobody waits for it.
struct Farewell<'a>(&'a Background);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        let mut signals = self.0.signals();
        signals.runs = false;
        if thread::panicking() {
            signals.error = Some(Error::Poisoned);
        }
        drop(signals);
        self.0.changed.notify_all();
    }
}

impl<S: SharedStorage> Core<S> {
    /// The thread's life.
    fn run(&self, every: Duration) {
        let background = &self.background;
        let _farewell = Farewell(background);
        let every = every.max(EVERY_MIN);
        let interval = self.options.engine.sync_every_ms;
        let interval = interval.map(|ms| Duration::from_millis(ms).max(EVERY_MIN));
        let mut pause = every;
        let mut next_round = Instant::now().checked_add(pause);
        let mut well = true;
        loop {
            let next_sync = interval
                .filter(|_| well)
                .and_then(|interval| Instant::now().checked_add(interval));
            let asked = match background.wait_for_work(next_round, next_sync) {
                Work::Stop => return,
                Work::Asked => true,
                Work::Due => false,
                Work::Grown => {
                    // After an error it is for the rounds to try again, less and less often.
                    if well && let Err(error) = self.sync_and_merge() {
                        background.signals().error = Some(error);
                        well = false;
                    }
                    continue;
                }
            };
            if !asked && next_round.is_none_or(|next| Instant::now() < next) {
                // A whole round looks at every segment, which a short interval must not cost.
                if let Err(error) = self.sync_what_is_due() {
                    background.signals().error = Some(error);
                    well = false;
                }
                continue;
            }
            background.signals().begun += 1;
            let done = self.round();
            well = done.is_ok();
            pause = match &done {
                Ok(()) => every,
                Err(_) => pause.saturating_mul(2).clamp(every, EVERY_MAX.max(every)),
            };
            next_round = Instant::now().checked_add(pause);
            let mut signals = background.signals();
            signals.ended = signals.begun;
            signals.last = done.err();
            if let Some(error) = signals.last.clone() {
                signals.error = Some(error);
            }
            drop(signals);
            background.changed.notify_all();
        }
    }

    /// All that is due, once.
    pub(super) fn round(&self) -> Result<()> {
        while self.view.sweep(SWEEP_KEYS) && !self.background.is_stopping() {}
        self.sync_what_is_due()?;
        let seq = self.writer.with(|engine| engine.last_seq())?;
        let idle = std::mem::replace(&mut self.background.signals().seen_seq, seq) == seq;
        if idle {
            // Tells whoever reads the log after a crash how much of it is durable.
            self.writer.with(|engine| engine.tick_sync())??;
        }
        if self.options.engine.merge.auto {
            self.merge_what_is_due()?;
        }
        Ok(())
    }

    fn sync_and_merge(&self) -> Result<()> {
        self.sync_what_is_due()?;
        if self.options.engine.merge.auto {
            self.merge_what_is_due()?;
        }
        Ok(())
    }

    fn merge_what_is_due(&self) -> Result<()> {
        // Whoever else drives a merge does this work.
        let Some(_baton) = self.merging.try_take() else {
            return Ok(());
        };
        let mut merges = 0;
        while merges < ROUND_MERGES {
            match self.merge_piece(STEP_BYTES)? {
                MergeProgress::Idle => break,
                MergeProgress::Done(_) => merges += 1,
                MergeProgress::Working { .. } => {}
            }
            self.sync_what_is_due()?;
            if self.background.is_stopping() {
                break;
            }
        }
        Ok(())
    }

    fn sync_what_is_due(&self) -> Result<()> {
        let seq = self.writer.with(|engine| engine.last_seq())?;
        self.sync_if_due(seq)
    }

    /// Syncs up to `seq` if that is not durable and the interval has passed since the last sync.
    pub(super) fn sync_if_due(&self, seq: u64) -> Result<()> {
        match self.options.engine.sync_every_ms {
            Some(ms) if self.commits.is_due(seq, Duration::from_millis(ms)) => {
                self.commits.wait_for(seq, &self.writer)
            }
            _ => Ok(()),
        }
    }

    /// One step of merging, with the syncs of its commit done before it, outside the writer's
    /// lock. If somebody had to wait for the step, rests as long as it took.
    pub(super) fn merge_piece(&self, budget_bytes: u64) -> Result<MergeProgress> {
        let (files, seq) = self
            .writer
            .with(|engine| (engine.merge_files_to_sync(), engine.last_seq()))?;
        if !files.is_empty() {
            self.commits.wait_for(seq, &self.writer)?;
            for file in files {
                // An error stays with the file: the commit's own sync meets it again.
                let _ = portcask_core::storage::File::sync(&file);
            }
        }
        let began = Instant::now();
        let progress = self
            .writer
            .with(|engine| engine.merge_step(budget_bytes))??;
        if self.writer.is_wanted() {
            self.background.rest(began.elapsed().min(REST_MAX));
        }
        Ok(progress)
    }
}
