//! A Redis-compatible server over Portcask: any Redis client, a crash-safe log underneath.
//!
//! ```text
//!   server        listens, counts clients, starts and stops everything
//!   listen, tls   TCP, TLS and Unix sockets; connection/stream makes one kind of stream of them
//!   lanes         the threads that serve clients
//!   connection    one client: bytes received (input), commands in order, replies waiting (output)
//!   protocol      RESP2 and RESP3 as bytes; knows no socket and no command
//!   commands      the table that dispatches, and one file for each group
//!   grpc          the same store by a schema: calls are commits, streams are pages (a default feature)
//!   store         keyspace: what one command sees and changes, committed as one batch
//!                 syncing: group commit across connections; watches: which clients see a change
//!   pubsub        hub: which clients listen to what; a mailbox for each; events: what a command did, by name
//!   outgoing      memory for everything that waits to be sent, over all clients
//!   settings      one table for flags, environment, file, help and CONFIG; live: what may change at run time
//!   acl           users, their passwords, commands and keys
//!   observe       what commands cost, slow ones, /metrics and /healthz
//!   backup        a copy that gets its name once it is complete
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
