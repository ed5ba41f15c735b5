//! The campaigns as commands. `cargo xtask` starts them.

use clap::{Parser, Subcommand};
use portcask_proof::powercut;
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
    /// Cuts the power of a real file system under running writers, and judges what is left.
    Powercut(powercut::Arguments),
    /// The process whose power is cut.
    #[command(hide = true)]
    PowercutWriter(powercut::WriterArguments),
    /// The process that opens the store again, and may be cut too.
    #[command(hide = true)]
    PowercutOpener(powercut::OpenerArguments),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Powercut(arguments) => powercut::run(&arguments),
        Command::PowercutWriter(arguments) => powercut::write(&arguments),
        Command::PowercutOpener(arguments) => powercut::reopen(&arguments),
    }
}
