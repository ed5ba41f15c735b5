//! How small a plugin with a store in it is: `docs/SIZE.md`, and the limit that the test command holds it to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo::Repo;
use crate::setup::{Consent, Target, WasmOpt, WasmToolchain};
use crate::shell::{self, Context, Failure, Result};
use crate::wasm::grouped;

/// The page with the table.
const PAGE: &str = "docs/SIZE.md";
/// Between these lines of the page stands what was measured.
const BEGIN: &str = "<!-- measured by `cargo xtask size` -->";
const END: &str = "<!-- end of what was measured -->";
/// What the plugin is to stay below after wasm-opt.
const GOAL_BYTES: u64 = 100_000;
/// What it may weigh today: just above what it does, so that it only ever shrinks. Lower this with each gain.
const OPTIMIZED_BYTES_MAX: u64 = 98_200;
const _: () = assert!(OPTIMIZED_BYTES_MAX < GOAL_BYTES);
/// Compilers differ by a little; more than this and the page tells yesterday's sizes.
const TOLERANCE_PERCENT: u64 = 3;
/// What the compiler puts into modules for this target. The list within the module goes with its symbols.
const WASM_FEATURES: [&str; 7] = [
    "bulk-memory",
    "bulk-memory-opt",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];

/// Bytes of the plugin's module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    raw: u64,
    optimized: u64,
    gzipped: u64,
}

/// `cargo xtask size`: measures, and writes the page or checks it.
pub fn command(repo: &Repo, check: bool) -> Result<()> {
    let consent = Consent::new(false);
    let toolchain = WasmToolchain::ready(repo, Target::Wasip1, consent)?;
    let wasm_opt = WasmOpt::ready(repo, consent)?;
    let measured = measure(repo, &toolchain, &wasm_opt)?;
    print!("{}", measured.table());
    if check {
        return measured.check(repo);
    }
    let page = with_table(&repo.text(PAGE)?, &measured.table())?;
    fs::write(repo.root.join(PAGE), page).doing(format_args!("cannot write {PAGE}"))
}

/// Builds the plugin and answers the module's path.
pub fn build(repo: &Repo, toolchain: &WasmToolchain) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo(repo);
    cargo.args([
        "build",
        "--profile",
        "plugin",
        "--package",
        "portcask-plugin",
    ]);
    shell::run(cargo.args(toolchain.target_arguments()))?;
    Ok(repo
        .target
        .join("wasm32-wasip1/plugin/portcask_plugin.wasm"))
}

/// Builds the plugin and weighs it: as it is built, after wasm-opt, and gzipped after that.
pub fn measure(repo: &Repo, toolchain: &WasmToolchain, wasm_opt: &WasmOpt) -> Result<Sizes> {
    let raw = build(repo, toolchain)?;
    let optimized = repo.target.join("plugin.wasm");
    optimize(wasm_opt, &["-Oz"], &raw, &optimized)?;
    Ok(Sizes {
        raw: bytes_of(&raw)?,
        optimized: bytes_of(&optimized)?,
        gzipped: gzipped(&optimized)?,
    })
}

/// Makes a module of ours smaller, by these passes.
pub fn optimize(wasm_opt: &WasmOpt, passes: &[&str], from: &Path, to: &Path) -> Result<()> {
    let mut command = wasm_opt.command();
    command.args(passes);
    // No pointer is below 1 KiB: the stack lies there, and has overflown by then. So an address and the offset that is
    // added to it become one instruction.
    command.arg("--low-memory-unused");
    command.args(WASM_FEATURES.map(|feature| format!("--enable-{feature}")));
    shell::run(command.arg(from).arg("-o").arg(to))
}

fn bytes_of(file: &Path) -> Result<u64> {
    let metadata = fs::metadata(file).doing(format_args!("cannot weigh {}", file.display()))?;
    Ok(metadata.len())
}

/// By Node, which wasm-opt needs anyhow.
fn gzipped(file: &Path) -> Result<u64> {
    const SCRIPT: &str = "const [file] = process.argv.slice(1); \
        const bytes = require('fs').readFileSync(file); \
        console.log(require('zlib').gzipSync(bytes, { level: 9 }).length)";
    let answer = shell::read(Command::new("node").args(["-e", SCRIPT]).arg(file))?;
    let bytes = answer.trim().parse();
    bytes.map_err(|_| Failure::new(format!("Node answers \"{answer}\" for a size")))
}

impl Sizes {
    /// The table of the page.
    pub fn table(&self) -> String {
        format!(
            "| the plugin | bytes |\n| --- | ---: |\n| as built | {} |\n| after `wasm-opt -Oz` | {} |\n| and gzipped | {} |\n",
            grouped(self.raw),
            grouped(self.optimized),
            grouped(self.gzipped)
        )
    }

    /// A word for a table of results.
    pub fn brief(&self) -> String {
        format!(
            "{} bytes after wasm-opt, of at most {}",
            grouped(self.optimized),
            grouped(GOAL_BYTES)
        )
    }

    /// Fails above the limit, or if the page tells something else.
    pub fn check(&self, repo: &Repo) -> Result<()> {
        self.check_limit()?;
        let told = numbers(&repo.text(PAGE)?)?;
        let measured = [self.raw, self.optimized, self.gzipped];
        let differs = |(told, measured): (&u64, &u64)| {
            told.abs_diff(*measured) * 100 > measured * TOLERANCE_PERCENT
        };
        if told.len() != measured.len() || told.iter().zip(&measured).any(differs) {
            return Err(Failure::new(format!(
                "{PAGE} tells other sizes than were measured; \"cargo xtask size\" writes it anew"
            )));
        }
        Ok(())
    }

    fn check_limit(&self) -> Result<()> {
        if self.optimized <= OPTIMIZED_BYTES_MAX {
            return Ok(());
        }
        Err(Failure::new(format!(
            "the plugin has {} bytes after wasm-opt, and may have {}",
            grouped(self.optimized),
            grouped(OPTIMIZED_BYTES_MAX)
        )))
    }
}

/// The page with another table.
fn with_table(page: &str, table: &str) -> Result<String> {
    let (before, _, after) = divided(page)?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// The numbers that the page tells, from the table's last column.
fn numbers(page: &str) -> Result<Vec<u64>> {
    let (_, table, _) = divided(page)?;
    let cells = table.lines().filter_map(|line| line.rsplit('|').nth(1));
    Ok(cells
        .filter_map(|cell| cell.trim().replace(',', "").parse().ok())
        .collect())
}

/// What stands before the table, the table, and what stands after.
fn divided(page: &str) -> Result<(&str, &str, &str)> {
    let lacks = || Failure::new(format!("{PAGE} lacks the lines \"{BEGIN}\" and \"{END}\""));
    let (before, rest) = page.split_once(BEGIN).ok_or_else(lacks)?;
    let (table, after) = rest.split_once(END).ok_or_else(lacks)?;
    Ok((before, table, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes {
        raw: 123_456,
        optimized: 200_999,
        gzipped: 45_678,
    };

    #[test]
    fn the_numbers_of_a_table_are_read_back_from_the_page() {
        let page = format!("# Size\n\n{BEGIN}\nold\n{END}\n\nMore 7.\n");
        let page = with_table(&page, &SIZES.table()).unwrap();
        assert_eq!(numbers(&page).unwrap(), [123_456, 200_999, 45_678]);
        assert!(page.starts_with("# Size\n\n") && page.ends_with("\n\nMore 7.\n"));
        assert!(!page.contains("old"));
        assert_eq!(with_table(&page, &SIZES.table()).unwrap(), page);
    }

    #[test]
    fn a_page_without_its_marks_is_refused() {
        assert!(numbers("# Size\n").is_err());
    }

    #[test]
    fn one_byte_too_many_is_too_many() {
        let of = |optimized| Sizes { optimized, ..SIZES }.check_limit();
        assert!(of(OPTIMIZED_BYTES_MAX).is_ok());
        assert!(of(OPTIMIZED_BYTES_MAX + 1).is_err());
    }
}
