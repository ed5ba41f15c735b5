//! Small appends without a system call: copied into a mapping of the stretch that the file grows into.
//!
//! ```text
//!   file     ... records | end          zeros set aside | length
//!   window        | in memory, writable                 |
//! ```
//!
//! What is copied into the window is the system's from then on, as after a `write`: it survives the process. The
//! space is set aside, by writing zeros, and every page made writable before the window is used, both by calls that
//! answer errors; a refusal, a full disk among them, means that the append is made by a system call. So is every
//! append that is long, not at the end, or not one of many since the last sync. What remains is a device that fails
//! while a page that was written back is being written to again: a signal (`SIGBUS`).
//!
//! The window is the only place where this process's memory is the file, so a stray write of foreign code can reach
//! no more than the last megabyte of it.
//!
//! While there is a window the file is longer than what was appended. It is cut to its end before each sync and when
//! the handle is dropped; a process that dies leaves zeros there, which nobody takes for anything: lengths come from
//! the manifest and the records.

use rustix::fs::ftruncate;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use rustix::param::page_size;
use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};

/// Longer ones gain nothing.
const APPEND_BYTES_MAX: usize = 4 << 10;
/// So many small appends without a sync make a window worth its costs.
const RUN: u32 = 8;
/// The first window's length, and the longest; each one is twice as long as that before it.
const WINDOW_BYTES: u64 = 16 << 10;
const WINDOW_BYTES_MAX: u64 = 1 << 20;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The end of a file that is written to. Whoever appends, cuts or syncs has it alone.
#[derive(Debug)]
pub(super) struct End {
    /// Where the appended bytes end.
    at: u64,
    /// The file may be longer than that, by zeros that this process set aside.
    longer: Option<u32>,
    /// Small appends at the end since the last sync.
    run: u32,
    window: Option<Window>,
    /// How long the next window will be.
    next_bytes: u64,
    /// A call failed: what it left behind the end is not known to be zeros, so it is not cut off either.
    retired: bool,
}

impl End {
    /// Of a file that is `len` bytes long.
    pub(super) fn of(len: u64) -> Option<Self> {
        Some(Self {
            at: len,
            longer: None,
            run: 0,
            window: None,
            next_bytes: WINDOW_BYTES,
            retired: false,
        })
    }

    /// Appends through the window, opening or moving it. Returns whether it did; if not, settle and write.
    #[inline]
    pub(super) fn append(&mut self, file: &File, offset: u64, bytes: &[u8]) -> bool {
        if offset != self.at || bytes.len() > APPEND_BYTES_MAX {
            self.run = 0;
            return false;
        }
        self.run = self.run.saturating_add(1);
        let done = self.copy(offset, bytes)
            || (self.run > RUN && self.advance(file) && self.copy(offset, bytes));
        if done {
            self.at += bytes.len() as u64;
        }
        done
    }

    /// The file was written up to `end` by a call.
    pub(super) fn reached(&mut self, end: u64) {
        self.at = self.at.max(end);
    }

    /// A call that should have written failed.
    pub(super) fn retire(&mut self) {
        self.retired = true;
    }

    /// Makes the file as long as what was appended: before it is synced, cut, or written to by a call.
    pub(super) fn settle(&mut self, file: &File) -> io::Result<()> {
        // A child process that lives on as a copy of this one does not know how far its parent has come.
        if self.longer.is_some_and(|by| by == std::process::id()) {
            ftruncate(file, self.at)?;
        }
        self.longer = None;
        self.window = None;
        Ok(())
    }

    /// The file is being synced: those who sync often get no window, or a short one.
    pub(super) fn start_over(&mut self) {
        self.run = 0;
        self.next_bytes = WINDOW_BYTES;
    }

    /// The file is being cut to `len` bytes.
    pub(super) fn cut(&mut self, len: u64) {
        self.at = self.at.min(len);
    }

    /// Where the file ends for everybody who asks, if it is longer now.
    pub(super) fn told(&self) -> Option<u64> {
        self.longer.map(|_| self.at)
    }

    fn copy(&self, offset: u64, bytes: &[u8]) -> bool {
        let window = self.window.as_ref();
        window.is_some_and(|window| window.write(offset, bytes))
    }

    /// Opens a window at the end, instead of one that is full. Returns whether there is one.
    #[cold]
    fn advance(&mut self, file: &File) -> bool {
        if self.retired {
            return false;
        }
        self.longer = Some(std::process::id());
        self.window = Window::open(file, self.at, self.next_bytes).ok();
        self.next_bytes = WINDOW_BYTES_MAX.min(2 * self.next_bytes);
        // Without one the disk may be full: then calls write, and it is tried again after a while.
        self.window.is_some()
    }
}

/// A stretch of the file that is writable in memory.
#[derive(Debug)]
struct Window {
    start: NonNull<u8>,
    /// The offset in the file of its first byte, which is a page's.
    from: u64,
    bytes: usize,
}

// SAFETY: the addresses are this window's alone, and nothing behind them is tied to a thread.
unsafe impl Send for Window {}

impl Window {
    /// Sets `bytes` bytes behind `end` aside and maps them, ready to be written.
    fn open(file: &File, end: u64, bytes: u64) -> rustix::io::Result<Self> {
        let page = page_size() as u64;
        let from = end - end % page;
        let to = end.saturating_add(bytes).next_multiple_of(page);
        set_aside(file, end, to)?;
        let bytes = (to - from) as usize;
        // SAFETY: the kernel chooses addresses that nobody uses.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                from,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(rustix::io::Errno::INVAL)?;
        let window = Self { start, from, bytes };
        // What would be a signal at the first write to a page is an error of this call.
        // SAFETY: the addresses are this window's, and the advice changes no byte.
        unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxPopulateWrite) }?;
        Ok(window)
    }

    /// Copies `bytes` to `offset` of the file if all of that is in the window.
    #[inline]
    fn write(&self, offset: u64, bytes: &[u8]) -> bool {
        let Some(at) = offset.checked_sub(self.from) else {
            return false;
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if at > self.bytes || bytes.len() > self.bytes - at {
            return false;
        }
        // SAFETY: the target is inside the window, which is writable; nobody has a reference into it, and whoever
        // copies out of the same pages elsewhere does so once it is told where this ended.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(at), bytes.len())
        };
        true
    }
}

/// Fills the file with zeros up to `to`. Written zeros and not reserved space: the pages are in memory then, and need
/// not be read as zeros one by one.
fn set_aside(file: &File, end: u64, to: u64) -> rustix::io::Result<()> {
    let mut at = end;
    while at < to {
        let piece = ZEROS.len().min((to - at) as usize);
        match rustix::io::pwrite(file, &ZEROS[..piece], at)? {
            0 => return Err(rustix::io::Errno::NOSPC),
            count => at += count as u64,
        }
    }
    Ok(())
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the addresses are this window's own, and nobody is left who could use them.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
