//! sandbox: the core workloads as one program, native and as a guest of wasmtime.

use super::{Job, Workload, cost};
use crate::Result;

/// Its description.
pub const WORKLOAD: Workload = Workload {
    name: "sandbox",
    title: "sandbox: what an operation costs natively and under wasmtime, the same program on one thread",
    stages: 1,
    rounds_max: usize::MAX,
    reference: NATIVE,
    limits: &[],
    rows: &[NATIVE, SANDBOXED],
    metrics: &[
        cost("harness", "ns"),
        cost("put_buffered", "ns"),
        cost("put_written", "ns"),
        cost("open_per_key", "ns"),
        cost("get", "ns"),
        cost("get_many_16", "ns"),
        cost("miss", "ns"),
        cost("ycsb_a", "ns"),
    ],
    is_long: false,
};

/// The program run by this process.
pub const NATIVE: &str = "native";
/// The program run by wasmtime.
pub const SANDBOXED: &str = "wasmtime";

/// Its one stage, natively.
pub fn run(job: &Job) -> Result<()> {
    for (metric, figure) in guest::sandbox::run(&job.dir, job.keys, job.seed)? {
        job.report(metric, figure);
    }
    Ok(())
}
