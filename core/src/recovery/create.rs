//! A new store, where there is nothing to recover: what opening does in an empty directory, call for call, without the
//! code that reads what others wrote. A guest may begin with it and load that code when it first meets a store.

use super::active::begin_segment;
use super::writer::{WriterParts, locked, of_nothing, remove_begun, start, started};
use crate::clock::Clock;
use crate::error::{Context, Error, Op, Result};
use crate::format::counter;
use crate::format::file::{FILE_HEADER_BYTES, names};
use crate::index::Index;
use crate::options::Options;
use crate::prelude::*;
use crate::report::RecoveryReport;
use crate::segment::active::Active;
use crate::segment::hint_log::HintLog;
use crate::storage::{ErrorKind, FileName, Storage, StorageError};

/// The first manifest of a store.
const FIRST_EPOCH: u64 = 1;

/// Begins a store in a directory without one.
pub(crate) fn create<S: Storage>(storage: &S, options: &Options) -> Result<WriterParts<S>> {
    must_be_empty(storage)?;
    if !options.create {
        return Err(Error::NoStore);
    }
    let lock = locked(storage)?;
    let listed = must_be_empty(storage)?;
    let name = names::manifest(FIRST_EPOCH);
    let file = storage.create(&name).during(Op::Create, name)?;
    let mut committed = false;
    let begun = begin(storage, options, file, lock, listed, &mut committed);
    if !committed {
        // As an opening that came to nothing does.
        let _ = storage.remove(&name);
    }
    begun
}

/// The directory, if no file in it has a name of ours.
fn must_be_empty<S: Storage>(storage: &S) -> Result<Vec<FileName>> {
    let listed = storage.list().during_any(Op::List)?;
    match listed.iter().find(|name| names::parse(name).is_some()) {
        None => Ok(listed),
        Some(name) => {
            let taken = StorageError::new(ErrorKind::Exists);
            Err(Error::storage(Op::Create, Some(*name), taken))
        }
    }
}

/// Begins it under its first manifest. `committed` tells whether that holds a state.
fn begin<S: Storage>(
    storage: &S,
    options: &Options,
    file: S::File,
    lock: Option<S::Lock>,
    names: Vec<FileName>,
    committed: &mut bool,
) -> Result<WriterParts<S>> {
    let (store, mut state) = of_nothing(storage)?;
    let host_ms = storage.now_ms();
    let mut clock = Clock::new(state.clock_ms, options.trust_clock);
    clock.observe(host_ms);
    let mut index = Box::new(Index::new(state.hash_key, clock, options.ordered_index));
    let report = Box::new(RecoveryReport {
        created: true,
        clean: true,
        epoch: FIRST_EPOCH,
        namespace_sync: storage.capabilities().namespace_sync,
        clock_jump: clock.jump(storage.now_ms()),
        ..RecoveryReport::default()
    });
    let seq = state.last_seq;
    state.clean = false;
    state.clock_ms = clock.floor_ms();
    let claimed = (FIRST_EPOCH, file);
    let (mut manifest, id) = start(storage, claimed, store, state, (seq, host_ms), committed)?;

    let now = storage.now_ms().unwrap_or(0);
    let base_seq = counter::after(seq, 1)?;
    let begun = begin_segment(
        (storage, store),
        &mut index,
        &mut manifest,
        (id, base_seq),
        now,
    );
    let (created, slot) = begun.inspect_err(|_| remove_begun(storage, &manifest.state))?;
    let end = FILE_HEADER_BYTES as u64;
    let hint = HintLog::new(storage, store, created.id, created.site.salt, now);
    let entry = created.entry(seq, end, 0);
    let place = (slot, created.id);
    let active = Active::at(place, created.file, created.site, end, 0, hint);
    let reserved = manifest.state.next_id;
    manifest.commit(&started(reserved, entry)?)?;
    manifest.check_fence()?;
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
        previous: 0,
    })
}
