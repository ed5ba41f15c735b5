//! The browser package: its modules built, its size held to a limit, its tests run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo::{self, Repo};
use crate::setup::{Browser, Consent, WasmOpt, WasmToolchain, WebTools};
use crate::shell::{self, Context, Failure, Result};
use crate::size;
use crate::wasm::grouped;

/// The npm package, with everything in it but the modules.
const PACKAGE: &str = "web-demo/package";
/// What a visitor is to wait for at most, with a new store or with one that was closed: the module's parts, the page's and the
/// worker's JavaScript, gzipped.
const GOAL_BYTES: u64 = 60_000;
/// What it may be today, with a new store: less than a thousand bytes above what it is, so that it does not grow unseen. Lower this
/// with each gain.
const BEGUN_BYTES_MAX: u64 = 52_000;
/// Likewise with one that lies there and was closed.
const REOPENED_BYTES_MAX: u64 = 59_000;
const _: () = assert!(BEGUN_BYTES_MAX <= GOAL_BYTES && REOPENED_BYTES_MAX <= GOAL_BYTES);
/// Likewise with one that was not closed.
const RECOVERED_BYTES_MAX: u64 = 72_400;

/// What the compiler may inline, in its own measure. Where it optimizes for size it inlines next to nothing (5), but much of a small
/// function goes once its caller's arguments are known: the parts become 1,250 bytes smaller by this, gzipped.
const INLINING: &str = "-Cllvm-args=-inline-threshold=35";
/// What makes a module smaller. Control flow that is taken apart and built anew ends up simpler: that is 150 bytes, gzipped.
const PASSES: [&str; 4] = ["-Oz", "--flatten", "--rereloop", "-Oz"];

/// A module of the engine: where it goes and what is in it.
struct Module {
    file: &'static str,
    features: &'static str,
    /// Where its functions go that not every visitor waits for, as `split.mjs` divides them.
    later: &'static [&'static str],
}

const SHIPPED: [Module; 2] = [
    Module {
        file: "portcask.wasm",
        features: "slim",
        later: &[
            "portcask-begin.wasm",
            "portcask-open.wasm",
            "portcask-recover.wasm",
            "portcask-rest.wasm",
        ],
    },
    Module {
        file: "portcask-full.wasm",
        features: "full",
        later: &[],
    },
];

/// Builds the modules into the package; makes them smaller where wasm-opt can be had, and says so where not.
pub fn build(repo: &Repo, toolchain: &WasmToolchain, consent: Consent) -> Result<()> {
    let wasm_opt = WasmOpt::ready(repo, consent);
    if let Err(reason) = &wasm_opt {
        println!("  the modules stay larger than they need be, for there is no wasm-opt: {reason}");
    }
    for module in SHIPPED {
        let built = compiled(repo, toolchain, module.features)?;
        let files = [&[module.file], module.later].concat();
        let mut parts: Vec<_> = files
            .iter()
            .map(|file| repo.root.join(PACKAGE).join(file))
            .collect();
        match &wasm_opt {
            Ok(wasm_opt) if parts.len() > 1 => {
                let whole = built.with_extension("whole.wasm");
                size::optimize(wasm_opt, &PASSES, &built, &whole)?;
                split(repo, wasm_opt, &whole, &parts)?;
            }
            Ok(wasm_opt) => size::optimize(wasm_opt, &PASSES, &built, &parts[0])?,
            Err(_) => {
                copy(&built, &parts[0])?;
                parts.truncate(1);
            }
        }
        for shipped in parts {
            let metadata = fs::metadata(&shipped);
            let bytes = metadata.doing(format_args!("cannot weigh {}", shipped.display()))?;
            println!(
                "  {}: {} bytes",
                repo::shown(&shipped),
                grouped(bytes.len())
            );
        }
    }
    Ok(())
}

/// Divides a whole module: what a visitor waits for, and the parts behind it.
fn split(repo: &Repo, wasm_opt: &WasmOpt, whole: &Path, parts: &[PathBuf]) -> Result<()> {
    let mut node = Command::new("node");
    node.arg(repo.root.join("web-demo/split.mjs"));
    shell::run(node.arg(wasm_opt.library()).arg(whole).args(parts))
}

/// Builds the engine's module with these features, and answers where it is.
fn compiled(repo: &Repo, toolchain: &WasmToolchain, features: &str) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo(repo);
    cargo.args(["rustc", "--profile", "web", "--package", "portcask-web"]);
    cargo.args(["--features", features]);
    cargo.args(toolchain.target_arguments());
    shell::run(cargo.args(["--", INLINING]))?;
    Ok(repo
        .target
        .join("wasm32-unknown-unknown/web/portcask_web.wasm"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.doing(format_args!("cannot copy {}", from.display()))?;
    Ok(())
}

/// What a visitor loads of a built package, gzipped, in words; fails above the limit.
pub fn weigh(repo: &Repo, tools: &WebTools) -> Result<String> {
    let mut node = Command::new("node");
    node.arg(repo.root.join("web-demo/size.mjs"));
    let told = shell::read(node.env("PORTCASK_WEB_TOOLS", &tools.folder))?;
    let [wasm, page, worker, begin, open, recover, later] = [
        "wasm", "page", "worker", "begin", "open", "recover", "later",
    ]
    .map(|name| number(&told, name));
    judged(Loaded {
        wasm: wasm?,
        scripts: page? + worker?,
        begin: begin?,
        open: open?,
        recover: recover?,
        later: later?,
    })
}

/// What `size.mjs` tells, in bytes.
struct Loaded {
    wasm: u64,
    scripts: u64,
    begin: u64,
    open: u64,
    recover: u64,
    later: u64,
}

fn judged(loaded: Loaded) -> Result<String> {
    let always = loaded.wasm + loaded.scripts;
    let [begun, reopened] = [loaded.begin, loaded.open].map(|part| always + part);
    let recovered = reopened + loaded.recover;
    let limits = [
        ("with a new store", begun, BEGUN_BYTES_MAX),
        ("whose store was closed", reopened, REOPENED_BYTES_MAX),
        ("whose store was not closed", recovered, RECOVERED_BYTES_MAX),
    ];
    for (who, bytes, limit) in limits {
        if bytes > limit {
            return Err(Failure::new(format!(
                "a visitor {who} loads {} bytes gzipped, and may load {}",
                grouped(bytes),
                grouped(limit)
            )));
        }
    }
    Ok(format!(
        "{} bytes gzipped for a new store and {} for one that was closed, of at most {} ({} of JavaScript); {} for one that was not \
         closed, and {} behind the first opening or when asked for",
        grouped(begun),
        grouped(reopened),
        grouped(GOAL_BYTES),
        grouped(loaded.scripts),
        grouped(recovered),
        grouped(loaded.later)
    ))
}

/// A number of flat JSON.
fn number(json: &str, name: &str) -> Result<u64> {
    let found = json.split_once(&format!("\"{name}\":")).map(|(_, rest)| {
        let digits = rest.split(|letter: char| !letter.is_ascii_digit());
        digits.take(1).collect::<String>()
    });
    found
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Failure::new(format!("no number \"{name}\" in \"{}\"", json.trim())))
}

/// Runs the package's tests in a real browser: everything below `web-demo/tests`.
pub fn test(
    repo: &Repo,
    toolchain: &WasmToolchain,
    tools: &WebTools,
    browser: &Browser,
) -> Result<()> {
    let built = repo.made("web-built")?;
    // The suite brings its own module; the shipped ones are there already.
    copy(
        &compiled(repo, toolchain, "contract")?,
        &built.join("contract.wasm"),
    )?;
    let command = repo
        .target
        .join("debug")
        .join(format!("portcask{}", std::env::consts::EXE_SUFFIX));
    shell::run(repo.cargo().args(["build", "--package", "portcask-cli"]))?;
    let tests = repo.root.join("web-demo/tests");
    let mut files = Vec::new();
    for entry in fs::read_dir(&tests)
        .doing("cannot list the tests")?
        .flatten()
    {
        if entry.file_name().to_string_lossy().ends_with(".test.mjs") {
            files.push(entry.path());
        }
    }
    files.sort();
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"])
        .args(files)
        .env("PORTCASK_WEB_TOOLS", &tools.folder)
        .env("PORTCASK_WEB_BUILT", &built)
        .env("PORTCASK_CHROMIUM", &browser.program)
        .env("PORTCASK_CLI", command);
    shell::run(&mut node)
}

/// Compiles a program that uses every export, as its users would, without running it.
pub fn check_types(repo: &Repo, tools: &WebTools) -> Result<()> {
    let mut node = Command::new("node");
    node.arg(tools.folder.join("node_modules/typescript/bin/tsc"));
    let project = repo.root.join("web-demo/tests/types/tsconfig.json");
    shell::run(node.arg("--project").arg(project))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_too_many_is_too_many() {
        let loaded = |begin, open, recover| {
            judged(Loaded {
                wasm: 30_000,
                scripts: 10_000,
                begin,
                open,
                recover,
                later: 7,
            })
        };
        let [begin, open, recover] = [BEGUN_BYTES_MAX, REOPENED_BYTES_MAX, RECOVERED_BYTES_MAX];
        let [begin, open, recover] = [begin - 40_000, open - 40_000, recover - open];
        assert!(loaded(begin, open, recover).is_ok());
        assert!(loaded(begin + 1, open, recover).is_err());
        assert!(loaded(begin, open + 1, 0).is_err());
        assert!(loaded(begin, open, recover + 1).is_err());
    }

    #[test]
    fn numbers_are_found_in_flat_json() {
        assert_eq!(number("{\"wasm\":12,\"page\":3}\n", "page").unwrap(), 3);
        assert!(number("{}", "page").is_err());
    }
}
