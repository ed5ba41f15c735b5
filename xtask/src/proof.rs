//! The campaigns of `proof/`: started here, so that nobody has to know where they live.

use std::process::ExitCode;

use crate::repo::Repo;
use crate::shell::{self, Result};

/// `cargo xtask CAMPAIGN ..`: hands the rest of the line to the campaign.
pub fn command(repo: &Repo, campaign: &str, words: &[&str]) -> Result<ExitCode> {
    run(repo, &[&[campaign], words].concat()).map(|()| ExitCode::SUCCESS)
}

/// Runs a command of `portcask-proof`, optimised: campaigns are long.
pub fn run(repo: &Repo, words: &[&str]) -> Result<()> {
    let mut cargo = repo.cargo();
    cargo.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "portcask-proof",
        "--",
    ]);
    shell::run(cargo.args(words))
}
