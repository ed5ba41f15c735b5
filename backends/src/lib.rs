//! Portcask: a crash-safe Bitcask for servers, WASI sandboxes and browsers.
//!
//! Applications depend on this crate. It has the engine of [`portcask_core`], a place for its files on this
//! platform, [`PlatformStorage`], and natively `Db`, a handle that threads can share.
// In a page every kilobyte counts, and there are neither files nor threads for a standard library to reach. A guest
// may do without one.
#![cfg_attr(target_family = "wasm", no_std)]
#![deny(unsafe_code)]

#[cfg(any(test, target_family = "wasm"))]
extern crate alloc;
#[cfg(all(target_os = "wasi", feature = "std"))]
extern crate std;

pub use portcask_core::*;

#[cfg(not(target_family = "wasm"))]
pub mod db;
// Its rules are pure, so every platform's tests meet them.
#[cfg(any(test, all(target_family = "wasm", target_os = "unknown")))]
pub mod opfs;
#[cfg(not(target_family = "wasm"))]
pub mod std_files;
#[cfg(any(not(target_family = "wasm"), all(target_os = "wasi", feature = "std")))]
mod strangers;
#[cfg(all(target_os = "wasi", target_env = "p1"))]
pub mod wasi;

#[cfg(not(target_family = "wasm"))]
pub use db::{Db, DbOptions, Transaction, open};
#[cfg(any(not(target_family = "wasm"), all(target_os = "wasi", feature = "std")))]
pub use strangers::strangers;

/// The storage of this platform: a directory of the file system.
#[cfg(not(target_family = "wasm"))]
pub use std_files::StdFiles as PlatformStorage;
/// The storage of this platform: a directory that the WASI host has opened.
#[cfg(all(target_os = "wasi", target_env = "p1"))]
pub use wasi::WasiDir as PlatformStorage;

// The rooms of the WASI backend that call no host, so that every platform's tests meet them.
#[cfg(all(test, not(target_family = "wasm")))]
#[path = "wasi/guest_path.rs"]
mod guest_path;
#[cfg(all(test, not(target_family = "wasm")))]
#[path = "wasi/listing.rs"]
mod listing;

/// The storage of this platform: a directory of the browser's private file system.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub type PlatformStorage = opfs::OpfsDir<opfs::Imports>;

/// The README's example is compiled with the doc tests.
#[cfg(all(doctest, not(target_family = "wasm")))]
#[doc = include_str!("../../README.md")]
struct Readme;
