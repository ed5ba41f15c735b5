//! Opening what cannot be opened otherwise: every readable record of every segment file, with or
//! without a manifest; the newest version of each key by sequence number.
//!
//! Sequence numbers are never issued twice and copies keep theirs, so they order the versions of a
//! key even where the order of files is lost.

use super::divide::whole_unit;
use super::reader::ReaderParts;
use super::replay::{Newest, Replay};
use crate::clock::Clock;
use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible::{self, OutOfMemory};
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FOOTER_BYTES, FileHeader, FileKind, Footer, StoreId};
use crate::format::manifest::{SegmentEntry, SegmentState, State as Manifest};
use crate::format::record::Site;
use crate::format::{FILE_BYTES_MAX, KeyHash};
use crate::index::{Index, Mixed};
use crate::manifest_log;
use crate::options::Options;
use crate::prelude::*;
use crate::report::DamageReport;
use crate::segment::walk::{Step, Walker};
use crate::sort;
use crate::storage::{Access, File, FileName, Storage};

/// Loads everything readable, for reading only.
pub(crate) fn load<S: Storage>(storage: &S, options: &Options) -> Result<ReaderParts<S::File>> {
    let names = storage.list().during_any(Op::List)?;
    let newest = match manifest_log::survey(storage, &names, u64::MAX) {
        Ok(survey) => survey.newest,
        // There is a manifest, and without it what was deleted may come back.
        Err(Error::OutOfMemory) => return Err(Error::OutOfMemory),
        Err(_) => None,
    };
    let none = Manifest::empty();
    let known = newest.as_ref().map_or(&none, |loaded| &*loaded.state);
    let mut listed = fallible::copy(&known.segments)?;
    let mut damages = Vec::new();
    let mut store = newest.as_ref().map(|loaded| loaded.store);
    for (name, identity) in unlisted(storage, &names, known)? {
        match identity {
            Some((entry, found)) if store.is_none_or(|store| store == found) => {
                store = Some(found);
                fallible::push(&mut listed, entry)?;
            }
            _ => {
                let foreign = DamageReport {
                    file: name,
                    offset: 0,
                    bytes: FILE_HEADER_BYTES as u64,
                    damage: Damage::Foreign,
                    key: None,
                    live: true,
                };
                fallible::push(&mut damages, foreign)?;
            }
        }
    }
    if listed.is_empty() && damages.is_empty() {
        return Err(Error::NoStore);
    }
    sort::by(&mut listed, |a, b| {
        (a.base_seq, a.id).cmp(&(b.base_seq, b.id))
    });
    let store = store.unwrap_or(StoreId([0; 16]));
    let (hash_key, clock_ms, epoch) = newest.map_or(([0; 16], 0, 0), |loaded| {
        (loaded.state.hash_key, loaded.state.clock_ms, loaded.epoch)
    });
    let clock = Clock::new(clock_ms, options.trust_clock);
    let index = Index::new(hash_key, clock, options.ordered_index);
    let mut replay = Replay::new(storage, index, store, false);
    replay.order_by_seq(Box::new(BySeq::default()));
    replay.report.epoch = epoch;
    for damage in damages {
        replay.report.note(damage)?;
    }
    let mut state = Box::new(Manifest::new(hash_key));
    for (rank, entry) in (0..).zip(&listed) {
        if let Some(opened) = replay.open_segment(entry, rank)? {
            let start = FILE_HEADER_BYTES as u64;
            // Where the manifest knows of more than there is, the difference is damage.
            let end = match entry.state {
                SegmentState::Cut => {
                    whole_until(opened.walk(entry.valid_bytes, opened.file_bytes))?
                }
                _ => end_of_records(&opened.file, entry, opened.file_bytes).max(entry.valid_bytes),
            };
            let (file, site) = (opened.file.clone(), opened.site);
            let mut walker = Walker::new(file, entry.id, site, start, end);
            while let Some(step) = walker.next()? {
                match step {
                    Step::Record => {
                        let found = *walker.found();
                        replay.report.scanned_records += 1;
                        replay.report.scanned_bytes += found.bytes;
                        replay.record(&opened, &mut walker, &found)?;
                    }
                    Step::Gap => replay.hidden(&opened, walker.gap())?,
                }
            }
            if let Some(segment) = replay.index.segment_mut(opened.slot) {
                segment.end = end;
                segment.durable_end = end;
            }
        }
    }
    state.segments = listed;
    state.last_seq = replay.max_seq;
    state.clock_ms = clock_ms;
    replay.report.degraded = replay.index.veil.is_some();
    // The caller asked for what can be read, and the report says what cannot.
    replay.index.veil = None;
    let (index, report) = replay.finish(&state)?;
    Ok(ReaderParts {
        index,
        report,
        store,
        state,
        epoch,
    })
}

/// The newest sequence number of each key.
#[derive(Default)]
struct BySeq(hashbrown::HashMap<KeyHash, u64, Mixed>);

impl Newest for BySeq {
    fn of(&self, hash: KeyHash) -> Option<u64> {
        self.0.get(&hash).copied()
    }

    fn note(&mut self, hash: KeyHash, seq: u64) -> Result<(), OutOfMemory> {
        fallible::insert(&mut self.0, hash, seq).map(drop)
    }
}

/// What a segment file says of itself.
pub(super) type Identity = (SegmentEntry, StoreId);

/// Every segment file that a state knows nothing of, with what the file says of itself.
///
/// Not those that were merged or cleared long ago and whose removal is still due: what they hold may
/// since have been deleted by a tombstone that is gone.
pub(super) fn unlisted<S: Storage>(
    storage: &S,
    names: &[FileName],
    state: &Manifest,
) -> Result<Vec<(FileName, Option<Identity>)>> {
    let known = |id| state.condemned.contains(&id) || state.segment(id).is_some();
    let found = names.iter().filter_map(|name| match names::parse(name) {
        Some((FileKind::Segment, id)) if !known(id) => Some((*name, identify(storage, name, id))),
        _ => None,
    });
    Ok(fallible::collect(found)?)
}

/// Where a segment's records end: before its footer if it has one.
fn end_of_records<F: File>(file: &F, entry: &SegmentEntry, file_bytes: u64) -> u64 {
    let footer_at = file_bytes.saturating_sub(FOOTER_BYTES as u64);
    let mut footer = [0; FOOTER_BYTES];
    let got = file.pread(footer_at, &mut footer).unwrap_or(0);
    match Footer::decode(&footer[..got]) {
        Ok(footer) if footer.data_end == footer_at && footer.header.salt == entry.salt => footer_at,
        _ => file_bytes,
    }
}

/// How far a walk over what recovery cut off meets whole records. Those were copied to a new segment, and
/// if the copy is lost they serve; what lies behind a torn one was given up, and must not come back in the
/// place of what the store went on with.
fn whole_until<F: File>(mut tail: Walker<F>) -> Result<u64> {
    let mut end = tail.pos();
    while whole_unit(&mut tail)?.is_some() {
        end = tail.pos();
    }
    Ok(end)
}

/// What a segment file says of itself, in its header or else in its footer.
fn identify<S: Storage>(storage: &S, name: &FileName, id: u64) -> Option<Identity> {
    let file = storage.open(name, Access::Read).ok()?;
    let len = file.len().ok()?.min(FILE_BYTES_MAX);
    let mut bytes = [0; FOOTER_BYTES];
    let got = file.pread(0, &mut bytes[..FILE_HEADER_BYTES]).ok()?;
    let header = match FileHeader::decode(&bytes[..got]) {
        Ok(header) => header,
        Err(_) => {
            let at = len.checked_sub(FOOTER_BYTES as u64)?;
            let got = file.pread(at, &mut bytes).ok()?;
            Footer::decode(&bytes[..got]).ok()?.header
        }
    };
    let site = Site {
        salt: header.salt,
        base_seq: header.base_seq,
    };
    let mut entry = SegmentEntry {
        id,
        salt: site.salt,
        base_seq: site.base_seq,
        last_seq: site.base_seq,
        state: SegmentState::Cut,
        valid_bytes: FILE_HEADER_BYTES as u64,
        records: 0,
    };
    entry.valid_bytes = end_of_records(&file, &entry, len).max(entry.valid_bytes);
    (header.kind == FileKind::Segment && header.id == id).then_some((entry, header.store))
}
