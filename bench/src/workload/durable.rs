//! durable: every put survives a power loss when it returns; 1, 4, 16 and 64 threads, each on a store of its own.

use super::threads::{Times, together};
use super::{ALL_LIMITS, Job, LIMIT, Workload, cost, rate};
use crate::Result;
use crate::engine::{Durability, Engine};
use guest::data::{Maker, SMALL};
use std::fs;
use std::time::Instant;

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "durable",
    title: "durable: every put of 16 B/100 B durable on return, by number of threads",
    stages: 1,
    rounds_max: usize::MAX,
    reference: LIMIT,
    limits: ALL_LIMITS,
    rows: &[],
    metrics: &[
        rate("durable_put_t1", "op/s"),
        rate("durable_put_t4", "op/s"),
        rate("durable_put_t16", "op/s"),
        rate("durable_put_t64", "op/s"),
        cost("t1_p50", "us"),
        cost("t1_p99", "us"),
        cost("t4_p50", "us"),
        cost("t4_p99", "us"),
        cost("t64_p50", "us"),
        cost("t64_p99", "us"),
    ],
    is_long: false,
};

/// Names of the figures of one number of threads.
struct Case {
    threads: u64,
    rate: &'static str,
    quantiles: Option<[&'static str; 2]>,
}

const CASES: [Case; 4] = [
    Case {
        threads: 1,
        rate: "durable_put_t1",
        quantiles: Some(["t1_p50", "t1_p99"]),
    },
    Case {
        threads: 4,
        rate: "durable_put_t4",
        quantiles: Some(["t4_p50", "t4_p99"]),
    },
    Case {
        threads: 16,
        rate: "durable_put_t16",
        quantiles: None,
    },
    Case {
        threads: 64,
        rate: "durable_put_t64",
        quantiles: Some(["t64_p50", "t64_p99"]),
    },
];

/// Its one stage. Of every 1,000,000 keys, 4,000 puts with one thread and up to 16,000 with more.
pub fn run<E: Engine>(job: &Job) -> Result<()> {
    for case in CASES {
        let dir = job.dir.join(case.rate);
        fs::create_dir(&dir)?;
        let engine = E::Shared::open(&dir, Durability::EachPut)?;
        let puts = (job.keys / 250).max(case.threads);
        let each = puts * case.threads.min(4) / case.threads;
        let (time, times) = together(case.threads, |thread| {
            let mut maker = Maker::new(SMALL, job.seed + thread);
            let mut times = Times::with_capacity(each);
            for number in 0..each {
                let (key, value) = maker.entry(thread * each + number);
                let start = Instant::now();
                engine.put(key, value)?;
                times.add(start);
            }
            Ok(times)
        })?;
        engine.close()?;
        job.report_rate(case.rate, each * case.threads, time);
        if let Some([p50, p99]) = case.quantiles {
            let times = Times::merged(times);
            job.report(p50, times.quantile_ns(0.5) / 1e3);
            job.report(p99, times.quantile_ns(0.99) / 1e3);
        }
    }
    Ok(())
}
