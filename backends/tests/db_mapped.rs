//! The shared handle on mapped files: every promise of `db`, kept again.
#![cfg(not(target_family = "wasm"))]

#[path = "db/main.rs"]
mod db;
