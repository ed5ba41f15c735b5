//! delete: every second key, merge, and what it all occupies.

use super::load::{get, load};
use super::{Job, LIMIT, Workload, cost, rate};
use crate::Result;
use crate::engine::{Durability, Engine, Merge};
use crate::process;
use guest::data::SMALL;

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "delete",
    title: "delete: every second key, merge, close; space over the bytes of live keys and values",
    stages: 3,
    rounds_max: usize::MAX,
    reference: LIMIT,
    limits: &["limit"],
    rows: &[],
    metrics: &[
        rate("delete_half", "op/s"),
        cost("space_before_merge", "x"),
        cost("merge", "ms"),
        rate("merge_live_keys", "key/s"),
        cost("space_after_merge_and_close", "x"),
    ],
    is_long: false,
};

/// Its stages: fill; delete and merge; look.
pub fn run<E: Engine>(job: &Job) -> Result<()> {
    let mut engine = E::open(&job.dir, Durability::Relaxed)?;
    match job.stage {
        0 => load(&engine, SMALL, job.keys)?,
        1 => {
            delete(job, &engine)?;
            merge(job, &mut engine)?;
            engine.close()?;
            report_space(job, "space_after_merge_and_close")?;
            return Ok(());
        }
        _ => look(job, &engine)?,
    }
    engine.close()
}

fn delete(job: &Job, engine: &impl Engine) -> Result<()> {
    let start = job.clock.start();
    for number in (0..job.keys).step_by(2) {
        engine.delete(SMALL.key(number).bytes())?;
    }
    job.report_rate("delete_half", job.keys.div_ceil(2), start.elapsed());
    engine.sync()?;
    report_space(job, "space_before_merge")
}

fn merge(job: &Job, engine: &mut impl Engine) -> Result<()> {
    let start = job.clock.start();
    if engine.merge()? == Merge::Done {
        let time = start.elapsed();
        job.report("merge", time.as_secs_f64() * 1e3);
        job.report_rate("merge_live_keys", job.keys / 2, time);
    }
    Ok(())
}

fn look(job: &Job, engine: &impl Engine) -> Result<()> {
    let mut scratch = Vec::new();
    for number in 0..job.keys {
        if number % 2 == 1 {
            get(engine, SMALL, number, &mut scratch)?;
        } else if engine
            .get(SMALL.key(number).bytes(), &mut scratch, |_| ())?
            .is_some()
        {
            return Err(format!("key {number} was deleted and is back").into());
        }
    }
    Ok(())
}

fn report_space(job: &Job, metric: &'static str) -> Result<()> {
    let live = SMALL.user_bytes(job.keys / 2) as f64;
    job.report(metric, process::disk_bytes(&job.dir)? as f64 / live);
    Ok(())
}
