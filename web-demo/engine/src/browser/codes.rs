//! What JavaScript is told of a refusal: a number that `package/errors.js` knows, and the engine's words.

use portcask::{Error, ErrorKind};

/// The answer for a key that is not there.
pub(super) const ABSENT: i32 = -1;

/// The answer for a refusal: the first byte at `answer()` is its [`code`], then come four bytes with the length of
/// the words, and the words.
pub(super) const REFUSED: i32 = -2;

/// The number of a refusal.
pub(super) fn code(error: &Error) -> u8 {
    match error {
        Error::Storage { refusal, .. } => match refusal.source.kind {
            ErrorKind::NotReady => 1,
            ErrorKind::Closed => 10,
            _ => 0,
        },
        Error::Full { .. } => 2,
        Error::Locked { .. } => 3,
        Error::Fenced { .. } => 4,
        Error::Poisoned => 5,
        Error::Corrupt { .. } => 6,
        Error::MaybeStale { .. } => 7,
        Error::KeyCollision { .. } => 8,
        Error::ReadOnly => 9,
        Error::Closed => 10,
        Error::Degraded { .. } => 11,
        Error::Damaged { .. } => 12,
        Error::NoStore => 13,
        Error::NoManifest { .. } => 14,
        Error::NewerFormat { .. } => 15,
        Error::UnknownFeature { .. } => 16,
        Error::KeyTooLong { .. } => 17,
        Error::ValueTooLarge { .. } => 18,
        Error::BatchTooLarge { .. } => 19,
        Error::ConditionFailed { .. } => 20,
        Error::NoClock => 21,
        Error::OutOfMemory => 22,
        Error::BadOption { .. } => 23,
        Error::TooManySegments => 24,
        _ => 0,
    }
}
