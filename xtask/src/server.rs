//! The server's campaigns: its own tests, built for speed and given a number of seconds.

use std::process::{ExitCode, Stdio};

use crate::repo::Repo;
use crate::shell::{self, Failure, Result};

/// `cargo xtask hostile|diff-redis|kill --seconds N`.
pub fn campaign(repo: &Repo, name: &str, words: &[&str]) -> Result<ExitCode> {
    let seconds = match words {
        [] => 60,
        ["--seconds", seconds] => seconds
            .parse::<u64>()
            .map_err(|_| Failure::new(format!("\"{seconds}\" is no number of seconds")))?,
        _ => {
            return Err(Failure::new(format!(
                "usage: cargo xtask {name} [--seconds N]"
            )));
        }
    };
    let seconds = seconds.max(1).to_string();
    let (filter, variable) = match name {
        "hostile" => ("hostile_load::", "PORTCASK_HOSTILE_SECONDS"),
        "diff-redis" => ("differential::", "PORTCASK_DIFF_SECONDS"),
        _ => ("durability::", "PORTCASK_KILL_SECONDS"),
    };
    let mut cargo = repo.cargo();
    cargo.args([
        "test",
        "--quiet",
        "--release",
        "--package",
        "portcask-server",
        // The other door is not searched, and takes minutes to build.
        "--no-default-features",
    ]);
    cargo.args([
        "--test",
        "server",
        "--",
        filter,
        "--nocapture",
        "--test-threads=1",
    ]);
    cargo
        .env(variable, seconds)
        .env("PORTCASK_REQUIRE_REDIS", "1");
    if name == "hostile" {
        cargo.env("PORTCASK_HOSTILE_CONNECTIONS", "10000");
    }
    shell::exit_code(cargo.stdin(Stdio::null()))
}
