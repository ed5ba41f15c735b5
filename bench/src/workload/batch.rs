//! fillbatch: puts in batches or transactions of 1,000.

use super::load::BATCH;
use super::{Job, LIMIT, Workload, rate};
use crate::Result;
use crate::engine::{Durability, Engine, Entries};
use guest::data::{Maker, SMALL};

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "fillbatch",
    title: "fillbatch: puts of 16 B/100 B, 1,000 per batch or transaction, no sync per batch",
    stages: 1,
    rounds_max: usize::MAX,
    reference: LIMIT,
    limits: &["limit"],
    rows: &[],
    metrics: &[
        rate("batch1000_put", "op/s"),
        rate("batch1000_put_and_final_sync", "op/s"),
    ],
    is_long: false,
};

/// Its one stage.
pub fn run<E: Engine>(job: &Job) -> Result<()> {
    let mut maker = Maker::new(SMALL, job.seed);
    let mut entries = Entries::default();
    let engine = E::open(&job.dir, Durability::Relaxed)?;
    let start = job.clock.start();
    for number in 0..job.keys {
        entries.push(maker.entry(number));
        if entries.len() == BATCH || number + 1 == job.keys {
            engine.put_batch(&entries)?;
            entries.clear();
        }
    }
    job.report_rate("batch1000_put", job.keys, start.elapsed());
    engine.sync()?;
    job.report_rate("batch1000_put_and_final_sync", job.keys, start.elapsed());
    engine.close()
}
