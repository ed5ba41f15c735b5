//! Small appends that write zeros behind them, so that a file grows by pieces of 32 KiB.
//!
//! What one call brings into the system's page cache stays one piece there if it is aligned, and longer pieces are
//! found sooner: a read of 100 bytes takes 470 to 480 ns instead of 540 to 580. An append into what is there already
//! is no slower than one that makes the file longer.
//!
//! ```text
//!   file   ... records | at        zeros | to, a multiple of 32 KiB
//! ```
//!
//! While there are zeros the file is longer than what was appended, for everybody but this handle. It is cut to its
//! end before each sync, before its length is changed in another way, and when the handle is dropped. A process that
//! dies leaves zeros there, which nobody takes for anything: lengths come from the manifest and the records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::pool;

/// The end of a piece. Longer ones make each small append slower than they make reads faster.
const PIECE_BYTES: u64 = 32 << 10;
/// Longer appends are pieces by themselves.
const APPEND_BYTES_MAX: usize = 4 << 10;
/// So many small appends without a sync make zeros worth their cut.
const RUN: u32 = 64;
/// [`Ahead::told`] where the file is as long as what was appended.
const UNTOLD: u64 = u64::MAX;

pub(super) static ZEROS: [u8; PIECE_BYTES as usize] = [0; PIECE_BYTES as usize];

/// The end of a file that is written to.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Where the appended bytes end, while the file may be longer than that.
    told: AtomicU64,
    end: Mutex<End>,
}

/// What whoever appends, cuts or syncs has alone.
#[derive(Debug)]
pub(super) struct End {
    /// Where the appended bytes end.
    at: u64,
    /// Where the zeros behind them end, if there are any.
    to: u64,
    /// Small appends at the end since the last sync.
    run: u32,
    /// The process that wrote zeros which were not cut off yet.
    owner: Option<u32>,
    /// No zeros are written: a call failed, or somebody else makes the file longer.
    rests: bool,
}

impl Ahead {
    /// Of a file that is `len` bytes long; `None` where the page cache gains nothing by it.
    pub(super) fn of(len: u64) -> Option<Self> {
        cfg!(target_os = "linux").then(|| Self {
            told: AtomicU64::new(UNTOLD),
            end: Mutex::new(End {
                at: len,
                to: 0,
                run: 0,
                owner: None,
                rests: false,
            }),
        })
    }

    /// Where the file ends for those who ask this handle, if it may be longer.
    #[inline]
    pub(super) fn told(&self) -> Option<u64> {
        // Whoever knows of an append was told of it after it was done.
        let told = self.told.load(Ordering::Acquire);
        (told != UNTOLD).then_some(told)
    }

    pub(super) fn enter(&self) -> MutexGuard<'_, End> {
        pool::entered(&self.end)
    }

    /// Before an append: how many zeros to write behind it.
    pub(super) fn zeros_behind(&self, end: &mut End, offset: u64, bytes: usize) -> usize {
        if offset != end.at || bytes > APPEND_BYTES_MAX {
            end.run = 0;
            return 0;
        }
        end.run = end.run.saturating_add(1);
        let next = offset.saturating_add(bytes as u64);
        if next <= end.to || end.run <= RUN || end.rests {
            return 0;
        }
        end.owner = Some(std::process::id());
        self.told.store(end.at, Ordering::Release);
        (PIECE_BYTES - next % PIECE_BYTES) as usize
    }

    /// Bytes were appended up to `at`, and zeros behind them up to `to`.
    pub(super) fn reached(&self, end: &mut End, at: u64, to: u64) {
        end.at = end.at.max(at);
        end.to = end.to.max(to);
        if end.owner.is_some() {
            self.told.store(end.at, Ordering::Release);
        }
    }

    /// Calls `cut` with the length of what was appended, if the file may be longer by zeros of this process: a child
    /// that lives on as a copy does not know how far its parent has come.
    pub(super) fn settle<E>(
        &self,
        end: &mut End,
        cut: impl FnOnce(u64) -> Result<(), E>,
    ) -> Result<(), E> {
        if end.owner.is_some_and(|owner| owner == std::process::id()) {
            cut(end.at)?;
        }
        end.owner = None;
        end.to = 0;
        self.told.store(UNTOLD, Ordering::Release);
        Ok(())
    }
}

impl End {
    /// The file is being synced: where that is often, no zeros are written.
    pub(super) fn start_over(&mut self) {
        self.run = 0;
    }

    /// No zeros are written until the file is cut.
    pub(super) fn rest(&mut self) {
        self.rests = true;
    }

    /// The file is being cut to `len` bytes.
    pub(super) fn cut(&mut self, len: u64) {
        self.at = self.at.min(len);
        self.rests = false;
    }
}
