//! The Portcask storage engine: a crash-safe Bitcask in `no_std` + `alloc`.
//!
//! Append-only segment files, an in-memory key directory, merge and hint files. The engine is generic over a
//! [`Storage`], so a server, a WASI sandbox and a browser tab share the same engine, the same bytes and the
//! same promises.
//!
//! ```
//! use portcask_core::memory::MemoryStorage;
//! use portcask_core::{Engine, Options};
//!
//! # fn main() -> Result<(), portcask_core::Error> {
//! let disk = MemoryStorage::new();
//! let mut store = Engine::open(disk.clone(), Options::default())?;
//! store.put(b"cat", b"meow")?;
//! store.close()?;
//!
//! let store: Engine<_> = Engine::open(disk, Options::default())?;
//! assert_eq!(store.get(b"cat")?.as_deref(), Some(&b"meow"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! The modules on the way of the data; each knows only those before it (`ARCHITECTURE.md` lists all of them):
//! [`storage`] -> [`format`](mod@format) -> segment -> [`keydir`] -> [`index`] -> manifest_log -> recovery ->
//! [`Engine`] and merge, which know each other.
#![no_std]
#![forbid(unsafe_code)]
// What `clippy.toml` lists aborts where memory ends; tests may.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]

extern crate alloc;
extern crate no_std_compat as compat;
#[cfg(any(
    feature = "planted-bugs",
    all(any(test, feature = "testing"), not(target_os = "none"))
))]
extern crate std;

/// What every module would have from a standard prelude, from `alloc` alone.
pub(crate) mod prelude {
    pub use compat::prelude::v1::*;
}

mod ahead;
mod backup;
mod changes;
mod clock;
pub mod dump;
mod engine;
mod error;
pub mod fallible;
pub mod format;
pub mod index;
mod inspect;
pub mod keydir;
mod manifest_log;
pub mod memory;
mod merge;
mod options;
mod planted;
mod recovery;
mod report;
mod salvage;
mod segment;
mod sort;
pub mod sorted;
mod stats;
pub mod storage;
#[cfg(any(test, feature = "testing"))]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test that runs out of memory may abort"
)]
pub mod testing;
mod verify;

pub use ahead::{files_ahead, files_of_new_store};
pub use backup::{BackupPlan, BackupReport, is_store, restore};
pub use changes::{Change, ChangeKind, ChangePage, Feed, LogView, Version};
pub use clock::JUMP_MS;
pub use engine::{
    Batch, BatchDeed, Committed, Engine, Entries, Entry, Expiring, Explanation, Found, KeyPage,
    Keys, Reader, ScanPage, SyncTicket, Tick, Ttl,
};
pub use error::{
    Damage, Details, Error, Excess, Finding, Lacking, Location, Missed, Newer, Op, Refusal, Result,
    Unmet,
};
pub use format::file::StoreId;
pub use format::record::KEY_BYTES_MAX;
pub use index::{Index, IndexCell, Local};
pub use inspect::dump;
pub use merge::{MergeFile, MergePlan, MergeProgress, MergeReason, MergeReport};
pub use options::{
    Ack, Condition, Expiry, MergePolicy, OpenAccess, OpenMode, Options, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN, VALUE_BYTES_MAX, WriteOptions,
};
pub use report::{DAMAGES_KEPT, DamageReport, RecoveryReport};
pub use salvage::{SalvageReport, salvage};
pub use segment::long::LongValue;
pub use stats::{SegmentStats, Stats};
pub use storage::{ErrorKind, File, FileName, Host, Storage, StorageError};
pub use verify::VerifyReport;
