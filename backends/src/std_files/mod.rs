//! A directory of ordinary files through `std`: the backend of servers and desktops.
//!
//! ```text
//! StdFiles -- clone --> the same opener
//!   Directory   absolute path, an open handle of it for its sync, what the platform can promise
//!   Pool        how many descriptors are open; closes the idlest of the evictable ones
//! StdFile -- clone --> the same Handle, in one of two seats
//!   resident    keeps its descriptor until dropped; a read costs the system call and no lock, or a copy
//!               from a mapping if the user chose that
//!   pooled      beyond three quarters of the cap: may be closed, and is opened again when used
//! ```
//!
//! What the platforms promise, found out at each open and told by `capabilities()`:
//!
//! * **Linux**: `fdatasync` for bytes and length, `fsync` of the directory for names, `flock`.
//! * **macOS**: both syncs are `F_FULLFSYNC`, which reaches the medium; a file system that refuses
//!   it answers an error and not a weaker sync. Nothing is preallocated.
//! * **Windows**: `FlushFileBuffers` for bytes; a directory cannot be synced, so names are as
//!   durable as the file system's own journal makes them, and this backend does not claim it.
//!
//! On Linux a file that many small appends go to without a sync in between is up to 32 KiB longer than what was
//! appended, by zeros (`ahead`).
//!
//! Symbolic links: the directory may be one and is resolved once, at open; a file in it may not.

mod ahead;
mod file;
mod handle;
mod lock;
mod pool;
mod refusal;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[allow(unsafe_code)]
mod mapping;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
#[path = "no_mapping.rs"]
mod mapping;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[allow(unsafe_code)]
mod window;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
#[path = "no_window.rs"]
mod window;

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

pub use file::StdFile;
pub use lock::StdLock;

use mapping::Suits;
use platform::Identity;
use pool::Pool;
use portcask_core::storage::{
    Access, Capabilities, ErrorKind, FileName, Host, Storage, StorageError,
};
use refusal::{refused, say};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Most file descriptors one opener uses, unless it is told otherwise.
pub const DESCRIPTORS_DEFAULT: usize = 512;

/// A directory of the file system as [`Storage`]. Cheap to clone; clones share everything.
///
/// Opening more files than descriptors is fine: a hundred thousand open [`StdFile`]s share what
/// [`StdFiles::open_capped`] allows.
#[derive(Clone, Debug)]
pub struct StdFiles {
    dir: Arc<Directory>,
    /// What files that this clone opens are mapped for.
    maps: Suits,
}

/// What all clones and all open files share.
#[derive(Debug)]
struct Directory {
    /// Absolute and without symbolic links, so that a later `chdir` changes nothing.
    path: PathBuf,
    /// Open for its sync; `None` where the platform opens no directories.
    handle: Option<fs::File>,
    /// Opened by [`StdFiles::open`]: may create, rename, remove and lock.
    writable: bool,
    capabilities: Capabilities,
    pool: Pool,
}

impl StdFiles {
    /// Opens a directory for reading and writing. Creates its last component if absent, never its
    /// parents, and syncs the parent so that the directory itself survives a power loss.
    ///
    /// Errors with `NotFound` if the parent is missing, `Exists` if a file stands in the
    /// directory's place, `Denied` if the directory cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::open_capped(path, default_descriptors())
    }

    /// [`StdFiles::open`] with at most `descriptors` open at a time, and at least four.
    pub fn open_capped(path: impl AsRef<Path>, descriptors: usize) -> Result<Self, StorageError> {
        let path = path.as_ref();
        create_last_component(path)?;
        let storage = Self::build(path, true, descriptors)?;
        sync_parent(&storage.dir.path)?;
        Ok(storage)
    }

    /// Opens an existing directory for reading. Creates nothing, writes nothing and takes no
    /// lock; calls that would answer `Denied`.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::build(path.as_ref(), false, default_descriptors())
    }

    /// Lets small reads of files that are opened from now on, and small appends to them, go through mappings instead
    /// of system calls. An append survives the process as before.
    ///
    /// A mapping turns into a signal that ends the process (`SIGBUS`), where a system call would answer an error: a
    /// sector that cannot be read, a device that fails, and a file that another program cuts while it is open. A file
    /// that was cut before it was opened, a full disk, and what this opener itself does to its files stay errors.
    ///
    /// A file that is being appended to is up to 1 MiB longer than what was appended, by zeros, until it is synced or
    /// closed; a process that dies leaves them there, and the next opening takes them for nothing.
    ///
    /// Works on 64-bit Linux with ext4, xfs and tmpfs, and for reads with btrfs, f2fs and overlayfs too, for files
    /// that keep their descriptor; elsewhere nothing changes, which [`StdFiles::is_mapped`] tells. Takes 4 GiB of
    /// addresses, not of memory, for each file that is open for writing, and as many as it is long for each other.
    #[must_use]
    pub fn mapped(mut self) -> Self {
        let dir = &self.dir;
        self.maps = Suits::found_out(dir.handle.as_ref(), &dir.path, dir.writable);
        self
    }

    /// Whether files that are opened now are mapped.
    pub fn is_mapped(&self) -> bool {
        self.maps.reads
    }

    /// The directory's absolute path.
    pub fn path(&self) -> &Path {
        &self.dir.path
    }

    /// Descriptors of files that are open now; the directory's own and the lock's not counted.
    pub fn open_descriptors(&self) -> usize {
        self.dir.pool.open_count()
    }

    fn build(path: &Path, writable: bool, descriptors: usize) -> Result<Self, StorageError> {
        let path = resolve(path)?;
        // The listing is asked for here so that an unreadable directory is refused at once.
        fs::read_dir(&path).map_err(|cause| refused(&path, cause))?;
        let handle = platform::open_directory(&path).map_err(|cause| refused(&path, cause))?;
        let capabilities = Capabilities {
            namespace_sync: directory_syncs(&path, handle.as_ref())?,
            atomic_rename: platform::ATOMIC_RENAME,
            kernel_lock: platform::locks(handle.as_ref()),
            preallocate: writable && platform::preallocates(&path),
            data_sync: true,
        };
        Ok(Self {
            dir: Arc::new(Directory {
                path,
                handle,
                writable,
                capabilities,
                pool: Pool::new(descriptors),
            }),
            maps: Suits::default(),
        })
    }

    fn must_be_writable(&self) -> Result<(), StorageError> {
        if self.dir.writable {
            return Ok(());
        }
        let words = format!("{} is open for reading only", self.dir.path.display());
        Err(say(ErrorKind::Denied, words))
    }
}

impl Storage for StdFiles {
    type File = StdFile;
    type Lock = StdLock;

    fn capabilities(&self) -> Capabilities {
        self.dir.capabilities
    }

    fn create(&self, name: &FileName) -> Result<StdFile, StorageError> {
        self.must_be_writable()?;
        StdFile::open(self, name, Access::Write, true)
    }

    fn open(&self, name: &FileName, access: Access) -> Result<StdFile, StorageError> {
        if access == Access::Write {
            self.must_be_writable()?;
        }
        StdFile::open(self, name, access, false)
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        let path = self.dir.path_of(name);
        match fs::symlink_metadata(&path) {
            Ok(found) => Ok(found.is_file()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(refused(&path, cause)),
        }
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        let whole = |cause| refused(&self.dir.path, cause);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir.path).map_err(whole)? {
            let entry = entry.map_err(whole)?;
            let Some(name) = entry.file_name().to_str().and_then(FileName::new) else {
                continue;
            };
            match entry.file_type() {
                Ok(kind) if kind.is_file() => names.push(name),
                Ok(_) => {}
                // Removed since the listing began.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(whole(cause)),
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError> {
        self.must_be_writable()?;
        if from == to {
            return match self.exists(from)? {
                true => Ok(()),
                false => Err(say(ErrorKind::NotFound, self.dir.words_for(from))),
            };
        }
        let moving = self.dir.pool.pin(from, false);
        let replaced = self.dir.pool.pin(to, true);
        let done = fs::rename(self.dir.path_of(from), self.dir.path_of(to));
        if done.is_ok() {
            self.dir.pool.renamed(&moving, from, to);
        } else {
            self.dir.pool.unpin(&replaced);
        }
        self.dir.pool.unpin(&moving);
        done.map_err(|cause| refused(&self.dir.path_of(from), cause))
    }

    fn remove(&self, name: &FileName) -> Result<(), StorageError> {
        self.must_be_writable()?;
        let open = self.dir.pool.pin(name, true);
        fs::remove_file(self.dir.path_of(name)).map_err(|cause| {
            self.dir.pool.unpin(&open);
            refused(&self.dir.path_of(name), cause)
        })
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        match &self.dir.handle {
            Some(handle) if self.dir.capabilities.namespace_sync => handle
                .sync_all()
                .map_err(|cause| refused(&self.dir.path, cause))
                .and_then(|()| self.dir.refuse_removed()),
            _ => Err(say(
                ErrorKind::Unsupported,
                format!(
                    "{}: directories cannot be synced here",
                    self.dir.path.display()
                ),
            )),
        }
    }

    fn lock(&self) -> Result<StdLock, StorageError> {
        self.must_be_writable()?;
        if !self.dir.capabilities.kernel_lock {
            let words = format!("{}: no file locks here", self.dir.path.display());
            return Err(say(ErrorKind::Unsupported, words));
        }
        StdLock::take(&self.dir.path)
    }
}

impl Host for StdFiles {
    fn now_ms(&self) -> Option<u64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok()
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|cause| say(ErrorKind::Io, cause.to_string()))?;
        Ok(bytes)
    }
}

impl Directory {
    /// Files outlive their directory while they are open, and their sync goes on succeeding: it would be no promise,
    /// as nobody can ever open them again.
    fn refuse_removed(&self) -> Result<(), StorageError> {
        let Some(handle) = &self.handle else {
            return Ok(());
        };
        let found = handle.metadata();
        let found = found.map_err(|cause| refused(&self.path, cause))?;
        // A file system that counts no links is believed only where the name does not lead here either.
        let is_here = |named: fs::Metadata| Identity::of(&named) == Identity::of(&found);
        if platform::is_removed(&found) && !fs::metadata(&self.path).is_ok_and(is_here) {
            let words = format!("{}: the directory was removed", self.path.display());
            return Err(say(ErrorKind::Closed, words));
        }
        Ok(())
    }

    fn path_of(&self, name: &FileName) -> PathBuf {
        self.path.join(name.as_str())
    }

    fn words_for(&self, name: &FileName) -> String {
        self.path_of(name).display().to_string()
    }

    fn open_options(&self, access: Access, create: bool) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Write);
        options.create_new(create);
        platform::refuse_surprises(&mut options);
        options
    }
}

/// At most half of what this process may open, less one: the application needs the other half.
fn default_descriptors() -> usize {
    let half =
        platform::descriptor_limit().map_or(usize::MAX, |limit| (limit / 2).saturating_sub(1));
    half.min(DESCRIPTORS_DEFAULT)
}

/// Makes the directory unless it is there; says what is wrong with its place otherwise.
fn create_last_component(path: &Path) -> Result<(), StorageError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(()),
        // Whatever stands there is judged by `resolve`.
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(Path::new(""));
            let words = match parent.as_os_str().is_empty() {
                true => "the path of the directory is empty".into(),
                false => format!(
                    "{}: its parent {} does not exist; create that first",
                    path.display(),
                    parent.display()
                ),
            };
            Err(say(ErrorKind::NotFound, words))
        }
        // `/` and the like answer other words, and a read-only place may hold the directory.
        Err(_) if path.is_dir() => Ok(()),
        Err(cause) => Err(refused(path, cause)),
    }
}

/// The absolute path of an existing directory.
fn resolve(path: &Path) -> Result<PathBuf, StorageError> {
    let resolved = fs::canonicalize(path).map_err(|cause| {
        if path.is_symlink() {
            let words = format!("{} is a symbolic link to nowhere", path.display());
            return say(ErrorKind::NotFound, words);
        }
        refused(path, cause)
    })?;
    if !resolved.is_dir() {
        let words = format!("{} is a file, not a directory", path.display());
        return Err(say(ErrorKind::Exists, words));
    }
    Ok(resolved)
}

/// Really syncs the directory once: whether the platform can.
fn directory_syncs(path: &Path, handle: Option<&fs::File>) -> Result<bool, StorageError> {
    let Some(handle) = handle else {
        return Ok(false);
    };
    match handle.sync_all() {
        Ok(()) => Ok(true),
        Err(cause) if refusal::means_unable(&cause) => Ok(false),
        Err(cause) => Err(refused(path, cause)),
    }
}

/// Makes the directory's own name durable, also when an earlier opener that created it died
/// before it could. A parent that this process may not read is left as it is: so were all the
/// directories that people make by hand.
fn sync_parent(path: &Path) -> Result<(), StorageError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let Ok(Some(handle)) = platform::open_directory(parent) else {
        return Ok(());
    };
    directory_syncs(parent, Some(&handle)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_and_its_files_can_be_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<StdFiles>();
        shared::<StdFile>();
        shared::<StdLock>();
    }
}
