//! `portcask-proof`: the campaigns as commands. `cargo xtask` starts them for people.

use clap::{Parser, Subcommand};
use portcask_proof::{page, prove, tools};
use std::process::ExitCode;

/// Searches for a lost write and counts what was tried.
#[derive(Parser)]
#[command(name = "portcask-proof", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    campaign: Campaign,
}

#[derive(Subcommand)]
enum Campaign {
    /// Judge crash images: small worlds exhaustively, then whole histories
    Prove(prove::Arguments),
    /// Run cargo-mutants on the core
    Mutants(tools::MutantsArguments),
    /// Run cargo-llvm-cov on the core
    Coverage(tools::CoverageArguments),
    /// Write docs/RELIABILITY.md from the ledger
    Page(page::Arguments),
}

fn main() -> ExitCode {
    let done = match Cli::parse().campaign {
        Campaign::Prove(arguments) => prove::run(&arguments),
        Campaign::Mutants(arguments) => tools::mutants(&arguments),
        Campaign::Coverage(arguments) => tools::coverage(&arguments),
        Campaign::Page(arguments) => page::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}
