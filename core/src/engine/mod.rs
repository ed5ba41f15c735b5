//! The engine: one writer's view of a store.
//!
//! ```text
//!   put -> [write] -> [stage] judge -> [commit] encode -> [log] append, sync -> index: publish
//!   get -> index: locate -> [read] pread, check, prove the key
//!   open -> recovery -> [open]     merge_step -> merge      close -> [maintain]
//! ```
//!
//! Single-threaded by type: reads take `&self`, writes `&mut self`. Whatever does I/O runs outside
//! the index cell, so a native front end may share the cell with reader threads.

mod batch;
mod commit;
mod explain;
mod log;
mod maintain;
mod newest;
mod open;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
mod ordinary;
#[cfg(all(feature = "small", target_family = "wasm"))]
#[path = "ordinary_small.rs"]
mod ordinary;
mod read;
mod rotate;
mod scan;
mod stage;
mod ttl;
mod write;
mod writer;

pub use batch::{Batch, BatchDeed};
pub use explain::Explanation;
pub use log::SyncTicket;
pub use maintain::Tick;
pub use read::{Entry, Found, Reader};
pub use scan::{Entries, KeyPage, Keys, ScanPage};
pub use ttl::{Expiring, Ttl};
pub use write::Committed;

pub(crate) use writer::WriterState;

use crate::format::file::StoreId;
use crate::format::manifest::State;
use crate::index::{IndexCell, Local};
use crate::options::Options;
use crate::prelude::*;
use crate::report::RecoveryReport;
use crate::storage::{FileName, Storage};

/// An open store.
///
/// `S` is the platform, `C` how the index is shared with other readers; the default suits one
/// thread. Dropping an engine without [`Engine::close`] is a crash without losses: the next
/// opening recovers what the acknowledgement levels promised.
pub struct Engine<S: Storage, C: IndexCell<S::File> = Local<<S as Storage>::File>> {
    pub(crate) storage: S,
    pub(crate) options: Options,
    pub(crate) index: C,
    pub(crate) report: Box<RecoveryReport>,
    pub(crate) store: StoreId,
    pub(crate) role: Role<S>,
}

/// What this opener may do.
pub(crate) enum Role<S: Storage> {
    /// The one writer.
    Writer(Box<WriterState<S>>),
    /// A reader.
    Reader(Box<ReaderState>),
}

/// The state of files that a reader saw.
pub(crate) struct ReaderState {
    pub state: Box<State>,
    pub epoch: u64,
    /// Damage that makes the store read-only, and where it starts.
    pub degraded: Option<(FileName, u64)>,
    /// The index is a writer's: only that writer changes it.
    pub shares_index: bool,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// What opening found and did.
    pub fn report(&self) -> &RecoveryReport {
        &self.report
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The platform underneath.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The cell that holds the index, for a front end that reads from other threads.
    pub fn index_cell(&self) -> &C {
        &self.index
    }

    /// The identity of this store, shared by its backups.
    pub fn store_id(&self) -> StoreId {
        self.store
    }

    /// Live user keys. Keys whose time is up and that were not swept yet are counted out first, but for
    /// those that cannot be read now.
    pub fn len(&self) -> u64 {
        self.sweep_expired();
        self.index.read(|index| index.len())
    }

    /// Whether there is no live user key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn state(&self) -> &State {
        match &self.role {
            Role::Writer(writer) => &writer.manifest.state,
            Role::Reader(reader) => &reader.state,
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        match &self.role {
            Role::Writer(writer) => writer.manifest.epoch,
            Role::Reader(reader) => reader.epoch,
        }
    }
}
