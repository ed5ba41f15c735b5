//! One open file: where its descriptor sits, and the positional calls on it.

use super::mapping::{Mapping, Suits};
use super::platform::{self, Identity};
use super::refusal::{refused, say};
use super::window::End;
use super::{Directory, StdFiles, pool};
use portcask_core::storage::{Access, ErrorKind, File, FileName, StorageError};
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Largest file offset any platform takes.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// Longest read from a mapping: beyond it the copying costs more than the call, and the system reads ahead.
const MAPPED_READ_BYTES_MAX: usize = 16 << 10;

/// How often an open is tried again after closing an idle descriptor of ours.
const OPEN_ATTEMPTS: usize = 8;

/// An open file of a [`StdFiles`](super::StdFiles). Clones share the descriptor.
#[derive(Clone, Debug)]
pub struct StdFile {
    handle: Arc<Handle>,
}

/// What the clones of a [`StdFile`] share.
#[derive(Debug)]
pub(super) struct Handle {
    dir: Arc<Directory>,
    access: Access,
    /// Follows renames through the same opener, while pooled.
    name: Mutex<FileName>,
    seat: Seat,
}

/// Where the descriptor is.
#[derive(Debug)]
enum Seat {
    /// Here, until the handle is dropped.
    Resident(fs::File, Option<Mapped>),
    /// In the pool, which may close it while nobody uses it.
    Pooled(Pooled),
}

/// A file that may be mapped.
#[derive(Debug)]
struct Mapped {
    reads: Mapping,
    /// Where it is appended to, if that may be done through a window.
    end: Option<Mutex<End>>,
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
    ) -> Result<StdFile, StorageError> {
        let (file, metadata) = open_descriptor(dir, name, access, create)?;
        let identity = Identity::of(&metadata);
        let seat = if dir.pool.seat_resident() {
            let mapped = Mapped::new(&file, metadata.len(), access, *maps);
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
        });
        if matches!(handle.seat, Seat::Pooled(_)) {
            dir.pool.enrol(&handle, name);
            dir.pool.queue(&handle);
        }
        Ok(StdFile { handle })
    }

    /// Calls `io` on the open file, again while the system says it was interrupted.
    fn call<T>(
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

    fn mapped(&self) -> Option<&Mapped> {
        match &self.seat {
            Seat::Resident(_, mapped) => mapped.as_ref(),
            Seat::Pooled(_) => None,
        }
    }

    /// The file in memory, for reads of this many bytes.
    fn mapping(&self, bytes: usize) -> Option<&Mapping> {
        let mapped = self.mapped().filter(|_| bytes <= MAPPED_READ_BYTES_MAX);
        mapped.map(|mapped| &mapped.reads)
    }

    /// The file's end, if it may be appended to through a window.
    fn end(&self) -> Option<MutexGuard<'_, End>> {
        self.mapped()?.end.as_ref().map(pool::entered)
    }

    /// Makes the file as long as what was appended.
    fn settle(self: &Arc<Self>, end: Option<&mut End>) -> Result<(), StorageError> {
        match end {
            Some(end) => self.call(|file| end.settle(file)),
            None => Ok(()),
        }
    }

    /// How many of these bytes are not behind the file's end, as far as that is known here.
    fn bytes_before_end(&self, offset: u64, bytes: usize) -> usize {
        match self.end().and_then(|end| end.told()) {
            Some(end) => bytes.min(usize::try_from(end.saturating_sub(offset)).unwrap_or(bytes)),
            None => bytes,
        }
    }

    fn write(self: &Arc<Self>, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            done += self.call(|file| match platform::write_at(file, &bytes[done..], at)? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                count => Ok(count),
            })?;
        }
        Ok(())
    }

    fn can_set_aside(&self) -> Result<(), StorageError> {
        if self.dir.capabilities.preallocate {
            return Ok(());
        }
        let words = format!(
            "{}: space cannot be set aside here",
            self.dir.path.display()
        );
        Err(say(ErrorKind::Unsupported, words))
    }

    fn must_be_writable(&self) -> Result<(), StorageError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => {
                let words = format!(
                    "{} was opened for reading",
                    self.dir.words_for(&self.name())
                );
                Err(say(ErrorKind::Denied, words))
            }
        }
    }
}

impl Mapped {
    fn new(file: &fs::File, len: u64, access: Access, suits: Suits) -> Option<Self> {
        let writes = access == Access::Write;
        let reads = suits
            .reads
            .then(|| Mapping::of(file, len, writes))
            .flatten()?;
        let end = (suits.appends && writes).then(|| End::of(len)).flatten();
        let end = end.map(Mutex::new);
        Some(Self { reads, end })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        match &self.seat {
            Seat::Resident(file, mapped) => {
                if let Some(end) = mapped.as_ref().and_then(|mapped| mapped.end.as_ref()) {
                    // What cannot be given back are zeros, as after a process that died.
                    let _ = pool::entered(end).settle(file);
                }
                self.dir.pool.resident_left();
            }
            Seat::Pooled(_) => self.dir.pool.strike(&self.name(), self.is_open()),
        }
    }
}

impl File for StdFile {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let handle = &self.handle;
        handle.must_be_writable()?;
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > OFFSET_MAX) {
            let words = format!(
                "{}: no file is that long",
                handle.dir.words_for(&handle.name())
            );
            return Err(say(ErrorKind::Full, words));
        }
        let Some(mapped) = handle.mapped() else {
            return handle.write(offset, bytes);
        };
        let mut end = handle.end();
        let through_window = match &mut end {
            Some(end) => handle.call(|file| Ok(end.append(file, offset, bytes)))?,
            None => false,
        };
        if !through_window {
            handle.settle(end.as_deref_mut())?;
            let done = handle.write(offset, bytes);
            match (&mut end, &done) {
                (Some(end), Ok(())) => end.reached(offset + bytes.len() as u64),
                (Some(end), Err(_)) => end.retire(),
                (None, _) => {}
            }
            done?;
        }
        mapped.reads.appended(offset + bytes.len() as u64);
        Ok(())
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let mapping = self.handle.mapping(into.len());
        if mapping.is_some_and(|mapping| mapping.read(offset, into)) {
            return Ok(into.len());
        }
        let bytes = self.handle.bytes_before_end(offset, into.len());
        let into = &mut into[..bytes];
        let mut done = 0;
        while done < into.len() {
            let Some(at) = offset
                .checked_add(done as u64)
                .filter(|at| *at <= OFFSET_MAX)
            else {
                break;
            };
            match self
                .handle
                .call(|file| platform::read_at(file, &mut into[done..], at))?
            {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    fn pread_into(
        &self,
        offset: u64,
        bytes: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        let mapping = self.handle.mapping(bytes);
        if mapping.is_some_and(|mapping| mapping.read_into(offset, bytes, into)) {
            return Ok(());
        }
        let bytes = self.handle.bytes_before_end(offset, bytes);
        // All of the room is read into, so there must not be much more of it than was asked for.
        let fresh = into.len() < bytes && into.capacity() <= bytes + bytes / 8 + 64;
        if !fresh || offset > OFFSET_MAX - into.capacity() as u64 {
            into.resize(bytes, 0);
            let got = self.pread(offset, into)?;
            into.truncate(got);
            return Ok(());
        }
        into.clear();
        while into.len() < bytes {
            let at = offset + into.len() as u64;
            if self
                .handle
                .call(|file| platform::read_behind(file, into, at))?
                == 0
            {
                break;
            }
        }
        into.truncate(bytes);
        Ok(())
    }

    fn approach(&self, offset: u64, bytes: u64) {
        if let Some(mapping) = self.handle.mapping(0) {
            mapping.approach(offset, bytes);
        }
    }

    fn sync(&self) -> Result<(), StorageError> {
        if let Some(mut end) = self.handle.end() {
            self.handle.settle(Some(&mut end))?;
            end.start_over();
        }
        self.handle.call(fs::File::sync_data)
    }

    fn len(&self) -> Result<u64, StorageError> {
        let end = self.handle.end();
        match end.as_ref().and_then(|end| end.told()) {
            Some(end) => Ok(end),
            None => self.handle.call(|file| Ok(file.metadata()?.len())),
        }
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        self.handle.must_be_writable()?;
        let mapping = self.handle.mapping(0);
        let mut end = self.handle.end();
        self.handle.settle(end.as_deref_mut())?;
        let done = self.handle.call(|file| match file.metadata()?.len() > len {
            true if mapping.is_some_and(|mapping| !mapping.cut(len)) => {
                Err(io::ErrorKind::OutOfMemory.into())
            }
            true => file.set_len(len),
            false => Ok(()),
        });
        if let Some(end) = &mut end
            && done.is_ok()
        {
            end.cut(len);
        }
        done
    }

    fn lengthen(&self, end: u64, bytes: u64) -> Result<u64, StorageError> {
        let handle = &self.handle;
        handle.must_be_writable()?;
        handle.can_set_aside()?;
        // A window's zeros are cut off before the next sync, and these would be with them.
        handle.settle(handle.end().as_deref_mut())?;
        let to = end.saturating_add(bytes).min(OFFSET_MAX);
        handle.call(|file| match platform::has_room(file, bytes)? {
            true => platform::lengthen(file, end, to),
            false => Err(io::ErrorKind::StorageFull.into()),
        })?;
        Ok(to)
    }

    fn preallocate(&self, len: u64) -> Result<(), StorageError> {
        let handle = &self.handle;
        handle.must_be_writable()?;
        handle.can_set_aside()?;
        if len == 0 {
            return Ok(());
        }
        handle.call(|file| platform::preallocate(file, len.min(OFFSET_MAX)))
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
