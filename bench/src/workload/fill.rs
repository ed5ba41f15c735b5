//! fill, fill1k: puts of new keys one at a time, in no order, and one sync at the end.

use super::{Job, LIMIT, MAPPED, Metric, Workload, cost, rate};
use crate::Result;
use crate::engine::{Durability, Engine};
use crate::process;
use guest::data::{Maker, Shape};

const METRICS: &[Metric] = &[
    rate("put", "op/s"),
    rate("put_and_final_sync", "op/s"),
    cost("disk_per_user_byte", "x"),
    cost("written_per_user_byte", "x"),
];

/// 16 B and 100 B.
pub const SMALL: Workload = Workload {
    name: "fill",
    title: "fill: puts of 16 B/100 B, no sync per put; space after closing",
    stages: 1,
    rounds_max: usize::MAX,
    reference: LIMIT,
    limits: MAPPED,
    rows: &[],
    metrics: METRICS,
    is_long: false,
};

/// 8 B and 1 KiB.
pub const MIDDLE: Workload = Workload {
    name: "fill1k",
    title: "fill1k: puts of 8 B/1 KiB, a fifth of the keys, no sync per put; space after closing",
    ..SMALL
};

/// Their one stage.
pub fn run<E: Engine>(job: &Job, shape: Shape, keys: u64) -> Result<()> {
    let user_bytes = shape.user_bytes(keys) as f64;
    let mut maker = Maker::new(shape, job.seed);
    let engine = E::open(&job.dir, Durability::Relaxed)?;
    let written = process::written_bytes();
    let start = job.clock.start();
    for number in 0..keys {
        let (key, value) = maker.entry(number);
        engine.put(key, value)?;
    }
    job.report_rate("put", keys, start.elapsed());
    engine.sync()?;
    job.report_rate("put_and_final_sync", keys, start.elapsed());
    engine.close()?;
    let disk = process::disk_bytes(&job.dir)?;
    job.report("disk_per_user_byte", disk as f64 / user_bytes);
    if let (Some(before), Some(after)) = (written, process::written_bytes()) {
        job.report(
            "written_per_user_byte",
            (after - before) as f64 / user_bytes,
        );
    }
    Ok(())
}
