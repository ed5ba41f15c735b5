//! The engine on this machine: its tests, the short part of the proof, the benchmarks' code, and without std.

use crate::shell::{self, Result};
use crate::test::{Done, World};
use crate::{bench, canary, proof, setup};

/// The tests of the default members. nextest is used where it is installed; it runs test programs side by side.
pub(super) fn native_tests(world: &World<'_>) -> Result<Done> {
    test_run(world, &[])
}

/// The engine once more with 16 bits of hash, where different keys meet all the time. The same build
/// can be given bugs, to see that the tests catch them.
pub(super) fn colliding_hashes(world: &World<'_>) -> Result<Done> {
    let features = "short-hash,planted-bugs";
    test_run(
        world,
        &["--package", "portcask-core", "--features", features],
    )
}

fn test_run(world: &World<'_>, selection: &[&str]) -> Result<Done> {
    let nextest = shell::capture(world.repo.cargo().args(["nextest", "--version"]));
    let mut command = world.repo.cargo();
    command.env("INSTA_UPDATE", "no");
    // The command imports from one; where there is none, its test says so.
    if setup::redis(world.consent).is_ok() {
        command.env("PORTCASK_REQUIRE_REDIS", "1");
    }
    let runner = if nextest.is_ok_and(|output| output.success) {
        command.args(["nextest", "run", "--no-fail-fast", "--no-tests=pass"]);
        command.args(["--status-level=fail", "--final-status-level=slow"]);
        "cargo nextest"
    } else {
        command.args([
            "test",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
        ]);
        "cargo test"
    };
    shell::run(command.args(selection))?;
    Ok(Done::Noted(format!("with {runner}")))
}

/// A small share of `cargo xtask prove`.
pub(super) fn crash_images(world: &World<'_>) -> Result<Done> {
    proof::run(world.repo, &["prove", "--images", "20000"])?;
    Ok(Done::Noted("20,000 distinct ones".to_owned()))
}

/// A few real ones; the campaign says itself why it cannot cut.
pub(super) fn power_cuts(world: &World<'_>) -> Result<Done> {
    match proof::run_if_able(world.repo, &["powercut", "--cuts", "10"])? {
        true => Ok(Done::Passed),
        false => Ok(Done::Skipped("no power was cut, as said above".to_owned())),
    }
}

pub(super) fn reliability_page(world: &World<'_>) -> Result<Done> {
    proof::run(world.repo, &["reliability", "--check"])?;
    Ok(Done::Passed)
}

/// Their code and tests, without the other stores, which take minutes to compile.
pub(super) fn benchmarks(world: &World<'_>) -> Result<Done> {
    shell::run(bench::cargo(world.repo, "fmt").args(["--all", "--check"]))?;
    let without_peers = ["--workspace", "--no-default-features"];
    let mut clippy = bench::cargo(world.repo, "clippy");
    shell::run(
        clippy
            .args(without_peers)
            .args(["--all-targets", "--", "-D", "warnings"]),
    )?;
    shell::run(bench::cargo(world.repo, "test").args(without_peers))?;
    Ok(Done::Passed)
}

pub(super) fn performance_page(world: &World<'_>) -> Result<Done> {
    shell::run(&mut bench::page(world.repo, &["--check"]))?;
    Ok(Done::Passed)
}

pub(super) fn canary_without_std(world: &World<'_>) -> Result<Done> {
    if !cfg!(unix) {
        return Ok(Done::Skipped("the canary is a Unix program".to_owned()));
    }
    canary::check(world.repo)?;
    Ok(Done::Passed)
}

/// Where the bare target cannot be had, the canary alone is the proof.
pub(super) fn wasm_without_std(world: &World<'_>) -> Result<Done> {
    let bare = setup::WasmToolchain::ready(world.repo, setup::Target::Bare, world.consent);
    let toolchain = match bare {
        Ok(toolchain) => toolchain,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    let mut command = toolchain.cargo(world.repo);
    command.args(["build", "--release", "--package", "portcask-core"]);
    shell::run(command.args(toolchain.target_arguments()))?;
    Ok(Done::Noted(toolchain.way()))
}
