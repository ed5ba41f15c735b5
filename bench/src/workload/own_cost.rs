//! harness: what making keys and values, checking them and reading the clock cost. Every other row includes it.

use super::{Job, Workload, cost};
use crate::Result;
use guest::data::OwnCost;

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "harness",
    title: "harness: its own cost, which every row includes (values of 100 B)",
    stages: 1,
    rounds_max: usize::MAX,
    reference: "harness",
    limits: &[],
    rows: &["harness"],
    metrics: &[
        cost("make_entry", "ns"),
        cost("check_value", "ns"),
        cost("draw_zipf", "ns"),
        cost("read_clock", "ns"),
    ],
    is_long: false,
};

/// Its one stage, which knows no engine.
pub fn run(job: &Job) -> Result<()> {
    let own = OwnCost::measure();
    job.report("make_entry", own.make_ns);
    job.report("check_value", own.check_ns);
    job.report("draw_zipf", own.zipf_ns);
    job.report("read_clock", own.clock_ns);
    Ok(())
}
