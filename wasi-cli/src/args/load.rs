//! Verbs that put a store under load: bench and fill.

use super::MergePolicyArgs;
use super::transfer::at_least_one;
use crate::failure::Failure;
use crate::units::{parse_duration_ms, parse_size};
use clap::Args;
use std::path::PathBuf;

pub const BENCH_EXAMPLES: &str = "\
Examples:
  portcask --dir scratch bench
  portcask --dir scratch bench --ops 1000000 --read 95 --write 5 --del 0 --sync
  portcask --dir scratch bench --startup-only --force-scan
  portcask bench -data scratch -valueSize 256 -compactEvery 5s     as bitcaskctl spells it

The keys and values it writes stay in the store, so give it a directory of its own.";

/// Run a mix of reads, writes and deletes, and measure it
///
/// Reports operations per second, latencies (p50, p95, p99), bytes and file sizes. With --ops 0
/// it runs for --duration. Ctrl-C ends the run early and still prints the report.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// Number of threads (under WASI there is only one)
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = at_least_one)]
    pub concurrency: usize,
    /// How long to run
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration_ms)]
    pub duration: u64,
    /// Run this many operations instead; 0 runs for --duration
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub ops: u64,
    /// Number of different keys
    #[arg(
        long,
        alias = "keySpace",
        value_name = "COUNT",
        default_value_t = 10_000
    )]
    pub keyspace: u64,
    /// Bytes per value
    #[arg(long, alias = "valueSize", value_name = "SIZE", default_value = "256", value_parser = parse_size)]
    pub value_size: u64,
    /// Share of reads [default: 70]; shares not given divide what the others leave of 100
    #[arg(long, value_name = "PERCENT")]
    pub read: Option<u32>,
    /// Share of writes [default: 25]
    #[arg(long, value_name = "PERCENT")]
    pub write: Option<u32>,
    /// Share of deletes [default: 5]
    #[arg(long, alias = "delete", value_name = "PERCENT")]
    pub del: Option<u32>,
    /// Merge this often; 0 means never
    #[arg(long, alias = "compactEvery", value_name = "DURATION", default_value = "0", value_parser = parse_duration_ms)]
    pub compact_every: u64,
    /// Print a line this often; 0 means never
    #[arg(long, alias = "printEvery", value_name = "DURATION", default_value = "1s", value_parser = parse_duration_ms)]
    pub print_every: u64,
    /// Latencies to keep for the percentiles, over all threads
    #[arg(long, value_name = "COUNT", default_value_t = 200_000, value_parser = at_least_one)]
    pub samples: usize,
    /// Write operations and processor time per second to this file, as CSV
    #[arg(long, value_name = "FILE")]
    pub cpuprofile: Option<PathBuf>,
    /// Write memory, key memory and file bytes per second to this file, as CSV
    #[arg(long, value_name = "FILE")]
    pub memprofile: Option<PathBuf>,
    /// Only open the store and report how long that took
    #[arg(long, alias = "startupOnly")]
    pub startup_only: bool,
    /// Ignore the hint files when opening and read every record
    #[arg(long, alias = "forceScan")]
    pub force_scan: bool,
    /// Seal the last segment at the end, so that the next start reads only hints
    #[arg(long, alias = "writeHint")]
    pub write_hint: bool,
    /// Report how long opening took
    #[arg(
        long,
        alias = "printStartup",
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set
    )]
    pub print_startup: bool,
    /// Seed of the random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub merge: MergePolicyArgs,
}

/// What an operation is if nothing else is said, in percent: a read, a write, a delete.
const DEFAULT_SHARES: [u32; 3] = [70, 25, 5];

impl BenchArgs {
    /// How often an operation is a read, a write or a delete, as proportions: exactly the percentages that were given,
    /// and those that were not divide the rest as their defaults would.
    pub fn shares(&self) -> Result<[u64; 3], Failure> {
        let given = [self.read, self.write, self.del];
        let sum: u64 = given.iter().flatten().map(|share| u64::from(*share)).sum();
        let open = given.iter().zip(DEFAULT_SHARES);
        let open = open.filter(|(given, _)| given.is_none());
        let open: u64 = open.map(|(_, share)| u64::from(share)).sum();
        if sum > 100 || (open == 0 && sum < 100) {
            return Err(Failure::usage(format!(
                "--read, --write and --del are percentages and come to {sum}: let them come to 100, \
                 or leave one out, which then gets the rest"
            )));
        }
        let scale = open.max(1);
        Ok([0, 1, 2].map(|kind| match given[kind] {
            Some(share) => u64::from(share) * scale,
            None => u64::from(DEFAULT_SHARES[kind]) * (100 - sum),
        }))
    }
}

pub const FILL_EXAMPLES: &str = "\
Examples:
  portcask --dir scratch fill --count 1000000
  portcask --dir scratch fill --count 100000 --overwrite-percent 33 --delete-percent 10 --rounds 3
  portcask --dir scratch fill --count 100000 --check           the same options, and --check";

/// Generate keys, overwrites and deletes
///
/// The same options and seed always produce the same content, so --check can tell whether a store
/// holds exactly what an earlier run with the same options wrote.
#[derive(Args, Clone, Debug)]
pub struct FillArgs {
    /// Number of different keys
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 100_000, value_parser = a_number)]
    pub count: u64,
    /// Bytes per key
    #[arg(long, value_name = "SIZE", default_value = "16", value_parser = parse_size)]
    pub key_size: u64,
    /// Bytes per value
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = parse_size)]
    pub value_size: u64,
    /// Share of the keys that each round overwrites
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub overwrite_percent: u32,
    /// Share of the keys that each round deletes
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub delete_percent: u32,
    /// Rounds of overwrites and deletes after the first write
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub rounds: u32,
    /// Seed of the content
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What every key starts with
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prefix: String,
    /// Records per batch
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = at_least_one)]
    pub batch: usize,
    /// Write nothing; check that the store holds what this command would write
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub merge: MergePolicyArgs,
}

fn a_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a number from 0".to_owned())
}
