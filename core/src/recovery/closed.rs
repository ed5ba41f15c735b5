//! A store that was closed in an orderly way, where there is nothing to recover: what opening it does, change for change,
//! without the code that scans, repairs and judges damage. A guest may begin with it and load that code when it first
//! meets a store of another kind.
//!
//! Everything is looked at before anything is changed: the newest manifest byte by byte, the header of each file, and that
//! hints name every record. Whatever is not as closing leaves it is for [`super::open_writer`].

use super::opened::Opened;
use super::replay::{Counted, Replay};
use super::writer::{self, WriterParts, begin_epoch, locked};
use super::{active_entry, unlisted};
use crate::error::{Context, Op, Result};
use crate::format::FILE_BYTES_MAX;
use crate::format::file::{FileKind, names};
use crate::format::manifest::{SegmentEntry, State};
use crate::manifest_log::{self, Loaded};
use crate::options::Options;
use crate::prelude::*;
use crate::segment::active::Active;
use crate::segment::create::header_in;
use crate::segment::hint_log::HintLog;
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// The segment that goes on.
struct Last<F> {
    opened: Box<Opened<F>>,
    /// Where its hint's blocks end, and its records.
    hint_end: u64,
    end: u64,
    records: u64,
}

/// Opens for writing what was closed in an orderly way. `None` for anything else; nothing was changed then. Also where the
/// disk is full or somebody else came first: what was begun is then taken back, but for marks of an epoch that never was.
pub(crate) fn reopen<S: Storage>(storage: &S, options: &Options) -> Result<Option<WriterParts<S>>> {
    // What must not be touched is not even locked.
    if !matches!(look(storage), Ok(Some(_))) {
        return Ok(None);
    }
    let lock = locked(storage)?;
    // A refusal is for the other opening too, which knows what can be read in spite of it.
    let Ok(Some((names, closed))) = look(storage) else {
        return Ok(None);
    };
    let host_ms = storage.now_ms();
    let index = writer::index_of(&closed.state, options, host_ms);
    let mut replay = Replay::new(storage, index, closed.store, true);
    let Ok(Some(last)) = replay.hinted(&closed.state, &names) else {
        return Ok(None);
    };
    let mut committed = false;
    let taken = claim(
        replay,
        (names, closed),
        last,
        (lock, host_ms),
        &mut committed,
    );
    match taken {
        // The other opening has ways to get room: deletes and merge need a writer on a full disk, too.
        Err(error) if !committed && error.storage_kind() == Some(ErrorKind::Full) => Ok(None),
        taken => taken,
    }
}

/// The names in the directory and its newest manifest, if that tells of a clean close.
fn look<S: Storage>(storage: &S) -> Result<Option<(Vec<FileName>, Loaded)>> {
    let names = storage.list().during_any(Op::List)?;
    let closed = manifest_log::closed(storage, &names)?;
    Ok(closed.map(|closed| (names, closed)))
}

/// Becomes the one who may write, unless somebody else has opened the store since it was looked at. `committed` tells
/// whether the new manifest holds a state.
fn claim<S: Storage>(
    replay: Replay<'_, S>,
    (names, closed): (Vec<FileName>, Loaded),
    last: Last<S::File>,
    (lock, host_ms): (Option<S::Lock>, Option<u64>),
    committed: &mut bool,
) -> Result<Option<WriterParts<S>>> {
    let storage = replay.storage;
    let claimed = manifest_log::claim(storage, &names)?;
    let name = names::manifest(claimed.0);
    let taken = if claimed.0 == closed.epoch + 1 {
        take_over(
            replay,
            claimed,
            (names, closed),
            last,
            (lock, host_ms),
            committed,
        )
        .map(Some)
    } else {
        Ok(None)
    };
    if !*committed {
        // As an opening that came to nothing does.
        let _ = storage.remove(&name);
    }
    taken
}

/// Goes on under the claimed manifest, in the segment that was written to last.
fn take_over<S: Storage>(
    mut replay: Replay<'_, S>,
    claimed: (u64, S::File),
    (names, closed): (Vec<FileName>, Loaded),
    last: Last<S::File>,
    (lock, host_ms): (Option<S::Lock>, Option<u64>),
    committed: &mut bool,
) -> Result<WriterParts<S>> {
    let (storage, store) = (replay.storage, closed.store);
    replay.report.epoch = claimed.0;
    replay.tell_of_host();
    let Last {
        opened,
        hint_end,
        end,
        records,
    } = last;
    let (id, site) = (opened.id, opened.site);
    let hint = HintLog::resume(storage, store, id, site.salt, Some((hint_end, end)));
    let previous = closed.epoch;
    let seq = closed.state.last_seq.max(replay.max_seq);
    let (manifest, reserved) = begin_epoch(
        &replay,
        claimed,
        (closed.state, previous),
        &names,
        (seq, host_ms),
        committed,
    )?;
    let place = (opened.slot, id);
    let active = Active::at(place, opened.file, site, end, records, hint);
    let (index, report) = replay.finish(&manifest.state)?;
    Ok(WriterParts {
        index,
        report,
        store,
        lock,
        manifest,
        active: Box::new(active),
        seq,
        reserved,
        synced_ms: host_ms,
        names,
        previous,
    })
}

impl<S: Storage> Replay<'_, S> {
    /// Every record of a closed store by its hints, and the segment that goes on. `None` where anything at all is wrong, or
    /// is not told by them.
    fn hinted(&mut self, state: &State, names: &[FileName]) -> Result<Option<Last<S::File>>> {
        let Some(active) = active_entry(state) else {
            return Ok(None);
        };
        if names.iter().any(|name| unlisted(state, name).is_some()) {
            return Ok(None);
        }
        self.report.clean = true;
        self.expect(state);
        let mut last = None;
        for (rank, entry) in (0..).zip(&state.segments) {
            let goes_on = entry.id == active.id;
            let Some(opened) = self.as_listed(entry, goes_on, rank)? else {
                return Ok(None);
            };
            let end = entry.valid_bytes;
            self.make_room(&opened);
            let mut counted = Counted::default();
            let (Some(hint_end), covered) = self.take_hint(&opened, end, &mut counted)? else {
                return Ok(None);
            };
            if covered != end {
                return Ok(None);
            }
            if goes_on {
                self.bound(&opened, end, end);
                let records = counted.records;
                last = Some(Last {
                    opened,
                    hint_end,
                    end,
                    records,
                });
            }
        }
        Ok(last)
    }

    /// A segment's file, if it is just what the state lists.
    fn as_listed(
        &mut self,
        entry: &SegmentEntry,
        goes_on: bool,
        rank: u32,
    ) -> Result<Option<Box<Opened<S::File>>>> {
        let name = names::segment(entry.id);
        let (access, rank) = match goes_on {
            true => (Access::Write, u32::MAX),
            false => (Access::Read, rank),
        };
        let file = self.storage.open(&name, access).during(Op::Open, name)?;
        let Ok(header) = header_in(&file) else {
            return Ok(None);
        };
        let bytes = file.len().during(Op::Read, name)?;
        // What goes on, and is longer, was written to after it was closed.
        let is_whole = match goes_on {
            true => bytes == entry.valid_bytes,
            false => bytes >= entry.valid_bytes && bytes <= FILE_BYTES_MAX,
        };
        let is_it = header.kind == FileKind::Segment
            && (header.id, header.salt, header.store) == (entry.id, entry.salt, self.store);
        if !is_it || !is_whole {
            return Ok(None);
        }
        self.enter(file, entry, rank, bytes).map(Some)
    }
}
