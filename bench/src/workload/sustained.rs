//! sustained: YCSB-A for as long as it takes to write the data many times over, with whatever the store does by
//! itself to reclaim space. How fast it stays, and how much space it takes.

use super::load::{get, load, warm};
use super::{Job, LIMIT, Workload, cost, rate};
use crate::Result;
use crate::engine::{Durability, Engine};
use crate::process;
use guest::data::{Maker, Random, SMALL, Zipf};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "sustained",
    title: "sustained: YCSB-A for a long time, merging as the store sees fit (the limit never does); space over the bytes of keys and values",
    stages: 2,
    rounds_max: 1,
    reference: LIMIT,
    limits: &["limit"],
    rows: &[],
    metrics: &[
        rate("first_second", "op/s"),
        rate("last_quarter", "op/s"),
        rate("last_over_first", "x"),
        rate("worst_second_over_first", "x"),
        cost("space_max", "x"),
        cost("space_at_end", "x"),
    ],
    is_long: false,
};

/// How long a store of a million keys is worked on; one of fewer keys in proportion.
const SECONDS_PER_MILLION: u64 = 40;
/// Samples in a second.
const SAMPLES: u32 = 10;

/// Its stages: fill; run.
pub fn run<E: Engine>(job: &Job) -> Result<()> {
    let engine = E::open(&job.dir, Durability::Relaxed)?;
    if job.stage == 0 {
        load(&engine, SMALL, job.keys)?;
        return engine.close();
    }
    warm(&engine, SMALL, job.keys)?;
    let seconds = (job.keys * SECONDS_PER_MILLION / 1_000_000).max(4);
    let (ops, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let samples = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let samples = sample(&job.dir, &ops, &stop, seconds);
            stop.store(true, Ordering::Relaxed);
            samples
        });
        let worked = work(job, &engine, &ops, &stop);
        // Also after an error, so that the sampler does not go on.
        stop.store(true, Ordering::Relaxed);
        let samples = sampler
            .join()
            .unwrap_or_else(|_| Err("the sampler panicked".into()));
        worked.and(samples)
    })?;
    engine.close()?;
    report(job, &samples);
    Ok(())
}

fn work(job: &Job, engine: &impl Engine, ops: &AtomicU64, stop: &AtomicBool) -> Result<()> {
    let zipf = Zipf::new(job.keys);
    let (mut random, mut maker) = (Random::new(job.seed), Maker::new(SMALL, job.seed));
    let mut scratch = Vec::new();
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let number = zipf.draw(&mut random);
        if random.bits().is_multiple_of(2) {
            let (key, value) = maker.entry(number);
            engine.put(key, value)?;
        } else {
            get(engine, SMALL, number, &mut scratch)?;
        }
        done += 1;
        ops.store(done, Ordering::Relaxed);
    }
    Ok(())
}

/// What was so at a moment.
#[derive(Clone, Copy)]
struct Sample {
    /// Seconds since the start.
    time: f64,
    ops: u64,
    disk_bytes: u64,
}

fn sample(dir: &Path, ops: &AtomicU64, stop: &AtomicBool, seconds: u64) -> Result<Vec<Sample>> {
    let is_stopped = || stop.load(Ordering::Relaxed);
    let mut samples = Vec::new();
    let mut next = Duration::ZERO;
    // The work begins once there is something to count, not while its tables are made.
    while ops.load(Ordering::Relaxed) == 0 && !is_stopped() {
        thread::sleep(Duration::from_millis(1));
    }
    let start = Instant::now();
    while next <= Duration::from_secs(seconds) && !is_stopped() {
        thread::sleep(next.saturating_sub(start.elapsed()));
        samples.push(Sample {
            time: start.elapsed().as_secs_f64(),
            ops: ops.load(Ordering::Relaxed),
            disk_bytes: process::disk_bytes(dir)?,
        });
        next += Duration::from_secs(1) / SAMPLES;
    }
    Ok(samples)
}

fn report(job: &Job, samples: &[Sample]) {
    let rate_of = |part: &[Sample]| match (part.first(), part.last()) {
        (Some(first), Some(last)) if last.time > first.time => {
            (last.ops - first.ops) as f64 / (last.time - first.time)
        }
        _ => f64::NAN,
    };
    let live = SMALL.user_bytes(job.keys) as f64;
    let space = |sample: &Sample| sample.disk_bytes as f64 / live;
    let second = SAMPLES as usize + 1;
    let first = rate_of(&samples[..second.min(samples.len())]);
    let last = rate_of(&samples[samples.len() * 3 / 4..]);
    let worst = samples
        .windows(second)
        .map(rate_of)
        .fold(f64::INFINITY, f64::min);
    job.report("first_second", first);
    job.report("last_quarter", last);
    job.report("last_over_first", last / first);
    job.report("worst_second_over_first", worst / first);
    job.report("space_max", samples.iter().map(space).fold(0.0, f64::max));
    job.report("space_at_end", samples.last().map_or(f64::NAN, space));
    let points = samples
        .windows(2)
        .map(|pair| [pair[1].time, rate_of(pair), space(&pair[1])]);
    job.report_course(points.collect());
}
