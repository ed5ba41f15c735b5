//! reopen, reopen5m: opening in a new process, after an orderly close and after a crash; memory per key.

use super::load::{get, load};
use super::{Job, LIMIT, Metric, Workload, cost, rate};
use crate::Result;
use crate::engine::{Durability, Engine};
use crate::process;
use guest::data::{Random, SMALL};
use std::fs;

const METRICS: &[Metric] = &[
    cost("open_clean", "ms"),
    rate("open_clean_keys", "key/s"),
    cost("anon_per_key", "B"),
    cost("peak_rss_per_key", "B"),
    cost("open_after_crash", "ms"),
    rate("open_after_crash_keys", "key/s"),
];

/// As many keys as elsewhere.
pub const WORKLOAD: Workload = Workload {
    name: "reopen",
    title: "reopen: in a new process, warm page cache; memory after opening; a crash is an exit without destructors, after a sync",
    stages: 4,
    rounds_max: usize::MAX,
    reference: LIMIT,
    limits: &["limit"],
    rows: &[],
    metrics: METRICS,
    is_long: false,
};

/// Five times as many.
pub const LONG: Workload = Workload {
    name: "reopen5m",
    title: "reopen5m: the same with five times the keys",
    rounds_max: 1,
    is_long: true,
    ..WORKLOAD
};

/// Its stages: fill and close; open; fill and crash; open.
pub fn run<E: Engine>(job: &Job, keys: u64) -> Result<()> {
    let [clean, crashed] = ["clean", "crashed"].map(|name| job.dir.join(name));
    match job.stage {
        0 => {
            fs::create_dir(&clean)?;
            let engine = E::open(&clean, Durability::Relaxed)?;
            load(&engine, SMALL, keys)?;
            engine.close()
        }
        1 => {
            process::read_all(&clean)?;
            let before = [process::anonymous_bytes(), process::resident_bytes()];
            let start = job.clock.start();
            let engine = E::open(&clean, Durability::Relaxed)?;
            let time = start.elapsed();
            job.report("open_clean", time.as_secs_f64() * 1e3);
            job.report_rate("open_clean_keys", keys, time);
            let after = [process::anonymous_bytes(), process::peak_bytes()];
            let metrics = ["anon_per_key", "peak_rss_per_key"];
            for (metric, (before, after)) in metrics.into_iter().zip(before.into_iter().zip(after))
            {
                if let (Some(before), Some(after)) = (before, after) {
                    job.report(metric, after.saturating_sub(before) as f64 / keys as f64);
                }
            }
            look(job, &engine, keys)
        }
        2 if E::RECOVERS => {
            fs::create_dir(&crashed)?;
            let engine = E::open(&crashed, Durability::Relaxed)?;
            load(&engine, SMALL, keys)?;
            engine.sync()?;
            std::process::exit(0)
        }
        3 if E::RECOVERS => {
            process::read_all(&crashed)?;
            let start = job.clock.start();
            let engine = E::open(&crashed, Durability::Relaxed)?;
            let time = start.elapsed();
            job.report("open_after_crash", time.as_secs_f64() * 1e3);
            job.report_rate("open_after_crash_keys", keys, time);
            look(job, &engine, keys)
        }
        _ => Ok(()),
    }
}

/// Looks at some keys: a store that opened fast and forgot them is no store.
fn look(job: &Job, engine: &impl Engine, keys: u64) -> Result<()> {
    let (mut random, mut scratch) = (Random::new(job.seed), Vec::new());
    (0..10_000).try_for_each(|_| get(engine, SMALL, random.below(keys), &mut scratch))
}
