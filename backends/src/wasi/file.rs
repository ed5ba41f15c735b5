//! One open file of a preopened directory, on one of at most [`DESCRIPTORS_MAX`] descriptors.
//!
//! Some hosts give a guest little more than a hundred descriptors, so the file used longest ago is
//! closed when another one is needed, and opened again by its name when it is used. Everything is
//! single-threaded here: a handle that is reached through the directory's roll is alive for as
//! long as the look at it takes.

use super::Directory;
use super::calls::{Errno, Fd};
use ::wasi::{FILETYPE_REGULAR_FILE, FILETYPE_SYMBOLIC_LINK};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, Ref, RefCell};
use portcask_core::storage::{Access, ErrorKind, File, FileName, StorageError};

/// Most descriptors one opener uses for files.
pub const DESCRIPTORS_MAX: usize = 100;

/// Largest file offset a host takes.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// What a directory or a named pipe is told.
const NO_FILE: &str = " is not a regular file";

/// How often an open is tried again after closing an idle descriptor of ours.
const OPEN_ATTEMPTS: usize = 8;

/// An open file of a [`WasiDir`](super::WasiDir). Clones share the descriptor.
#[derive(Clone, Debug)]
pub struct WasiFile {
    /// On the directory's roll as well, until the last of the clones is dropped.
    handle: Rc<Handle>,
}

/// What the clones of a [`WasiFile`] share.
#[derive(Debug)]
struct Handle {
    dir: Rc<Directory>,
    access: Access,
    /// Follows renames through the same opener.
    name: Cell<FileName>,
    fd: RefCell<Option<Fd>>,
    /// Device and inode, which must be found again under the name. Hosts that know neither show
    /// the same numbers always, and then nothing is told apart.
    identity: (u64, u64),
    /// The directory's count of uses at the last use of this file.
    used: Cell<u64>,
    /// The name is gone or another file's: what is closed stays closed.
    nameless: Cell<bool>,
}

/// The open files of a directory.
#[derive(Debug, Default)]
pub(super) struct Roll {
    handles: RefCell<Vec<Rc<Handle>>>,
    /// Handles with a descriptor.
    open: Cell<usize>,
    uses: Cell<u64>,
}

impl WasiFile {
    pub(super) fn create(dir: &Rc<Directory>, name: &FileName) -> Result<Self, StorageError> {
        let fd = open_descriptor(dir, name, || dir.fd.create_file(name.as_bytes()))?;
        Self::seat(dir, name, Access::Write, fd)
    }

    pub(super) fn open(
        dir: &Rc<Directory>,
        name: &FileName,
        access: Access,
    ) -> Result<Self, StorageError> {
        refuse_pipes(dir, name)?;
        let fd = open_descriptor(dir, name, || dir.fd.open_file(name.as_bytes(), access))?;
        Self::seat(dir, name, access, fd)
    }

    fn seat(
        dir: &Rc<Directory>,
        name: &FileName,
        access: Access,
        fd: Fd,
    ) -> Result<Self, StorageError> {
        let identity = identify(dir, name, &fd)?;
        let handle = Rc::new(Handle {
            dir: Rc::clone(dir),
            access,
            name: Cell::new(*name),
            fd: RefCell::new(Some(fd)),
            identity,
            used: Cell::new(dir.roll.next_use()),
            nameless: Cell::new(false),
        });
        dir.roll.open.set(dir.roll.open.get() + 1);
        dir.roll.handles.borrow_mut().push(Rc::clone(&handle));
        Ok(Self { handle })
    }
}

impl Handle {
    /// The descriptor, opened again if it was closed to make room.
    fn descriptor(&self) -> Result<Ref<'_, Fd>, StorageError> {
        self.used.set(self.dir.roll.next_use());
        if self.fd.borrow().is_none() {
            self.reopen()?;
        }
        Ref::filter_map(self.fd.borrow(), Option::as_ref).map_err(|_| self.gone())
    }

    fn reopen(&self) -> Result<(), StorageError> {
        if self.nameless.get() {
            return Err(self.gone());
        }
        let name = self.name.get();
        refuse_pipes(&self.dir, &name)?;
        let open = || self.dir.fd.open_file(name.as_bytes(), self.access);
        let fd = open_descriptor(&self.dir, &name, open).map_err(|refusal| match refusal.kind {
            ErrorKind::NotFound => self.gone(),
            _ => refusal,
        })?;
        if identify(&self.dir, &name, &fd)? != self.identity {
            return Err(self.gone());
        }
        *self.fd.borrow_mut() = Some(fd);
        self.dir.roll.open.set(self.dir.roll.open.get() + 1);
        Ok(())
    }

    /// Whether it is the file that has this name now.
    fn is_of(&self, name: &FileName) -> bool {
        !self.nameless.get() && self.name.get() == *name
    }

    fn is_open(&self) -> bool {
        self.fd.borrow().is_some()
    }

    fn gone(&self) -> StorageError {
        self.refuses(ErrorKind::Closed, " is no longer the file that was opened")
    }

    fn refuses(&self, kind: ErrorKind, words: &str) -> StorageError {
        self.dir.refuses(kind, &self.name.get(), words)
    }

    /// Calls the host with the open descriptor.
    fn call<T>(&self, call: impl FnOnce(&Fd) -> Result<T, Errno>) -> Result<T, StorageError> {
        call(&*self.descriptor()?).map_err(|errno| self.dir.refused(&self.name.get(), errno))
    }

    fn must_be_writable(&self) -> Result<(), StorageError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(self.refuses(ErrorKind::Denied, " was opened for reading")),
        }
    }
}

impl Drop for WasiFile {
    fn drop(&mut self) {
        // This one and the roll's.
        if Rc::strong_count(&self.handle) > 2 {
            return;
        }
        let roll = &self.handle.dir.roll;
        if self.handle.is_open() {
            roll.open.set(roll.open.get() - 1);
        }
        let mut handles = roll.handles.borrow_mut();
        if let Some(at) = handles
            .iter()
            .position(|other| Rc::ptr_eq(other, &self.handle))
        {
            handles.swap_remove(at);
        }
    }
}

impl File for WasiFile {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let handle = &self.handle;
        handle.must_be_writable()?;
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > OFFSET_MAX) {
            return Err(handle.refuses(ErrorKind::Full, ": no file is that long"));
        }
        let mut done = 0;
        while done < bytes.len() {
            match handle.call(|fd| fd.pwrite(&bytes[done..], offset + done as u64))? {
                0 => return Err(handle.refuses(ErrorKind::Io, ": the host wrote nothing")),
                count => done += count,
            }
        }
        Ok(())
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let mut done = 0;
        while done < into.len() {
            let at = offset.saturating_add(done as u64);
            // A host may take the buffer's end for an offset too, and signed.
            if at > OFFSET_MAX - (into.len() - done) as u64 {
                break;
            }
            match self.handle.call(|fd| fd.pread(&mut into[done..], at))? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    fn sync(&self) -> Result<(), StorageError> {
        // A descriptor that was opened for reading has no right to sync, and nothing to sync.
        match self.handle.access {
            Access::Write => self.handle.call(Fd::sync_data),
            Access::Read => Ok(()),
        }
    }

    fn len(&self) -> Result<u64, StorageError> {
        Ok(self.handle.call(Fd::file_stat)?.size)
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        self.handle.must_be_writable()?;
        if self.len()? <= len {
            return Ok(());
        }
        self.handle.call(|fd| fd.set_size(len))
    }
}

impl Roll {
    fn next_use(&self) -> u64 {
        self.uses.set(self.uses.get() + 1);
        self.uses.get()
    }

    /// Closes the descriptor used longest ago. Says whether there was one that can be opened again.
    fn close_one(&self) -> bool {
        let handles = self.handles.borrow();
        let idlest = handles
            .iter()
            .filter(|handle| !handle.nameless.get() && handle.is_open())
            .min_by_key(|handle| handle.used.get());
        let Some(handle) = idlest else {
            return false;
        };
        *handle.fd.borrow_mut() = None;
        self.open.set(self.open.get() - 1);
        true
    }

    /// Opens what is open of a file that is about to lose its name, so that it stays readable
    /// where there is room, and runs `change`. Files follow if it gives them another name.
    pub(super) fn around<T>(
        &self,
        losing: &FileName,
        moving: Option<&FileName>,
        change: impl FnOnce() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        // No file is opened or dropped before this is over.
        let handles = self.handles.borrow();
        let named = |name: &FileName, then: &dyn Fn(&Handle)| {
            let of = handles.iter().filter(|handle| handle.is_of(name));
            of.for_each(|handle| then(handle));
        };
        named(losing, &|handle| {
            if !handle.is_open() && self.open.get() < DESCRIPTORS_MAX {
                // What cannot be opened now is closed for good, and says so when it is used.
                let _ = handle.reopen();
            }
        });
        let answer = change()?;
        named(losing, &|handle| handle.nameless.set(true));
        if let Some(moving) = moving {
            named(moving, &|handle| handle.name.set(*losing));
        }
        Ok(answer)
    }
}

/// Opens a descriptor, closing idle ones of ours at the cap and while the host has none left.
fn open_descriptor(
    dir: &Directory,
    name: &FileName,
    open: impl Fn() -> Result<Fd, Errno>,
) -> Result<Fd, StorageError> {
    while dir.roll.open.get() >= DESCRIPTORS_MAX && dir.roll.close_one() {}
    let mut attempts = 0;
    loop {
        attempts += 1;
        match open() {
            Ok(fd) => return Ok(fd),
            Err(::wasi::ERRNO_MFILE | ::wasi::ERRNO_NFILE | ::wasi::ERRNO_NOMEM)
                if attempts < OPEN_ATTEMPTS && dir.roll.close_one() => {}
            Err(errno) => return Err(dir.refused(name, errno)),
        }
    }
}

/// Hosts wait where a named pipe is opened until somebody opens its other end, so it is not. What cannot be looked at is
/// refused by its opening.
fn refuse_pipes(dir: &Directory, name: &FileName) -> Result<(), StorageError> {
    match dir.fd.stat(name.as_bytes()) {
        Ok(stat) if ![FILETYPE_REGULAR_FILE, FILETYPE_SYMBOLIC_LINK].contains(&stat.filetype) => {
            Err(dir.refuses(ErrorKind::Denied, name, NO_FILE))
        }
        _ => Ok(()),
    }
}

/// What tells a regular file from another one, as far as the host knows.
fn identify(dir: &Directory, name: &FileName, fd: &Fd) -> Result<(u64, u64), StorageError> {
    let stat = fd.file_stat().map_err(|errno| dir.refused(name, errno))?;
    if stat.filetype != FILETYPE_REGULAR_FILE {
        return Err(dir.refuses(ErrorKind::Denied, name, NO_FILE));
    }
    Ok((stat.dev, stat.ino))
}
