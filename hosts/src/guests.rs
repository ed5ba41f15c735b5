//! The modules that these hosts run: where they are, and how they are built.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a ready-built `contract.wasm`, where the ordinary way of building it does not work.
pub const CONTRACT_WASM: &str = "PORTCASK_CONTRACT_WASM";

/// Names a ready-built `portcask.wasm`, likewise.
pub const PORTCASK_WASM: &str = "PORTCASK_WASM";

/// The storage contract as a module: the one that [`CONTRACT_WASM`] names, or else built now.
///
/// Errors with what to do if the target for WASI is not installed.
pub fn contract() -> io::Result<PathBuf> {
    let example = ["portcask", "--example", "contract", "--features", "testing"];
    ready_or_built(CONTRACT_WASM, &example, "examples/contract.wasm")
}

/// The `portcask` command as a module: the one that [`PORTCASK_WASM`] names, or else built now.
///
/// Errors with what to do if the target for WASI is not installed.
pub fn portcask() -> io::Result<PathBuf> {
    ready_or_built(PORTCASK_WASM, &["portcask-cli"], "portcask.wasm")
}

fn ready_or_built(named_by: &str, package: &[&str], built: &str) -> io::Result<PathBuf> {
    if let Some(ready) = std::env::var_os(named_by) {
        return Ok(ready.into());
    }
    let target = target_directory()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package"])
        .args(package)
        .args(["--target", "wasm32-wasip1", "--profile", "wasm"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!(
            "the module was not built; `cargo xtask setup` adds what is missing, or {named_by} \
             names one that is ready"
        )));
    }
    Ok(target.join("wasm32-wasip1/wasm").join(built))
}

/// Where cargo put this program, whatever it was told: the folder it has marked as a cache.
fn target_directory() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    let found = program.ancestors().skip(1).find(marked);
    found
        .map(Path::to_path_buf)
        .ok_or_else(|| io::Error::other(format!("{} is in no target folder", program.display())))
}
