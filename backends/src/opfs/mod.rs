//! A directory of the browser's private file system, through synchronous access handles.
//!
//! ```text
//! page's JavaScript                              this module
//!   opens handles, which only it can await         calls them, and never waits
//!   seat("segment-0000000004", handle 7) ------->  OpfsDir: which name is which handle
//!   wanted() <-----------------------------------  names that a call needed and did not find open
//! ```
//!
//! A handle can be opened asynchronously only, and the engine never waits. So every file has its handle
//! before it is used: those that are there when the directory is opened, and the next ones that will be
//! created ([`files_ahead`](portcask_core::files_ahead) names them) as empty files. An empty file does not exist, as far as the engine is
//! told: [`Storage::create`] takes one into use, and [`Storage::remove`] cuts one to nothing, to be
//! deleted by the page when it has time. What is asked for without a handle answers
//! [`ErrorKind::NotReady`] before any byte is written, and is remembered in [`OpfsDir::wanted`].
//!
//! What the platform promises, told by `capabilities()`:
//!
//! * **Bytes**: `flush` is the browser's own sync; whether it empties the drive's cache differs by system.
//! * **Names** cannot be synced, and nothing is renamed but by copying.
//! * **Exclusion**: the handles are exclusive and die with their worker, so whoever has them is alone.
//! * **Space** cannot be set aside.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[allow(unsafe_code)]
mod imports;
mod pool;
#[cfg(test)]
mod tests;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub use imports::Imports;
pub use pool::{Calls, OpfsDir, OpfsFile, OpfsLock};

/// How many handles one opener holds unless it is told otherwise. Safari stops at 252 in all tabs of a site.
pub const HANDLES_MAX: usize = 100;
