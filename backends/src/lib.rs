//! Portcask: a crash-safe Bitcask for servers, WASI sandboxes and browsers.
//!
//! This crate is what an application depends on: the engine of [`portcask_core`] and a place to
//! keep its files on this platform, [`PlatformStorage`].
#![deny(unsafe_code)]

pub use portcask_core::*;

#[cfg(not(target_family = "wasm"))]
pub mod std_files;

#[cfg(not(target_family = "wasm"))]
mod platform {
    pub use crate::std_files::StdFiles as PlatformStorage;
}

/// The storage of this platform: a directory of files.
pub use platform::PlatformStorage;
