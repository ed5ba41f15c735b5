//! The no_std proof that needs no special target: a program that cannot be built if anything brings std.
//!
//! `xtask/canary` is a `no_std` program with a panic handler of its own. std has one too, and two in one program are
//! an error of the compiler ("duplicate lang item"). It is also run: a store in memory is opened, written and read.

use std::fs;

use crate::repo::Repo;
use crate::shell::{self, Context, Failure, Result};

/// Builds the canary for this machine and runs it.
pub fn check(repo: &Repo) -> Result<()> {
    let folder = repo.root.join("xtask/canary");
    // Outside the workspace, so with a lock file of its own: the workspace's, for the same versions.
    fs::copy(repo.root.join("Cargo.lock"), folder.join("Cargo.lock"))
        .doing("cannot copy Cargo.lock for the canary")?;
    let mut cargo = repo.cargo();
    cargo
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", repo.target.join("canary"))
        .args(["build", "--release"]);
    shell::run(&mut cargo).map_err(|failure| {
        Failure::new(format!(
            "{failure}; \"duplicate lang item\" above means that something brings std"
        ))
    })?;
    shell::run(&mut std::process::Command::new(
        repo.target.join("canary/release/canary"),
    ))
}
