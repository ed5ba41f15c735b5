//! What Unix does in its own way: positional calls, directories as files, `flock`, `fallocate`.
//!
//! Positional calls go through `rustix`, which on Linux enters the kernel by itself: the C library
//! makes each of them a cancellation point, at the cost of two atomic changes in a process that has
//! threads, for a way of ending threads that no Rust program uses.

#[cfg(target_os = "linux")]
use super::ahead::ZEROS;
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// `rename(2)` replaces its target at once for every observer.
pub(super) const ATOMIC_RENAME: bool = true;

/// Tells a file from another one that got its name later. The inode alone would not do: a file
/// system may give it out again at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64, Option<SystemTime>);

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino(), metadata.created().ok())
    }
}

/// No symbolic link is followed, and no named pipe in a file's place holds the opener up.
pub(super) fn refuse_surprises(options: &mut OpenOptions) {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.custom_flags(flags.bits() as i32);
}

pub(super) fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pread(file, into, offset)?)
}

/// Reads behind what `into` holds, as far as it has room, without filling that with zeros first.
pub(super) fn read_behind(file: &File, into: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pread(file, spare_capacity(into), offset)?)
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwrite(file, bytes, offset)?)
}

/// Writes `bytes` and zeros behind them in one call; the bytes come first if not all of it is written.
pub(super) fn write_with_zeros(
    file: &File,
    bytes: &[u8],
    zeros: &[u8],
    offset: u64,
) -> io::Result<usize> {
    let both = [io::IoSlice::new(bytes), io::IoSlice::new(zeros)];
    Ok(rustix::io::pwritev(file, &both, offset)?)
}

pub(super) fn open_directory(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::DIRECTORY.bits() as i32);
    options.read(true).open(path).map(Some)
}

/// Whether no name leads to this directory any more.
pub(super) fn is_removed(directory: &Metadata) -> bool {
    directory.nlink() == 0
}

/// Whether this file system has locks, tried on the directory itself: nothing is created, and
/// nobody takes the exclusive lock that a shared one could disturb.
pub(super) fn locks(directory: Option<&File>) -> bool {
    let Some(directory) = directory else {
        return false;
    };
    match directory.try_lock_shared() {
        Ok(()) => directory.unlock().is_ok(),
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
    }
}

/// Whether space can be set aside, tried on a file without a name.
#[cfg(target_os = "linux")]
pub(super) fn preallocates(directory: &Path) -> bool {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let Ok(scratch) = rustix::fs::open(directory, flags, rustix::fs::Mode::RUSR) else {
        return false;
    };
    preallocate(&File::from(scratch), 4096).is_ok()
}

/// Sets space aside up to `len` bytes; the length stays as it is.
#[cfg(target_os = "linux")]
pub(super) fn preallocate(file: &File, len: u64) -> io::Result<()> {
    let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, 0, len)?)
}

/// Sets space aside from `end` up to `to`, as zeros; the file is that long then.
///
/// On ext4 and XFS the zeros are written, too. Space that was only set aside is marked there as unwritten, and the first
/// write into a block of it changes that mark, in the journal: the next sync has to write that down as well. On ext4 a
/// sync behind 6,000 B takes 240 us in such space, and 125 us where zeros were written, the time for them included.
#[cfg(target_os = "linux")]
pub(super) fn lengthen(file: &File, end: u64, to: u64) -> io::Result<()> {
    let flags = rustix::fs::FallocateFlags::empty();
    // Before anything is written: it takes all of the space or none of it.
    rustix::fs::fallocate(file, flags, end, to.saturating_sub(end))?;
    if !writes_in_place(file) {
        return Ok(());
    }
    let mut at = end;
    while at < to {
        let piece = (to - at).min(ZEROS.len() as u64) as usize;
        match write_at(file, &ZEROS[..piece], at)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => at += written as u64,
        }
    }
    Ok(())
}

/// Whether an overwrite goes into the blocks that are there already, and not into new ones as on btrfs.
#[cfg(target_os = "linux")]
fn writes_in_place(file: &File) -> bool {
    /// Of ext2, ext3 and ext4; of XFS.
    const IN_PLACE: [u32; 2] = [0xef53, 0x5846_5342];
    rustix::fs::fstatfs(file).is_ok_and(|system| IN_PLACE.contains(&(system.f_type as u32)))
}

/// Whether setting `bytes` aside leaves much more than that to everybody else.
#[cfg(target_os = "linux")]
pub(super) fn has_room(file: &File, bytes: u64) -> io::Result<bool> {
    let system = rustix::fs::fstatvfs(file)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize) / ROOM_PART > bytes)
}

/// The part of the free space that may be set aside at once.
#[cfg(target_os = "linux")]
const ROOM_PART: u64 = 64;

#[cfg(not(target_os = "linux"))]
pub(super) fn lengthen(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn has_room(_: &File, _: u64) -> io::Result<bool> {
    Ok(false)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn preallocates(_: &Path) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(super) fn preallocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How many descriptors this process may have open, now.
pub(super) fn descriptor_limit() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    usize::try_from(limit.current?).ok()
}

/// Out of descriptors, in this process or in the whole system.
pub(super) fn is_out_of_descriptors(cause: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(cause),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

/// What `NOFOLLOW` answers for a symbolic link.
pub(super) fn is_symbolic_link(cause: &io::Error) -> bool {
    Errno::from_io_error(cause) == Some(Errno::LOOP)
}

/// Answers of file systems that know no such call, beyond those that `std` has a kind for.
pub(super) fn is_unable(cause: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(cause),
        Some(Errno::BADF | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK)
    )
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn where_writes_go_in_place_the_zeros_ahead_are_written_and_not_only_set_aside() {
        let file = tempfile::tempfile().unwrap();
        let (end, to) = (100, 100_000);
        write_at(&file, &[7; 100], 0).unwrap();
        if lengthen(&file, end, to).is_err() || !writes_in_place(&file) {
            return;
        }
        assert_eq!(file.metadata().unwrap().len(), to);
        // Space that is only set aside counts as a hole, until it is read.
        let hole = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)).unwrap();
        assert_eq!(hole, to);
        let mut zeros = vec![1; (to - end) as usize];
        assert_eq!(read_at(&file, &mut zeros, end).unwrap(), zeros.len());
        assert!(zeros.iter().all(|byte| *byte == 0));
    }
}
