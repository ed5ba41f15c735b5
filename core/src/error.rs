//! One error type, and it says where.

mod details;

pub use details::{Details, Excess, Finding, Lacking, Location, Missed, Newer, Refusal, Unmet};

use crate::fallible::OutOfMemory;
use crate::format::counter::Exhausted;
use crate::format::file::HeaderDamage;
use crate::prelude::*;
use crate::storage::{ErrorKind, FileName, StorageError, Words};
use core::fmt;

/// What the engine was doing when the platform refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Listing the directory.
    List,
    /// Taking the writer's lock.
    Lock,
    /// Creating a file.
    Create,
    /// Opening a file.
    Open,
    /// Reading from a file.
    Read,
    /// Appending to a file.
    Append,
    /// Making a file's bytes durable.
    Sync,
    /// Making names durable.
    SyncNamespace,
    /// Shortening a file.
    Truncate,
    /// Removing a file.
    Remove,
    /// Asking for random bytes.
    Entropy,
}

/// What is wrong with bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// A record's head does not check, or is none.
    Head,
    /// A record's key or value is not what was written.
    Body,
    /// The file ends inside the record.
    Truncated,
    /// A file's header is not what was written.
    FileHeader,
    /// The file belongs to another store or was replaced.
    Foreign,
    /// A sealed segment's footer is not what was written.
    Footer,
    /// A hint disagrees with its segment or does not check.
    Hint,
    /// The platform could not read these bytes.
    Unreadable,
    /// The whole file is gone.
    Missing,
    /// A manifest record is not what was written.
    Manifest,
}

/// Why the engine refused, with the place and the deed where there is one.
///
/// Variants differ when a caller would act differently.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The platform refused `op`. After a failed append the write was not taken.
    Storage {
        /// The class of the platform's answer.
        kind: ErrorKind,
        /// What was being done, and the platform's answer.
        refusal: Details<Refusal>,
    },
    /// The medium is full; the write was not taken, reads go on. Deletes and merge have a reserve.
    Full {
        /// The file that could not grow.
        file: Details<FileName>,
    },
    /// Another process is the writer.
    Locked {
        /// The holder in its own words, if it left any.
        holder: Details<Words>,
    },
    /// A newer opener took over as the writer. Nothing more is acknowledged here; reopen.
    Fenced {
        /// The manifest epoch of the newer opener.
        by: Details<u64>,
    },
    /// A sync failed earlier, so what reached the medium is unknown. Reopen to write again; a
    /// read answers this only for data that was not durable before the failure.
    Poisoned,
    /// The bytes at `offset` were read, but they are not what was once written. Other keys are
    /// not affected.
    Corrupt {
        /// What is wrong, and where the record starts.
        found: Details<Finding>,
    },
    /// Damage hides a record that may have been a newer version of this key. Open with
    /// `accept_stale` to read the older one.
    MaybeStale {
        /// The damaged file and where its damage starts; `u64::MAX` for a file that the state does not know.
        at: Details<Location>,
    },
    /// Two keys share one 96-bit hash (or a hint is wrong): the record found belongs to another
    /// key. Never reported as absence.
    KeyCollision {
        /// Where the other key's record starts.
        at: Details<Location>,
    },
    /// The store was opened read-only.
    ReadOnly,
    /// This handle was closed.
    Closed,
    /// A verb that needs the writer was called inside a transaction of the same thread, which
    /// holds it: go through the transaction.
    InTransaction,
    /// Acknowledged data is damaged in a way that hides keys, so the store opened read-only:
    /// `salvage` it or restore a backup.
    Degraded {
        /// The first damaged file, and where its damage starts.
        at: Details<Location>,
    },
    /// Acknowledged data is damaged and the open mode is strict.
    Damaged {
        /// What is wrong, and where the damage starts.
        found: Details<Finding>,
    },
    /// There is no store here: no manifest and no segments.
    NoStore,
    /// Segments without any valid manifest: a job for `salvage`, never a new empty store.
    NoManifest {
        /// How many segment files there are.
        segments: Details<usize>,
    },
    /// The file was written by a newer Portcask. Nothing was touched.
    NewerFormat {
        /// The file and the versions.
        newer: Details<Newer>,
    },
    /// The file needs a feature that this build lacks. Nothing was touched.
    UnknownFeature {
        /// The file and the features.
        lacking: Details<Lacking>,
    },
    /// The caller's key is longer than the limit.
    KeyTooLong {
        /// The key's length and the limit.
        size: Details<Excess>,
    },
    /// The caller's value is larger than the limit.
    ValueTooLarge {
        /// The value's length and the limit.
        size: Details<Excess>,
    },
    /// A batch does not fit into one segment file.
    BatchTooLarge {
        /// The batch's length on the log and the limit.
        size: Details<Excess>,
    },
    /// A precondition did not hold; nothing of the write was taken.
    ConditionFailed {
        /// Which, and what was found.
        unmet: Details<Unmet>,
    },
    /// Changes that were asked for are not all in the log any more: merge dropped some.
    Gap {
        /// What was asked for, and from where on the feed is complete.
        missed: Details<Missed>,
    },
    /// The target of a backup or restore already holds files of a store.
    NotEmpty,
    /// The writer replaced files under this read-only handle: `refresh` it and ask again.
    Changed,
    /// A length does not fit this host.
    TooLarge,
    /// The store has as many segment files as it can address; merge, or use larger segments.
    TooManySegments,
    /// Expiry needs a clock and the host has none.
    NoClock,
    /// The allocator refused.
    OutOfMemory,
    /// The sequence numbers of this store are used up.
    SeqExhausted,
    /// An option's value makes no sense.
    BadOption {
        /// Which, and what it must be.
        what: Details<&'static str>,
    },
    /// The caller's own sink (a salvage or dump output) refused.
    Sink {
        /// Its words.
        detail: Details<String>,
    },
}

#[cfg(all(feature = "terse", target_family = "wasm"))]
const _: () = assert!(size_of::<Result<(), Error>>() == size_of::<u32>());
// Every answer of the engine has room for one, and most are passed on by several callers.
const _: () = assert!(size_of::<Result<(), Error>>() <= 2 * size_of::<usize>());

impl Error {
    /// The platform's class behind this error, if it came from the platform.
    pub fn storage_kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Storage { kind, .. } => Some(*kind),
            Self::Full { .. } => Some(ErrorKind::Full),
            Self::Locked { .. } => Some(ErrorKind::Locked),
            Self::Fenced { .. } => Some(ErrorKind::Fenced),
            _ => None,
        }
    }

    /// A number for each variant, for hosts that want no words. Numbers are never given again.
    pub fn code(&self) -> u8 {
        match self {
            Self::Storage { .. } => 1,
            Self::Full { .. } => 2,
            Self::Locked { .. } => 3,
            Self::Fenced { .. } => 4,
            Self::Poisoned { .. } => 5,
            Self::Corrupt { .. } => 6,
            Self::MaybeStale { .. } => 7,
            Self::KeyCollision { .. } => 8,
            Self::ReadOnly { .. } => 9,
            Self::Closed { .. } => 10,
            Self::InTransaction { .. } => 11,
            Self::Degraded { .. } => 12,
            Self::Damaged { .. } => 13,
            Self::NoStore { .. } => 14,
            Self::NoManifest { .. } => 15,
            Self::NewerFormat { .. } => 16,
            Self::UnknownFeature { .. } => 17,
            Self::KeyTooLong { .. } => 18,
            Self::ValueTooLarge { .. } => 19,
            Self::BatchTooLarge { .. } => 20,
            Self::ConditionFailed { .. } => 21,
            Self::Gap { .. } => 22,
            Self::NotEmpty { .. } => 23,
            Self::Changed { .. } => 24,
            Self::TooLarge { .. } => 25,
            Self::TooManySegments { .. } => 26,
            Self::NoClock { .. } => 27,
            Self::OutOfMemory { .. } => 28,
            Self::SeqExhausted { .. } => 29,
            Self::BadOption { .. } => 30,
            Self::Sink { .. } => 31,
        }
    }

    /// What the platform said in its own words, if this error came from it and it said anything.
    pub fn platform_words(&self) -> &str {
        match self {
            Self::Storage { refusal, .. } => &refusal.source.detail,
            Self::Locked { holder } => holder,
            _ => "",
        }
    }

    /// The error for a file whose header did not decode.
    pub(crate) fn header(file: FileName, damage: HeaderDamage) -> Self {
        match damage {
            HeaderDamage::NewerVersion { found } => {
                Self::newer_format(file, found, crate::format::file::VERSION)
            }
            HeaderDamage::UnknownFlags { flags } => Self::unknown_feature(file, flags),
            HeaderDamage::Short | HeaderDamage::Foreign | HeaderDamage::Damaged => {
                Self::damaged(file, 0, Damage::FileHeader)
            }
        }
    }
}

/// Shortens `Result<T, Error>` throughout the engine.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Adds what was being done to a platform's refusal.
pub(crate) trait Context<T> {
    /// Names the deed and the file.
    fn during(self, op: Op, file: FileName) -> Result<T>;
    /// Names the deed where no single file is meant.
    fn during_any(self, op: Op) -> Result<T>;
}

impl<T> Context<T> for Result<T, StorageError> {
    fn during(self, op: Op, file: FileName) -> Result<T> {
        self.map_err(|source| Error::storage(op, Some(file), source))
    }

    fn during_any(self, op: Op) -> Result<T> {
        self.map_err(|source| Error::storage(op, None, source))
    }
}

impl From<Exhausted> for Error {
    fn from(_: Exhausted) -> Self {
        Self::SeqExhausted
    }
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list the directory",
            Self::Lock => "take the writer's lock",
            Self::Create => "create",
            Self::Open => "open",
            Self::Read => "read",
            Self::Append => "append to",
            Self::Sync => "sync",
            Self::SyncNamespace => "sync the directory",
            Self::Truncate => "truncate",
            Self::Remove => "remove",
            Self::Entropy => "get random bytes",
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "the record's head does not check",
            Self::Body => "the record's key or value does not check",
            Self::Truncated => "the file ends inside a record",
            Self::FileHeader => "the file header does not check",
            Self::Foreign => "the file is not this store's",
            Self::Footer => "the footer does not check",
            Self::Hint => "the hint does not check",
            Self::Unreadable => "the system cannot read it",
            Self::Missing => "the file is gone",
            Self::Manifest => "a manifest record does not check",
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.file, self.offset)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !Details::<()>::TOLD {
            return write!(f, "error {}", self.code());
        }
        match self {
            Self::Storage { refusal, .. } => {
                let Refusal { op, file, source } = &**refusal;
                match file {
                    Some(file) => write!(f, "cannot {op} {file}: {source}"),
                    None => write!(f, "cannot {op}: {source}"),
                }
            }
            Self::Full { file } => write!(f, "no space left for {file}; the write was not taken"),
            Self::Locked { holder } if holder.is_empty() => {
                f.write_str("another process has this store open for writing")
            }
            Self::Locked { holder } => {
                write!(
                    f,
                    "another process has this store open for writing: {holder}"
                )
            }
            Self::Fenced { by } => write!(
                f,
                "a newer writer (epoch {by}) took over this store; reopen it to write"
            ),
            Self::Poisoned => f.write_str(
                "a sync failed earlier, so what reached the disk is unknown; reopen the store",
            ),
            Self::Corrupt { found } => write!(f, "{}: {}", found.at, found.damage),
            Self::MaybeStale { at } if at.offset == u64::MAX => write!(
                f,
                "{}, which this state does not know, may hold a newer version of this key",
                at.file
            ),
            Self::MaybeStale { at } => {
                write!(f, "damage in {at} may hide a newer version of this key")
            }
            Self::KeyCollision { at } => {
                write!(f, "{at} holds another key with the same hash")
            }
            Self::ReadOnly => f.write_str("the store is open read-only"),
            Self::Closed => f.write_str("the store was closed; open it again"),
            Self::InTransaction => f.write_str(
                "this thread is inside a transaction, which holds the writer; write through it",
            ),
            Self::Degraded { at } => write!(
                f,
                "damage in {at} hides keys, so the store is read-only; \
                 salvage it or restore a backup"
            ),
            Self::Damaged { found } => write!(
                f,
                "acknowledged data is damaged: {}: {}",
                found.at, found.damage
            ),
            Self::NoStore => f.write_str("there is no store here"),
            Self::NoManifest { segments } => write!(
                f,
                "no valid manifest, segment files: {segments}; run salvage, nothing was touched"
            ),
            Self::NewerFormat { newer } => {
                let Newer { file, found, known } = **newer;
                write!(
                    f,
                    "{file} has format version {found}, this build reads up to {known}; \
                     use a newer portcask"
                )
            }
            Self::UnknownFeature { lacking } => {
                let Lacking { file, flags } = **lacking;
                write!(
                    f,
                    "{file} needs features this build lacks (flags {flags:#x}); use a newer portcask"
                )
            }
            Self::KeyTooLong { size } => {
                write!(
                    f,
                    "the key has {} bytes, the limit is {}",
                    size.bytes, size.limit
                )
            }
            Self::ValueTooLarge { size } => {
                write!(
                    f,
                    "the value has {} bytes, the limit is {}",
                    size.bytes, size.limit
                )
            }
            Self::BatchTooLarge { size } => {
                write!(
                    f,
                    "the batch needs {} bytes, the limit is {}",
                    size.bytes, size.limit
                )
            }
            Self::ConditionFailed { unmet } => {
                let index = unmet.index;
                match unmet.found {
                    Some(seq) => write!(f, "condition {index} failed: the key is at seq {seq}"),
                    None => write!(f, "condition {index} failed: the key is absent"),
                }
            }
            Self::Gap { missed } => write!(
                f,
                "changes from seq {} on are no longer complete; the oldest is {}",
                missed.from, missed.oldest
            ),
            Self::NotEmpty => f.write_str("the target already holds files of a store"),
            Self::Changed => f.write_str("the writer changed the store's files; read again"),
            Self::TooLarge => f.write_str("a length does not fit this host"),
            Self::TooManySegments => {
                f.write_str("too many segment files; merge, or use larger segments")
            }
            Self::NoClock => f.write_str("this host has no clock, and expiry needs one"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::SeqExhausted => f.write_str("the sequence numbers of this store are used up"),
            Self::BadOption { what } => write!(f, "bad option: {what}"),
            Self::Sink { detail } => write!(f, "cannot write the output: {detail}"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Storage { refusal, .. } => Some(&refusal.source),
            _ => None,
        }
    }
}
