//! WASI guests: built, weighed, and run under wasmtime and Node.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::{self, Context, Failure, Result};
use crate::test::{Done, World};
use crate::{demo, readme, setup, size, wasm};

pub(super) fn wasi_target(world: &World<'_>) -> Result<Done> {
    world.wasip1().map(|toolchain| Done::Noted(toolchain.way()))
}

pub(super) fn portcask_wasm(world: &World<'_>) -> Result<Done> {
    wasm::build(world.repo, world.wasip1()?)?;
    Ok(Done::Passed)
}

/// Skipped where wasm-opt cannot be had, but for throw-away machines, which can have everything.
pub(super) fn plugin_size(world: &World<'_>) -> Result<Done> {
    let wasm_opt = match setup::WasmOpt::ready(world.repo, world.consent) {
        Ok(wasm_opt) => wasm_opt,
        // Also where it was allowed to be fetched: the registry may be out of reach.
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    let measured = size::measure(world.repo, world.wasip1()?, &wasm_opt)?;
    print!("{}", measured.table());
    measured.check(world.repo)?;
    Ok(Done::Noted(measured.brief()))
}

/// The plugin under Node, then what it left under the native command.
pub(super) fn plugin(world: &World<'_>) -> Result<Done> {
    let module = size::build(world.repo, world.wasip1()?)?;
    let folder = world.repo.emptied("plugin-store")?;
    let host = world.repo.root.join("hosts/node/plugin.mjs");
    let mut node = Command::new("node");
    let expected = shell::read(node.arg(host).arg(module).arg(&folder))?;
    let native = |words: &[&str]| {
        let mut cargo = world.repo.cargo();
        cargo.args(["run", "--quiet", "--package", "portcask-cli", "--", "--dir"]);
        shell::read(cargo.arg(&folder).args(words))
    };
    let [found, expected] = [&native(&["export", "--format", "tsv"])?, &expected]
        .map(|text| demo::model::from_tsv(text));
    let (found, expected) = (found?, expected?);
    demo::model::compare(&found, &expected)?;
    native(&["verify"])?;
    let keys = wasm::counted(found.len(), "key");
    Ok(Done::Noted(format!(
        "{keys} written in the sandbox, read natively"
    )))
}

pub(super) fn node(world: &World<'_>) -> Result<Done> {
    setup::node(world.consent).map(Done::Noted)
}

/// The guests are built here and handed over, so that the tests need no wasm compiler of their own.
pub(super) fn wasi_tests(world: &World<'_>) -> Result<Done> {
    let toolchain = world.wasip1()?;
    let mut command = toolchain.cargo(world.repo);
    command.args(["build", "--profile", "wasm", "--package", "portcask"]);
    command.args(["--example", "contract", "--features", "testing"]);
    shell::run(command.args(toolchain.target_arguments()))?;
    let contract = "wasm32-wasip1/wasm/examples/contract.wasm";
    let mut command = world.repo.cargo();
    command
        .env("INSTA_UPDATE", "no")
        .env("PORTCASK_CONTRACT_WASM", world.repo.target.join(contract))
        .env("PORTCASK_WASM", wasm::path(world.repo));
    shell::run(command.args(["test", "--package", "portcask-hosts", "--no-fail-fast"]))?;
    Ok(Done::Passed)
}

pub(super) fn wasmtime(world: &World<'_>) -> Result<Done> {
    world
        .wasmtime()
        .map(|wasmtime| Done::Noted(wasmtime.about()))
}

/// Runs the README's lines in a folder that looks like a fresh clone after `cargo xtask wasm`.
pub(super) fn readme_line(world: &World<'_>) -> Result<Done> {
    let lines = readme::commands(&world.repo.text("README.md")?, "wasmtime run --dir");
    if lines.is_empty() {
        return Err(Failure::new(
            "README.md shows no line \"wasmtime run --dir ..\"",
        ));
    }
    let folder = world.repo.emptied("readme")?;
    let module = wasm::path(world.repo);
    fs::create_dir(folder.join("target")).doing("cannot make a target folder")?;
    for place in ["portcask.wasm", "target/portcask.wasm"] {
        fs::copy(&module, folder.join(place)).doing("cannot copy portcask.wasm")?;
    }
    let wasmtime = world.wasmtime()?;
    for line in &lines {
        let words = readme::words(line)?;
        make_directory_of(&words, &folder)?;
        println!("    README: {line}");
        shell::run(
            Command::new(&wasmtime.program)
                .args(&words[1..])
                .current_dir(&folder),
        )?;
    }
    let kind = if wasmtime.is_real {
        "a real wasmtime"
    } else {
        "THE EMBEDDED wasmtime"
    };
    Ok(Done::Noted(format!(
        "{} with {kind}",
        wasm::counted(lines.len(), "line")
    )))
}

/// The README makes the preopened directory in a line of its own.
fn make_directory_of(words: &[String], folder: &Path) -> Result<()> {
    let at = words.iter().position(|word| word == "--dir");
    let Some(directory) = at.and_then(|at| words.get(at + 1)) else {
        return Ok(());
    };
    let host = directory.split("::").next().unwrap_or_default();
    fs::create_dir_all(folder.join(host)).doing(format_args!("cannot make {host}"))
}

pub(super) fn short_demo(world: &World<'_>) -> Result<Done> {
    demo::tell(world.repo, world.wasmtime()?, demo::Length::Short)?;
    Ok(Done::Passed)
}
