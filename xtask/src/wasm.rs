//! `portcask.wasm`: the command as one WASI preview 1 module.

use std::fs;
use std::path::PathBuf;

use crate::repo::{self, Repo};
use crate::setup::{Consent, Target, WasmToolchain};
use crate::shell::{self, Context, Result};

/// `cargo xtask wasm`.
pub fn command(repo: &Repo) -> Result<()> {
    let toolchain = WasmToolchain::ready(repo, Target::Wasip1, Consent::new(false))?;
    build(repo, &toolchain).map(|_| ())
}

/// Builds the module with the `wasm` profile, puts it into the target directory, says its size and answers its path.
pub fn build(repo: &Repo, toolchain: &WasmToolchain) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo(repo);
    cargo
        .args(["build", "--profile", "wasm", "--package", "portcask-cli"])
        .args(toolchain.target_arguments());
    shell::run(&mut cargo)?;
    let built = repo.target.join("wasm32-wasip1/wasm/portcask.wasm");
    let module = path(repo);
    let bytes = fs::copy(&built, &module).doing(format_args!("cannot copy {}", built.display()))?;
    println!("  {}: {} bytes", repo::shown(&module), grouped(bytes));
    Ok(module)
}

/// Where [`build`] puts the module.
pub fn path(repo: &Repo) -> PathBuf {
    repo.target.join("portcask.wasm")
}

/// A number with a comma before every third digit from the right.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// "1 line", "2 lines".
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
