//! The storage contract on every backend this machine can run.

use crate::{Output, cache, guests, node};
use portcask::memory::MemoryStorage;
use portcask::std_files::StdFiles;
use portcask::testing::contract::{self, Promise};
use std::io;
use tempfile::TempDir;

/// What the guest knows the scratch directory by.
const GUEST_DIR: &str = "/scratch";

/// A backend's name and what it made of the contract.
pub type Column = (&'static str, Vec<Promise>);

/// In memory, in this process.
pub fn memory() -> Column {
    let promises = contract::check_shared(MemoryStorage::new, Clone::clone);
    ("memory", promises)
}

/// On files of this system, through `std`.
pub fn std_files() -> io::Result<Column> {
    let home = TempDir::new()?;
    let mut count = 0;
    let open = |path| StdFiles::open(path).expect("a new directory can be opened");
    let promises = contract::check_shared(
        || {
            count += 1;
            open(home.path().join(count.to_string()))
        },
        |one| open(one.path().into()),
    );
    let name = match std::env::consts::OS {
        "linux" => "std on Linux",
        "macos" => "std on macOS",
        "windows" => "std on Windows",
        _ => "std",
    };
    Ok((name, promises))
}

/// As a guest of the embedded wasmtime.
pub fn wasi_on_wasmtime() -> io::Result<Column> {
    let module = std::fs::read(guests::contract()?)?;
    let guest = cache::load_or_compile(&module).map_err(io::Error::other)?;
    let home = TempDir::new()?;
    let preopen = (home.path().into(), GUEST_DIR.into());
    let output = guest
        .run(&["contract", GUEST_DIR, "--lines"], &[], &[preopen], &[])
        .map_err(io::Error::other)?;
    Ok(("WASI on wasmtime", promises_of(&output)?))
}

/// As a guest of Node; `None` where there is no Node.
pub fn wasi_on_node() -> io::Result<Option<Column>> {
    if node::version().is_none() {
        return Ok(None);
    }
    let home = TempDir::new()?;
    let preopen = (home.path().into(), GUEST_DIR.into());
    let module = guests::contract()?;
    let output = node::run_wasi(&module, &[GUEST_DIR, "--lines"], &[], &[preopen], &[])?;
    Ok(Some(("WASI on Node", promises_of(&output)?)))
}

/// The promises a guest has printed; its own words if it did not come that far.
fn promises_of(output: &Output) -> io::Result<Vec<Promise>> {
    let promises = contract::parse_lines(&String::from_utf8_lossy(&output.stdout));
    let broken = contract::broken(&promises).count();
    if promises.is_empty() || (output.status != 0) != (broken > 0) {
        return Err(io::Error::other(format!(
            "the guest ended with {} after {} promises: {}",
            output.status,
            promises.len(),
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    Ok(promises)
}
