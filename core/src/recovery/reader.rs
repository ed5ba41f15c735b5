//! Opening for reading: no lock, no repair, nothing deleted. An incomplete tail is in flight, and
//! where the writer changes the set of files meanwhile, the reader starts over.

use super::replay::Replay;
use super::{active_entry, no_manifest, settle};
use crate::clock::Clock;
use crate::error::{Context, Op, Result};
use crate::format::file::StoreId;
use crate::format::manifest::State;
use crate::index::Index;
use crate::manifest_log::{self, Loaded, Places, Survey};
use crate::options::Options;
use crate::prelude::*;
use crate::report::RecoveryReport;
use crate::storage::{FileName, Storage};

/// How often a reader starts over because the writer changed the set of files under it.
const READER_TRIES: usize = 16;

/// What a reader knows after loading.
pub(crate) struct ReaderParts<F> {
    pub index: Box<Index<F>>,
    pub report: Box<RecoveryReport>,
    pub store: StoreId,
    pub state: Box<State>,
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
        let Survey { newest, places } = survey;
        let Some(loaded) = newest else {
            return Err(no_manifest(&names));
        };
        let before = (loaded.epoch, loaded.state.try_clone()?);
        let parts = load_view(storage, options, &names, loaded, places);
        let unsettled = match &parts {
            Ok(parts) => !parts.report.damages.is_empty() || !parts.report.orphans.is_empty(),
            Err(_) => true,
        };
        // Damage may be a file that merge removed while it was looked for, and an orphan one that
        // a rotation added: look again.
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
    Ok(now.is_none_or(|now| (now.epoch, &*now.state) != (before.0, &before.1)))
}

fn load_view<S: Storage>(
    storage: &S,
    options: &Options,
    names: &[FileName],
    loaded: Loaded,
    manifests: Places,
) -> Result<ReaderParts<S::File>> {
    let clock = Clock::new(loaded.state.clock_ms, options.trust_clock);
    let index = Index::new(loaded.state.hash_key, clock, options.ordered_index);
    let mut replay = Replay::new(storage, index, loaded.store, false);
    replay.report.epoch = loaded.epoch;
    replay.report.clean = loaded.is_clean();
    replay.sealed(&loaded.state)?;
    if let Some(entry) = active_entry(&loaded.state) {
        replay.active_in_place(entry, replay.report.clean)?;
    }
    settle(&mut replay, options, &loaded.state, names, manifests)?;
    let mut state = loaded.state;
    // The manifest tells it only of what was closed or sealed.
    state.last_seq = state.last_seq.max(replay.max_seq);
    let (index, report) = replay.finish(&state)?;
    Ok(ReaderParts {
        index,
        report,
        store: loaded.store,
        state,
        epoch: loaded.epoch,
    })
}
