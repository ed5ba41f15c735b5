//! Salvage: everything that can still be read, out of a store that may not open any more.

use crate::engine::{Engine, Entry};
use crate::error::{Error, Result};
use crate::options::{OpenAccess, OpenMode, Options};
use crate::prelude::*;
use crate::report::DamageReport;
use crate::storage::Storage;

/// What was saved and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// Keys handed to the sink.
    pub keys: u64,
    /// Records read, superseded ones included.
    pub records: u64,
    /// Places that could not be read; a key is named where that is certain.
    pub damages: Vec<DamageReport>,
    /// Damaged places beyond those listed.
    pub damages_omitted: u64,
    /// Bytes in all damaged places.
    pub lost_bytes: u64,
}

/// Hands every readable key, in its newest readable version, to `sink`. Needs no manifest, changes
/// nothing. Where newer versions are lost an older one is handed out; the report lists the damage.
///
/// Costs a read of every segment and memory for every key.
pub fn salvage<S: Storage>(
    storage: S,
    mut sink: impl FnMut(Entry) -> Result<()>,
) -> Result<SalvageReport> {
    let options = Options {
        access: OpenAccess::ReadOnly,
        mode: OpenMode::Salvage,
        accept_stale: true,
        ..Options::default()
    };
    let engine: Engine<S> = Engine::open(storage, options)?;
    let found = engine.report();
    let mut report = SalvageReport {
        records: found.scanned_records,
        lost_bytes: found.damages.iter().map(|damage| damage.bytes).sum(),
        damages: found.try_clone()?.damages,
        damages_omitted: found.damages_omitted,
        ..SalvageReport::default()
    };
    for entry in engine.iter() {
        match entry {
            Ok(entry) => {
                report.keys += 1;
                sink(entry)?;
            }
            // Listed among the damages when the segments were read.
            Err(Error::Corrupt { .. } | Error::KeyCollision { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}
