//! The seam everything stands on: what the engine asks of a platform, and what it may rely on.

#[cfg(all(feature = "terse", target_family = "wasm"))]
mod words;

use crate::fallible;
use crate::prelude::*;
use core::fmt;
#[cfg(all(feature = "terse", target_family = "wasm"))]
use words::said;

/// What a platform says; nothing where errors are to be terse.
#[cfg(not(all(feature = "terse", target_family = "wasm")))]
pub type Words = String;
#[cfg(all(feature = "terse", target_family = "wasm"))]
pub use words::Words;

/// Longest file name the engine uses, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 64;

/// A flat directory of named byte files, and the promises the engine is built on.
///
/// The clauses below are the contract. `testing::contract` (feature `testing`) runs them against a
/// backend; a new backend starts by calling it.
///
/// 1. **`append` is ordered, not durable, and not atomic.** After an error any prefix of the
///    bytes, or zeros, may be in the file past the old end. The engine keeps the logical end
///    itself, passes it in, and never infers it from [`File::len`].
/// 2. **`sync(file)` returning `Ok`** means that the bytes and the length appended before the call
///    survive a power loss. **An error means that nothing is known** about unsynced bytes; the
///    engine never retries it as if it could succeed.
/// 3. **Names** (create, rename, remove) are durable only after [`Storage::sync_namespace`], which
///    a backend may be *unable* to do. [`Capabilities::namespace_sync`] says so and the recovery
///    report repeats it. A created file whose own bytes were synced may still lose its name.
/// 4. **`rename`** replaces the target atomically for observers; an unsynced one may be undone.
///    A removed name may come back. [`Storage::list`] is complete or an error.
/// 5. **Errors keep their class** ([`ErrorKind`]); no call panics; no call allocates by a number
///    read from the medium.
/// 6. `pread` returns what the last successful append wrote, until a crash. A short read means end
///    of file, and end of file is not an error.
/// 7. `create` is exclusive. Names are at most [`FILE_NAME_BYTES_MAX`] bytes of `[a-z0-9._-]`.
///
/// All methods take `&self`: a backend keeps its handles behind interior mutability of its own
/// choice. Nothing here asks for `Send`, `Sync` or atomics, so a single-threaded JavaScript host
/// can implement it without `unsafe`; a threaded front end adds those bounds where it needs them.
pub trait Storage: Host {
    /// An open file. Clones share one open file; dropping the last clone closes it.
    type File: File + Clone;
    /// Held while this opener is the only writer; released when dropped, and by the system if the
    /// process dies.
    type Lock;

    /// What this backend can promise, found out and not assumed. Constant for the backend's life.
    fn capabilities(&self) -> Capabilities;

    /// Creates an empty file for reading and writing. Errors with [`ErrorKind::Exists`].
    fn create(&self, name: &FileName) -> Result<Self::File, StorageError>;

    /// Opens an existing file. Errors with [`ErrorKind::NotFound`].
    fn open(&self, name: &FileName, access: Access) -> Result<Self::File, StorageError>;

    /// Whether a file of this name exists now.
    fn exists(&self, name: &FileName) -> Result<bool, StorageError>;

    /// The names of all files of this directory, in any order: complete, or an error. Names that
    /// the engine could not use (too long, other characters, directories) are left out.
    fn list(&self) -> Result<Vec<FileName>, StorageError>;

    /// Renames a file, replacing `to` if it exists.
    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError>;

    /// Removes a file. Errors with [`ErrorKind::NotFound`]. Open handles stay readable where the
    /// platform allows it. Of the core only [`LongValue`](crate::LongValue) gains by that, and where it
    /// is not so, it answers an error.
    fn remove(&self, name: &FileName) -> Result<(), StorageError>;

    /// Makes every earlier create, rename and remove survive a power loss, or answers
    /// [`ErrorKind::Unsupported`].
    fn sync_namespace(&self) -> Result<(), StorageError>;

    /// Takes the exclusive right to write in this directory among all processes that use a
    /// kernel lock. Errors with [`ErrorKind::Locked`], whose detail names the holder, or with
    /// [`ErrorKind::Unsupported`] where the platform has no lock that dies with its owner.
    fn lock(&self) -> Result<Self::Lock, StorageError>;
}

/// One open file. See [`Storage`] for the contract.
#[expect(
    clippy::len_without_is_empty,
    reason = "asking a platform for a length can fail, and nobody asks whether it is 0"
)]
pub trait File {
    /// Writes all of `bytes` at `offset`, which is the engine's logical end of this file: the
    /// platform may already have (unknown) bytes there from an earlier failed append. Bytes
    /// between the platform's end and `offset` read as zeros. A platform's short write is
    /// continued here, not reported.
    ///
    /// One place is overwritten and not appended: the 16 bytes of a manifest's fence, by a newer
    /// opener. They carry no data, and a torn or lost write of them is harmless.
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Fills `into` from `offset`, in one call where the platform can. Returns the bytes read;
    /// fewer than asked means end of file.
    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError>;

    /// As [`File::pread`] of `bytes` bytes, replacing what `into` held; it ends up as long as what
    /// was read. `into` has room for them: nothing is allocated here.
    ///
    /// A platform that can read into memory nobody wrote to saves filling it with zeros first.
    fn pread_into(
        &self,
        offset: u64,
        bytes: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        fallible::resize(into, bytes).map_err(|_| StorageError::new(ErrorKind::Io))?;
        let got = self.pread(offset, into)?;
        into.truncate(got);
        Ok(())
    }

    /// Brings `bytes` bytes at `offset` nearer, which are about to be read among others: a platform
    /// that waits for memory, and not for a call, waits once for them all.
    fn approach(&self, offset: u64, bytes: u64) {
        let _ = (offset, bytes);
    }

    /// A clone for one read. Where many threads count clones of one file, a platform may hand out
    /// one that they do not all count.
    fn lend(&self) -> Self
    where
        Self: Clone,
    {
        self.clone()
    }

    /// Makes the appended bytes and the length survive a power loss.
    fn sync(&self) -> Result<(), StorageError>;

    /// The platform's idea of the file's length in bytes.
    fn len(&self) -> Result<u64, StorageError>;

    /// Shortens the file to `len` bytes. Durable after [`File::sync`]. Never lengthens.
    fn truncate(&self, len: u64) -> Result<(), StorageError>;

    /// Lengthens the file behind `end`, its logical end, by zeros whose space is set aside: at most
    /// `bytes` of them, as many as suit the platform. Answers how long the file is then. Appends into
    /// them leave the length as it is, which makes each sync cheaper where it has to write that down.
    ///
    /// After an error the file may be longer by zeros all the same. Errors with
    /// [`ErrorKind::Unsupported`], and with [`ErrorKind::Full`] before it takes the last of the space.
    fn lengthen(&self, end: u64, bytes: u64) -> Result<u64, StorageError> {
        let _ = (end, bytes);
        Err(StorageError::new(ErrorKind::Unsupported))
    }

    /// Reserves space up to `len` bytes, so that appends below it cannot fail for want of space.
    /// May or may not change [`File::len`]. Errors with [`ErrorKind::Unsupported`].
    fn preallocate(&self, len: u64) -> Result<(), StorageError> {
        let _ = len;
        Err(StorageError::new(ErrorKind::Unsupported))
    }
}

/// Time and randomness, which the engine never takes from anywhere else.
pub trait Host {
    /// Wall-clock milliseconds since 1970, or `None` on a host without a clock. May jump; the
    /// engine orders nothing by it.
    fn now_ms(&self) -> Option<u64>;

    /// Sixteen fresh random bytes: a file's salt, a store's identity and hash key.
    fn entropy(&self) -> Result<[u8; 16], StorageError>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only; the backend must not need permission to write.
    Read,
    /// Reads and appends.
    Write,
}

/// What a backend can promise. Every `false` weakens a sentence of the recovery report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Storage::sync_namespace`] works: a created, renamed or removed name survives power loss.
    pub namespace_sync: bool,
    /// [`Storage::rename`] is atomic for observers.
    pub atomic_rename: bool,
    /// [`Storage::lock`] excludes other processes and dies with its owner.
    pub kernel_lock: bool,
    /// [`File::preallocate`] works.
    pub preallocate: bool,
    /// [`File::sync`] reaches the medium, as far as the platform tells.
    pub data_sync: bool,
}

/// Why a platform call was refused, as coarse as a caller's choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
// A terse error is this or nothing beyond its variant: as a whole word it needs no masking where it is passed on.
#[cfg_attr(all(feature = "terse", target_family = "wasm"), repr(u32))]
pub enum ErrorKind {
    /// No file of that name.
    NotFound,
    /// A file of that name is already there.
    Exists,
    /// No space, quota or file size left.
    Full,
    /// The medium or the system failed; nothing finer is known.
    Io,
    /// Another process holds the writer's lock.
    Locked,
    /// A newer writer has taken over this store.
    Fenced,
    /// Permission was refused.
    Denied,
    /// The platform cannot do this at all.
    Unsupported,
    /// The platform is not ready yet (a browser handle still opening).
    NotReady,
    /// The handle or the directory is closed or gone.
    Closed,
}

impl ErrorKind {
    /// A number for each, from 1, for hosts that want no words. Numbers are never given again.
    pub fn code(self) -> u8 {
        match self {
            Self::NotFound => 1,
            Self::Exists => 2,
            Self::Full => 3,
            Self::Io => 4,
            Self::Locked => 5,
            Self::Fenced => 6,
            Self::Denied => 7,
            Self::Unsupported => 8,
            Self::NotReady => 9,
            Self::Closed => 10,
        }
    }
}

/// A refusal by the platform: its class, and the platform's own words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageError {
    /// What a caller may branch on.
    pub kind: ErrorKind,
    /// What a person would want to read; may be empty.
    pub detail: Words,
}

impl StorageError {
    /// A refusal of this class with nothing more to say.
    pub const fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            detail: Words::new(),
        }
    }

    /// A refusal of this class in the platform's words.
    pub fn with_detail(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: Words::from(detail.into()),
        }
    }

    /// As [`StorageError::with_detail`], of several pieces; cut short where memory ends.
    pub fn with_words<'a>(kind: ErrorKind, words: impl IntoIterator<Item = &'a str>) -> Self {
        let detail = said(words);
        Self { kind, detail }
    }
}

/// The pieces in one.
#[cfg(not(all(feature = "terse", target_family = "wasm")))]
fn said<'a>(words: impl IntoIterator<Item = &'a str>) -> Words {
    let mut all = Words::new();
    let mut words = words.into_iter();
    let _ = words.try_for_each(|piece| fallible::push_str(&mut all, piece));
    all
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no such file",
            Self::Exists => "the file exists",
            Self::Full => "no space left",
            Self::Io => "input/output error",
            Self::Locked => "locked by another process",
            Self::Fenced => "a newer writer took over",
            Self::Denied => "permission denied",
            Self::Unsupported => "not supported here",
            Self::NotReady => "not ready",
            Self::Closed => "closed",
        })
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{} ({})", self.kind, self.detail)
        }
    }
}

impl core::error::Error for StorageError {}

/// A file's name: at most [`FILE_NAME_BYTES_MAX`] bytes of `[a-z0-9._-]`, never empty, never
/// starting with a dot. Copied freely, never allocated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName {
    bytes: [u8; FILE_NAME_BYTES_MAX],
    len: u8,
}

impl FileName {
    /// What an error names where it does not tell which file.
    #[cfg(any(test, all(feature = "terse", target_family = "wasm")))]
    pub(crate) const UNTOLD: Self = {
        let mut bytes = [0; FILE_NAME_BYTES_MAX];
        bytes[0] = b'-';
        Self { bytes, len: 1 }
    };

    /// The name, if it is one the contract allows.
    pub fn new(name: &str) -> Option<Self> {
        Self::of(name.as_bytes())
    }

    /// As [`FileName::new`], of bytes that may be no text.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let legal = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if bytes.is_empty()
            || bytes.len() > FILE_NAME_BYTES_MAX
            || bytes[0] == b'.'
            || !bytes.iter().all(legal)
        {
            return None;
        }
        let mut kept = [0; FILE_NAME_BYTES_MAX];
        kept[..bytes.len()].copy_from_slice(bytes);
        Some(Self {
            bytes: kept,
            len: bytes.len() as u8,
        })
    }

    /// A name that the engine makes, of two parts that are legal and short enough.
    pub(crate) fn own(word: &[u8], number: &[u8]) -> Self {
        let mut bytes = [0; FILE_NAME_BYTES_MAX];
        let len = word.len() + number.len();
        bytes[..word.len()].copy_from_slice(word);
        bytes[word.len()..len].copy_from_slice(number);
        Self {
            bytes,
            len: len as u8,
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// The name as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fallible::refusal;

    #[test]
    fn words_of_several_pieces_are_joined_and_cut_short_where_memory_ends() {
        let said = || StorageError::with_words(ErrorKind::Denied, ["store", "/", "lock"]);
        assert_eq!(said().detail, "store/lock");
        assert_eq!(refusal::after(0, said).detail, "");
    }

    #[test]
    fn a_name_of_bytes_is_the_name_of_their_text_and_what_is_no_text_is_no_name() {
        let name = FileName::of(b"segment-0000000001");
        assert_eq!(name, FileName::new("segment-0000000001"));
        assert_eq!(name.unwrap().as_bytes(), b"segment-0000000001");
        assert_eq!(FileName::of(b"segment-\xff"), None);
        assert_eq!(FileName::of(b""), None);
    }
}
