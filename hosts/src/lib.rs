//! WASI preview 1 hosts for Portcask's guests: wasmtime, embedded here, and Node, by a script.
//!
//! Kept out of the default members of the workspace: wasmtime takes minutes to compile.

pub mod cache;
pub mod guests;
pub mod node;
pub mod promises;
pub mod traps;
mod wasmtime_host;

pub use wasmtime_host::{Guest, Moment, run_wasi};

use std::path::PathBuf;

/// What a guest left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The guest's exit status; [`STATUS_TRAPPED`] if it did not come that far.
    pub status: i32,
    /// Everything it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// Everything it wrote to its standard error, and the host's words if it trapped.
    pub stderr: Vec<u8>,
}

/// The status of a guest that trapped, as of a process that was aborted.
pub const STATUS_TRAPPED: i32 = 134;

/// A directory of this machine and the name that a guest knows it by.
pub type Preopen = (PathBuf, String);
