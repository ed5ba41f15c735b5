//! `portcask-proof`: the campaigns as commands. `cargo xtask` starts them for people.

use clap::{Parser, Subcommand};
use portcask_proof::{every_bit, fuzz, page, planted, powercut, prove, tools};
use std::process::ExitCode;

/// Search for a lost write, and count what was tried
#[derive(Parser)]
// Usage lines say what a person types.
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    campaign: Campaign,
}

#[derive(Subcommand)]
enum Campaign {
    /// Judge crash images: small worlds exhaustively, then whole histories
    Prove(prove::Arguments),
    /// Cut the power of a real file system under running writers, and judge what is left
    Powercut(powercut::Arguments),
    /// The process whose power is cut
    #[command(hide = true)]
    PowercutWriter(powercut::WriterArguments),
    /// The process that opens the store again, and may be cut too
    #[command(hide = true)]
    PowercutOpener(powercut::OpenerArguments),
    /// Flip each bit of a store
    EveryBit(every_bit::Arguments),
    /// Search for inputs that break the engine, with libFuzzer
    Fuzz(fuzz::Arguments),
    /// Run inputs of one fuzz target once, on any compiler; a finding panics again
    #[command(override_usage = "cargo run -p portcask-proof -- fuzz-replay <TARGET> <FILES>...")]
    FuzzReplay(fuzz::ReplayArguments),
    /// Write the inputs that a search starts from
    #[command(override_usage = "cargo run -p portcask-proof -- fuzz-seeds")]
    FuzzSeeds,
    /// Plant each deliberate bug in the engine, and check that it is found
    Planted(planted::Arguments),
    /// Run cargo-mutants on the core
    Mutants(tools::MutantsArguments),
    /// Run cargo-llvm-cov on the core
    Coverage(tools::CoverageArguments),
    /// Write docs/RELIABILITY.md from the ledger
    Reliability(page::Arguments),
}

fn main() -> ExitCode {
    match Cli::parse().campaign {
        Campaign::Prove(arguments) => ended(prove::run(&arguments)),
        Campaign::Powercut(arguments) => powercut::run(&arguments),
        Campaign::PowercutWriter(arguments) => powercut::write(&arguments),
        Campaign::PowercutOpener(arguments) => powercut::reopen(&arguments),
        Campaign::EveryBit(arguments) => ended(every_bit::run(&arguments)),
        Campaign::Fuzz(arguments) => fuzz::run(&arguments),
        Campaign::FuzzReplay(arguments) => fuzz::replay(&arguments),
        Campaign::FuzzSeeds => fuzz::seeds(),
        Campaign::Planted(arguments) => ended(planted::run(&arguments)),
        Campaign::Mutants(arguments) => ended(tools::mutants(&arguments)),
        Campaign::Coverage(arguments) => ended(tools::coverage(&arguments)),
        Campaign::Reliability(arguments) => ended(page::run(&arguments)),
    }
}

fn ended(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}
