//! A Redis-compatible server over Portcask: any Redis client, a crash-safe log underneath.
//!
//! ```text
//!   server       listens, counts clients, starts and stops everything
//!   connection   one client: bytes in, commands, replies, bytes out
//!   protocol     RESP2 and RESP3 as bytes
//!   commands     the table, one file for each group
//!   pubsub       who listens to what, mailboxes, keyspace events
//!   grpc         the same store by a description that other languages compile
//!   store        who writes now, one batch for each command or transaction, group commit
//! ```
//!
//! ```no_run
//! # fn main() -> Result<(), portcask_server::StartError> {
//! let server = portcask_server::Server::start(portcask_server::Config::new("data"))?;
//! println!("listening on {}", server.addresses()[0]);
//! server.wait();
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod commands;
mod config;
mod connection;
mod decimal;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod glob;
#[cfg(feature = "grpc")]
pub mod grpc;
mod outgoing;
mod password;
mod protocol;
mod pubsub;
mod server;
mod session;
mod store;
mod upkeep;

pub use config::{Config, Limits, MailLimits};
pub use server::{Server, StartError, Stopper};
pub use store::SyncPolicy;
