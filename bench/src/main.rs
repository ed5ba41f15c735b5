//! Portcask, the physical limit and other stores under the same verified workloads.
//!
//! ```text
//!   main -> rounds    for each workload: rounds of A B C, every engine in a process of its own
//!        -> table     medians, ratios to the limit, a ~ where the figures spread
//!        -> results   the same as JSON
//!   main -> page       docs/PERFORMANCE.md from committed results, with pictures
//!
//!   main, as the child of a round -> workload -> engine
//! ```
//!
//! Every value carries a checksum seeded with its key, and every get is checked in the timed loop, for every
//! engine. What the harness costs is a table of its own.

mod args;
mod clock;
mod engine;
mod page;
mod plot;
mod process;
mod results;
mod rounds;
mod table;
mod workload;

use args::{Args, Other};
use clap::Parser;
use std::error::Error;
use std::process::ExitCode;

/// What everything here answers. An error ends a child; the parent tells it and goes on.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.other {
        Some(Other::Stage(stage)) => rounds::child(stage).map(|()| true),
        Some(Other::Page(page)) => page::run(page).map(|()| true),
        None => rounds::run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
