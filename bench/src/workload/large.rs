//! large: values of 1 MiB.

use super::load::get;
use super::{Job, LIMIT, MAPPED, Workload, rate};
use crate::Result;
use crate::engine::{Durability, Engine};
use guest::data::{LARGE, Maker, Random};
use std::time::Duration;

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "large",
    title: "large: values of 1 MiB",
    stages: 1,
    rounds_max: usize::MAX,
    reference: LIMIT,
    limits: MAPPED,
    rows: &[],
    metrics: &[
        rate("put_1MiB", "MB/s"),
        rate("put_1MiB_and_final_sync", "MB/s"),
        rate("get_1MiB", "MB/s"),
    ],
    is_long: false,
};

/// Its one stage. For every 1,000,000 keys, 500 values. Making them is not counted, checking them is.
pub fn run<E: Engine>(job: &Job) -> Result<()> {
    if E::VALUE_BYTES_MAX < LARGE.value_bytes {
        return Ok(());
    }
    let count = (job.keys / 2000).max(1);
    let engine = E::open(&job.dir, Durability::Relaxed)?;
    let mut maker = Maker::new(LARGE, job.seed);
    let mut time = Duration::ZERO;
    for number in 0..count {
        let (key, value) = maker.entry(number);
        let start = job.clock.start();
        engine.put(key, value)?;
        time += start.elapsed();
    }
    let megabytes = |metric, time: Duration| {
        let bytes = LARGE.user_bytes(count) as f64;
        job.report(metric, bytes / 1e6 / time.as_secs_f64());
    };
    megabytes("put_1MiB", time);
    let start = job.clock.start();
    engine.sync()?;
    megabytes("put_1MiB_and_final_sync", time + start.elapsed());
    let (mut random, mut scratch) = (Random::new(job.seed), Vec::new());
    // Once untimed, as all reads are measured.
    (0..count).try_for_each(|number| get(&engine, LARGE, number, &mut scratch))?;
    let start = job.clock.start();
    for _ in 0..count {
        get(&engine, LARGE, random.below(count), &mut scratch)?;
    }
    megabytes("get_1MiB", start.elapsed());
    engine.close()
}
