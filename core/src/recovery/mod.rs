//! Opening: from a directory of files to an index, losing nothing that was acknowledged.
//!
//! ```text
//!   writer: claim manifest n+1, fence the older ones    reader: nothing
//!           newest valid manifest -> the set of files, their order and valid lengths
//!           sealed segments:  [replay] hints, else records          (damage: reported, named)
//!           active segment:   [divide] below the durable marker as sealed; above it the longest
//!                             whole prefix, [active] rewritten to a new segment and synced before trusted
//!           writer: the new state into the manifest, synced; only then old files are removed
//! ```

mod active;
mod closed;
mod create;
mod divide;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
mod expiries;
#[cfg(all(feature = "small", target_family = "wasm"))]
#[path = "expiries_small.rs"]
mod expiries;
mod from_hint;
mod opened;
mod reader;
mod replay;
mod salvaged;
mod writer;

pub(crate) use closed::reopen;
pub(crate) use create::create;
pub(crate) use reader::{ReaderParts, load_reader};
pub(crate) use writer::{WriterParts, open as open_writer};

use crate::error::{Damage, Error, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind};
use crate::format::manifest::{SegmentEntry, SegmentState, State};
use crate::format::record::{Kind, Site};
use crate::manifest_log::Places;
use crate::options::{OpenAccess, OpenMode, Options};
use crate::prelude::*;
use crate::segment::create::header_in;
use crate::segment::walk::{State as Found, Step, Walker};
use crate::sort;
use crate::storage::{Access, File, FileName, Storage};
use replay::Replay;

/// What an opening made of a store.
pub(crate) enum Recovered<S: Storage> {
    /// For reading only: asked for, or because damage hides keys. Then older writers are fenced and
    /// hints may have grown; nothing that holds data was changed.
    Reader(Box<ReaderParts<S::File>>),
    /// This opener is the writer.
    Writer(Box<WriterParts<S>>),
}

/// Recovers a store as the options say.
pub(crate) fn open<S: Storage>(storage: &S, options: &Options) -> Result<Recovered<S>> {
    match (options.mode, options.access) {
        (OpenMode::Salvage, _) => {
            salvaged::load(storage, options).map(|parts| Recovered::Reader(Box::new(parts)))
        }
        (_, OpenAccess::ReadWrite) => open_writer(storage, options),
        (_, OpenAccess::ReadOnly) => {
            load_reader(storage, options).map(|parts| Recovered::Reader(Box::new(parts)))
        }
    }
}

/// Judges what the replay found against the open mode.
fn settle<S: Storage>(
    replay: &mut Replay<'_, S>,
    options: &Options,
    state: &State,
    names: &[FileName],
    manifests: Places,
) -> Result<()> {
    replay.tell_of_host();
    let lost_state = find_orphans(replay, state, names)? || manifests.lost;
    if manifests.lost {
        // Whatever the lost change said of any file.
        replay.hide_all(state.segments.last().map_or(0, |segment| segment.id));
    }
    for damage in manifests.damages {
        replay.report.note(damage)?;
    }
    for place in manifests.undecided {
        replay.report.doubt(place)?;
    }
    replay.report.clean &= !lost_state;
    replay.report.stepped_back = lost_state;
    replay.report.degraded = replay.index.veil.is_some();
    if options.mode == OpenMode::Strict {
        if let Some(first) = replay.report.damages.first() {
            return Err(Error::damaged(first.file, first.offset, first.damage));
        }
        if lost_state || replay.report.is_damaged() {
            return Err(Error::damaged(
                names::manifest(replay.report.epoch),
                0,
                Damage::Manifest,
            ));
        }
    }
    Ok(())
}

/// Files with our header that the state does not list: kept, and reported if they hold records.
/// Returns whether the state is not the newest that there was.
///
/// Records that continue the log beyond all that the state knows were written under a manifest
/// that is lost, in part or whole, also where the state takes their file for one that was only
/// begun. Any key may be newer there, so all older versions are veiled. What an interrupted merge
/// or opening left holds copies, and nothing newer.
fn find_orphans<S: Storage>(
    replay: &mut Replay<'_, S>,
    state: &State,
    names: &[FileName],
) -> Result<bool> {
    let known_seq = replay.max_seq.max(state.last_seq);
    let mut lost_state = false;
    for name in names {
        let Some((kind, id)) = unlisted(state, name) else {
            continue;
        };
        let Ok(file) = replay.storage.open(name, Access::Read) else {
            continue;
        };
        let header = match header_in(&file) {
            Ok(header) if (header.store, header.kind) == (replay.store, kind) => header,
            _ => continue,
        };
        if id >= state.next_id {
            // Ids are reserved in the manifest before anything is made under them, and this state
            // never heard of this one.
            lost_state = true;
            replay.hide_all(id);
            fallible::push(&mut replay.report.orphans, *name)?;
            continue;
        }
        if kind == FileKind::Hint {
            continue;
        }
        let end = file.len().unwrap_or(0);
        let start = FILE_HEADER_BYTES as u64;
        let newer = header.id == id && newest_seq(file, &header, end)? > known_seq;
        if newer {
            lost_state = true;
            replay.hide_all(id);
        }
        if newer || (end > start && !state.pending.contains(&id)) {
            fallible::push(&mut replay.report.orphans, *name)?;
        }
    }
    sort::by(&mut replay.report.orphans, Ord::cmp);
    Ok(lost_state)
}

/// What a name stands for, if that of a segment or a hint, and the state lists no such one.
fn unlisted(state: &State, name: &FileName) -> Option<(FileKind, u64)> {
    let (kind @ (FileKind::Segment | FileKind::Hint), id) = names::parse(name)? else {
        return None;
    };
    let listed = state.segments.iter().any(|segment| segment.id == id);
    (!listed && !state.condemned.contains(&id)).then_some((kind, id))
}

/// The greatest sequence number of a segment's records, markers and damaged ones aside.
fn newest_seq<F: File>(file: F, header: &FileHeader, end: u64) -> Result<u64> {
    let site = Site {
        salt: header.salt,
        base_seq: header.base_seq,
    };
    let mut walker = Walker::new(file, header.id, site, FILE_HEADER_BYTES as u64, end);
    let mut newest = 0;
    while let Some(step) = walker.next_head()? {
        let found = walker.found();
        if matches!(step, Step::Record)
            && found.state == Found::Intact
            && found.head.kind != Kind::Marker
        {
            newest = newest.max(found.head.seq);
        }
    }
    Ok(newest)
}

fn active_entry(state: &State) -> Option<&SegmentEntry> {
    state
        .segments
        .last()
        .filter(|segment| segment.state == SegmentState::Active)
}

pub(crate) fn highest_segment_id(names: &[FileName]) -> u64 {
    names
        .iter()
        .filter_map(|name| match names::parse(name) {
            Some((FileKind::Segment | FileKind::Hint, id)) => Some(id),
            _ => None,
        })
        .max()
        .unwrap_or(0)
}

fn no_manifest(names: &[FileName]) -> Error {
    let count = |kind| {
        let parsed = names.iter().filter_map(names::parse);
        parsed.filter(|(found, _)| *found == kind).count()
    };
    let segments = count(FileKind::Segment);
    // A hint alone tells as well that a store was here.
    if segments == 0 && count(FileKind::Hint) == 0 {
        Error::NoStore
    } else {
        Error::no_manifest(segments)
    }
}
