//! Stops the guest at every one of its calls to WASI, and says what was counted.
//!
//! Exits with 1 at the first violation, with 2 if the guest could not be loaded.

use clap::Parser;
use portcask_hosts::node;
use portcask_hosts::traps::{Share, Traps};
use portcask_proof::ledger::Tally;
use std::process::ExitCode;

const COMMAND: &str = "cargo xtask traps";

/// Crash at every host call of the WASI guest
#[derive(Parser)]
#[command(bin_name = COMMAND)]
struct Args {
    /// Stop at every so many-th call of the workload
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    every: usize,
    /// Places within each write where it may be torn, at most
    #[arg(long, default_value_t = 24, value_parser = at_least_one)]
    cuts: usize,
    /// Show every so many-th place to Node as well; 0 is none
    #[arg(long, default_value_t = 1)]
    node: usize,
    /// Start another guest on every so many-th place that changed a file; 0 is none
    #[arg(long, default_value_t = 1)]
    nested: usize,
    /// Stop that guest at every so many-th of its calls
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    nested_every: usize,
    /// Threads; all processors if not given
    #[arg(long, value_parser = at_least_one)]
    threads: Option<usize>,
    /// Append the count to the ledger
    #[arg(long)]
    record: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let given: String = std::env::args()
        .skip(1)
        .filter(|word| word != "--record")
        .map(|word| " ".to_owned() + &word)
        .collect();
    let command = format!("{COMMAND}{given}");
    let mut tally = Tally::new("wasi-traps", command);
    let traps = match Traps::load() {
        Ok(traps) => traps,
        Err(cause) => {
            eprintln!("portcask-traps: {cause}");
            return ExitCode::from(2);
        }
    };
    if args.node > 0 && node::version().is_none() {
        eprintln!("left out: Node as a judge, because there is no `node`");
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let share = Share {
        calls: args.every,
        cuts: args.cuts,
        node: args.node,
        nested: args.nested,
        nested_calls: args.nested_every,
        threads: args.threads.unwrap_or(processors),
    };
    let progress = |done: usize, of: usize| {
        if done > 0 && done.is_multiple_of(25 * args.every) {
            eprintln!("call {done} of {of}, after {} s", tally.elapsed().as_secs());
        }
    };
    match traps.run(&share, progress) {
        Ok(counts) => {
            for (what, count) in counts {
                tally.add(what, count);
            }
        }
        Err(why) => {
            eprintln!("VIOLATION {why}");
            return ExitCode::FAILURE;
        }
    }
    println!("{}", tally.line());
    if !args.record {
        return ExitCode::SUCCESS;
    }
    match tally.record() {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("portcask-traps: the ledger cannot be written: {cause}");
            ExitCode::from(2)
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number from 1".to_owned()),
        Ok(count) => Ok(count),
    }
}
