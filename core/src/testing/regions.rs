//! What every byte of a store is for, and who has to tell when it changes.
//!
//! Read from the format alone: the engine has no part in it. "Live" bytes are those that verify must
//! account for one by one; this table says for each kind of byte what follows from its damage.
//!
//! | region | verify | opening | what it costs |
//! |---|---|---|---|
//! | header of a segment | names it | reports it | nothing: manifest and footer hold the same |
//! | settled record, whoever's | names it | reports it, unless a hint covers the record | at most its own key, and only if it is that key's newest |
//! | footer | names it | is silent | nothing: it is the second copy of the header |
//! | unsettled record of the active segment | doubts it | counts it as undecidable or torn | it and what was written after it |
//! | bytes past the logical end of a segment | is silent | is silent | nothing |
//! | header or block of a hint | names it | is silent, scans and writes it anew | nothing |
//! | last block of the active segment's hint | may doubt it | is silent | nothing |
//! | bytes of a hint behind its last block in use, or beside an empty segment | is silent | is silent | nothing |
//! | header or record of a manifest with a right record behind it | names it | reports it if it is the newest manifest | nothing for one bit, which is put right; else the store is degraded |
//! | a manifest's last record, or its only one and its header | doubts it | doubts it if it is the newest manifest | nothing for one bit; else a step back by one change that may never have been durable |
//! | fence, reserve, lock, strangers | is silent | is silent | nothing |
//!
//! *Settled* is what a durable marker or the manifest says was durable; *to doubt* is to list a place
//! as damaged or half written, since nobody can tell which.

mod map;

pub(super) use map::one_record;
pub use map::{Growing, Map, Record, Stretch};

use crate::prelude::*;
use crate::storage::FileName;
use compat::collections::BTreeMap;

/// The files of a store.
pub type Files = BTreeMap<FileName, Vec<u8>>;

/// What a byte is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// The header of a segment that the manifest lists.
    SegmentHeader,
    /// A record, or a part of one.
    Record(Whose, Part),
    /// The footer of a sealed segment.
    Footer,
    /// Past the logical end of a segment.
    Beyond,
    /// The header of a hint in use.
    HintHeader,
    /// A block of a hint in use.
    HintBlock,
    /// The last block of the active segment's hint: it may be on its way.
    HintNewest,
    /// Behind the last block of a hint that is used, and all of one whose segment holds nothing.
    HintSpare,
    /// The header of a manifest.
    ManifestHeader(Generation),
    /// A manifest record with another behind it.
    ManifestRecord(Generation),
    /// The last record of a manifest.
    ManifestLast(Generation),
    /// The place where a newer opener signs.
    Fence,
    /// The rest: reserve, lock, files that nothing lists, bytes behind the last manifest record.
    Aside,
}

/// Whether a manifest is the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// The highest epoch.
    Newest,
    /// A generation before.
    Older,
}

/// What depends on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// The newest settled version of a key, expired or not.
    Live,
    /// The newest settled word on a key: that it is gone.
    Tombstone,
    /// Replaced since.
    Dead,
    /// It tells of durability and belongs to no key.
    Marker,
    /// Written after everything that is known to be durable.
    Unsettled,
}

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Checks, tag and lengths.
    Head,
    /// The key.
    Key,
    /// The value.
    Value,
}

impl Region {
    /// A few words for a table.
    pub fn name(self) -> String {
        let copy = |copy| match copy {
            Generation::Newest => "newest",
            Generation::Older => "older",
        };
        match self {
            Self::SegmentHeader => "segment header".into(),
            Self::Record(whose, part) => {
                let whose = match whose {
                    Whose::Live => "live",
                    Whose::Tombstone => "tombstone",
                    Whose::Dead => "dead",
                    Whose::Marker => "marker",
                    Whose::Unsettled => "unsettled",
                };
                let part = match part {
                    Part::Head => "head",
                    Part::Key => "key",
                    Part::Value => "value",
                };
                format!("{whose} record, {part}")
            }
            Self::Footer => "footer".into(),
            Self::Beyond => "past a logical end".into(),
            Self::HintHeader => "hint header".into(),
            Self::HintBlock => "hint block".into(),
            Self::HintNewest => "newest hint block".into(),
            Self::HintSpare => "hint, unused".into(),
            Self::ManifestHeader(which) => format!("{} manifest, header", copy(which)),
            Self::ManifestRecord(which) => format!("{} manifest, record", copy(which)),
            Self::ManifestLast(which) => format!("{} manifest, last record", copy(which)),
            Self::Fence => "fence".into(),
            Self::Aside => "reserve and strangers".into(),
        }
    }

    /// Whether the state of the store is read from it.
    pub fn is_newest_manifest(self) -> bool {
        matches!(
            self,
            Self::ManifestHeader(Generation::Newest)
                | Self::ManifestRecord(Generation::Newest)
                | Self::ManifestLast(Generation::Newest)
        )
    }

    /// What verify has to say of a changed byte.
    pub fn verify_must(self) -> Telling {
        match self {
            Self::Record(Whose::Unsettled, _) => Telling::Doubt,
            Self::SegmentHeader | Self::Record(..) | Self::Footer => Telling::Name,
            Self::HintHeader | Self::HintBlock => Telling::Name,
            Self::ManifestHeader(_) | Self::ManifestRecord(_) => Telling::Name,
            Self::ManifestLast(_) => Telling::Doubt,
            Self::Beyond | Self::HintNewest | Self::HintSpare => Telling::Silence,
            Self::Fence | Self::Aside => Telling::Silence,
        }
    }
}

/// How a damaged place has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Telling {
    /// Nothing is owed.
    Silence,
    /// Listed as damage, or as something that a stopped write explains as well.
    Doubt,
    /// Listed as damage.
    Name,
}
