//! Opening for writing.

use super::reader::ReaderParts;
use super::replay::Replay;
use super::{Recovered, active, active_entry, highest_segment_id, no_manifest, salvaged, settle};
use crate::clock::Clock;
use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::counter;
use crate::format::file::names;
use crate::format::file::{HeaderDamage, StoreId};
use crate::format::manifest::{Edit, EditDamage, SegmentEntry, State};
use crate::index::Index;
use crate::manifest_log::{self, Loaded, ManifestLog, SEQ_BLOCK, Survey};
use crate::options::Options;
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::report::RecoveryReport;
use crate::segment::active::Active;
use crate::segment::create::{fresh_salt, header_in, may_be_abandoned, sync_names};
use crate::storage::{Access, ErrorKind, File, FileName, Storage};
use core::slice;

/// What a writer has after recovering.
pub(crate) struct WriterParts<S: Storage> {
    pub index: Box<Index<S::File>>,
    pub report: Box<RecoveryReport>,
    pub store: StoreId,
    pub lock: Option<S::Lock>,
    pub manifest: Box<ManifestLog<S::File>>,
    pub active: Box<Active<S::File>>,
    /// The last sequence number issued.
    pub seq: u64,
    /// The next active segment's id.
    pub reserved: u64,
    /// When all this was synced, by the host's clock.
    pub synced_ms: Option<u64>,
    /// The directory as the takeover found it.
    pub names: Vec<FileName>,
    /// The epoch that the state came from.
    pub previous: u64,
}

/// Opens for writing: claims the next manifest, recovers, commits what was recovered.
pub(crate) fn open<S: Storage>(storage: &S, options: &Options) -> Result<Recovered<S>> {
    // Refuse what must not be touched before touching anything.
    let names = storage.list().during_any(Op::List)?;
    let before = manifest_log::survey(storage, &names, u64::MAX)?;
    match &before.newest {
        Some(loaded) => refuse_newer(storage, &loaded.state)?,
        None => match no_manifest(&names) {
            Error::NoStore if options.create => {}
            refusal => return Err(refusal),
        },
    }
    let mut taken = claim(storage, options);
    // What the reserve is for: on a full disk, too, deletes and merge need a writer.
    let full = |error: &Error| error.storage_kind() == Some(ErrorKind::Full);
    if taken.as_ref().is_err_and(full) && storage.remove(&names::reserve()).is_ok() {
        taken = claim(storage, options);
    }
    taken
}

/// Refuses segments of a newer format. Whatever else is wrong with a segment is for the replay.
fn refuse_newer<S: Storage>(storage: &S, state: &State) -> Result<()> {
    for segment in &state.segments {
        let name = names::segment(segment.id);
        if let Ok(file) = storage.open(&name, Access::Read)
            && let Err(
                damage @ (HeaderDamage::NewerVersion { .. } | HeaderDamage::UnknownFlags { .. }),
            ) = header_in(&file)
        {
            return Err(Error::header(name, damage));
        }
    }
    Ok(())
}

/// Becomes the one who may write, and recovers.
fn claim<S: Storage>(storage: &S, options: &Options) -> Result<Recovered<S>> {
    let lock = locked(storage)?;
    let names = storage.list().during_any(Op::List)?;
    let claimed = manifest_log::claim(storage, &names)?;
    let name = names::manifest(claimed.0);
    let mut committed = false;
    let taken = take_over(storage, options, claimed, lock, &mut committed);
    if !committed {
        // An unfinished manifest counts for nothing; left behind, it would look like damage.
        let _ = storage.remove(&name);
    }
    taken
}

/// The writer's lock, where there are locks.
pub(super) fn locked<S: Storage>(storage: &S) -> Result<Option<S::Lock>> {
    match storage.lock() {
        _ if planted(Bug::LockForgotten) => Ok(None),
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(Error::storage(Op::Lock, None, error)),
    }
}

/// Recovers under a claimed manifest. `committed` tells whether that manifest holds a state.
fn take_over<S: Storage>(
    storage: &S,
    options: &Options,
    claimed: (u64, S::File),
    lock: Option<S::Lock>,
    committed: &mut bool,
) -> Result<Recovered<S>> {
    let epoch = claimed.0;
    // Only now: whatever an older writer acknowledged is visible, and it can acknowledge no more.
    let names = storage.list().during_any(Op::List)?;
    let survey = manifest_log::survey(storage, &names, epoch)?;
    let Survey { newest, places } = survey;
    let created = newest.is_none();
    // A store that was just created has nothing to recover.
    let clean = newest.as_ref().is_none_or(Loaded::is_clean);
    let (store, mut state, previous) = match newest {
        Some(loaded) => (loaded.store, loaded.state, loaded.epoch),
        None => {
            let (store, state) = of_nothing(storage)?;
            (store, state, 0)
        }
    };
    if planted(Bug::OrphanAdopted) {
        adopt_orphans(storage, &names, &mut state)?;
    }
    let host_ms = storage.now_ms();
    let index = index_of(&state, options, host_ms);
    let mut replay = Replay::new(storage, index, store, true);
    replay.report.epoch = epoch;
    replay.report.created = created;
    replay.report.clean = clean;
    replay.sealed(&state)?;

    let outcome = match active_entry(&state) {
        Some(entry) => replay.active_for_writer(entry, replay.report.clean)?,
        None => active::Outcome::None,
    };
    settle(&mut replay, options, &state, &names, places)?;
    if replay.report.degraded {
        replay.give_up_writing(&outcome)?;
        state.last_seq = state.last_seq.max(replay.max_seq);
        let (index, report) = replay.finish(&state)?;
        return Ok(Recovered::Reader(Box::new(ReaderParts {
            index,
            report,
            store,
            state,
            epoch: previous,
        })));
    }

    let seq = last_issued(&replay, &state);
    let (mut manifest, reserved) = begin_epoch(
        &replay,
        claimed,
        (state, previous),
        &names,
        (seq, host_ms),
        committed,
    )?;
    let (active, reserved) = replay.settle_active(&mut manifest, outcome, reserved, seq)?;
    let (index, report) = replay.finish(&manifest.state)?;
    Ok(Recovered::Writer(Box::new(WriterParts {
        index,
        report,
        store,
        lock,
        manifest,
        active,
        seq,
        reserved,
        synced_ms: host_ms,
        names,
        previous,
    })))
}

/// A new store's id, and its state.
pub(super) fn of_nothing<S: Storage>(storage: &S) -> Result<(StoreId, Box<State>)> {
    let hash_key = storage.entropy().during_any(Op::Entropy)?;
    let id = storage.entropy().during_any(Op::Entropy)?;
    Ok((StoreId(id), Box::new(State::new(hash_key))))
}

/// A deliberate bug: files that the state does not list are taken for the store's.
fn adopt_orphans<S: Storage>(storage: &S, names: &[FileName], state: &mut State) -> Result<()> {
    for (_, identity) in salvaged::unlisted(storage, names, state)? {
        if let Some((entry, _)) = identity {
            fallible::push(&mut state.segments, entry)?;
        }
    }
    state.segments.sort_unstable_by_key(|entry| entry.base_seq);
    Ok(())
}

/// An index for what a state lists, with the clock as the host has it.
pub(super) fn index_of<F: File + Clone>(
    state: &State,
    options: &Options,
    host_ms: Option<u64>,
) -> Index<F> {
    let mut clock = Clock::new(state.clock_ms, options.trust_clock);
    clock.observe(host_ms);
    Index::new(state.hash_key, clock, options.ordered_index)
}

/// The last sequence number that the writer before may have issued.
fn last_issued<S: Storage>(replay: &Replay<'_, S>, state: &State) -> u64 {
    let seen = replay.max_seq;
    if replay.report.clean {
        state.last_seq.max(seen)
    } else if planted(Bug::SeqReissued) {
        seen
    } else {
        state.seq_bound.max(state.last_seq).max(seen)
    }
}

/// Writes what an opening makes of the state of the epoch before, and answers as [`start`] does.
pub(super) fn begin_epoch<S: Storage>(
    replay: &Replay<'_, S>,
    claimed: (u64, S::File),
    (mut state, previous): (Box<State>, u64),
    names: &[FileName],
    (seq, host_ms): (u64, Option<u64>),
    committed: &mut bool,
) -> Result<(Box<ManifestLog<S::File>>, u64)> {
    let (storage, store) = (replay.storage, replay.store);
    state.clean = false;
    // A cut may keep the copy that is now made of the tail and lose the tail itself: its numbers
    // must not look as if they were issued under a later state than this one.
    state.last_seq = seq;
    state.clock_ms = replay.index.clock.floor_ms();
    state.next_id = state
        .next_id
        .max(counter::after(highest_segment_id(names), 1)?);
    let refused = abandon_pending(storage, store, &mut state);
    refused.map_err(|damage| invalid(damage, previous))?;
    start(storage, claimed, store, state, (seq, host_ms), committed)
}

/// Whatever was being written when the last writer stopped means nothing.
fn abandon_pending<S: Storage>(
    storage: &S,
    store: StoreId,
    state: &mut State,
) -> core::result::Result<(), EditDamage> {
    for id in core::mem::take(&mut state.pending) {
        let edit = match may_be_abandoned(storage, store, id) {
            Ok(true) => Edit::Condemn(slice::from_ref(&id)),
            Ok(false) => continue,
            // For the next opening to judge.
            Err(_) => Edit::Pending(id),
        };
        state.apply(&edit)?;
    }
    Ok(())
}

/// The error for an edit that the state before this opening does not take.
fn invalid(damage: EditDamage, previous: u64) -> Error {
    match damage {
        EditDamage::OutOfMemory => Error::OutOfMemory,
        _ => Error::damaged(names::manifest(previous), 0, Damage::Manifest),
    }
}

/// Writes the state into the claimed manifest, with the id of the next active segment reserved: returns that too.
pub(super) fn start<S: Storage>(
    storage: &S,
    claimed: (u64, S::File),
    store: StoreId,
    mut state: Box<State>,
    (seq, host_ms): (u64, Option<u64>),
    committed: &mut bool,
) -> Result<(Box<ManifestLog<S::File>>, u64)> {
    if state.seq_bound <= seq {
        state.seq_bound = counter::after(seq, SEQ_BLOCK)?;
    }
    // So that a crash before its commit leaves it deletable.
    let reserved = state.next_id;
    let edit = state.apply(&Edit::Pending(reserved));
    edit.map_err(|damage| invalid(damage, claimed.0))?;
    state.next_id = counter::after(reserved, 1)?;
    let salt = fresh_salt(storage)?;
    let manifest = ManifestLog::start(claimed, store, salt, host_ms.unwrap_or(0), state)?;
    *committed = true;
    sync_names(storage)?;
    manifest.check_fence()?;
    Ok((manifest, reserved))
}

/// The edits that begin an active segment, and reserve the id of the one after it.
pub(super) fn started(next: u64, entry: SegmentEntry) -> Result<[Edit<'static>; 3]> {
    Ok([
        Edit::NextId(counter::after(next, 1)?),
        Edit::Pending(next),
        Edit::Add(entry),
    ])
}

/// Removes what there is of segments that were begun: on a full disk the next try needs their space.
pub(super) fn remove_begun<S: Storage>(storage: &S, state: &State) {
    for id in &state.pending {
        let _ = storage.remove(&names::hint(*id));
        let _ = storage.remove(&names::segment(*id));
    }
}

impl<S: Storage> Replay<'_, S> {
    /// Commits what becomes of the old active segment, and returns the one to write to and the id
    /// reserved for the one after it.
    fn settle_active(
        &mut self,
        manifest: &mut ManifestLog<S::File>,
        outcome: active::Outcome<S::File>,
        reserved: u64,
        seq: u64,
    ) -> Result<(Box<Active<S::File>>, u64)> {
        if let active::Outcome::Continue { active } = outcome {
            return Ok((active, reserved));
        }
        let fresh = match self.rewrite(&outcome, manifest, reserved, seq) {
            Ok(fresh) => fresh,
            Err(error) => {
                // Half a copy of the tail.
                remove_begun(self.storage, &manifest.state);
                return Err(error);
            }
        };
        let next = manifest.state.next_id;
        let old = match &outcome {
            active::Outcome::Seal {
                opened, records: 0, ..
            } => Some(Edit::Replace {
                remove: slice::from_ref(&opened.id),
                with: &[],
            }),
            active::Outcome::Seal {
                opened,
                valid_bytes,
                records,
                ..
            } => Some(Edit::Seal {
                id: opened.id,
                valid_bytes: *valid_bytes,
                last_seq: fresh.entry.base_seq.saturating_sub(1),
                records: *records,
                footer: false,
            }),
            active::Outcome::Continue { .. } | active::Outcome::None => None,
        };
        let started = started(next, fresh.entry)?;
        let edits = fallible::collect(old.into_iter().chain(started))?;
        manifest.commit(&edits)?;
        manifest.check_fence()?;
        if let active::Outcome::Seal {
            opened, records: 0, ..
        } = &outcome
        {
            self.index.remove_segment(opened.slot);
        }
        Ok((fresh.active, next))
    }
}
