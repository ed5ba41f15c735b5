//! The campaigns of the package `proof`, built for speed and started from here.

use std::process::{Command, ExitCode, Stdio};

use crate::repo::Repo;
use crate::setup::{Consent, Target, WasmToolchain};
use crate::shell::{self, Context, Failure, Result};
use crate::wasm;

/// Runs a campaign with the words that were typed behind its name; answers its exit code.
pub fn campaign(repo: &Repo, name: &str, words: &[&str]) -> Result<ExitCode> {
    campaign_with(repo, &[], name, words)
}

/// As [`campaign`], on a build with these features.
pub fn campaign_with(
    repo: &Repo,
    features: &[&str],
    name: &str,
    words: &[&str],
) -> Result<ExitCode> {
    let mut cargo = cargo(repo, features);
    cargo.arg(name).args(words).stdin(Stdio::null());
    shell::exit_code(&mut cargo)
}

/// Builds portcask.wasm and stops it at every call to its host.
pub fn traps(repo: &Repo, words: &[&str]) -> Result<ExitCode> {
    let toolchain = WasmToolchain::ready(repo, Target::Wasip1, Consent::new(false))?;
    let module = wasm::build(repo, &toolchain)?;
    let mut cargo = repo.cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "portcask-hosts"]);
    cargo.args(["--bin", "portcask-traps", "--"]).args(words);
    cargo.env("PORTCASK_WASM", module);
    shell::exit_code(cargo.stdin(Stdio::null()))
}

/// Runs a campaign that has to succeed.
pub fn run(repo: &Repo, words: &[&str]) -> Result<()> {
    shell::run(cargo(repo, &[]).args(words))
}

/// As [`run`], for a campaign that this machine may be unable to make; answers whether it was made.
pub fn run_if_able(repo: &Repo, words: &[&str]) -> Result<bool> {
    /// What a campaign ends with that could try nothing.
    const SKIPPED: i32 = 77;
    let mut cargo = cargo(repo, &[]);
    let status = cargo.args(words).stdin(Stdio::null()).status();
    match status.doing("cannot start cargo")?.code() {
        Some(0) => Ok(true),
        Some(SKIPPED) => Ok(false),
        _ => Err(Failure::new(format!("{} failed", shell::shown(&cargo)))),
    }
}

fn cargo(repo: &Repo, features: &[&str]) -> Command {
    let mut cargo = repo.cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "portcask-proof"]);
    for feature in features {
        cargo.args(["--features", feature]);
    }
    cargo.arg("--");
    cargo
}
