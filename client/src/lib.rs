//! A store behind a server, with the verbs of an embedded one.
//!
//! What `portcask::open("store")` gives for a directory, [`open`] gives for a server, over Redis's protocol: batches,
//! expiries and options are the same types, so a program moves by that one line.
//!
//! ```no_run
//! use portcask_core::{Batch, Expiry};
//!
//! fn main() -> Result<(), portcask_client::Error> {
//!     let db = portcask_client::open("redis://127.0.0.1:6379")?; // was: portcask::open("store")?
//!     db.put(b"cat", b"meow")?;
//!     assert_eq!(db.get(b"cat")?.as_deref(), Some(&b"meow"[..]));
//!
//!     let mut batch = Batch::new();
//!     batch.put("a", "1").put_with("b", "2", Expiry::AfterMs(60_000)).delete("cat");
//!     db.write(&batch)?; // all of it or none
//!
//!     for entry in db.scan_prefix(b"a") {
//!         println!("{} bytes", entry?.value.len());
//!     }
//!     db.close()
//! }
//! ```
//!
//! # What is different over a network
//!
//! * **A write whose answer was lost is [`Error::AnswerLost`]**: it may have been done or not. It is never sent a
//!   second time behind the caller's back.
//! * A read whose answer was lost is asked once more, on a new connection.
//! * A verb that the protocol cannot carry whole is refused with [`Error::NotCarried`], never done by halves: conditions
//!   on sequence numbers, and the system key space. Several keys at once are one `MULTI`.
//! * Sequence numbers do not come along with values; [`Db::history`] and [`Db::changes`] tell them.
#![forbid(unsafe_code)]

mod db;
mod error;
mod line;
mod maintain;
mod options;
mod reply;
mod transaction;
mod walk;
mod write;

pub use db::{Db, Entry};
pub use error::Error;
pub use maintain::{Foreign, Stats, Version};
pub use options::ClientOptions;
pub use portcask_core::{
    Ack, Batch, Change, ChangeKind, ChangePage, Condition, Expiry, KeyPage, Ttl, WriteOptions,
};
pub use transaction::Transaction;
pub use walk::{ScanPage, Walk};

/// How a verb ends.
pub type Result<T> = std::result::Result<T, Error>;

/// Connects to a server, with default options. See [`Db::open_with`].
pub fn open(url: &str) -> Result<Db> {
    Db::open(url)
}
