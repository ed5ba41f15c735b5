//! What the server tells of itself: what commands cost, which ones were slow, metrics over HTTP.

mod commands;
mod complaints;
mod http;
mod metrics;
mod process;
mod slow;
mod spikes;

pub(crate) use commands::{CommandStats, Tally};
pub(crate) use complaints::Complaints;
pub(crate) use http::serve as serve_http;
pub(crate) use process::{cpu_seconds, memory_bytes};
pub(crate) use slow::SlowLog;
pub(crate) use spikes::Spikes;

use crate::commands::{Command, Flags};
use crate::protocol::Args;
use crate::session::Client;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Everything that is noted of commands.
pub(crate) struct Observed {
    pub commands: CommandStats,
    pub slow: SlowLog,
    pub spikes: Spikes,
    /// Microseconds from which a command is slow; none is if negative.
    slow_from_us: AtomicI64,
    slow_len: AtomicUsize,
    /// Milliseconds from which a command is a spike; none is if 0.
    spike_from_ms: AtomicU64,
}

/// From when a command is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// Commands that take this long are kept in the slow log; none is if negative. In microseconds.
    pub slow_from_us: i64,
    /// Commands that the slow log keeps.
    pub slow_len: usize,
    /// Commands that take this long are shown by `LATENCY`; none is if 0. In milliseconds.
    pub spike_from_ms: u64,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            slow_from_us: 10_000,
            slow_len: 128,
            spike_from_ms: 0,
        }
    }
}

impl Observed {
    pub(crate) fn new(watching: Watching) -> Self {
        let observed = Self {
            commands: CommandStats::new(),
            slow: SlowLog::default(),
            spikes: Spikes::default(),
            slow_from_us: AtomicI64::new(0),
            slow_len: AtomicUsize::new(0),
            spike_from_ms: AtomicU64::new(0),
        };
        observed.watch(watching);
        observed
    }

    /// Notes from now on what this says.
    pub(crate) fn watch(&self, watching: Watching) {
        self.slow_from_us
            .store(watching.slow_from_us, Ordering::Relaxed);
        self.slow_len.store(watching.slow_len, Ordering::Relaxed);
        self.spike_from_ms
            .store(watching.spike_from_ms, Ordering::Relaxed);
        self.slow.keep(watching.slow_len);
    }

    /// Milliseconds from which a command is a spike; none is if 0.
    pub(crate) fn spike_from_ms(&self) -> u64 {
        self.spike_from_ms.load(Ordering::Relaxed)
    }

    /// Whether a command that takes this long is noted.
    pub(crate) fn is_noted(&self, took: Duration) -> bool {
        let slow_from_us = self.slow_from_us.load(Ordering::Relaxed);
        let us = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        let spike_from_ms = self.spike_from_ms();
        (slow_from_us >= 0 && us >= slow_from_us)
            || (spike_from_ms > 0 && took >= Duration::from_millis(spike_from_ms))
    }

    /// Notes a command that took long.
    pub(crate) fn note(&self, command: &Command, args: Args<'_>, client: &Client, took: Duration) {
        let slow_from_us = self.slow_from_us.load(Ordering::Relaxed);
        let us = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        if slow_from_us >= 0 && us >= slow_from_us && !is_secret(command) {
            let len = self.slow_len.load(Ordering::Relaxed);
            self.slow.add(args, client, took, len);
        }
        let spike_from_ms = self.spike_from_ms();
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if spike_from_ms > 0 && ms >= spike_from_ms {
            let event = match command.flags.has(Flags::FAST) {
                true => "fast-command",
                false => "command",
            };
            self.spikes.add(event, ms);
        }
    }
}

/// Whether its arguments are for nobody's eyes.
fn is_secret(command: &Command) -> bool {
    matches!(
        (command.parent, command.name),
        ("", "auth" | "hello") | ("config", "set")
    )
}

/// Seconds since 1970.
fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
