//! The Portcask storage engine.
#![no_std]
#![forbid(unsafe_code)]

extern crate no_std_compat as compat;
#[cfg(test)]
extern crate std;

/// What every module would have from a standard prelude, from `alloc` alone.
pub(crate) mod prelude {
    pub use compat::prelude::v1::*;
}

pub mod fallible;
pub mod format;
pub mod keydir;
pub mod storage;
