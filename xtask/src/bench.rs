//! The benchmarks of the package `bench`, built for speed and started from here.

use std::process::{ExitCode, Stdio};

use crate::repo::Repo;
use crate::shell::{self, Result};

/// Builds the benchmarks and runs them with the words that were typed; answers their exit code.
pub fn command(repo: &Repo, words: &[&str]) -> Result<ExitCode> {
    let mut cargo = repo.cargo();
    cargo.args(["run", "--release", "--manifest-path", "bench/Cargo.toml"]);
    cargo.arg("--target-dir").arg(&repo.target);
    cargo.arg("--").args(words).stdin(Stdio::null());
    shell::exit_code(&mut cargo)
}
