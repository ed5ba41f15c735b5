//! Campaigns that other people's tools run: mutation testing and coverage.

use crate::ledger::Tally;
use clap::Args;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Mutation testing of the core.
#[derive(Args, Debug)]
pub struct MutantsArguments {
    /// Which part of all mutants to try; 3/40 is the fourth of forty
    #[arg(long)]
    shard: Option<String>,
    /// Number of mutants to build and test side by side
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Append the count to the ledger
    #[arg(long)]
    record: bool,
}

/// Coverage of the core by its own tests.
#[derive(Args, Debug)]
pub struct CoverageArguments {
    /// Append the count to the ledger
    #[arg(long)]
    record: bool,
}

/// Runs `cargo mutants` on the core, counts, and prints what no test noticed.
pub fn mutants(arguments: &MutantsArguments) -> Result<(), String> {
    let shard = arguments.shard.as_deref();
    let typed = shard.map_or_else(String::new, |shard| format!(" --shard {shard}"));
    let mut tally = Tally::new("mutants", format!("cargo xtask mutants{typed}"));
    let output = root().join("target/mutants");
    fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    let mut cargo = Command::new("cargo");
    cargo.args(["mutants", "--package", "portcask-core", "--no-shuffle"]);
    cargo.args([
        "--test-tool",
        "nextest",
        "--jobs",
        &arguments.jobs.to_string(),
    ]);
    cargo.arg("--output").arg(&output);
    cargo.args(shard.iter().flat_map(|shard| ["--shard", *shard]));
    cargo.args(["--", "--lib", "--tests"]);
    // A surviving mutant makes it exit with 2, which is a result and no failure.
    run(
        &mut cargo,
        &[0, 2, 3],
        "cargo install --locked cargo-mutants cargo-nextest",
    )?;
    let outcomes = output.join("mutants.out/outcomes.json");
    let json = fs::read_to_string(&outcomes)
        .map_err(|error| format!("{}: {error}", outcomes.display()))?;
    let json: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let count = |field: &str| json.get(field).and_then(Value::as_u64).unwrap_or(0);
    tally.add("mutants tried", count("total_mutants"));
    tally.add("noticed by a test", count("caught"));
    tally.add("noticed because a test did not end", count("timeout"));
    tally.add("not compiled", count("unviable"));
    tally.add("not noticed", count("missed"));
    println!("{tally}");
    let missed = fs::read_to_string(output.join("mutants.out/missed.txt")).unwrap_or_default();
    print!("{missed}");
    finish(&tally, arguments.record)
}

/// Runs the core's tests under `cargo llvm-cov` and counts what they reached. Branches need a
/// nightly compiler.
pub fn coverage(arguments: &CoverageArguments) -> Result<(), String> {
    let mut tally = Tally::new("coverage", "cargo xtask coverage");
    let json = root().join("target/coverage.json");
    let mut cargo = Command::new("cargo");
    cargo.args([
        "+nightly",
        "llvm-cov",
        "--package",
        "portcask-core",
        "--branch",
    ]);
    cargo.args([
        "--lib",
        "--tests",
        "--json",
        "--summary-only",
        "--output-path",
    ]);
    cargo.arg(&json);
    // What is measured is the engine, not its test bench.
    cargo.args([
        "--ignore-filename-regex",
        "(src/testing|/tests/|/tests\\.rs)",
    ]);
    let how = "rustup toolchain install nightly --component llvm-tools; cargo install --locked cargo-llvm-cov";
    run(&mut cargo, &[0], how)?;
    let text = fs::read_to_string(&json).map_err(|error| format!("{}: {error}", json.display()))?;
    let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let totals = &json["data"][0]["totals"];
    for what in ["lines", "regions", "branches", "functions"] {
        let count = |field: &str| totals[what][field].as_u64().unwrap_or(0);
        tally.add(what, count("count"));
        tally.add(&format!("{what} reached"), count("covered"));
    }
    println!("{tally}");
    finish(&tally, arguments.record)
}

fn finish(tally: &Tally, record: bool) -> Result<(), String> {
    match record {
        true => tally.record().map_err(|error| error.to_string()),
        false => Ok(()),
    }
}

/// Runs a cargo command; `how` says what to type where it is missing.
fn run(cargo: &mut Command, fine: &[i32], how: &str) -> Result<(), String> {
    // What the cargo that started us says of itself would choose its compiler for the tool as well.
    cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    let status = cargo.current_dir(root()).status();
    let code = status.map_err(|error| format!("cargo: {error}"))?.code();
    match code {
        Some(code) if fine.contains(&code) => Ok(()),
        Some(code) => Err(format!(
            "{} ended with {code}, see above; if a tool is missing: {how}",
            typed(cargo)
        )),
        None => Err(format!("{} was stopped by a signal", typed(cargo))),
    }
}

/// A command as a person would type it.
fn typed(cargo: &Command) -> String {
    let words = [cargo.get_program()].into_iter().chain(cargo.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
