//! `portcask-proof`: the campaigns as commands.

use clap::{Parser, Subcommand};
use portcask_proof::every_bit;
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
    /// Flip each bit of a store
    EveryBit(every_bit::Arguments),
}

fn main() -> ExitCode {
    let done = match Cli::parse().campaign {
        Campaign::EveryBit(arguments) => every_bit::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("BROKEN PROMISE: {problem}");
            ExitCode::FAILURE
        }
    }
}
