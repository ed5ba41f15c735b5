//! The shared handle: what waits for what, what is acknowledged when, and who sees which value.
#![cfg(not(target_family = "wasm"))]

mod background;
mod commit;
mod gate;
mod life;
mod reads;
mod stress;
mod transactions;

use gate::Gates;
use portcask::{Ack, Db, DbOptions, MergePolicy, Options, WriteOptions};
use tempfile::TempDir;

/// `db_mapped.rs` takes all of these tests in, to keep their promises with mapped files too.
const MAPPED: bool = module_path!().len() > "db".len();

/// A store on gated files, and the handles to its gates and its directory.
struct World {
    gates: Gates,
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gates = Gates::new(dir.path());
        Self { gates, dir }
    }

    /// Opens the store without a background thread.
    fn open(&self) -> Db<Gates> {
        self.open_with(quiet())
    }

    fn open_with(&self, options: impl Into<DbOptions>) -> Db<Gates> {
        Db::on(self.gates.clone(), options).unwrap()
    }
}

/// No background thread, small segments, and no reserve whose files would count.
fn quiet() -> DbOptions {
    DbOptions {
        engine: Options {
            segment_bytes: 1 << 20,
            reserve_bytes: 0,
            ..Options::default()
        },
        background: None,
        mapped: MAPPED,
    }
}

/// Merge as soon as anything is dead.
fn eager() -> MergePolicy {
    MergePolicy {
        fragmentation_trigger_percent: 10,
        fragmentation_threshold_percent: 5,
        min_files: 2,
        ..MergePolicy::default()
    }
}

fn at(ack: Ack) -> WriteOptions {
    WriteOptions {
        ack: Some(ack),
        ..WriteOptions::default()
    }
}

fn key(n: usize) -> Vec<u8> {
    format!("key-{n:05}").into_bytes()
}
