//! What the benchmarks share between native programs and a WASI guest.

pub mod data;
pub mod sandbox;
