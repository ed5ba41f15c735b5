//! The campaigns of the package `proof`, built for speed and started from here.

use std::process::{ExitCode, Stdio};

use crate::repo::Repo;
use crate::shell::{Context, Result};

/// Runs a campaign with the words that were typed behind its name; answers its exit code.
pub fn campaign(repo: &Repo, name: &str, words: &[&str]) -> Result<ExitCode> {
    let mut cargo = repo.cargo();
    cargo.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "portcask-proof",
        "--",
    ]);
    let status = cargo
        .arg(name)
        .args(words)
        .stdin(Stdio::null())
        .status()
        .doing("cannot start cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
