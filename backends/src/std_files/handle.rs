//! Where an open file's descriptor sits, and how a call finds it.

use super::ahead::Ahead;
use super::file::Mapped;
use super::platform::{self, Identity};
use super::refusal::{refused, say};
use super::{Directory, StdFiles, pool};
use portcask_core::storage::{Access, ErrorKind, FileName, StorageError};
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// How often an open is tried again after closing an idle descriptor of ours.
const OPEN_ATTEMPTS: usize = 8;

/// What the clones of a [`StdFile`](super::StdFile) share.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) dir: Arc<Directory>,
    pub(super) access: Access,
    /// Follows renames through the same opener, while pooled.
    name: Mutex<FileName>,
    seat: Seat,
    /// If small appends may write zeros behind them.
    pub(super) ahead: Option<Ahead>,
}

/// Where the descriptor is.
#[derive(Debug)]
enum Seat {
    /// Here, until the handle is dropped.
    Resident(fs::File, Option<Mapped>),
    /// In the pool, which may close it while nobody uses it.
    Pooled(Pooled),
}

#[derive(Debug)]
struct Pooled {
    /// Held only to take a reference, never during a call on the file.
    file: Mutex<Option<Arc<fs::File>>>,
    /// What must be found under the name when it is opened again.
    identity: Identity,
    /// Used since the pool last looked.
    recent: AtomicBool,
    /// About to change or lose its name, or without one: once closed it could not be opened
    /// again. Changes only under the slot's lock.
    pinned: AtomicBool,
}

impl Handle {
    /// Opens or creates a file, and maps it if it may be and keeps its descriptor. Only a regular file is opened,
    /// whatever else has the name.
    pub(super) fn open(
        StdFiles { dir, maps }: &StdFiles,
        name: &FileName,
        access: Access,
        create: bool,
    ) -> Result<Arc<Self>, StorageError> {
        let (file, metadata) = open_descriptor(dir, name, access, create)?;
        let identity = Identity::of(&metadata);
        let mut ahead = None;
        let seat = if dir.pool.seat_resident() {
            let mapped = Mapped::new(&file, metadata.len(), access, *maps);
            if access == Access::Write && mapped.is_none() {
                ahead = Ahead::of(metadata.len());
            }
            Seat::Resident(file, mapped)
        } else {
            Seat::Pooled(Pooled {
                file: Mutex::new(Some(Arc::new(file))),
                identity,
                recent: AtomicBool::new(true),
                pinned: AtomicBool::new(false),
            })
        };
        let handle = Arc::new(Self {
            dir: Arc::clone(dir),
            access,
            name: Mutex::new(*name),
            seat,
            ahead,
        });
        if matches!(handle.seat, Seat::Pooled(_)) {
            dir.pool.enrol(&handle, name);
            dir.pool.queue(&handle);
        }
        Ok(handle)
    }

    /// Calls `io` on the open file, again while the system says it was interrupted.
    pub(super) fn call<T>(
        self: &Arc<Self>,
        mut io: impl FnMut(&fs::File) -> io::Result<T>,
    ) -> Result<T, StorageError> {
        let mut uninterrupted = |file: &fs::File| {
            loop {
                match io(file) {
                    Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                    answer => return answer,
                }
            }
        };
        let answer = match &self.seat {
            Seat::Resident(file, _) => uninterrupted(file),
            Seat::Pooled(pooled) => uninterrupted(&*self.descriptor(pooled)?),
        };
        answer.map_err(|cause| refused(&self.dir.path_of(&self.name()), cause))
    }

    /// The pooled descriptor, opened again if the pool has closed it.
    fn descriptor(self: &Arc<Self>, pooled: &Pooled) -> Result<Arc<fs::File>, StorageError> {
        if !pooled.recent.load(Ordering::Relaxed) {
            pooled.recent.store(true, Ordering::Relaxed);
        }
        let mut slot = pool::entered(&pooled.file);
        match &*slot {
            Some(file) => Ok(Arc::clone(file)),
            None if pooled.pinned.load(Ordering::Relaxed) => Err(self.gone()),
            None => self.reopen(pooled, &mut slot),
        }
    }

    /// Opens the closed descriptor again, unless the name has meanwhile become another file's.
    fn reopen(
        self: &Arc<Self>,
        pooled: &Pooled,
        slot: &mut Option<Arc<fs::File>>,
    ) -> Result<Arc<fs::File>, StorageError> {
        let opened = open_descriptor(&self.dir, &self.name(), self.access, false);
        let (file, metadata) = opened.map_err(|refusal| match refusal.kind {
            ErrorKind::NotFound => self.gone(),
            _ => refusal,
        })?;
        if Identity::of(&metadata) != pooled.identity {
            return Err(self.gone());
        }
        let file = slot.insert(Arc::new(file));
        self.dir.pool.queue(self);
        Ok(Arc::clone(file))
    }

    fn gone(&self) -> StorageError {
        let path = self.dir.words_for(&self.name());
        let words = format!("{path} is no longer the file that was opened");
        say(ErrorKind::Closed, words)
    }

    /// Closes the pooled descriptor unless it was used since the last look or could not be opened
    /// again. Says whether it did; a call under way keeps the descriptor until it is done.
    pub(super) fn evict(&self, even_if_recent: bool) -> bool {
        let Seat::Pooled(pooled) = &self.seat else {
            return false;
        };
        // Somebody is at the slot: the opposite of idle.
        let Ok(mut slot) = pooled.file.try_lock() else {
            return false;
        };
        let recent = pooled.recent.swap(false, Ordering::Relaxed);
        if pooled.pinned.load(Ordering::Relaxed) || (recent && !even_if_recent) {
            return false;
        }
        slot.take().is_some()
    }

    /// Keeps the pooled descriptor open over the loss of its name, opening it if there is room.
    /// Without one it is pinned closed, and then answers `Closed`.
    pub(super) fn pin(self: &Arc<Self>, room: bool) {
        if let Seat::Pooled(pooled) = &self.seat {
            let mut slot = pool::entered(&pooled.file);
            pooled.pinned.store(true, Ordering::Relaxed);
            if room && slot.is_none() {
                let _ = self.reopen(pooled, &mut slot);
            }
        }
    }

    pub(super) fn unpin(&self) {
        if let Seat::Pooled(pooled) = &self.seat {
            let _slot = pool::entered(&pooled.file);
            pooled.pinned.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        match &self.seat {
            Seat::Resident(..) => true,
            Seat::Pooled(pooled) => pool::entered(&pooled.file).is_some(),
        }
    }

    pub(super) fn name(&self) -> FileName {
        *pool::entered(&self.name)
    }

    pub(super) fn renamed(&self, to: &FileName) {
        *pool::entered(&self.name) = *to;
    }

    pub(super) fn mapped(&self) -> Option<&Mapped> {
        match &self.seat {
            Seat::Resident(_, mapped) => mapped.as_ref(),
            Seat::Pooled(_) => None,
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        match &self.seat {
            Seat::Resident(file, mapped) => {
                if let Some(mapped) = mapped {
                    mapped.leave(file);
                }
                if let Some(ahead) = &self.ahead {
                    // What cannot be given back are zeros, as after a process that died.
                    let _ = ahead.settle(&mut ahead.enter(), |at| file.set_len(at));
                }
                self.dir.pool.resident_left();
            }
            Seat::Pooled(_) => self.dir.pool.strike(&self.name(), self.is_open()),
        }
    }
}

/// Opens a regular file, closing idle descriptors of ours while the system has none left.
fn open_descriptor(
    dir: &Directory,
    name: &FileName,
    access: Access,
    create: bool,
) -> Result<(fs::File, fs::Metadata), StorageError> {
    dir.pool.make_room();
    let path = dir.path_of(name);
    let options = dir.open_options(access, create);
    let mut attempts = 0;
    let file = loop {
        attempts += 1;
        match options.open(&path) {
            Ok(file) => break file,
            Err(cause)
                if platform::is_out_of_descriptors(&cause)
                    && attempts < OPEN_ATTEMPTS
                    && dir.pool.close_one() => {}
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(refused(&path, cause)),
        }
    };
    let metadata = file.metadata().map_err(|cause| refused(&path, cause))?;
    if !metadata.is_file() {
        let words = format!("{} is not a regular file", path.display());
        return Err(say(ErrorKind::Denied, words));
    }
    Ok((file, metadata))
}
