//! A Redis-compatible server over Portcask: any Redis client, a crash-safe log underneath.
//!
//! ```text
//!   server       listens, counts clients, starts and stops everything
//!   lanes        the threads that serve clients
//!   connection   one client: bytes in, commands, replies, bytes out
//!   protocol     RESP2 and RESP3 as bytes
//!   acl          users, and what they may do
//!   commands     the table, one file for each group
//!   observe      what commands cost, slow ones, metrics over HTTP
//!   settings     one table of what may be told, for flags, environment, file and CONFIG
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

mod acl;
mod backup;
mod bell;
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
mod lanes;
mod listen;
mod observe;
mod outgoing;
mod protocol;
mod pubsub;
mod server;
mod session;
pub mod settings;
mod store;
mod tls;
mod upkeep;

pub use acl::{RuleError, User};
pub use config::{
    ClientCertificates, Config, DebugCommand, Limits, LogLevel, MailLimits, Password, Tls,
};
pub use observe::Watching;
pub use pubsub::Classes as EventClasses;
pub use server::{Server, StartError, Stopper};
pub use store::SyncPolicy;
pub use tls::TlsError;
