//! A store behind a server, with the methods of an embedded one.
//!
//! `portcask::open("store")` opens a directory; [`open`] connects to a server over Redis's protocol. Batches, expiries
//! and options are the same types, so a program moves from one to the other by changing that line.
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
//! * **A write whose answer was lost is [`Error::AnswerLost`]**: it may or may not have happened. It is never sent
//!   again behind the caller's back.
//! * A read whose answer was lost is repeated once, on a new connection.
//! * A request that the protocol cannot carry is refused with [`Error::NotCarried`], never done by halves: conditions
//!   on sequence numbers, and the system key space. Several keys at once are one `MULTI`.
//! * Values come without sequence numbers; [`Db::history`] and [`Db::changes`] have them.
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

/// The result of a method.
pub type Result<T> = std::result::Result<T, Error>;

/// Connects to a server, with default options. See [`Db::open_with`].
pub fn open(url: &str) -> Result<Db> {
    Db::open(url)
}
