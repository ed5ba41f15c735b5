//! The benchmarks of the package `bench`, built for speed and started from here.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::hosts::Wasmtime;
use crate::repo::Repo;
use crate::setup::{Consent, Target, WasmToolchain};
use crate::shell::{self, Result};

const MANIFEST: &str = "bench/Cargo.toml";

/// Runs the benchmarks with the words that were typed; answers their exit code.
pub fn command(repo: &Repo, words: &[&str]) -> Result<ExitCode> {
    if let ["page", rest @ ..] = words {
        return shell::exit_code(page(repo, rest).stdin(Stdio::null()));
    }
    let mut cargo = cargo(repo, "run");
    cargo
        .args(["--release", "--"])
        .args(words)
        .stdin(Stdio::null());
    if wants_sandbox(words) {
        let guest = guest(repo)?;
        let wasmtime = Wasmtime::find(repo)?;
        cargo.arg("--guest").arg(guest);
        cargo.arg("--wasmtime").arg(wasmtime.program);
    }
    shell::exit_code(&mut cargo)
}

/// The command that makes the page, which needs none of the other stores.
pub fn page(repo: &Repo, words: &[&str]) -> Command {
    let mut cargo = cargo(repo, "run");
    cargo.args(["--quiet", "--no-default-features", "--", "page"]);
    cargo.args(words);
    cargo
}

/// A subcommand of cargo on the workspace of the benchmarks.
pub fn cargo(repo: &Repo, subcommand: &str) -> Command {
    on_benchmarks(repo, repo.cargo(), subcommand)
}

fn on_benchmarks(repo: &Repo, mut cargo: Command, subcommand: &str) -> Command {
    cargo.env("CARGO_TARGET_DIR", &repo.target);
    cargo.args([subcommand, "--manifest-path", MANIFEST]);
    cargo
}

/// Whether what was asked for has anything to do with a guest.
fn wants_sandbox(words: &[&str]) -> bool {
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let list = match word {
            "--help" | "-h" | "--guest" => return false,
            "--workloads" => words.next(),
            word => word.strip_prefix("--workloads="),
        };
        if let Some(list) = list {
            return list.split(',').any(|name| name == "sandbox");
        }
    }
    true
}

/// Builds the workloads as a WASI module.
fn guest(repo: &Repo) -> Result<PathBuf> {
    let toolchain = WasmToolchain::ready(repo, Target::Wasip1, Consent::new(false))?;
    let mut cargo = on_benchmarks(repo, toolchain.cargo(repo), "build");
    cargo.args(["--quiet", "--profile", "wasm"]);
    cargo.args(["--package", "portcask-bench-guest"]);
    shell::run(cargo.args(toolchain.target_arguments()))?;
    Ok(repo
        .target
        .join("wasm32-wasip1/wasm/portcask-bench-guest.wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_built_only_for_what_runs_it() {
        assert!(wants_sandbox(&["--quick"]));
        assert!(wants_sandbox(&["--workloads", "read,sandbox"]));
        assert!(!wants_sandbox(&["--workloads", "read,fill", "--quick"]));
        assert!(!wants_sandbox(&["--workloads=read"]));
        assert!(!wants_sandbox(&["--help"]));
    }
}
