//! Opening: an engine made of what recovery found.

use super::{Engine, ReaderState, Role, WriterState};
use crate::error::{Error, Result};
use crate::format::file::names;
use crate::index::IndexCell;
use crate::options::{OpenAccess, OpenMode, Options};
use crate::prelude::*;
use crate::recovery::{self, ReaderParts, Recovered, WriterParts};
use crate::report::RecoveryReport;
use crate::storage::{FileName, Storage};

impl<S: Storage> Engine<S> {
    /// Opens a store, recovering whatever the last writer left.
    ///
    /// Costs one sequential read of the hints, and of the segments they do not cover. A writer
    /// creates a manifest, syncs it, and cuts (never overwrites) a torn tail; a reader changes
    /// nothing. See [`Engine::report`] for what was found.
    pub fn open(storage: S, options: Options) -> Result<Self> {
        Self::open_shared(storage, options)
    }

    /// As [`Engine::open`] for those who always write: a guest that opens in no other way does without the code for
    /// readers and for salvage.
    ///
    /// Errors with [`Error::BadOption`] where the options ask for those.
    pub fn open_writer(storage: S, options: Options) -> Result<Self> {
        if options.mode == OpenMode::Salvage || options.access == OpenAccess::ReadOnly {
            return Err(Error::bad_option("a writer was asked for"));
        }
        options.check()?;
        Self::of_recovered(recovery::open_writer(&storage, &options)?, storage, options)
    }

    /// As [`Engine::open_writer`] of a directory without a store, which becomes one: what lies on the disk then is the same.
    /// A guest that loads its code in parts begins with this one, and does without the code that recovers.
    ///
    /// Errors with [`ErrorKind::Exists`](crate::ErrorKind::Exists), and with nothing written, where a file has a name that
    /// a store's could have: [`Engine::open_writer`] knows what it is.
    pub fn create(storage: S, options: Options) -> Result<Self> {
        options.check()?;
        let parts = recovery::create(&storage, &options)?;
        Self::of_writer(storage, options, parts)
    }

    /// As [`Engine::open_writer`] of a store that was closed in an orderly way and has been left alone since: what lies on the
    /// disk then is the same, and so is the report. Costs one sequential read of the hints. A guest that loads its code in parts
    /// may ask this one first, which does without the code that scans, repairs and judges damage.
    ///
    /// `None`, with nothing changed, for any other directory: where a process was killed, where a hint does not name every
    /// record, where anything is wrong that an opening would see, where there is no store. Also on a full disk, and where another
    /// opener came first; what was begun is taken back then. [`Engine::open_writer`] knows what to do with all of them.
    pub fn reopen(storage: S, options: Options) -> Result<Option<Self>> {
        if options.mode == OpenMode::Salvage || options.access == OpenAccess::ReadOnly {
            return Err(Error::bad_option("a writer was asked for"));
        }
        options.check()?;
        let parts = recovery::reopen(&storage, &options)?;
        parts
            .map(|parts| Self::of_writer(storage, options, parts))
            .transpose()
    }
}

impl<S: Storage + Clone, C: IndexCell<S::File> + Clone> Engine<S, C> {
    /// A read-only handle that shares this one's index, for a front end that reads from other
    /// threads. What it reads by key is always the present; what it says of files is as of now.
    ///
    /// Errors only with [`Error::OutOfMemory`].
    pub fn view(&self) -> Result<Self> {
        let mut state = Box::new(self.state().try_clone()?);
        state.last_seq = self.last_seq();
        Ok(Self {
            storage: self.storage.clone(),
            options: self.options.clone(),
            index: self.index.clone(),
            report: Box::new(self.report.try_clone()?),
            store: self.store,
            role: Role::Reader(Box::new(ReaderState {
                state,
                epoch: self.epoch(),
                degraded: None,
                shares_index: true,
            })),
        })
    }
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// As [`Engine::open`], with a cell of the caller's choice for the index.
    pub fn open_shared(storage: S, options: Options) -> Result<Self> {
        options.check()?;
        Self::of_recovered(recovery::open(&storage, &options)?, storage, options)
    }

    fn of_recovered(recovered: Recovered<S>, storage: S, options: Options) -> Result<Self> {
        match recovered {
            Recovered::Reader(parts) => Ok(Self::of_reader(storage, options, *parts)),
            Recovered::Writer(parts) => Self::of_writer(storage, options, *parts),
        }
    }

    fn of_reader(storage: S, options: Options, parts: ReaderParts<S::File>) -> Self {
        let degraded = match options.access {
            OpenAccess::ReadWrite => first_damage(&parts.report),
            OpenAccess::ReadOnly => None,
        };
        Self {
            storage,
            options,
            index: C::new(*parts.index),
            report: parts.report,
            store: parts.store,
            role: Role::Reader(Box::new(ReaderState {
                state: parts.state,
                epoch: parts.epoch,
                degraded,
                shares_index: false,
            })),
        }
    }

    fn of_writer(storage: S, options: Options, parts: WriterParts<S>) -> Result<Self> {
        let hash_key = parts.index.hash_key;
        let looked = (parts.active.id, parts.active.end);
        let mut engine = Self {
            storage,
            options,
            index: C::new(*parts.index),
            report: parts.report,
            store: parts.store,
            role: Role::Writer(Box::new(WriterState {
                _lock: parts.lock,
                manifest: *parts.manifest,
                active: *parts.active,
                seq: parts.seq,
                merge: None,
                reserved: parts.reserved,
                pins: 0,
                synced_ms: parts.synced_ms,
                fenced: None,
                torn_hints: Vec::new(),
                poisoned: false,
                hash_key,
                scratch: Vec::new(),
                looked,
            })),
        };
        engine.rank_segments();
        engine.check_fence()?;
        engine.remove_condemned();
        engine.remove_old_manifests(&parts.names, parts.previous);
        engine.lay_reserve();
        Ok(engine)
    }
}

fn first_damage(report: &RecoveryReport) -> Option<(FileName, u64)> {
    let damage = report.damages.first().map(|d| (d.file, d.offset));
    let orphan = || report.orphans.first().map(|name| (*name, 0));
    // Its places may not have been kept.
    let omitted = || (report.damages_omitted > 0).then(|| (names::manifest(report.epoch), 0));
    damage.or_else(orphan).or_else(omitted)
}
