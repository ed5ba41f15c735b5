//! What the manifests of a directory say, across damage.
//!
//! A record is synced before the next one is written, so a right record tells that all before it
//! were durable: what is wrong there is damage for certain. What is wrong with nothing right behind
//! it is damage, or was never finished; nobody can tell, and both are listed as such. Header and
//! first record are synced together and so vouch for each other only once a second record follows.
//!
//! One flipped bit is put right in memory wherever it lies: a record that never was finished and is
//! one bit away from whole may as well be taken, as it would be had that bit reached the medium.

use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::file::{
    FENCE_BYTES, FENCE_OFFSET, FILE_HEADER_BYTES, FileHeader, FileKind, HeaderDamage, StoreId,
    names,
};
use crate::format::manifest::{self, EditDamage, MANIFEST_RECORDS_OFFSET, State};
use crate::prelude::*;
use crate::report::DamageReport;
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// Manifests larger than this were not written by us.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// A manifest as found on disk.
pub(crate) struct Loaded {
    pub epoch: u64,
    pub store: StoreId,
    pub state: Box<State>,
    /// Something may have come after this state: bytes behind its last valid record are neither zeros
    /// nor nothing, or a manifest of higher epoch exists but has no valid state.
    pub suspect: bool,
}

impl Loaded {
    /// Whether this is the state of a store that was closed cleanly, and nothing came after it.
    pub(crate) fn is_clean(&self) -> bool {
        self.state.clean && !self.suspect
    }
}

/// What the manifests of a directory say.
pub(crate) struct Survey {
    /// The valid manifest of the highest epoch.
    pub newest: Option<Loaded>,
    /// What is wrong with the manifests that were read.
    pub places: Places,
}

/// Wrong places of manifests.
#[derive(Default)]
pub(crate) struct Places {
    /// Damaged for certain.
    pub damages: Vec<DamageReport>,
    /// Damaged, or never finished.
    pub undecided: Vec<DamageReport>,
    /// A change that was durable cannot be read: the state is not the newest there was.
    pub lost: bool,
}

/// Reads every manifest in `names`, newest first, until one holds a valid state.
pub(crate) fn survey<S: Storage>(storage: &S, names: &[FileName], below: u64) -> Result<Survey> {
    let mut survey = Survey {
        newest: None,
        places: Places::default(),
    };
    let (mut below, mut skipped) = (below, false);
    while let Some(epoch) = newest_epoch(names, below) {
        below = epoch;
        match inspect(storage, epoch, 0, &mut survey.places) {
            Ok(Some(mut loaded)) => {
                loaded.suspect |= skipped;
                survey.newest = Some(loaded);
                break;
            }
            Ok(None) => skipped = true,
            Err(error) if error.storage_kind() == Some(ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(survey)
}

/// The newest manifest, if it tells of a clean close and every byte of it is as it was written. Nobody need look at any other
/// then.
pub(crate) fn closed<S: Storage>(storage: &S, names: &[FileName]) -> Result<Option<Loaded>> {
    let Some(epoch) = newest_epoch(names, u64::MAX) else {
        return Ok(None);
    };
    let name = names::manifest(epoch);
    let file = storage.open(&name, Access::Read).during(Op::Open, name)?;
    let bytes = read_whole(&file, name)?;
    let header = match FileHeader::decode(&bytes) {
        Ok(header) if (header.kind, header.id) == (FileKind::Manifest, epoch) => header,
        _ => return Ok(None),
    };
    let mut state = Box::new(State::empty());
    let mut at = MANIFEST_RECORDS_OFFSET as usize;
    while at < bytes.len() {
        let record = manifest::decode_record(&bytes[at..], header.salt, at as u64);
        let Ok((edits, length)) = record else {
            return Ok(None);
        };
        if state.apply_all(edits).is_err() {
            return Ok(None);
        }
        at += length;
    }
    Ok(state.clean.then_some(Loaded {
        epoch,
        store: header.store,
        state,
        suspect: false,
    }))
}

/// The greatest epoch below another of which there is a manifest.
fn newest_epoch(names: &[FileName], below: u64) -> Option<u64> {
    let epochs = names.iter().filter_map(|name| match names::parse(name) {
        Some((FileKind::Manifest, epoch)) if epoch < below => Some(epoch),
        _ => None,
    });
    epochs.max()
}

/// One manifest's state, or `None` if it holds no valid one. What is wrong with it is noted in
/// `places`; of a manifest that the caller wrote itself, `durable` bytes are known to be durable.
pub(crate) fn inspect<S: Storage>(
    storage: &S,
    epoch: u64,
    durable: u64,
    places: &mut Places,
) -> Result<Option<Loaded>> {
    let name = names::manifest(epoch);
    let file = storage.open(&name, Access::Read).during(Op::Open, name)?;
    let mut bytes = read_whole(&file, name)?;
    if let Err(damage @ (HeaderDamage::NewerVersion { .. } | HeaderDamage::UnknownFlags { .. })) =
        FileHeader::decode(&bytes)
    {
        return Err(Error::header(name, damage));
    }
    let place = |from: usize, to: usize| DamageReport {
        file: name,
        offset: from as u64,
        bytes: (to - from) as u64,
        damage: Damage::Manifest,
        key: None,
        live: false,
    };
    let Some((header, whole)) = header_of(&bytes).filter(|(header, _)| header.id == epoch) else {
        if !is_blank(&bytes) {
            fallible::push(&mut places.undecided, place(0, bytes.len()))?;
        }
        return Ok(None);
    };
    // Repaired stretches, each with the number of records up to and with it.
    let mut repaired = Vec::new();
    if !whole {
        fallible::push(&mut repaired, (0, FILE_HEADER_BYTES, 1))?;
    }
    let mut at = MANIFEST_RECORDS_OFFSET as usize;
    let mut state: Option<Box<State>> = None;
    let mut records = 0;
    let end = written(&bytes);
    while let Some((next, length, whole)) =
        state_after(state.as_deref(), &mut bytes, header.salt, at)?
    {
        records += 1;
        if !whole {
            fallible::push(&mut repaired, (at, at + length, records))?;
        }
        state = Some(next);
        at += length;
    }
    let known = usize::try_from(durable).unwrap_or(usize::MAX);
    let lost = at < known || (at < end && right_record_behind(&bytes, header.salt, at)?);
    for (from, to, record) in repaired {
        let certain = records > record || lost || to <= known;
        let list = match certain {
            true => &mut places.damages,
            false => &mut places.undecided,
        };
        fallible::push(list, place(from, to))?;
    }
    if lost {
        places.lost = true;
        fallible::push(&mut places.damages, place(at, end.max(known)))?;
    } else if at < end {
        fallible::push(&mut places.undecided, place(at, end))?;
    }
    Ok(state.map(|state| Loaded {
        epoch,
        store: header.store,
        state,
        suspect: at < end,
    }))
}

/// The header of a manifest, and whether it is as it was written or one bit was put right.
pub(super) fn header_of(bytes: &[u8]) -> Option<(FileHeader, bool)> {
    let found = match FileHeader::decode(bytes) {
        Ok(header) => (header, true),
        Err(HeaderDamage::NewerVersion { .. } | HeaderDamage::UnknownFlags { .. }) => return None,
        Err(_) => (FileHeader::repair_one_bit(bytes)?, false),
    };
    (found.0.kind == FileKind::Manifest).then_some(found)
}

/// The state after the record at `at`, the record's bytes, and whether it is as it was written or one bit was put right
/// in `bytes`. `None` if there is none, or if its edits make no sense.
fn state_after(
    before: Option<&State>,
    bytes: &mut [u8],
    salt: u64,
    at: usize,
) -> Result<Option<(Box<State>, usize, bool)>> {
    let rest = bytes.get_mut(at..).unwrap_or_default();
    let whole = manifest::decode_record(rest, salt, at as u64).is_ok();
    if !whole && !manifest::repair_one_bit(rest, salt, at as u64) {
        return Ok(None);
    }
    let Ok((edits, length)) = manifest::decode_record(rest, salt, at as u64) else {
        return Ok(None);
    };
    let mut next = Box::new(before.map_or(Ok(State::empty()), State::try_clone)?);
    match next.apply_all(edits) {
        Ok(()) => Ok(Some((next, length, whole))),
        // Never a reason to step back to an older state.
        Err(EditDamage::OutOfMemory) => Err(Error::OutOfMemory),
        Err(_) => Ok(None),
    }
}

/// Whether any record behind `at` is right.
fn right_record_behind(bytes: &[u8], salt: u64, at: usize) -> Result<bool> {
    for offset in at + 1..bytes.len() {
        if let Ok((edits, _)) = manifest::decode_record(&bytes[offset..], salt, offset as u64)
            && edits.make_sense()?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether its opener was stopped before it wrote: there is nothing but the mark of a later one.
fn is_blank(bytes: &[u8]) -> bool {
    let fence = FENCE_OFFSET as usize;
    let has_none = |part: Option<&[u8]>| part.is_none_or(|part| written(part) == 0);
    has_none(Some(&bytes[..fence.min(bytes.len())])) && has_none(bytes.get(fence + FENCE_BYTES..))
}

/// Where the zeros at the end begin.
fn written(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| *byte != 0);
    last.map_or(0, |last| last + 1)
}

fn read_whole<F: File>(file: &F, name: FileName) -> Result<Vec<u8>> {
    let len = file.len().during(Op::Read, name)?.min(MANIFEST_BYTES_MAX);
    let mut bytes = fallible::zeroed(usize::try_from(len).map_err(|_| Error::TooLarge)?)?;
    let got = file.pread(0, &mut bytes).during(Op::Read, name)?;
    bytes.truncate(got);
    Ok(bytes)
}
