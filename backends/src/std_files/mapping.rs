//! A file's bytes in this process's memory, for small reads that need no system call.
//!
//! ```text
//!   start                inside                                       limit
//!     | in the file: read | addresses without a file behind them: never | ours no more
//! ```
//!
//! The stretch of addresses is reserved once and is longer than the file: where the file grows, the pages behind
//! the addresses come by themselves. Touching one that has no file behind it ends the process by a signal, so
//! only what is known to be inside the file is touched: up to the last byte that was not 0 when it was mapped, and
//! what this handle has appended since. Everything else is read with a system call, which answers errors.
//!
//! What remains, and why mapping is an option that the user must name: a file that somebody cuts **after** it was
//! mapped, and a sector that cannot be read, are signals (`SIGBUS`) here and not errors. Cuts through this handle
//! are neither.
//!
//! ## Why the copies are sound
//!
//! Nothing here makes a Rust reference into a mapping; bytes are copied out. A byte that somebody counts on is
//! never changed once it was appended, and whoever reads it learned its place after the append. The one stretch
//! that others change, a manifest's fence, may be copied while it is changed, and then holds some bytes of before
//! and some of after, as with a system call.

use rustix::fs::{FsWord, Mode, OFlags, fstatfs};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use rustix::param::page_size;
use std::ffi::c_void;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// Addresses reserved for a file that may grow: as far into a segment as a record can start.
const GROWING_BYTES: usize = 1 << 32;

/// More than any writer sets aside at the end of a file.
const SET_ASIDE_BYTES_MAX: u64 = 2 << 20;

/// What a processor fetches at once.
const LINE_BYTES: usize = 64;
/// What follows is fetched ahead by the processor itself.
const APPROACHED_BYTES_MAX: u64 = 256;

/// File systems whose mappings show at once what is written with a system call, by anybody who can write at all:
/// those of this kernel alone. Not those that other machines write too, nor those of programs.
const COHERENT: &[FsWord] = &[EXT4, XFS, TMPFS, BTRFS, F2FS, OVERLAY];
/// Those of them that need no further space to write a page once more, for which set aside is set aside.
const IN_PLACE: &[FsWord] = &[EXT4, XFS, TMPFS];

/// Also ext2 and ext3.
const EXT4: FsWord = 0xef53;
const XFS: FsWord = 0x5846_5342;
const TMPFS: FsWord = 0x0102_1994;
const BTRFS: FsWord = 0x9123_683e;
const F2FS: FsWord = 0xf2f5_2010;
const OVERLAY: FsWord = 0x794c_7630;

/// What files of a directory may be mapped for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suits {
    pub reads: bool,
    pub appends: bool,
}

impl Suits {
    /// For a writer it is tried, on a file without a name.
    pub(super) fn found_out(directory: Option<&File>, path: &Path, writable: bool) -> Self {
        let Some(found) = directory.and_then(|directory| fstatfs(directory).ok()) else {
            return Self::default();
        };
        let reads =
            COHERENT.contains(&found.f_type) && (!writable || shows_writes(path).unwrap_or(false));
        Self {
            reads,
            appends: reads && writable && IN_PLACE.contains(&found.f_type),
        }
    }
}

/// Whether a mapping shows what is written later, behind its end and over what it showed before.
fn shows_writes(directory: &Path) -> rustix::io::Result<bool> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let scratch = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?;
    let Some(mapping) = Mapping::of(&scratch, 0, true) else {
        return Ok(false);
    };
    for written in [b"before", b"behind"] {
        rustix::io::pwrite(&scratch, written, 0)?;
        mapping.appended(written.len() as u64);
        let mut seen = [0; 6];
        if !mapping.read(0, &mut seen) || seen != *written {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How much of a file stays in it: zeros at its end may be what a writer has set aside and will cut off.
fn written_bytes(file: &impl AsFd, len: u64) -> rustix::io::Result<usize> {
    let mut piece = [0; 4096];
    let mut end = len;
    while end > len.saturating_sub(SET_ASIDE_BYTES_MAX) {
        let from = end.saturating_sub(piece.len() as u64);
        let piece = &mut piece[..(end - from) as usize];
        let got = rustix::io::pread(file, &mut *piece, from)?;
        if let Some(last) = piece[..got].iter().rposition(|byte| *byte != 0) {
            end = from + last as u64 + 1;
            break;
        }
        end = from;
    }
    Ok(usize::try_from(end).unwrap_or(usize::MAX))
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    /// Bytes of addresses.
    reserved: usize,
    /// Bytes from the start that were in the file.
    inside: AtomicUsize,
    /// Bytes from the start that show the file; behind them are zeros since the file was cut.
    limit: AtomicUsize,
}

// SAFETY: the addresses belong to the mapping until it is dropped, and nothing behind them is tied to a thread.
unsafe impl Send for Mapping {}
// SAFETY: shared use only copies out of the mapping, or replaces its pages, which the kernel does at once for all.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a file that is `len` bytes long now. `None` if the platform will not: then nothing is lost but time.
    pub(super) fn of(file: impl AsFd, len: u64, grows: bool) -> Option<Self> {
        let written = written_bytes(&file, len).ok()?;
        let len = usize::try_from(len).ok()?;
        let reserved = match grows {
            true => len.max(GROWING_BYTES),
            false => len,
        };
        if reserved == 0 {
            return None;
        }
        // SAFETY: the kernel chooses addresses that nobody uses.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                reserved,
                ProtFlags::READ,
                MapFlags::SHARED,
                file,
                0,
            )
        };
        let mapping = Self {
            start: NonNull::new(start.ok()?.cast())?,
            reserved,
            inside: AtomicUsize::new(written),
            limit: AtomicUsize::new(reserved),
        };
        // Small reads are all over the file: reading ahead for them would waste memory. A refusal costs that.
        // SAFETY: the addresses are this mapping's, and the advice changes no byte.
        let _ = unsafe { madvise(start.ok()?, reserved, Advice::Random) };
        // An opener has marked older manifests before it maps what it reads: the marks come first for everybody.
        fence(Ordering::SeqCst);
        Some(mapping)
    }

    /// Fills `into` from `offset` if all of it is known to be inside the file; else does nothing.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        let Some(from) = self.at(offset, into.len()) else {
            return false;
        };
        // SAFETY: `at` answers for the source. The target is borrowed and is Rust's own memory, so they do not
        // overlap.
        unsafe { ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        true
    }

    /// Replaces what `into` holds by `bytes` bytes from `offset`, if all of them are known to be inside the file and
    /// `into` has room for them; else does nothing.
    pub(super) fn read_into(&self, offset: u64, bytes: usize, into: &mut Vec<u8>) -> bool {
        let Some(from) = self.at(offset, bytes).filter(|_| bytes <= into.capacity()) else {
            return false;
        };
        // SAFETY: `at` answers for the source. The target is the vector's own and has room for `bytes` bytes, all
        // of which are written before the length says so.
        unsafe {
            ptr::copy_nonoverlapping(from, into.as_mut_ptr(), bytes);
            into.set_len(bytes);
        }
        true
    }

    /// Looks at what is about to be read, one byte of each cache line: the loads do not depend on each other, so that
    /// the processor waits for all of them together.
    pub(super) fn approach(&self, offset: u64, bytes: u64) {
        let bytes = bytes.min(APPROACHED_BYTES_MAX) as usize;
        let Some(from) = self.at(offset, bytes) else {
            return;
        };
        for at in (0..bytes).step_by(LINE_BYTES) {
            // SAFETY: `at` answers for these bytes. What is read is not used.
            unsafe { from.add(at).read_volatile() };
        }
    }

    /// Where `bytes` bytes from `offset` are, if all of them are known to be inside the file.
    fn at(&self, offset: u64, bytes: usize) -> Option<*const u8> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(bytes)?;
        let inside = self.inside.load(Ordering::Acquire);
        if end > inside.min(self.limit.load(Ordering::Acquire)) {
            return None;
        }
        // SAFETY: the end is at most `limit`, which is at most `reserved`.
        Some(unsafe { self.start.as_ptr().add(start) })
    }

    /// The file was just written up to `end`.
    ///
    /// Whoever reads the mapping after this reads after that write, as seen by every process: a writer looks at its
    /// fence after a write, and a newer opener reads what was written after it marked the fence, so that at least one
    /// of them must see the other.
    pub(super) fn appended(&self, end: u64) {
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let end = end.min(self.limit.load(Ordering::Acquire));
        // Two at once may leave the lesser end here, which costs system calls and nothing else.
        if self.inside.load(Ordering::Relaxed) < end {
            self.inside.store(end, Ordering::Release);
        }
        // A processor may read before its own earlier writes are seen by others, but not across this.
        fence(Ordering::SeqCst);
    }

    /// The file is about to be cut to `len` bytes. Readers that are at it see zeros where the file ends; what is
    /// appended there later is read with system calls.
    ///
    /// Answers whether it may be cut.
    pub(super) fn cut(&self, len: u64) -> bool {
        let Ok(len) = usize::try_from(len) else {
            return true;
        };
        self.limit.fetch_min(len, Ordering::AcqRel);
        // The page in which the file will end stays the file's: it reads as zeros behind the end.
        let rest = len.next_multiple_of(page_size());
        if rest >= self.reserved {
            return true;
        }
        // SAFETY: the addresses are this mapping's own, which nobody holds references into; the kernel replaces their
        // pages at once for all threads.
        let replaced = unsafe {
            mmap_anonymous(
                self.start.as_ptr().add(rest).cast::<c_void>(),
                self.reserved - rest,
                ProtFlags::READ,
                MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
            )
        };
        replaced.is_ok()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the addresses are this mapping's own, and nobody is left who could use them.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.reserved) };
    }
}
