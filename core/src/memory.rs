//! A directory in memory: the reference backend, honest about keeping nothing past the process.
//!
//! ```text
//! MemoryStorage -- clone --> the same directory      MemoryStorage -- deep_clone --> another one
//!   names:  FileName -> content (shared with open handles, so a removed file stays readable)
//! ```
//!
//! Invariant: `used` is the sum of what every named file is charged for.

mod bytes;

use crate::fallible;
use crate::prelude::*;
use crate::storage::{
    Access, Capabilities, ErrorKind, File, FileName, Host, Storage, StorageError,
};
use compat::collections::BTreeMap;
use compat::rc::Rc;
use core::cell::{Cell, RefCell, RefMut};

use bytes::Bytes;

/// Longest file, the same as on any platform that counts offsets in signed 64 bits.
const FILE_BYTES_MAX: u64 = i64::MAX as u64;

/// What the clock shows until it is set: 2026-01-01, so that no test depends on the day it runs.
pub(crate) const CLOCK_START_MS: u64 = 1_767_225_600_000;

/// A directory of files in memory, for tests and for stores that may be forgotten.
///
/// A clone is the same directory, so a test can drop a store and open it again;
/// [`MemoryStorage::deep_clone`] copies the bytes. Time stands still until it is set and the
/// entropy follows from the seed: the same calls always make the same bytes.
///
/// Nothing here survives the process, and [`Storage::capabilities`] says so: data and names are
/// never durable. [`MemoryStorage::with_capabilities`] claims something else for tests.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    dir: Rc<Directory>,
}

#[derive(Debug)]
struct Directory {
    files: RefCell<BTreeMap<FileName, Content>>,
    /// Bytes charged to named files; at most `capacity`.
    used: Cell<u64>,
    capacity: Cell<Option<u64>>,
    now_ms: Cell<Option<u64>>,
    /// State of the generator behind `entropy`.
    random: Cell<u64>,
    locked: Cell<bool>,
    capabilities: Cell<Capabilities>,
}

/// One file's bytes, shared by its name and its open handles.
type Content = Rc<RefCell<Bytes>>;

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStorage {
    /// An empty directory without a limit.
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An empty directory whose entropy follows from `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            dir: Rc::new(Directory {
                files: RefCell::default(),
                used: Cell::new(0),
                capacity: Cell::new(None),
                now_ms: Cell::new(Some(CLOCK_START_MS)),
                random: Cell::new(seed),
                locked: Cell::new(false),
                capabilities: Cell::new(Capabilities {
                    namespace_sync: false,
                    atomic_rename: true,
                    kernel_lock: true,
                    preallocate: true,
                    data_sync: false,
                }),
            }),
        }
    }

    /// The same directory claiming other capabilities: calls behind a `false` answer
    /// [`ErrorKind::Unsupported`], calls behind a `true` answer `Ok`.
    ///
    /// A test uses it to see how an engine treats a disk, or a host that can do less.
    #[must_use]
    pub fn with_capabilities(self, capabilities: Capabilities) -> Self {
        self.dir.capabilities.set(capabilities);
        self
    }

    /// Sets the clock of this directory, in milliseconds since 1970; `None` takes it away.
    pub fn set_now_ms(&self, now_ms: Option<u64>) {
        self.dir.now_ms.set(now_ms);
    }

    /// Limits the bytes of all files together; `None` lifts the limit. What is already there
    /// stays, also above a lower limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.dir.capacity.set(bytes);
    }

    /// Bytes that all files are charged for: what is stored or set aside, holes not counted.
    pub fn used_bytes(&self) -> u64 {
        self.dir.used.get()
    }

    /// Another directory with a copy of every byte, the same clock and the same next entropy, and
    /// nobody holding its lock. Costs one copy of everything, for which there must be memory.
    #[expect(
        clippy::disallowed_methods,
        reason = "for tests, which may abort where memory ends"
    )]
    pub fn deep_clone(&self) -> Self {
        let files = self.dir.files.borrow();
        let copies = files
            .iter()
            .map(|(name, content)| (*name, Rc::new(RefCell::new(content.borrow().clone()))))
            .collect();
        Self {
            dir: Rc::new(Directory {
                files: RefCell::new(copies),
                used: self.dir.used.clone(),
                capacity: self.dir.capacity.clone(),
                now_ms: self.dir.now_ms.clone(),
                random: self.dir.random.clone(),
                locked: Cell::new(false),
                capabilities: self.dir.capabilities.clone(),
            }),
        }
    }

    /// All bytes of a file, or `None` if there is no such file or its length exceeds the memory.
    pub fn bytes(&self, name: &FileName) -> Option<Vec<u8>> {
        let content = self.content(name).ok()?;
        let content = content.borrow();
        let mut bytes = fallible::zeroed(usize::try_from(content.len()).ok()?).ok()?;
        content.read(0, &mut bytes);
        Some(bytes)
    }

    /// Makes `bytes` the whole content of the file, creating it if absent. Open handles see it.
    /// Not held back by the capacity.
    #[expect(
        clippy::disallowed_methods,
        reason = "for tests, which may abort where memory ends"
    )]
    pub fn set_bytes(&self, name: &FileName, bytes: &[u8]) {
        let content = Rc::clone(self.dir.files.borrow_mut().entry(*name).or_default());
        let mut content = content.borrow_mut();
        self.dir.charge(&mut content, Bytes::clear);
        let capacity = self.dir.capacity.take();
        let written = self.dir.write(&mut content, 0, bytes);
        self.dir.capacity.set(capacity);
        debug_assert_eq!(written, Ok(()), "only memory itself can run out here");
    }

    fn content(&self, name: &FileName) -> Result<Content, StorageError> {
        let files = self.dir.files.borrow();
        files.get(name).cloned().ok_or_else(|| not_found(name))
    }

    fn handle(&self, content: Content, access: Access) -> MemoryFile {
        MemoryFile {
            dir: Rc::clone(&self.dir),
            content,
            access,
        }
    }
}

impl Storage for MemoryStorage {
    type File = MemoryFile;
    type Lock = MemoryLock;

    fn capabilities(&self) -> Capabilities {
        self.dir.capabilities.get()
    }

    fn create(&self, name: &FileName) -> Result<MemoryFile, StorageError> {
        let mut files = self.dir.files.borrow_mut();
        if files.contains_key(name) {
            return Err(StorageError::with_detail(ErrorKind::Exists, name.as_str()));
        }
        let content = Content::default();
        let entered = fallible::insert_in_tree(&mut files, *name, Rc::clone(&content));
        entered.map_err(|_| full())?;
        Ok(self.handle(content, Access::Write))
    }

    fn open(&self, name: &FileName, access: Access) -> Result<MemoryFile, StorageError> {
        Ok(self.handle(self.content(name)?, access))
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        Ok(self.dir.files.borrow().contains_key(name))
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        let files = self.dir.files.borrow();
        fallible::collect(files.keys().copied()).map_err(|_| full())
    }

    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError> {
        let mut files = self.dir.files.borrow_mut();
        let content = files.get(from).cloned().ok_or_else(|| not_found(from))?;
        let replaced = fallible::insert_in_tree(&mut files, *to, content).map_err(|_| full())?;
        if from != to {
            files.remove(from);
            if let Some(replaced) = replaced {
                self.dir.forget(&replaced);
            }
        }
        Ok(())
    }

    fn remove(&self, name: &FileName) -> Result<(), StorageError> {
        let mut files = self.dir.files.borrow_mut();
        let content = files.remove(name).ok_or_else(|| not_found(name))?;
        self.dir.forget(&content);
        Ok(())
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        if self.capabilities().namespace_sync {
            Ok(())
        } else {
            Err(unsupported("names in memory die with the process"))
        }
    }

    fn lock(&self) -> Result<MemoryLock, StorageError> {
        if !self.capabilities().kernel_lock {
            return Err(unsupported("this directory has no lock"));
        }
        if self.dir.locked.replace(true) {
            let holder = "held by another opener in this process";
            return Err(StorageError::with_detail(ErrorKind::Locked, holder));
        }
        Ok(MemoryLock {
            dir: Rc::clone(&self.dir),
        })
    }
}

impl Host for MemoryStorage {
    fn now_ms(&self) -> Option<u64> {
        self.dir.now_ms.get()
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        let mut bytes = [0; 16];
        for half in bytes.chunks_exact_mut(8) {
            half.copy_from_slice(&self.dir.next_random().to_le_bytes());
        }
        Ok(bytes)
    }
}

/// An open file of a [`MemoryStorage`].
#[derive(Clone, Debug)]
pub struct MemoryFile {
    dir: Rc<Directory>,
    content: Content,
    access: Access,
}

impl MemoryFile {
    fn writable(&self) -> Result<RefMut<'_, Bytes>, StorageError> {
        match self.access {
            Access::Write => Ok(self.content.borrow_mut()),
            Access::Read => Err(StorageError::with_detail(
                ErrorKind::Denied,
                "opened for reading",
            )),
        }
    }
}

impl File for MemoryFile {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.dir.write(&mut *self.writable()?, offset, bytes)
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        Ok(self.content.borrow().read(offset, into))
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn len(&self) -> Result<u64, StorageError> {
        Ok(self.content.borrow().len())
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        self.dir
            .charge(&mut *self.writable()?, |file| file.cut(len));
        Ok(())
    }

    fn preallocate(&self, len: u64) -> Result<(), StorageError> {
        if !self.dir.capabilities.get().preallocate {
            return Err(unsupported("space cannot be set aside"));
        }
        let mut content = self.writable()?;
        let more = len.saturating_sub(content.space());
        if more > self.dir.free(&content) {
            return Err(full());
        }
        content.allocate(len).map_err(|_| full())?;
        self.dir
            .charge(&mut content, |file| file.set_space_aside(len));
        Ok(())
    }
}

/// Holds the only writer's right to a [`MemoryStorage`] until dropped.
#[derive(Debug)]
pub struct MemoryLock {
    dir: Rc<Directory>,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.dir.locked.set(false);
    }
}

impl Directory {
    /// Writes as much of `bytes` as the capacity lets in, page by page, like a disk that runs full.
    fn write(&self, file: &mut Bytes, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > FILE_BYTES_MAX) {
            return Err(StorageError::with_detail(ErrorKind::Full, "file too large"));
        }
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let piece = rest.len().min(Bytes::left_in_page(at));
            let growth = file.growth(at, piece);
            let excess = growth.saturating_sub(file.set_aside().saturating_add(self.free(file)));
            let piece = piece.saturating_sub(usize::try_from(excess).unwrap_or(usize::MAX));
            if piece == 0 {
                return Err(full());
            }
            let mut written = Ok(());
            self.charge(file, |file| written = file.put(at, &rest[..piece]));
            written.map_err(|_| full())?;
            at += piece as u64;
            rest = &rest[piece..];
        }
        Ok(())
    }

    /// Changes a file and keeps `used` in step with it.
    fn charge(&self, file: &mut Bytes, change: impl FnOnce(&mut Bytes)) {
        let before = file.space();
        change(file);
        if !file.is_unnamed() {
            self.used.set(self.used.get() - before + file.space());
        }
    }

    fn forget(&self, content: &Content) {
        let mut content = content.borrow_mut();
        content.unname();
        self.used.set(self.used.get() - content.space());
    }

    /// Bytes this file may still grow by beyond what it is charged for.
    fn free(&self, file: &Bytes) -> u64 {
        match self.capacity.get() {
            Some(capacity) if !file.is_unnamed() => capacity.saturating_sub(self.used.get()),
            _ => u64::MAX,
        }
    }

    /// SplitMix64: short, and every seed gives a different sequence.
    fn next_random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn not_found(name: &FileName) -> StorageError {
    StorageError::with_detail(ErrorKind::NotFound, name.as_str())
}

fn full() -> StorageError {
    StorageError::with_detail(ErrorKind::Full, "memory is used up")
}

fn unsupported(why: &str) -> StorageError {
    StorageError::with_detail(ErrorKind::Unsupported, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        FileName::new(text).unwrap()
    }

    #[test]
    fn a_clone_is_the_same_directory_and_a_deep_clone_is_not() {
        let one = MemoryStorage::new();
        let (same, copy) = (one.clone(), one.deep_clone());
        one.create(&name("a")).unwrap().append(0, b"x").unwrap();
        assert_eq!(same.bytes(&name("a")), Some(b"x".to_vec()));
        assert_eq!(copy.bytes(&name("a")), None);
    }

    #[test]
    fn a_full_directory_takes_a_prefix_and_says_full() {
        let storage = MemoryStorage::new();
        storage.set_capacity(Some(10));
        let file = storage.create(&name("a")).unwrap();
        file.append(0, b"1234567").unwrap();
        let refused = file.append(7, b"89abcdef").unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Full);
        assert_eq!(storage.bytes(&name("a")).unwrap(), b"123456789a");
        assert_eq!(storage.used_bytes(), 10);
        storage.create(&name("b")).unwrap().append(0, b"").unwrap();
        storage.remove(&name("a")).unwrap();
        assert_eq!(storage.used_bytes(), 0);
    }

    #[test]
    fn preallocated_space_is_there_when_the_directory_is_full() {
        let storage = MemoryStorage::new();
        storage.set_capacity(Some(200_000));
        let reserve = storage.create(&name("reserve")).unwrap();
        reserve.preallocate(150_000).unwrap();
        let other = storage.create(&name("other")).unwrap();
        assert!(other.append(0, &[1; 60_000]).is_err());
        reserve.append(0, &[2; 150_000]).unwrap();
        assert_eq!(
            reserve.append(150_000, &[2]).unwrap_err().kind,
            ErrorKind::Full
        );
        reserve.truncate(0).unwrap();
        assert_eq!(storage.used_bytes(), 50_000);
    }

    #[test]
    fn a_hole_of_terabytes_costs_nothing_and_reads_as_zeros() {
        let storage = MemoryStorage::new();
        let file = storage.create(&name("a")).unwrap();
        let far = 5_000_000_000_000;
        file.append(far, b"end").unwrap();
        let mut into = [9; 5];
        assert_eq!(file.pread(far - 2, &mut into), Ok(5));
        assert_eq!(&into, b"\0\0end");
        assert_eq!(file.len(), Ok(far + 3));
        assert!(storage.used_bytes() <= 64 * 1024);
        assert_eq!(
            file.append(u64::MAX, b"xy").unwrap_err().kind,
            ErrorKind::Full
        );
    }

    #[test]
    fn pages_hide_nothing_at_their_borders() {
        let storage = MemoryStorage::new();
        let file = storage.create(&name("a")).unwrap();
        let mut model = Vec::new();
        for step in 0..40_u64 {
            let piece = vec![step as u8 + 1; 7_919];
            file.append(model.len() as u64, &piece).unwrap();
            model.extend_from_slice(&piece);
            if step % 9 == 8 {
                model.truncate(model.len() - 10_000);
                file.truncate(model.len() as u64).unwrap();
            }
        }
        assert_eq!(storage.bytes(&name("a")), Some(model.clone()));
        assert_eq!(storage.used_bytes(), model.len() as u64);
        storage.set_bytes(&name("a"), b"new");
        assert_eq!(storage.bytes(&name("a")).unwrap(), b"new");
        assert_eq!(storage.used_bytes(), 3);
    }
}
