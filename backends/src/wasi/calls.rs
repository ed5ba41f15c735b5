//! The system calls of preview 1, made safe: what goes in is a slice or a number, what comes out
//! is a value or an [`Errno`]. The only room of this backend with `unsafe` in it.
//!
//! Every call is positional and carries one buffer: hosts disagree about append mode, and some
//! write only the first of several buffers.

use ::wasi::{self as p1, Ciovec, Iovec};
use alloc::vec;
use alloc::vec::Vec;
use core::str;
use portcask_core::storage::Access;

pub(super) use ::wasi::{Errno, Filestat};

/// What a file is opened for when it is only read. More would make some hosts open it for writing.
const READ_RIGHTS: p1::Rights =
    p1::RIGHTS_FD_READ | p1::RIGHTS_FD_SEEK | p1::RIGHTS_FD_TELL | p1::RIGHTS_FD_FILESTAT_GET;

const WRITE_RIGHTS: p1::Rights = READ_RIGHTS
    | p1::RIGHTS_FD_WRITE
    | p1::RIGHTS_FD_SYNC
    | p1::RIGHTS_FD_DATASYNC
    | p1::RIGHTS_FD_FILESTAT_SET_SIZE;

/// What a directory is opened for, beyond what its files inherit.
const DIRECTORY_RIGHTS: p1::Rights = p1::RIGHTS_PATH_OPEN
    | p1::RIGHTS_PATH_CREATE_FILE
    | p1::RIGHTS_PATH_FILESTAT_GET
    | p1::RIGHTS_PATH_RENAME_SOURCE
    | p1::RIGHTS_PATH_RENAME_TARGET
    | p1::RIGHTS_PATH_UNLINK_FILE
    | p1::RIGHTS_FD_READDIR
    | p1::RIGHTS_FD_SYNC;

/// The first descriptor that can be a preopened directory.
const FIRST_PREOPEN: p1::Fd = 3;

/// An open descriptor; closed when dropped, unless the host opened it.
#[derive(Debug)]
pub(super) struct Fd {
    number: p1::Fd,
    owned: bool,
}

impl Drop for Fd {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: the call takes a number and touches no memory. The number was opened by
            // this module, is kept nowhere else, and is closed here only. What closing answers
            // changes nothing: bytes are synced by their own call.
            let _ = unsafe { p1::fd_close(self.number) };
        }
    }
}

/// The directories the host has opened for this guest, with the names it gave them.
pub(super) fn preopens() -> Result<Vec<(Fd, Vec<u8>)>, Errno> {
    let mut found = Vec::new();
    for number in FIRST_PREOPEN.. {
        // They come one after another; hosts end them with different errors, and with another one
        // again where the guest itself has opened the next number.
        // SAFETY: the call takes a number and returns its answer by value.
        let Ok(prestat) = (unsafe { p1::fd_prestat_get(number) }) else {
            break;
        };
        if prestat.tag != p1::PREOPENTYPE_DIR.raw() {
            continue;
        }
        // SAFETY: the tag says that the directory's variant of the union is the one filled in.
        let bytes = unsafe { prestat.u.dir.pr_name_len };
        let mut name = vec![0; bytes];
        // SAFETY: the pointer and the length are those of `name`, which lives over the call.
        unsafe { p1::fd_prestat_dir_name(number, name.as_mut_ptr(), name.len()) }?;
        let fd = Fd {
            number,
            owned: false,
        };
        // Some hosts count a closing zero.
        while name.last() == Some(&0) {
            name.pop();
        }
        found.push((fd, name));
    }
    Ok(found)
}

impl Fd {
    /// Opens a directory below this one.
    pub(super) fn open_directory(&self, path: &[u8]) -> Result<Self, Errno> {
        let open = |rights| {
            let flags = (p1::LOOKUPFLAGS_SYMLINK_FOLLOW, p1::OFLAGS_DIRECTORY);
            self.open_path(path, flags, rights, WRITE_RIGHTS | rights)
        };
        match open(DIRECTORY_RIGHTS) {
            // A host that grants no sync may still let the directory be used.
            Err(p1::ERRNO_NOTCAPABLE) => open(DIRECTORY_RIGHTS & !p1::RIGHTS_FD_SYNC),
            answer => answer,
        }
    }

    /// Opens a file of this directory; no symbolic link is followed.
    pub(super) fn open_file(&self, name: &[u8], access: Access) -> Result<Self, Errno> {
        let rights = match access {
            Access::Read => READ_RIGHTS,
            Access::Write => WRITE_RIGHTS,
        };
        self.open_path(name, (0, 0), rights, 0)
    }

    /// Creates a file in this directory, or answers that the name is taken.
    pub(super) fn create_file(&self, name: &[u8]) -> Result<Self, Errno> {
        let flags = (0, p1::OFLAGS_CREAT | p1::OFLAGS_EXCL);
        self.open_path(name, flags, WRITE_RIGHTS, 0)
    }

    fn open_path(
        &self,
        path: &[u8],
        (lookup, open): (p1::Lookupflags, p1::Oflags),
        rights: p1::Rights,
        inheriting: p1::Rights,
    ) -> Result<Self, Errno> {
        uninterrupted(|| {
            // SAFETY: `path` lives over the call; everything else is numbers.
            unsafe {
                let path = unread(path);
                p1::path_open(self.number, lookup, path, open, rights, inheriting, 0)
            }
        })
        .map(|number| Self {
            number,
            owned: true,
        })
    }

    pub(super) fn create_directory(&self, path: &[u8]) -> Result<(), Errno> {
        // SAFETY: `path` lives over the call.
        uninterrupted(|| unsafe { p1::path_create_directory(self.number, unread(path)) })
    }

    /// What a name of this directory stands for; no symbolic link is followed.
    pub(super) fn stat(&self, name: &[u8]) -> Result<Filestat, Errno> {
        // SAFETY: `name` lives over the call; the answer comes by value.
        uninterrupted(|| unsafe { p1::path_filestat_get(self.number, 0, unread(name)) })
    }

    pub(super) fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        let number = self.number;
        // SAFETY: both names live over the call.
        uninterrupted(|| unsafe { p1::path_rename(number, unread(from), number, unread(to)) })
    }

    pub(super) fn unlink(&self, name: &[u8]) -> Result<(), Errno> {
        // SAFETY: `name` lives over the call.
        uninterrupted(|| unsafe { p1::path_unlink_file(self.number, unread(name)) })
    }

    /// Fills the buffer with entries from the cookie on. Returns the bytes filled.
    pub(super) fn read_directory(&self, into: &mut [u8], cookie: u64) -> Result<usize, Errno> {
        let filled = uninterrupted(|| {
            // SAFETY: the pointer and the length are those of `into`, borrowed over the call.
            unsafe { p1::fd_readdir(self.number, into.as_mut_ptr(), into.len(), cookie) }
        })?;
        Ok(filled.min(into.len()))
    }

    pub(super) fn file_stat(&self) -> Result<Filestat, Errno> {
        // SAFETY: the call takes a number and returns its answer by value.
        uninterrupted(|| unsafe { p1::fd_filestat_get(self.number) })
    }

    /// Reads once, up to the buffer's length. Returns the bytes read.
    pub(super) fn pread(&self, into: &mut [u8], offset: u64) -> Result<usize, Errno> {
        let buffer = Iovec {
            buf: into.as_mut_ptr(),
            buf_len: into.len(),
        };
        // SAFETY: `buffer` describes `into`, which stays borrowed for writing over the call.
        let read = uninterrupted(|| unsafe { p1::fd_pread(self.number, &[buffer], offset) })?;
        Ok(read.min(into.len()))
    }

    /// Writes once. Returns the bytes written, which may be fewer than given.
    pub(super) fn pwrite(&self, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
        let buffer = Ciovec {
            buf: bytes.as_ptr(),
            buf_len: bytes.len(),
        };
        // SAFETY: `buffer` describes `bytes`, which stay borrowed over the call.
        let written = uninterrupted(|| unsafe { p1::fd_pwrite(self.number, &[buffer], offset) })?;
        Ok(written.min(bytes.len()))
    }

    pub(super) fn set_size(&self, bytes: u64) -> Result<(), Errno> {
        // SAFETY: the call takes numbers only.
        uninterrupted(|| unsafe { p1::fd_filestat_set_size(self.number, bytes) })
    }

    /// Syncs a file's bytes and length.
    pub(super) fn sync_data(&self) -> Result<(), Errno> {
        // SAFETY: the call takes a number only.
        uninterrupted(|| unsafe { p1::fd_datasync(self.number) })
    }

    /// Syncs a directory, where the host can: by this call and not by the one for data.
    pub(super) fn sync_directory(&self) -> Result<(), Errno> {
        // SAFETY: the call takes a number only.
        uninterrupted(|| unsafe { p1::fd_sync(self.number) })
    }
}

/// Nanoseconds since 1970.
pub(super) fn now_ns() -> Result<u64, Errno> {
    const PRECISION_NS: u64 = 1_000_000;
    // SAFETY: the call takes numbers and returns its answer by value.
    unsafe { p1::clock_time_get(p1::CLOCKID_REALTIME, PRECISION_NS) }
}

pub(super) fn random(into: &mut [u8]) -> Result<(), Errno> {
    // SAFETY: the pointer and the length are those of `into`, borrowed over the call.
    uninterrupted(|| unsafe { p1::random_get(into.as_mut_ptr(), into.len()) })
}

/// A path in the type that the calls ask for. They pass on where it lies and how long it is, and the host looks whether it
/// is text: looking here as well takes more code than all calls together.
///
/// # Safety
///
/// Nothing else may be done with the answer than to hand it to a call.
unsafe fn unread(path: &[u8]) -> &str {
    // SAFETY: both lie in memory alike, and a text of other bytes may exist as long as nobody reads it as text: by this
    // function's condition nobody does.
    unsafe { &*(core::ptr::from_ref(path) as *const str) }
}

/// Calls again while the host says that it was interrupted.
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(p1::ERRNO_INTR) => {}
            answer => return answer,
        }
    }
}
