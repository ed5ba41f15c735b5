//! The engine as a WebAssembly module for a browser's worker. `package/engine.js` is its other half.
//!
//! ```text
//! JavaScript                                 this module
//!   room(n) -------------------------------> address of n bytes to fill with what the call is about
//!   get(key bytes) ------------------------> reads the key there
//!   reads the value at answer() <----------- its length, or ABSENT, or REFUSED and why at refused()
//! ```
//!
//! One instance holds one store. Every call may grow the memory, so addresses are asked for after each. All
//! numbers in these bytes are little-endian.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_std)]

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
extern crate alloc;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod browser {
    mod abi;
    mod cell;
    mod codes;
    #[cfg(feature = "contract")]
    mod contract;
    #[cfg(feature = "full")]
    mod full;
    mod module;
    mod parts;
    #[cfg(feature = "full")]
    mod records;
    mod report;
}
