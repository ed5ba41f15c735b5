//! Commands that took long, the newest first.

use super::unix_seconds;
use crate::protocol::Args;
use crate::session::Client;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Of a command this many arguments are kept, and of each this many bytes.
const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

#[derive(Default)]
pub(crate) struct SlowLog(Mutex<State>);

#[derive(Default)]
struct State {
    entries: VecDeque<Slow>,
    next_id: u64,
}

/// A command that took long.
#[derive(Clone)]
pub(crate) struct Slow {
    pub id: u64,
    pub at_seconds: u64,
    pub took: Duration,
    pub args: Vec<Vec<u8>>,
    pub peer: String,
    pub client_name: Vec<u8>,
}

impl SlowLog {
    pub(super) fn add(&self, args: Args<'_>, client: &Client, took: Duration, len: usize) {
        let (args, peer) = (kept(args), client.peer.to_string());
        let client_name = client.names().name.clone();
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.entries.push_front(Slow {
            id,
            at_seconds: unix_seconds(),
            took,
            args,
            peer,
            client_name,
        });
        state.entries.truncate(len);
    }

    pub(super) fn keep(&self, len: usize) {
        self.lock().entries.truncate(len);
    }

    /// The newest ones.
    pub(crate) fn newest(&self, count: usize) -> Vec<Slow> {
        self.lock().entries.iter().take(count).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// How many there were since the start.
    pub(crate) fn total(&self) -> u64 {
        self.lock().next_id
    }

    pub(crate) fn clear(&self) {
        self.lock().entries.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kept(args: Args<'_>) -> Vec<Vec<u8>> {
    let shown = match args.len() {
        count if count > ARGS_MAX => ARGS_MAX - 1,
        count => count,
    };
    let mut kept: Vec<_> = args.from(0).take(shown).map(shortened).collect();
    if shown < args.len() {
        let more = args.len() - shown;
        kept.push(format!("... ({more} more arguments)").into_bytes());
    }
    kept
}

fn shortened(arg: &[u8]) -> Vec<u8> {
    let mut kept = arg[..arg.len().min(ARG_BYTES_MAX)].to_vec();
    if arg.len() > ARG_BYTES_MAX {
        let more = arg.len() - ARG_BYTES_MAX;
        kept.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
    }
    kept
}
