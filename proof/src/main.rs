//! The campaigns as commands. `cargo xtask` starts them.

use clap::{Parser, Subcommand};
use portcask_proof::fuzz;
use std::process::ExitCode;

/// The evidence that nothing acknowledged is lost.
#[derive(Parser)]
#[command(name = "portcask-proof")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Searches for inputs that break the engine, with libFuzzer.
    Fuzz(fuzz::Arguments),
    /// Runs inputs of one fuzz target once, on any compiler: a finding panics again.
    FuzzReplay(fuzz::ReplayArguments),
    /// Writes the inputs that a search begins with.
    FuzzSeeds,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::FuzzReplay(arguments) => fuzz::replay(&arguments),
        Command::FuzzSeeds => fuzz::seeds(),
    }
}
