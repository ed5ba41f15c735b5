//! `Db`: the store as a cloneable handle for many threads.
//!
//! ```text
//!   get, scan, ...    view --- index (striped lock, held for a look) --- file.pread, no lock
//!   put, batch, ...   writer (a lock around the one engine): append, publish
//!   Ack::Synced       then commit: one thread syncs for all, outside the writer's lock
//!   background        expiry, interval sync, marker, merge in small steps that give way
//! ```
//!
//! What waits for what:
//!
//! * A read by key waits only while a place is published, which touches only memory. It never waits for an
//!   append, a sync or a merge.
//! * A write waits for the appends of other writes, for one step of a merge and for rotations, but not for a
//!   sync in progress.
//! * A durable write waits for a sync that begins after its append, and shares it with every
//!   write appended by then.
//!
//! Locks, in the order in which one thread may hold several: the merge baton, the writer, a file's
//! sync, the index. The state of the group commit is taken alone, or inside none of them.

mod background;
mod baton;
mod commit;
mod long;
mod maintain;
mod read;
#[allow(unsafe_code)]
mod shared;
mod steady;
mod stripes;
mod transaction;
mod write;
mod writer;

pub use long::{Found, LongValue};
pub use read::Walk;
pub use transaction::Transaction;

use crate::std_files::StdFiles;
use background::Background;
use baton::Baton;
use commit::Commits;
use portcask_core::storage::StorageError;
use portcask_core::{
    Ack, Engine, Error, Index, IndexCell, Op, OpenAccess, Options, Result, Storage,
};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use steady::Steady;
use writer::{Held, Writer};

/// How often the background thread looks around, unless it is told otherwise.
pub const BACKGROUND_EVERY: Duration = Duration::from_secs(1);

/// A storage that threads may share. Every storage with these bounds is one.
pub trait SharedStorage:
    Storage<File: Send + Sync + 'static, Lock: Send + Sync + 'static> + Clone + Send + Sync + 'static
{
}

impl<S> SharedStorage for S where
    S: Storage<File: Send + Sync + 'static, Lock: Send + Sync + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Opens a store in a directory of the file system, creating both if they are absent.
///
/// ```
/// # fn main() -> Result<(), portcask::Error> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("data");
/// let db = portcask::open(path)?;
/// db.put(b"cat", b"meow")?;
/// assert_eq!(db.get(b"cat")?.as_deref(), Some(&b"meow"[..]));
/// db.close()?;
/// # Ok(())
/// # }
/// ```
pub fn open(path: impl AsRef<Path>) -> Result<Db> {
    Db::open(path)
}

/// How to open a [`Db`]: the engine's [`Options`], and what only this handle has. Converts from [`Options`].
#[derive(Clone, Debug, PartialEq)]
pub struct DbOptions {
    /// The engine's options.
    pub engine: Options,
    /// How often the background thread looks for expired keys, a sync that is due and a merge that
    /// is due. With `None` there is no such thread: call [`Db::tick`] for that work, and a write that
    /// finds a sync due does it. Default [`BACKGROUND_EVERY`], at least 1 ms.
    pub background: Option<Duration>,
    /// Maps files into memory for small reads and appends. This is faster, at a price that [`StdFiles::mapped`]
    /// describes in full: **an unreadable sector, a failing device or a file that another program truncates kills the
    /// process with a signal instead of returning an error.** Applies to [`Db::open_with`]; another storage decides
    /// for itself. Default `false`.
    pub mapped: bool,
}

impl Default for DbOptions {
    fn default() -> Self {
        Options::default().into()
    }
}

impl From<Options> for DbOptions {
    fn from(engine: Options) -> Self {
        Self {
            engine,
            background: Some(BACKGROUND_EVERY),
            mapped: false,
        }
    }
}

/// An open store, shared by threads. Cheap to clone; clones share everything.
///
/// [`Db::close`] closes it for all clones and returns the result; dropping the last clone closes
/// it too, but reports nothing. See the [module](self) for what waits for what.
pub struct Db<S: SharedStorage = StdFiles> {
    owner: Arc<Owner<S>>,
}

impl<S: SharedStorage> Clone for Db<S> {
    fn clone(&self) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
        }
    }
}

/// What the clones of a [`Db`] share; the background thread shares only its core.
struct Owner<S: SharedStorage> {
    core: Arc<Core<S>>,
}

/// Everything that verbs and the background thread work on.
struct Core<S: SharedStorage> {
    writer: Writer<S>,
    /// Reads by key, through the same index; no lock around it.
    view: Held<S>,
    commits: Commits,
    background: Background,
    /// Held by whoever drives a merge.
    merging: Baton,
    closed: AtomicBool,
    /// As the caller gave them; the engine's own copy leaves syncing to this handle.
    options: DbOptions,
}

impl Db<StdFiles> {
    /// Opens a store in a directory of the file system with default options, creating the store
    /// and the directory (not its parents) if absent. See [`Db::open_with`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, DbOptions::default())
    }

    /// Opens a store in a directory of the file system. Takes [`Options`] or [`DbOptions`].
    ///
    /// Errors with [`Error::Locked`], which names the holder, while another writer has it open, even in this
    /// process.
    pub fn open_with(path: impl AsRef<Path>, options: impl Into<DbOptions>) -> Result<Self> {
        let options = options.into();
        let refuse = |source: StorageError| Error::storage(Op::Open, None, source);
        let path = path.as_ref();
        let reads = options.engine.access == OpenAccess::ReadOnly;
        let mut storage = None;
        if reads || !options.engine.create {
            storage = Some(StdFiles::open_existing(path).map_err(refuse)?);
        }
        let storage = match storage {
            Some(storage) if reads => storage,
            _ => StdFiles::open(path).map_err(refuse)?,
        };
        let storage = match options.mapped {
            true => storage.mapped(),
            false => storage,
        };
        Self::on(storage, options)
    }
}

impl<S: SharedStorage> Db<S> {
    /// Opens a store on any storage that threads may share. Takes [`Options`] or [`DbOptions`].
    pub fn on(storage: S, options: impl Into<DbOptions>) -> Result<Self> {
        let options = options.into();
        // Syncs belong outside the writer's lock, so the engine must not do them by itself.
        let engine_options = Options {
            ack: options.engine.ack.min(Ack::Written),
            sync_every_ms: None,
            ..options.engine.clone()
        };
        let mut engine: Held<S> = Engine::open_shared(Steady(storage), engine_options)?;
        // A degraded store opens read-only whatever was asked for.
        let writes = engine.flush().is_ok();
        let view = engine.view()?;
        let core = Arc::new(Core {
            commits: Commits::new(engine.last_seq()),
            writer: Writer::new(engine),
            view,
            background: Background::new(),
            merging: Baton::default(),
            closed: AtomicBool::new(false),
            options,
        });
        let owner = Owner { core };
        if let Some(every) = owner.core.options.background
            && writes
        {
            background::start(&owner.core, every)?;
        }
        Ok(Self {
            owner: Arc::new(owner),
        })
    }

    /// Closes the store for all clones: waits for the background thread and for a sync in
    /// progress, makes everything written durable, and leaves nothing to recover. Writes that are
    /// waiting for a sync get it; later calls return [`Error::Closed`].
    ///
    /// After an error the store is as after a crash: the next opening finds what the
    /// acknowledgement levels promised.
    pub fn close(&self) -> Result<()> {
        self.owner.core.close()
    }

    /// The options this handle was opened with.
    pub fn options(&self) -> &DbOptions {
        &self.core().options
    }

    /// The platform underneath.
    pub fn storage(&self) -> &S {
        &self.core().view.storage().0
    }

    fn core(&self) -> &Core<S> {
        &self.owner.core
    }
}

impl<S: SharedStorage> Core<S> {
    fn close(&self) -> Result<()> {
        self.writer.refuse_reentry()?;
        self.background.stop();
        let round = self.commits.hold();
        let (engine, sound) = self.writer.take();
        let Some(engine) = engine else {
            round.end(u64::MAX, Err(Error::Closed));
            return Err(Error::Closed);
        };
        let upto = engine.last_seq();
        let done = match sound {
            true => engine.close(),
            false => Err(Error::Poisoned),
        };
        round.end(if done.is_ok() { upto } else { u64::MAX }, done.clone());
        // First the word, then the deed: a read that finds nothing from here on finds the word.
        self.closed.store(true, Ordering::Release);
        let index = self.view.index_cell().write(Index::take);
        drop(index);
        done
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl<S: SharedStorage> fmt::Debug for Db<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.store_id();
        f.debug_struct("Db")
            .field("store", &store)
            .finish_non_exhaustive()
    }
}

impl<S: SharedStorage> Drop for Owner<S> {
    fn drop(&mut self) {
        // Best effort: nobody is left to tell.
        let _ = self.core.close();
    }
}
