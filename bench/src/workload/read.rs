//! read: random gets after reopening, everything in the page cache.

use super::load::{get, load, warm};
use super::threads::{Times, together};
use super::{Job, LIMIT, MAPPED, Workload, cost, rate};
use crate::Result;
use crate::engine::{Durability, Engine};
use guest::data::{Key, Random, SMALL};
use std::time::Instant;

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "read",
    title: "read: random gets and misses after reopening, all in the page cache",
    stages: 2,
    rounds_max: usize::MAX,
    reference: LIMIT,
    limits: MAPPED,
    rows: &[],
    metrics: &[
        rate("get_t1", "op/s"),
        rate("get_t2", "op/s"),
        rate("get_many_16", "key/s"),
        rate("miss_t1", "op/s"),
        cost("get_p50", "ns"),
        cost("get_p99", "ns"),
        cost("get_p999", "ns"),
    ],
    is_long: false,
};

/// Keys of one `get_many`.
const MANY: usize = 16;

/// Its stages: fill; read.
pub fn run<E: Engine>(job: &Job) -> Result<()> {
    if job.stage == 0 {
        let engine = E::open(&job.dir, Durability::Relaxed)?;
        load(&engine, SMALL, job.keys)?;
        return engine.close();
    }
    let engine = E::open(&job.dir, Durability::Relaxed)?;
    warm(&engine, SMALL, job.keys)?;
    singles(job, &engine)?;
    many(job, &engine)?;
    misses(job, &engine)?;
    quantiles(job, &engine)?;
    engine.close()?;
    let engine = E::Readers::open(&job.dir, Durability::Relaxed)?;
    warm(&engine, SMALL, job.keys)?;
    let threads = 2;
    let (time, _) = together(threads, |thread| {
        let mut random = Random::new(job.seed + 10 + thread);
        let mut scratch = Vec::new();
        (0..job.keys).try_for_each(|_| get(&engine, SMALL, random.below(job.keys), &mut scratch))
    })?;
    job.report_rate("get_t2", threads * job.keys, time);
    // Threads that only read have nothing to leave in order.
    drop(engine);
    Ok(())
}

fn singles(job: &Job, engine: &impl Engine) -> Result<()> {
    let (mut random, mut scratch) = (Random::new(job.seed + 1), Vec::new());
    let start = job.clock.start();
    for _ in 0..job.keys {
        get(engine, SMALL, random.below(job.keys), &mut scratch)?;
    }
    job.report_rate("get_t1", job.keys, start.elapsed());
    Ok(())
}

fn many(job: &Job, engine: &impl Engine) -> Result<()> {
    let (mut random, mut scratch) = (Random::new(job.seed + 2), Vec::new());
    let rounds = job.keys / MANY as u64;
    let start = job.clock.start();
    for _ in 0..rounds {
        let keys: [Key; MANY] = std::array::from_fn(|_| SMALL.key(random.below(job.keys)));
        let bytes = keys.each_ref().map(Key::bytes);
        let mut found = 0;
        engine.get_many(&bytes, &mut scratch, |at, value| {
            if let Some(value) = value {
                SMALL.check(&keys[at], value);
                found += 1;
            }
        })?;
        if found != MANY {
            return Err(format!("{found} of {MANY} keys were found").into());
        }
    }
    job.report_rate("get_many_16", rounds * MANY as u64, start.elapsed());
    Ok(())
}

fn misses(job: &Job, engine: &impl Engine) -> Result<()> {
    let (mut random, mut scratch) = (Random::new(job.seed + 3), Vec::new());
    let start = job.clock.start();
    for _ in 0..job.keys {
        let absent = SMALL.key(job.keys + random.below(1 << 40));
        if engine.get(absent.bytes(), &mut scratch, |_| ())?.is_some() {
            return Err("a key was found that was never stored".into());
        }
    }
    job.report_rate("miss_t1", job.keys, start.elapsed());
    Ok(())
}

fn quantiles(job: &Job, engine: &impl Engine) -> Result<()> {
    let (mut random, mut scratch) = (Random::new(job.seed + 4), Vec::new());
    let mut times = Times::with_capacity(job.keys);
    for _ in 0..job.keys {
        let number = random.below(job.keys);
        let start = Instant::now();
        get(engine, SMALL, number, &mut scratch)?;
        times.add(start);
    }
    let times = Times::merged(vec![times]);
    job.report("get_p50", times.quantile_ns(0.5));
    job.report("get_p99", times.quantile_ns(0.99));
    job.report("get_p999", times.quantile_ns(0.999));
    Ok(())
}
