//! What errors tell beyond their class, kept out of line: an answer of the engine is then no wider than two
//! pointers, and a store that never fails pays nothing for what failures have to tell.

#[cfg(not(all(feature = "terse", target_family = "wasm")))]
mod told;
#[cfg(any(test, all(feature = "terse", target_family = "wasm")))]
#[cfg_attr(test, allow(dead_code))]
mod untold;

#[cfg(not(all(feature = "terse", target_family = "wasm")))]
pub use told::Details;
#[cfg(all(feature = "terse", target_family = "wasm"))]
pub use untold::Details;

use super::{Damage, Error, Op};
use crate::fallible::OutOfMemory;
use crate::prelude::*;
use crate::storage::{ErrorKind, FileName, StorageError};

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: FileName,
    /// Bytes from its start.
    pub offset: u64,
}

/// What is wrong with bytes that were read, and where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where they start.
    pub at: Location,
    /// What is wrong.
    pub damage: Damage,
}

/// What the platform refused, and in which words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was being done.
    pub op: Op,
    /// To which file, if it was one.
    pub file: Option<FileName>,
    /// The platform's answer.
    pub source: StorageError,
}

/// A file of a format that this build does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newer {
    /// The file.
    pub file: FileName,
    /// Its format version.
    pub found: u16,
    /// The newest version this build reads.
    pub known: u16,
}

/// Features that a file needs and this build lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The file.
    pub file: FileName,
    /// The required flags that are not known.
    pub flags: u32,
}

/// A length above a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The length.
    pub bytes: u64,
    /// The limit in force.
    pub limit: u64,
}

/// A condition that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Which operation of the batch, counted from 0.
    pub index: usize,
    /// The sequence number of the key's present version, if it exists.
    pub found: Option<u64>,
}

/// Changes that are not all there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The sequence number asked for.
    pub from: u64,
    /// The oldest sequence number from which the feed is complete.
    pub oldest: u64,
}

/// Makers of the errors that tell more than their class: [`Error::OutOfMemory`] instead, where there is no memory
/// to tell it in.
impl Error {
    /// Wraps a platform's refusal, giving the classes that callers act on their own variants.
    #[cold]
    pub fn storage(op: Op, file: Option<FileName>, source: StorageError) -> Self {
        let syncs = matches!(op, Op::Sync | Op::SyncNamespace);
        match (source.kind, file) {
            // After a failed sync nothing is known, whatever the reason.
            (ErrorKind::Full, Some(file)) if op != Op::Sync => Self::full(file),
            (ErrorKind::Locked, _) => tell(source.detail, |holder| Self::Locked { holder }),
            // Where it cannot be told what was refused, it must be told that nothing is known.
            _ if syncs && !Details::<Refusal>::TOLD => Self::Poisoned,
            (kind, _) => match Details::new(Refusal { op, file, source }) {
                Ok(refusal) => Self::Storage { kind, refusal },
                // That nothing is known must be told at any rate.
                Err(OutOfMemory) if syncs => Self::Poisoned,
                Err(OutOfMemory) => Self::OutOfMemory,
            },
        }
    }

    /// [`Error::Full`].
    #[cold]
    pub fn full(file: FileName) -> Self {
        tell(file, |file| Self::Full { file })
    }

    /// [`Error::Fenced`].
    #[cold]
    pub fn fenced(by: u64) -> Self {
        tell(by, |by| Self::Fenced { by })
    }

    /// [`Error::Corrupt`].
    #[cold]
    pub fn corrupt(file: FileName, offset: u64, damage: Damage) -> Self {
        let at = Location { file, offset };
        tell(Finding { at, damage }, |found| Self::Corrupt { found })
    }

    /// [`Error::Damaged`].
    #[cold]
    pub fn damaged(file: FileName, offset: u64, damage: Damage) -> Self {
        let at = Location { file, offset };
        tell(Finding { at, damage }, |found| Self::Damaged { found })
    }

    /// [`Error::MaybeStale`].
    #[cold]
    pub fn maybe_stale(file: FileName, offset: u64) -> Self {
        tell(Location { file, offset }, |at| Self::MaybeStale { at })
    }

    /// [`Error::KeyCollision`].
    #[cold]
    pub fn key_collision(file: FileName, offset: u64) -> Self {
        tell(Location { file, offset }, |at| Self::KeyCollision { at })
    }

    /// [`Error::Degraded`].
    #[cold]
    pub fn degraded(file: FileName, offset: u64) -> Self {
        tell(Location { file, offset }, |at| Self::Degraded { at })
    }

    /// [`Error::NoManifest`].
    #[cold]
    pub fn no_manifest(segments: usize) -> Self {
        tell(segments, |segments| Self::NoManifest { segments })
    }

    /// [`Error::NewerFormat`].
    #[cold]
    pub fn newer_format(file: FileName, found: u16, known: u16) -> Self {
        tell(Newer { file, found, known }, |newer| Self::NewerFormat {
            newer,
        })
    }

    /// [`Error::UnknownFeature`].
    #[cold]
    pub fn unknown_feature(file: FileName, flags: u32) -> Self {
        tell(Lacking { file, flags }, |lacking| Self::UnknownFeature {
            lacking,
        })
    }

    /// [`Error::KeyTooLong`].
    #[cold]
    pub fn key_too_long(bytes: u64, limit: u64) -> Self {
        tell(Excess { bytes, limit }, |size| Self::KeyTooLong { size })
    }

    /// [`Error::ValueTooLarge`].
    #[cold]
    pub fn value_too_large(bytes: u64, limit: u64) -> Self {
        tell(Excess { bytes, limit }, |size| Self::ValueTooLarge { size })
    }

    /// [`Error::BatchTooLarge`].
    #[cold]
    pub fn batch_too_large(bytes: u64, limit: u64) -> Self {
        tell(Excess { bytes, limit }, |size| Self::BatchTooLarge { size })
    }

    /// [`Error::ConditionFailed`].
    #[cold]
    pub fn condition_failed(index: usize, found: Option<u64>) -> Self {
        tell(Unmet { index, found }, |unmet| Self::ConditionFailed {
            unmet,
        })
    }

    /// [`Error::Gap`].
    #[cold]
    pub fn gap(from: u64, oldest: u64) -> Self {
        tell(Missed { from, oldest }, |missed| Self::Gap { missed })
    }

    /// [`Error::BadOption`].
    #[cold]
    pub fn bad_option(what: &'static str) -> Self {
        tell(what, |what| Self::BadOption { what })
    }

    /// [`Error::Sink`].
    #[cold]
    pub fn sink(detail: impl Into<String>) -> Self {
        tell(detail.into(), |detail| Self::Sink { detail })
    }
}

/// The error with its details, as far as there is memory for them.
fn tell<T>(details: T, error: impl FnOnce(Details<T>) -> Error) -> Error {
    Details::new(details).map_or(Error::OutOfMemory, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fallible::refusal;
    use crate::format::file::names;

    #[test]
    fn an_error_that_cannot_be_told_for_want_of_memory_says_so() {
        let untold = refusal::after(0, || Error::corrupt(names::segment(1), 7, Damage::Body));
        assert_eq!(untold, Error::OutOfMemory);
    }

    #[test]
    fn a_failed_sync_is_never_taken_for_want_of_memory_alone() {
        for op in [Op::Sync, Op::SyncNamespace] {
            let source = StorageError::new(ErrorKind::Io);
            let untold = refusal::after(0, || Error::storage(op, None, source));
            assert_eq!(untold, Error::Poisoned);
        }
    }
}
