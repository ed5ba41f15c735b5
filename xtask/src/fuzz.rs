//! `cargo xtask fuzz`: hands everything to the campaigns' own program, which has the dependencies.

use crate::repo::Repo;
use crate::shell::{self, Failure, Result};

/// Starts the search; it says itself what it lacks, and how to get it.
pub fn command(repo: &Repo, words: &[&str]) -> Result<()> {
    let mut command = repo.cargo();
    command.args([
        "run",
        "--quiet",
        "--package",
        "portcask-proof",
        "--",
        "fuzz",
    ]);
    command.args(words);
    shell::run(&mut command).map_err(|_| Failure::new("the search ended early, see above"))
}
