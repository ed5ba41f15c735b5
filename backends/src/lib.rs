//! Portcask.
pub use portcask_core as engine;
