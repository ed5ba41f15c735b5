//! What a client has sent and the server not yet dealt with, and what that may cost.

use super::stream::Stream;
use crate::server::Shared;
use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::ReadBuf;

/// Bytes read at a time. They pass through the stack, so that a client costs only what it has sent.
const READ_BYTES: usize = 16 << 10;
/// What a client may hold also while all clients together hold more than they may.
const FLOOR_BYTES: usize = 64 << 10;
/// A client that sends a command slower than this, after the time for progress, is cut.
const BYTES_PER_SECOND_MIN: u64 = 1 << 10;

/// Why a connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Memory,
    Time,
}

pub(super) struct Input {
    shared: Arc<Shared>,
    bytes: Vec<u8>,
    /// Up to here it is dealt with.
    start: usize,
    /// What of the memory of all clients is this one's.
    charged: usize,
    /// When the command at hand began to arrive.
    began: Instant,
    /// Nothing of it was waited for yet.
    is_new: bool,
}

impl Input {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            bytes: Vec::new(),
            start: 0,
            charged: 0,
            began: Instant::now(),
            is_new: true,
        }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Goes behind a command.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.is_new = true;
    }

    /// Where the next command begins. Counts until more is read.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// What has arrived from there on.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        &self.bytes[start..]
    }

    /// Goes back to before a command that was dealt with.
    pub(super) fn go_back(&mut self, start: usize) {
        self.start = start;
    }

    /// What is left is the beginning of a command: its time runs from when it became the next one.
    pub(super) fn waits(&mut self) {
        if !self.unread().is_empty() && std::mem::take(&mut self.is_new) {
            self.began = Instant::now();
        }
    }

    /// Reads what has arrived. `wanted` is how many bytes the command at hand will have at least, once that
    /// is known. Where nothing has, the task may be woken once something does, and needs
    /// [`Stream::readable`] to be sure of that.
    pub(super) fn read(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut Stream,
        wanted: Option<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        // What arrives after silence begins now: `waits` notes when, if it is not whole.
        self.is_new |= self.bytes.is_empty();
        let missing = wanted.unwrap_or(0).saturating_sub(self.bytes.len());
        let read = if missing <= READ_BYTES {
            let mut piece = [MaybeUninit::uninit(); READ_BYTES];
            let mut piece = ReadBuf::uninit(&mut piece);
            let read = ready!(stream.read(context, &mut piece))?;
            self.reserve(read)?;
            self.bytes.extend_from_slice(piece.filled());
            read
        } else {
            // Never more than it has sent so far: what is declared costs nothing.
            self.reserve(missing.min(self.bytes.len().max(READ_BYTES)))?;
            match stream.read_into(&mut self.bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                read => read?,
            }
        };
        let total = &self.shared.counters.input_bytes;
        total.fetch_add(read as u64, Ordering::Relaxed);
        Poll::Ready(Ok(read))
    }

    fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        let room = self.bytes.capacity() - self.bytes.len();
        if room >= bytes {
            return Ok(());
        }
        let refused = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        self.bytes.try_reserve(bytes).map_err(refused)
    }

    /// Accounts for what is held, and `more` beside it; an error if that is too much.
    pub(super) fn charge(&mut self, more: usize) -> Result<(), Cut> {
        let held = self.bytes.capacity() + more;
        let all = &self.shared.input_bytes;
        let before = std::mem::replace(&mut self.charged, held);
        let total = match held.checked_sub(before) {
            Some(growth) => all.fetch_add(growth, Ordering::Relaxed) + growth,
            None => all.fetch_sub(before - held, Ordering::Relaxed),
        };
        let limits = &self.shared.limits;
        if held > limits.queue_bytes_max {
            return Err(Cut::Memory);
        }
        if held > FLOOR_BYTES && held > before && total > limits.input_bytes_max {
            return Err(Cut::Memory);
        }
        Ok(())
    }

    /// Memory that is held.
    pub(super) fn held_bytes(&self) -> usize {
        self.charged
    }

    /// Gives memory back before a wait.
    pub(super) fn rest(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > 0 {
            self.bytes = Vec::new();
            // Less than before is never too much.
            let _ = self.charge(0);
        }
    }

    /// Until when the command at hand must be whole, as things stand: each KiB gives it another second.
    pub(super) fn deadline(&self, progress: Duration) -> Instant {
        let seconds = self.unread().len() as u64 / BYTES_PER_SECOND_MIN;
        self.began + progress + Duration::from_secs(seconds)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.shared
            .input_bytes
            .fetch_sub(self.charged, Ordering::Relaxed);
    }
}
