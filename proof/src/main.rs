//! `portcask-proof`: runs the campaigns.

use clap::{Parser, Subcommand};
use portcask_proof::planted::Mutants;
use std::process::ExitCode;

/// Searches for a lost write, and for a way to miss one.
#[derive(Parser, Debug)]
#[command(version)]
struct Command {
    #[command(subcommand)]
    campaign: Campaign,
}

#[derive(Subcommand, Debug)]
enum Campaign {
    Mutants(Mutants),
}

fn main() -> ExitCode {
    let done = match Command::parse().campaign {
        Campaign::Mutants(mutants) => mutants.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
