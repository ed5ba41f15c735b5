//! A preopened directory of a WASI host, through the positional calls of preview 1.
//!
//! ```text
//! WasiDir -- clone --> the same opener
//!   Directory   the descriptor the names are looked up in, and what the host can promise
//!   Roll        the open files, on at most a hundred descriptors
//! ```
//!
//! What hosts promise, tried at each open and told by `capabilities()`:
//!
//! * **Bytes**: `fd_datasync` reaches the host's own sync.
//! * **Names**: syncing a directory works under Node and is refused by wasmtime, wasmi and Deno.
//!   Where it is refused, nothing that this crate could do instead would be a promise.
//! * **Exclusion**: preview 1 has no file locks; two writers are told apart by the engine's fence.
//! * **Space** is not set aside: `fd_allocate` is refused by the hosts that matter most.
//!
//! Names are looked up without following symbolic links. Every offset is checked here before a
//! host sees it, because some hosts answer impossible ones with a trap.

#[allow(unsafe_code)]
mod calls;
mod file;
mod guest_path;
mod listing;

pub use file::{DESCRIPTORS_MAX, WasiFile};

use ::wasi::{self as p1};
use alloc::rc::Rc;
use alloc::vec::Vec;
use calls::{Errno, Fd};
use file::Roll;
use guest_path::Misfit;
use portcask_core::storage::{
    Access, Capabilities, ErrorKind, FileName, Host, Storage, StorageError,
};

/// What names a directory: a path, or its bytes where there is no standard library.
#[cfg(feature = "std")]
pub type Path = std::path::Path;
/// What names a directory: a path, or its bytes where there is no standard library.
#[cfg(not(feature = "std"))]
pub type Path = [u8];

/// A directory the host has opened for this guest, or one below it, as [`Storage`]. Cheap to
/// clone; clones share everything.
#[derive(Clone, Debug)]
pub struct WasiDir {
    dir: Rc<Directory>,
}

/// What all clones and all open files share.
#[derive(Debug)]
struct Directory {
    /// The guest's name for it, without a trailing slash, for words to people.
    path: Vec<u8>,
    fd: Fd,
    /// Opened by [`WasiDir::open`]: may create, rename and remove.
    writable: bool,
    capabilities: Capabilities,
    roll: Roll,
}

/// Never made: preview 1 has no lock that dies with its owner.
#[derive(Debug)]
pub enum WasiLock {}

impl WasiDir {
    /// Opens a directory for reading and writing: a preopened one, or one below it. Creates its
    /// last component if absent, never its parents.
    ///
    /// Errors with `NotFound` if the host has opened no directory that covers the path or the
    /// parent is missing, `Exists` if a file stands in the directory's place, `Denied` if the path
    /// climbs with `..`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::build(path.as_ref(), true)
    }

    /// Opens an existing directory for reading. Creates and writes nothing; calls that would
    /// answer `Denied`.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::build(path.as_ref(), false)
    }

    fn build(path: &Path, writable: bool) -> Result<Self, StorageError> {
        let path = bytes_of(path);
        let mut preopens = calls::preopens().map_err(|errno| refused(&[path], errno))?;
        let names = || preopens.iter().map(|(_, name)| name.as_slice());
        let (index, rest) =
            guest_path::resolve(path, names()).map_err(|misfit| misfits(path, misfit, names()))?;
        let (preopen, _) = preopens.swap_remove(index);
        let fd = match rest.as_slice() {
            [] => preopen,
            rest => open_below(path, &preopen, rest, writable)?,
        };
        let namespace_sync = directory_syncs(path, &fd)?;
        Ok(Self {
            dir: Rc::new(Directory {
                path: path.strip_suffix(b"/").unwrap_or(path).to_vec(),
                fd,
                writable,
                capabilities: Capabilities {
                    namespace_sync,
                    atomic_rename: true,
                    kernel_lock: false,
                    preallocate: false,
                    data_sync: true,
                },
                roll: Roll::default(),
            }),
        })
    }

    fn must_be_writable(&self) -> Result<(), StorageError> {
        if self.dir.writable {
            return Ok(());
        }
        let words = " is open for reading only";
        Err(say(ErrorKind::Denied, &[&self.dir.path], &[words]))
    }

    /// Every file of the directory with a name that the engine could use.
    fn files_here(&self) -> Result<Vec<FileName>, StorageError> {
        listing::files(
            |into, cookie| {
                let filled = self.dir.fd.read_directory(into, cookie);
                filled.map_err(|errno| refused(&[&self.dir.path], errno))
            },
            |name| self.exists(name),
        )
    }
}

impl Storage for WasiDir {
    type File = WasiFile;
    type Lock = WasiLock;

    fn capabilities(&self) -> Capabilities {
        self.dir.capabilities
    }

    fn create(&self, name: &FileName) -> Result<WasiFile, StorageError> {
        self.must_be_writable()?;
        WasiFile::create(&self.dir, name)
    }

    fn open(&self, name: &FileName, access: Access) -> Result<WasiFile, StorageError> {
        if access == Access::Write {
            self.must_be_writable()?;
        }
        WasiFile::open(&self.dir, name, access)
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        match self.dir.fd.stat(name.as_bytes()) {
            Ok(stat) => Ok(stat.filetype == p1::FILETYPE_REGULAR_FILE),
            Err(p1::ERRNO_NOENT) => Ok(false),
            Err(errno) => Err(self.dir.refused(name, errno)),
        }
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        self.files_here()
    }

    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError> {
        self.must_be_writable()?;
        if from == to {
            return match self.exists(from)? {
                true => Ok(()),
                false => Err(self.dir.refused(from, p1::ERRNO_NOENT)),
            };
        }
        self.dir.roll.around(to, Some(from), || {
            let renamed = self.dir.fd.rename(from.as_bytes(), to.as_bytes());
            renamed.map_err(|errno| self.dir.refused(from, errno))
        })
    }

    fn remove(&self, name: &FileName) -> Result<(), StorageError> {
        self.must_be_writable()?;
        self.dir.roll.around(name, None, || {
            let removed = self.dir.fd.unlink(name.as_bytes());
            removed.map_err(|errno| self.dir.refused(name, errno))
        })
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        if !self.dir.capabilities.namespace_sync {
            let words = ": this host cannot sync a directory";
            return Err(say(ErrorKind::Unsupported, &[&self.dir.path], &[words]));
        }
        let synced = self.dir.fd.sync_directory();
        synced.map_err(|errno| refused(&[&self.dir.path], errno))
    }

    fn lock(&self) -> Result<WasiLock, StorageError> {
        let words = "WASI preview 1 has no file locks";
        Err(say(ErrorKind::Unsupported, &[], &[words]))
    }
}

impl Host for WasiDir {
    fn now_ms(&self) -> Option<u64> {
        match calls::now_ns() {
            // A host without a clock may answer with nothing at all.
            Ok(0) | Err(_) => None,
            Ok(ns) => Some(ns / 1_000_000),
        }
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        let mut bytes = [0; 16];
        calls::random(&mut bytes).map_err(|errno| refused(&[b"random_get"], errno))?;
        Ok(bytes)
    }
}

impl Directory {
    /// What the host refused to do with a file.
    fn refused(&self, name: &FileName, errno: Errno) -> StorageError {
        refused(&[&self.path, b"/", name.as_bytes()], errno)
    }

    /// A refusal that is this opener's own.
    fn refuses(&self, kind: ErrorKind, name: &FileName, words: &str) -> StorageError {
        say(kind, &[&self.path, b"/", name.as_bytes()], &[words])
    }
}

/// The path as the host takes it.
fn bytes_of(path: &Path) -> &[u8] {
    #[cfg(feature = "std")]
    return path.as_os_str().as_encoded_bytes();
    #[cfg(not(feature = "std"))]
    path
}

/// Opens a directory below a preopened one. A writer makes its last component if absent, and
/// syncs the parent where the host can, so that the directory itself survives a power loss.
fn open_below(path: &[u8], preopen: &Fd, rest: &[u8], writable: bool) -> Result<Fd, StorageError> {
    let opened = match preopen.open_directory(rest) {
        Err(p1::ERRNO_NOENT) if writable => match preopen.create_directory(rest) {
            Ok(()) | Err(p1::ERRNO_EXIST) => preopen.open_directory(rest),
            Err(p1::ERRNO_NOENT) => {
                let words = ": its parent does not exist; create that first";
                return Err(say(ErrorKind::NotFound, &[path], &[words]));
            }
            Err(errno) => Err(errno),
        },
        answer => answer,
    };
    let fd = opened.map_err(|errno| match preopen.stat(rest) {
        Ok(stat) if stat.filetype == p1::FILETYPE_REGULAR_FILE => {
            say(ErrorKind::Exists, &[path], &[" is a file, not a directory"])
        }
        _ => refused(&[path], errno),
    })?;
    if writable {
        match rest.iter().rposition(|byte| *byte == b'/') {
            None => directory_syncs(path, preopen)?,
            Some(slash) => match preopen.open_directory(&rest[..slash]) {
                Ok(parent) => directory_syncs(path, &parent)?,
                Err(_) => false,
            },
        };
    }
    Ok(fd)
}

/// Really syncs the directory once: whether the host can.
fn directory_syncs(path: &[u8], fd: &Fd) -> Result<bool, StorageError> {
    match fd.sync_directory() {
        Ok(()) => Ok(true),
        Err(errno @ p1::ERRNO_IO) => Err(refused(&[path], errno)),
        Err(_) => Ok(false),
    }
}

/// Why the host's directories do not do, in words that say what to type.
fn misfits<'a>(
    path: &'a [u8],
    misfit: Misfit,
    names: impl Iterator<Item = &'a [u8]>,
) -> StorageError {
    match misfit {
        Misfit::Empty => say(
            ErrorKind::NotFound,
            &[],
            &["the path of the directory is empty"],
        ),
        Misfit::Climbs => {
            let words = " leaves the directory that the host has opened, by \"..\"";
            say(ErrorKind::Denied, &[path], &[words])
        }
        Misfit::Uncovered => {
            let mut names = names.peekable();
            let opened: &[u8] = match names.peek() {
                None => b": the host has opened no directory",
                Some(_) => b": the host has opened only ",
            };
            let listed = names.flat_map(|name| [b", ", name]).skip(1);
            let advice = [b"; run it with --dir ", path];
            let words = [path, opened].into_iter().chain(listed).chain(advice);
            StorageError::with_words(ErrorKind::NotFound, text_of(words))
        }
    }
}

/// A refusal in these words, about what the first ones name.
fn say(kind: ErrorKind, path: &[&[u8]], words: &[&str]) -> StorageError {
    let path = text_of(path.iter().copied());
    StorageError::with_words(kind, path.chain(words.iter().copied()))
}

/// Of each piece of a path, what is text.
fn text_of<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a str> {
    pieces.flat_map(|piece| piece.utf8_chunks().map(|chunk| chunk.valid()))
}

/// What the host refused to do with this path.
fn refused(path: &[&[u8]], errno: Errno) -> StorageError {
    let kind = match errno {
        p1::ERRNO_NOENT | p1::ERRNO_NOTDIR => ErrorKind::NotFound,
        p1::ERRNO_EXIST => ErrorKind::Exists,
        p1::ERRNO_NOSPC | p1::ERRNO_DQUOT | p1::ERRNO_FBIG => ErrorKind::Full,
        p1::ERRNO_ACCES
        | p1::ERRNO_PERM
        | p1::ERRNO_ROFS
        | p1::ERRNO_NOTCAPABLE
        | p1::ERRNO_ISDIR
        | p1::ERRNO_LOOP => ErrorKind::Denied,
        p1::ERRNO_NOTSUP | p1::ERRNO_NOSYS => ErrorKind::Unsupported,
        p1::ERRNO_BADF => ErrorKind::Closed,
        _ => ErrorKind::Io,
    };
    words_for(kind, path, errno)
}

#[cfg(not(feature = "small"))]
fn words_for(kind: ErrorKind, path: &[&[u8]], errno: Errno) -> StorageError {
    let words = message(errno).trim_end_matches('.');
    say(kind, path, &[": ", words, " (", errno.name(), ")"])
}

/// Kept apart: woven into its caller, the choice among 77 sentences would be made 77 times over.
#[cfg(not(feature = "small"))]
#[inline(never)]
fn message(errno: Errno) -> &'static str {
    errno.message()
}

/// Where size counts, the number has to do; all are below a hundred.
#[cfg(feature = "small")]
fn words_for(kind: ErrorKind, path: &[&[u8]], errno: Errno) -> StorageError {
    let digit = |number: u16| {
        let at = usize::from(number % 10);
        "0123456789".get(at..=at).unwrap_or_default()
    };
    let number = [digit(errno.raw() / 10), digit(errno.raw())];
    say(kind, path, &[": error ", number[0], number[1]])
}
