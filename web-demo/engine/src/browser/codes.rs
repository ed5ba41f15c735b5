//! What JavaScript is told of a refusal: numbers and a name. The words for people are `package/refusals.js`'s, where
//! they weigh a tenth of what printing them would weigh here.

use portcask::{Error, FileName, Finding, Location};

/// The answer for a key that is not there.
pub(super) const ABSENT: i32 = -1;

/// The answer for a refusal: at `refused()` is what [`told`] answers.
pub(super) const REFUSED: i32 = -2;

const HEAD_BYTES: usize = 20;
/// With room for the longest name of a file, and for the engine's words about an option.
pub(super) const TOLD_BYTES: usize = HEAD_BYTES + 100;

/// Stands for a deed, a damage or a kind where there is none.
const NONE: u8 = u8::MAX;

/// A refusal's parts, each where its variant has it.
struct Refusal<'a> {
    /// The place of an [`Op`](portcask::Op) or of a [`Damage`](portcask::Damage) in its list.
    what: u8,
    /// Likewise of an [`ErrorKind`](portcask::ErrorKind).
    kind: u8,
    /// An offset, a length, a version.
    number: u64,
    /// The limit, or the other version.
    other: u64,
    /// A file's name, or the engine's own words.
    name: &'a str,
}

impl<'a> Refusal<'a> {
    const NONE: Self = Self {
        what: NONE,
        kind: NONE,
        number: 0,
        other: 0,
        name: "",
    };

    fn of(error: &'a Error) -> Self {
        // Such errors know nothing beyond their class.
        if cfg!(feature = "slim") {
            let kind = error.storage_kind().map_or(NONE, |kind| kind as u8);
            return Self { kind, ..Self::NONE };
        }
        match error {
            Error::Storage { kind, refusal } => Self {
                what: refusal.op as u8,
                kind: *kind as u8,
                name: refusal.file.as_ref().map_or("", FileName::as_str),
                ..Self::NONE
            },
            Error::Full { file } => Self {
                name: file.as_str(),
                ..Self::NONE
            },
            Error::Fenced { by } => Self::numbers(**by, 0),
            Error::Corrupt { found } | Error::Damaged { found } => Self::found(found),
            Error::MaybeStale { at } | Error::KeyCollision { at } | Error::Degraded { at } => {
                Self::at(at)
            }
            Error::NoManifest { segments } => Self::numbers(**segments as u64, 0),
            Error::NewerFormat { newer } => Self {
                name: newer.file.as_str(),
                ..Self::numbers(newer.found.into(), newer.known.into())
            },
            Error::UnknownFeature { lacking } => Self {
                name: lacking.file.as_str(),
                ..Self::numbers(lacking.flags.into(), 0)
            },
            Error::KeyTooLong { size }
            | Error::ValueTooLarge { size }
            | Error::BatchTooLarge { size } => Self::numbers(size.bytes, size.limit),
            Error::ConditionFailed { unmet } => Self::numbers(unmet.index as u64, 0),
            Error::BadOption { what } => Self {
                name: what,
                ..Self::NONE
            },
            _ => Self::NONE,
        }
    }

    fn numbers(number: u64, other: u64) -> Self {
        Self {
            number,
            other,
            ..Self::NONE
        }
    }

    fn at(at: &'a Location) -> Self {
        Self {
            number: at.offset,
            name: at.file.as_str(),
            ..Self::NONE
        }
    }

    fn found(found: &'a Finding) -> Self {
        Self {
            what: found.damage as u8,
            ..Self::at(&found.at)
        }
    }
}

/// [`Error::code`], what, kind and the bytes of the name, one byte each; both numbers as doubles; the name. Needs no
/// memory, for there may be none.
pub(super) fn told(error: &Error) -> [u8; TOLD_BYTES] {
    let refusal = Refusal::of(error);
    let mut told = [0; TOLD_BYTES];
    let (head, name) = told.split_at_mut(HEAD_BYTES);
    let bytes = refusal.name.len().min(name.len());
    name[..bytes].copy_from_slice(&refusal.name.as_bytes()[..bytes]);
    head[..4].copy_from_slice(&[error.code(), refusal.what, refusal.kind, bytes as u8]);
    head[4..12].copy_from_slice(&(refusal.number as f64).to_le_bytes());
    head[12..].copy_from_slice(&(refusal.other as f64).to_le_bytes());
    told
}
