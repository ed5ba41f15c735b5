//! ycsb: reads and updates of keys drawn by a scrambled zipfian law (0.99), no sync per put.

use super::load::{get, load, warm};
use super::threads::together;
use super::{Job, LIMIT, MAPPED, Workload, rate};
use crate::Result;
use crate::engine::{Durability, Engine};
use guest::data::{Maker, Random, SMALL, Zipf};
use std::time::Duration;

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "ycsb",
    title: "ycsb: A = 50 % updates, B = 5 %, scrambled zipfian 0.99, 1 and 2 threads",
    stages: 2,
    rounds_max: usize::MAX,
    reference: LIMIT,
    limits: MAPPED,
    rows: &[],
    metrics: &[
        rate("a_t1", "op/s"),
        rate("b_t1", "op/s"),
        rate("a_t2", "op/s"),
        rate("b_t2", "op/s"),
    ],
    is_long: false,
};

const A_UPDATES_PERCENT: u64 = 50;
const B_UPDATES_PERCENT: u64 = 5;

/// Its stages: fill; run. B goes first, because it leaves the store almost as it was.
pub fn run<E: Engine>(job: &Job) -> Result<()> {
    if job.stage == 0 {
        let engine = E::open(&job.dir, Durability::Relaxed)?;
        load(&engine, SMALL, job.keys)?;
        return engine.close();
    }
    let zipf = Zipf::new(job.keys);
    let mixed = |engine: &E, percent| {
        let start = job.clock.start();
        mix(job, engine, &zipf, percent, 0)?;
        Ok::<Duration, Box<dyn std::error::Error + Send + Sync>>(start.elapsed())
    };
    let engine = E::open(&job.dir, Durability::Relaxed)?;
    warm(&engine, SMALL, job.keys)?;
    job.report_rate("b_t1", job.keys, mixed(&engine, B_UPDATES_PERCENT)?);
    job.report_rate("a_t1", job.keys, mixed(&engine, A_UPDATES_PERCENT)?);
    engine.close()?;
    let engine = E::Shared::open(&job.dir, Durability::Relaxed)?;
    warm(&engine, SMALL, job.keys)?;
    for (metric, percent) in [("b_t2", B_UPDATES_PERCENT), ("a_t2", A_UPDATES_PERCENT)] {
        let threads = 2;
        let (time, _) = together(threads, |thread| mix(job, &engine, &zipf, percent, thread))?;
        job.report_rate(metric, threads * job.keys, time);
    }
    engine.close()
}

/// As many operations as there are keys.
fn mix(job: &Job, engine: &impl Engine, zipf: &Zipf, percent: u64, thread: u64) -> Result<()> {
    let seed = job.seed + 100 * percent + thread;
    let (mut random, mut maker) = (Random::new(seed), Maker::new(SMALL, seed));
    let mut scratch = Vec::new();
    for _ in 0..job.keys {
        let number = zipf.draw(&mut random);
        if random.below(100) < percent {
            let (key, value) = maker.entry(number);
            engine.put(key, value)?;
        } else {
            get(engine, SMALL, number, &mut scratch)?;
        }
    }
    Ok(())
}
