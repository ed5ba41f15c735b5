//! Opening: from a directory of files to an index, losing nothing that was acknowledged.
//!
//! ```text
//!   writer: claim manifest n+1, fence the older ones    reader: nothing
//!           newest valid manifest -> the set of files, their order and valid lengths
//!           sealed segments:  [replay] hints, else records          (damage: reported, named)
//!           active segment:   [active] below the durable marker as sealed; above it the longest
//!                             whole prefix, rewritten to a new segment and synced before trusted
//!           writer: the new state into the manifest, synced; only then old files are removed
//! ```

mod active;
mod replay;
mod salvaged;

pub(crate) use replay::Replay;

use crate::clock::Clock;
use crate::engine::{
    Active, Engine, HintLog, ReaderState, Role, SEQ_BLOCK, WriterState, fresh_salt, sync_names,
};
use crate::error::{Context, Damage, Error, Op, Result};
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, StoreId};
use crate::format::manifest::{Edit, SegmentState, State};
use crate::index::{Index, IndexCell};
use crate::manifest_log::{self, Loaded, ManifestLog, Survey};
use crate::options::{OpenAccess, OpenMode, Options};
use crate::prelude::*;
use crate::report::RecoveryReport;
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// How often a reader starts over because the writer changed the set of files under it.
const READER_TRIES: usize = 16;

/// Opens a store as the options say.
pub(crate) fn open<S: Storage, C: IndexCell<S::File>>(
    storage: S,
    options: Options,
) -> Result<Engine<S, C>> {
    if options.mode == OpenMode::Salvage {
        let loaded = salvaged::load(&storage, &options)?;
        return Ok(reader_engine(storage, options, loaded));
    }
    match options.access {
        OpenAccess::ReadWrite => open_writer(storage, options),
        OpenAccess::ReadOnly => {
            let loaded = load_reader(&storage, &options)?;
            Ok(reader_engine(storage, options, loaded))
        }
    }
}

/// What a reader knows after loading.
pub(crate) struct ReaderParts<F> {
    pub index: Index<F>,
    pub report: RecoveryReport,
    pub store: StoreId,
    pub state: State,
    pub epoch: u64,
}

/// Loads a reader's view, starting over while the writer changes the files under it.
pub(crate) fn load_reader<S: Storage>(
    storage: &S,
    options: &Options,
) -> Result<ReaderParts<S::File>> {
    let mut tries = 0;
    loop {
        let names = storage.list().during_any(Op::List)?;
        let survey = manifest_log::survey(storage, &names, u64::MAX)?;
        let Survey {
            newest, skipped, ..
        } = survey;
        let Some(loaded) = newest else {
            return Err(no_manifest(&names));
        };
        let before = (loaded.epoch, loaded.state.clone());
        let parts = load_view(storage, options, &names, loaded, skipped);
        let unsettled = match &parts {
            Ok(parts) => !parts.report.damages.is_empty(),
            Err(_) => true,
        };
        // Damage may be a file that merge removed while it was looked for: look again.
        if unsettled && tries < READER_TRIES && changed_since(storage, &before)? {
            tries += 1;
            continue;
        }
        return parts;
    }
}

fn changed_since<S: Storage>(storage: &S, before: &(u64, State)) -> Result<bool> {
    let names = storage.list().during_any(Op::List)?;
    let now = manifest_log::survey(storage, &names, u64::MAX)?.newest;
    Ok(now.is_none_or(|now| (now.epoch, &now.state) != (before.0, &before.1)))
}

fn load_view<S: Storage>(
    storage: &S,
    options: &Options,
    names: &[FileName],
    loaded: Loaded,
    skipped: bool,
) -> Result<ReaderParts<S::File>> {
    let clock = Clock::new(loaded.state.clock_ms, options.trust_clock);
    let index = Index::new(loaded.state.hash_key, clock, options.ordered_index);
    let mut replay = Replay::new(storage, index, loaded.store, false);
    replay.report.epoch = loaded.epoch;
    let suspect = skipped || loaded.trailing;
    replay.report.clean = loaded.state.clean && !suspect;
    replay.sealed(&loaded.state)?;
    if let Some(entry) = active_entry(&loaded.state) {
        replay.active_in_place(entry, replay.report.clean)?;
    }
    settle(&mut replay, options, &loaded.state, names, suspect)?;
    let (index, report) = replay.finish(&loaded.state)?;
    Ok(ReaderParts {
        index,
        report,
        store: loaded.store,
        state: loaded.state,
        epoch: loaded.epoch,
    })
}

fn reader_engine<S: Storage, C: IndexCell<S::File>>(
    storage: S,
    options: Options,
    parts: ReaderParts<S::File>,
) -> Engine<S, C> {
    let refusal = match first_damage(&parts.report) {
        Some((file, offset)) if options.access == OpenAccess::ReadWrite => {
            Error::Degraded { file, offset }
        }
        _ => Error::ReadOnly,
    };
    Engine {
        storage,
        options,
        index: C::new(parts.index),
        report: parts.report,
        store: parts.store,
        role: Role::Reader(Box::new(ReaderState {
            state: parts.state,
            epoch: parts.epoch,
            refusal,
        })),
    }
}

fn open_writer<S: Storage, C: IndexCell<S::File>>(
    storage: S,
    options: Options,
) -> Result<Engine<S, C>> {
    // Refuse what must not be touched before touching anything.
    let names = storage.list().during_any(Op::List)?;
    let before = manifest_log::survey(&storage, &names, u64::MAX)?;
    if before.newest.is_none() {
        match no_manifest(&names) {
            Error::NoStore if options.create => {}
            refusal => return Err(refusal),
        }
    }
    let lock = match storage.lock() {
        Ok(lock) => Some(lock),
        Err(error) if error.kind == ErrorKind::Unsupported => None,
        Err(error) => return Err(Error::storage(Op::Lock, None, error)),
    };
    let names = storage.list().during_any(Op::List)?;
    let claimed = manifest_log::claim(&storage, &names)?;
    let epoch = claimed.0;
    // Only now: whatever an older writer acknowledged is visible, and it can acknowledge no more.
    let names = storage.list().during_any(Op::List)?;
    let survey = manifest_log::survey(&storage, &names, epoch)?;
    let Survey {
        newest, skipped, ..
    } = survey;
    let created = newest.is_none();
    let (store, mut state, suspect, previous) = match newest {
        Some(loaded) => (
            loaded.store,
            loaded.state,
            skipped || loaded.trailing,
            loaded.epoch,
        ),
        None => {
            let hash_key = storage.entropy().during_any(Op::Entropy)?;
            let id = storage.entropy().during_any(Op::Entropy)?;
            (StoreId(id), State::new(hash_key), false, 0)
        }
    };
    let host_ms = storage.now_ms();
    let mut clock = Clock::new(state.clock_ms, options.trust_clock);
    clock.observe(host_ms);
    let index = Index::new(state.hash_key, clock, options.ordered_index);
    let mut replay = Replay::new(&storage, index, store, true);
    replay.report.epoch = epoch;
    replay.report.created = created;
    replay.report.clean = created || (state.clean && !suspect);
    replay.sealed(&state)?;

    let outcome = match active_entry(&state) {
        Some(entry) => replay.active_for_writer(entry, replay.report.clean)?,
        None => active::Outcome::None,
    };
    settle(&mut replay, &options, &state, &names, suspect)?;
    if replay.report.degraded {
        // Nothing was changed but an unfinished manifest, which counts for nothing.
        let _ = storage.remove(&claimed.1);
        let (index, report) = replay.finish(&state)?;
        let parts = ReaderParts {
            index,
            report,
            store,
            state,
            epoch: previous,
        };
        return Ok(reader_engine(storage, options, parts));
    }

    let seen = replay.max_seq;
    let seq = if replay.report.clean {
        state.last_seq.max(seen)
    } else {
        state.seq_bound.max(seen)
    };
    state.clean = false;
    state.clock_ms = replay.index.clock.floor_ms();
    state.next_id = state.next_id.max(highest_segment_id(&names) + 1);
    let invalid = |_| Error::Damaged {
        file: names::manifest(previous),
        offset: 0,
        damage: Damage::Manifest,
    };
    // Whatever was being written when the last writer stopped means nothing.
    let abandoned = Edit::Condemn(state.pending.clone());
    state.apply(&abandoned).map_err(invalid)?;
    if state.seq_bound <= seq {
        state.seq_bound = seq.checked_add(SEQ_BLOCK).ok_or(Error::SeqExhausted)?;
    }
    let continues = matches!(outcome, active::Outcome::Continue { .. });
    if !continues {
        // The new active segment's id, so that a crash before its commit leaves it deletable.
        let id = state.next_id;
        state.apply(&Edit::Pending(id)).map_err(invalid)?;
        state.next_id = id + 1;
    }
    let salt = fresh_salt(&storage)?;
    let mut manifest = ManifestLog::start(claimed, store, salt, host_ms.unwrap_or(0), state)?;
    sync_names(&storage)?;
    manifest.check_fence()?;

    let active = replay.settle_active(&mut manifest, outcome, seq)?;
    let (index, report) = replay.finish(&manifest.state)?;
    let mut engine = Engine {
        options,
        index: C::new(index),
        report,
        store,
        role: Role::Writer(Box::new(WriterState {
            _lock: lock,
            manifest,
            active,
            seq,
            merge: None,
            pins: 0,
            synced_ms: host_ms,
            fenced: None,
            scratch: Vec::new(),
        })),
        storage,
    };
    engine.rank_segments();
    engine.check_fence()?;
    engine.remove_condemned();
    engine.remove_old_manifests(&names, previous);
    engine.lay_reserve();
    Ok(engine)
}

/// Judges what the replay found against the open mode.
fn settle<S: Storage>(
    replay: &mut Replay<'_, S>,
    options: &Options,
    state: &State,
    names: &[FileName],
    suspect: bool,
) -> Result<()> {
    replay.report.namespace_sync = replay.storage.capabilities().namespace_sync;
    replay.report.clock_jump = replay.index.clock.jump(replay.storage.now_ms());
    find_orphans(replay, state, names)?;
    let lost_state = suspect && !replay.report.orphans.is_empty();
    replay.report.stepped_back = lost_state;
    replay.report.degraded = replay.index.veil.is_some() || lost_state;
    if options.mode == OpenMode::Strict {
        if let Some(first) = replay.report.damages.first() {
            return Err(Error::Damaged {
                file: first.file,
                offset: first.offset,
                damage: first.damage,
            });
        }
        if lost_state {
            return Err(Error::Damaged {
                file: names::manifest(replay.report.epoch),
                offset: 0,
                damage: Damage::Manifest,
            });
        }
    }
    Ok(())
}

/// Files with our header that the state does not list: kept, and reported if they hold records.
fn find_orphans<S: Storage>(
    replay: &mut Replay<'_, S>,
    state: &State,
    names: &[FileName],
) -> Result<()> {
    for name in names {
        let Some((FileKind::Segment, id)) = names::parse(name) else {
            continue;
        };
        let known = state.segments.iter().any(|segment| segment.id == id)
            || state.pending.contains(&id)
            || state.condemned.contains(&id);
        if known {
            continue;
        }
        let Ok(file) = replay.storage.open(name, Access::Read) else {
            continue;
        };
        let mut header = [0; FILE_HEADER_BYTES];
        let got = file.pread(0, &mut header).unwrap_or(0);
        let ours = FileHeader::decode(&header[..got]).is_ok_and(|h| h.store == replay.store);
        let holds_records = file.len().is_ok_and(|len| len > FILE_HEADER_BYTES as u64);
        if ours && holds_records {
            replay.report.orphans.push(*name);
        }
    }
    replay.report.orphans.sort_unstable();
    Ok(())
}

fn active_entry(state: &State) -> Option<&crate::format::manifest::SegmentEntry> {
    state
        .segments
        .last()
        .filter(|segment| segment.state == SegmentState::Active)
}

fn highest_segment_id(names: &[FileName]) -> u64 {
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
    let segments = names
        .iter()
        .filter(|name| matches!(names::parse(name), Some((FileKind::Segment, _))))
        .count();
    if segments == 0 {
        Error::NoStore
    } else {
        Error::NoManifest { segments }
    }
}

fn first_damage(report: &RecoveryReport) -> Option<(FileName, u64)> {
    let damage = report.damages.first().map(|d| (d.file, d.offset));
    damage.or_else(|| report.orphans.first().map(|name| (*name, 0)))
}

impl<S: Storage> Replay<'_, S> {
    /// Commits what becomes of the old active segment, and returns the one to write to.
    fn settle_active(
        &mut self,
        manifest: &mut ManifestLog<S::File>,
        outcome: active::Outcome<S::File>,
        seq: u64,
    ) -> Result<Active<S::File>> {
        if let active::Outcome::Continue { active } = outcome {
            return Ok(active);
        }
        let reserved = manifest.state.pending.last().copied().unwrap_or(1);
        let fresh = self.rewrite(&outcome, reserved, seq)?;
        let mut edits = Vec::new();
        match &outcome {
            active::Outcome::Seal { id, records: 0, .. } => edits.push(Edit::Replace {
                remove: Vec::from([*id]),
                with: Vec::new(),
            }),
            active::Outcome::Seal {
                id,
                valid_bytes,
                records,
                ..
            } => edits.push(Edit::Seal {
                id: *id,
                valid_bytes: *valid_bytes,
                last_seq: fresh.entry.base_seq - 1,
                records: *records,
            }),
            active::Outcome::Continue { .. } | active::Outcome::None => {}
        }
        edits.push(Edit::NextId(manifest.state.next_id.max(fresh.entry.id + 1)));
        edits.push(Edit::Add(fresh.entry));
        manifest.commit(&edits)?;
        manifest.check_fence()?;
        if let active::Outcome::Seal {
            slot, records: 0, ..
        } = &outcome
        {
            self.index.remove_segment(*slot);
        }
        Ok(fresh.active)
    }
}

/// A hint that continues where the replay stopped reading it.
pub(crate) fn resume_hint<S: Storage>(
    storage: &S,
    store: StoreId,
    segment: u64,
    salt: u64,
    at: Option<(u64, u64)>,
) -> HintLog<S::File> {
    match at {
        None => HintLog::new(storage, store, segment, salt, storage.now_ms().unwrap_or(0)),
        Some((end, covered)) => {
            let file = storage.open(&names::hint(segment), Access::Write).ok();
            HintLog::at(file, salt, end, covered)
        }
    }
}
