//! The fuzz targets under libFuzzer: searched one after the other, counted from what it says.
//!
//! ```text
//!   fuzz/corpus/<target>          committed: what searches begin with and tests repeat
//!   fuzz/crashes/<target>         committed: inputs that were findings, named for what they show
//!   target/fuzz/<target>/corpus   what a search adds; `--keep` takes the best of it over
//!   target/fuzz/<target>/log      everything libFuzzer said
//!   fuzz/artifacts/<target>       findings
//! ```

mod libfuzzer;
mod seeds;

pub use seeds::seeds;

use crate::ledger::Tally;
use crate::targets::{self, Target};
use clap::{Args, ValueEnum, value_parser};
use libfuzzer::{Failure, Search};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a search is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// How long to search each target
    // libFuzzer takes 0 for no end.
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u64).range(1..))]
    seconds: u64,
    /// Append the counts to the ledger, one line per target
    #[arg(long)]
    record: bool,
    /// Replace the committed corpus with the fewest inputs that reach every known edge
    #[arg(long)]
    keep: bool,
    /// Sanitizer that the compiler adds, to catch memory errors
    // The engine forbids `unsafe`, and errors of memory are all that the address sanitizer finds.
    // A target looks for panics, hangs and wrong answers, and of those the faster search finds
    // more: 2,000 histories of crash_recovery take 6 s, and 38 s under the sanitizer.
    #[arg(long, value_enum, default_value_t = Sanitizer::None)]
    sanitizer: Sanitizer,
    /// Search only these targets
    #[arg(value_name = "TARGET", value_parser = parse_target)]
    targets: Vec<Target>,
}

/// What is replayed.
#[derive(Args, Debug)]
pub struct ReplayArguments {
    /// The target
    #[arg(value_parser = parse_target)]
    target: Target,
    /// Inputs, as libFuzzer writes them
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Names of sanitizers, as cargo-fuzz has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sanitizer {
    /// Fastest
    None,
    /// Catches memory errors, also in dependencies
    Address,
}

/// Searches each target for so long; ends at the first finding.
pub fn run(arguments: &Arguments) -> ExitCode {
    match search_all(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the inputs; whatever is wrong with one panics.
pub fn replay(arguments: &ReplayArguments) -> ExitCode {
    for file in &arguments.files {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("error: {}: {error}", file.display());
                return ExitCode::FAILURE;
            }
        };
        println!("{} of {}", arguments.target.name, file.display());
        (arguments.target.run)(&bytes);
    }
    ExitCode::SUCCESS
}

fn search_all(arguments: &Arguments) -> Result<(), Failure> {
    let chosen = match arguments.targets.as_slice() {
        [] => &targets::ALL[..],
        some => some,
    };
    libfuzzer::is_there()?;
    let sanitizer = arguments.sanitizer.to_possible_value();
    let sanitizer = sanitizer.as_ref().map_or("none", |value| value.get_name());
    libfuzzer::build(sanitizer)?;
    for target in chosen {
        let search = Search::new(target, sanitizer)?;
        let command = format!(
            "cargo xtask fuzz --seconds {} {}",
            arguments.seconds, target.name
        );
        let mut tally = Tally::new(target.campaign, command);
        println!("{}: searching for {} s", target.name, arguments.seconds);
        let counts = search.run(arguments.seconds)?;
        for (what, count) in counts.all() {
            tally.add(what, count);
        }
        println!("{}", tally.line()["counts"]);
        if arguments.record {
            tally.record()?;
        }
        if arguments.keep {
            let (inputs, bytes) = search.keep()?;
            println!("{}: {inputs} inputs of {bytes} bytes kept", target.name);
        }
    }
    Ok(())
}

fn parse_target(name: &str) -> Result<Target, String> {
    let found = targets::ALL.iter().find(|target| target.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = targets::ALL.iter().map(|target| target.name).collect();
        format!("the targets are {}", names.join(", "))
    })
}

/// The folder of the fuzz package.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}
