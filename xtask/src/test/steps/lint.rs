//! What is looked at without being run: format, lints, documentation and its examples.

use super::cargo;
use crate::setup;
use crate::shell::{self, Result};
use crate::test::{Done, World};

pub(super) fn components(world: &World<'_>) -> Result<Done> {
    setup::components(world.repo).map(Done::Noted)
}

pub(super) fn format(world: &World<'_>) -> Result<Done> {
    cargo(world, &["fmt", "--all", "--check"])?;
    let canary = [
        "fmt",
        "--check",
        "--manifest-path",
        "xtask/canary/Cargo.toml",
    ];
    cargo(world, &canary)
}

/// All packages as they are by default, and the server without what it can be built without.
pub(super) fn clippy(world: &World<'_>) -> Result<Done> {
    let all = ["--workspace"].as_slice();
    let bare_server = ["--package", "portcask-server", "--no-default-features"].as_slice();
    for packages in [all, bare_server] {
        let mut command = world.repo.cargo();
        command.arg("clippy").args(packages).arg("--all-targets");
        shell::run(command.args(["--", "-D", "warnings"]))?;
    }
    Ok(Done::Passed)
}

pub(super) fn clippy_for_wasi(world: &World<'_>) -> Result<Done> {
    let toolchain = world.wasip1()?;
    if !toolchain.has_clippy() {
        return Ok(Done::Skipped(
            "Debian's compiler comes without our clippy".to_owned(),
        ));
    }
    // The plugin goes without the standard library, which it could not beside a package that wants it.
    let alone = ["--package", "portcask-plugin"].as_slice();
    let with_std = ["--package", "portcask", "--package", "portcask-cli"].as_slice();
    for packages in [with_std, alone] {
        let mut command = toolchain.cargo(world.repo);
        command.arg("clippy").args(packages);
        command.args(toolchain.target_arguments());
        shell::run(command.args(["--", "-D", "warnings"]))?;
    }
    Ok(Done::Passed)
}

pub(super) fn clippy_for_browsers(world: &World<'_>) -> Result<Done> {
    let toolchain = match world.browser_target() {
        Ok(toolchain) => toolchain,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    if !toolchain.has_clippy() {
        return Ok(Done::Skipped(
            "Debian's compiler comes without our clippy".to_owned(),
        ));
    }
    let mut command = toolchain.cargo(world.repo);
    command.args(["clippy", "--package", "portcask", "--package"]);
    command.args(["portcask-web", "--features", "portcask-web/full"]);
    command.args(toolchain.target_arguments());
    shell::run(command.args(["--", "-D", "warnings"]))?;
    Ok(Done::Passed)
}

pub(super) fn rustdoc(world: &World<'_>) -> Result<Done> {
    let mut command = world.repo.cargo();
    command.env("RUSTDOCFLAGS", "-D warnings");
    shell::run(command.args(["doc", "--workspace", "--no-deps"]))?;
    Ok(Done::Passed)
}

pub(super) fn doc_tests(world: &World<'_>) -> Result<Done> {
    cargo(world, &["test", "--doc", "--no-fail-fast"])
}
