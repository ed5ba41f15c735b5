//! What a registry would be given.

use std::fs;
use std::path::PathBuf;

use crate::shell::{self, Result};
use crate::test::{Done, World};

/// Every crate that may be published can be: its package holds what it needs and builds on its own.
pub(super) fn packages(world: &World<'_>) -> Result<Done> {
    let packages = world.repo.publishable()?;
    forget_unpacked(&packages);
    let mut command = world.repo.cargo();
    command.args(["package", "--allow-dirty"]);
    for package in &packages {
        command.args(["--package", package]);
    }
    shell::run(&mut command)?;
    Ok(Done::Noted(packages.join(", ")))
}

/// Cargo verifies packages that need each other against a registry of its own making, and keeps
/// what it unpacked from there by version. All our commits have one version, so an earlier one's
/// sources would be taken for today's: drop them. Such registries have no host in their name.
fn forget_unpacked(packages: &[String]) {
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || std::env::home_dir().unwrap_or_default().join(".cargo"),
        PathBuf::from,
    );
    for kind in ["src", "cache"] {
        let registries = fs::read_dir(home.join("registry").join(kind));
        for registry in registries.into_iter().flatten().flatten() {
            if !registry.file_name().to_string_lossy().starts_with('-') {
                continue;
            }
            for unpacked in fs::read_dir(registry.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                let name = unpacked.file_name().to_string_lossy().into_owned();
                let is_ours = |package: &String| {
                    let version = name.strip_prefix(package.as_str());
                    version.is_some_and(|rest| rest.starts_with("-0"))
                };
                if packages.iter().any(is_ours) {
                    let _ = fs::remove_dir_all(unpacked.path());
                    let _ = fs::remove_file(unpacked.path());
                }
            }
        }
    }
}
