//! The browser package: built, shown, and measured beside others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::repo::{self, Repo};
use crate::setup::{self, Browser, Consent, Target, WasmOpt, WasmToolchain};
use crate::shell::{self, Context, Failure, Result};
use crate::size::WASM_FEATURES;
use crate::wasm::grouped;

/// Where the package's modules belong.
const PACKAGE: &str = "web-demo/package";
/// What the benchmarks compare with.
const VENDORS: [&str; 2] = ["@sqlite.org/sqlite-wasm@3.54.1-build1", "idb-keyval@6.3.0"];
const VENDOR_FOLDER: &str = "web-vendors-1";
/// The page that `--record` writes.
const BENCH_PAGE: &str = "docs/BROWSER-PERFORMANCE.md";

/// A module of the package.
struct Module {
    file: &'static str,
    features: &'static [&'static str],
}

/// What an app loads, and the one for looking into files.
const MODULES: [Module; 2] = [
    Module {
        file: "portcask-full.wasm",
        features: &["full"],
    },
    Module {
        file: "portcask.wasm",
        features: &[],
    },
];

/// `cargo xtask web`.
pub fn command(repo: &Repo, words: &[&str]) -> Result<ExitCode> {
    let wish = Wish::read(words)?;
    build(repo)?;
    match wish {
        Wish::Build => Ok(ExitCode::SUCCESS),
        Wish::Screenshots { folder } => {
            let mut node = driver(repo, "web-demo/screenshots.mjs")?;
            shell::run(node.arg(folder)).map(|()| ExitCode::SUCCESS)
        }
        Wish::Serve { port } => {
            let mut node = script(repo, "web-demo/serve.mjs");
            node.arg(port.to_string());
            // Compared with where it can be had, else left out.
            if let Ok(vendors) = vendors(repo) {
                node.arg(vendors);
            }
            println!("The demo is served at this address until Ctrl-C:");
            shell::exit_code(node.stdin(Stdio::null()))
        }
    }
}

/// `cargo xtask bench-web`.
pub fn bench(repo: &Repo, words: &[&str]) -> Result<ExitCode> {
    build(repo)?;
    let mut node = driver(repo, "web-demo/bench/run.mjs")?;
    node.arg("--vendor").arg(vendors(repo)?);
    for word in words {
        match *word {
            "--record" => node.arg("--page").arg(repo.root.join(BENCH_PAGE)),
            word => node.arg(word),
        };
    }
    shell::exit_code(node.stdin(Stdio::null()))
}

/// Builds the package's modules into its folder, made smaller by wasm-opt where that can be had.
pub fn build(repo: &Repo) -> Result<()> {
    let consent = Consent::new(false);
    let toolchain = WasmToolchain::ready(repo, Target::Unknown, consent)?;
    let wasm_opt = WasmOpt::ready(repo, consent);
    if let Err(why) = &wasm_opt {
        println!("  the modules stay as the compiler made them: {why}");
    }
    for module in &MODULES {
        let into = repo.root.join(PACKAGE).join(module.file);
        build_module(repo, &toolchain, wasm_opt.as_ref().ok(), module, &into)?;
        let bytes = fs::metadata(&into).doing(format_args!("cannot weigh {}", module.file))?;
        println!("  {}: {} bytes", repo::shown(&into), grouped(bytes.len()));
    }
    Ok(())
}

fn build_module(
    repo: &Repo,
    toolchain: &WasmToolchain,
    wasm_opt: Option<&WasmOpt>,
    module: &Module,
    into: &Path,
) -> Result<()> {
    let mut cargo = toolchain.cargo(repo);
    cargo.args(["build", "--profile", "web", "--package", "portcask-web"]);
    cargo.args(toolchain.target_arguments());
    if !module.features.is_empty() {
        cargo.arg("--features").arg(module.features.join(","));
    }
    shell::run(&mut cargo)?;
    let built = repo
        .target
        .join("wasm32-unknown-unknown/web/portcask_web.wasm");
    let Some(wasm_opt) = wasm_opt else {
        let copied = fs::copy(&built, into);
        return copied
            .map(|_| ())
            .doing(format_args!("cannot copy to {}", into.display()));
    };
    let mut command = wasm_opt.command();
    command.arg("-Oz");
    command.args(WASM_FEATURES.map(|feature| format!("--enable-{feature}")));
    shell::run(command.arg(&built).arg("-o").arg(into))
}

/// The npm packages to compare with, as a folder of packages.
fn vendors(repo: &Repo) -> Result<PathBuf> {
    let folder = setup::npm::folder(repo, VENDOR_FOLDER, &VENDORS, Consent::new(false))?;
    Ok(folder.join("node_modules"))
}

/// A script of the repository, under Node.
fn script(repo: &Repo, file: &str) -> Command {
    let mut node = Command::new("node");
    node.current_dir(&repo.root).arg(file);
    node
}

/// A script that drives a browser.
pub fn driver(repo: &Repo, file: &str) -> Result<Command> {
    setup::node(Consent::new(false))?;
    let browser = Browser::ready(repo, Consent::new(false))?;
    let mut node = script(repo, file);
    node.env("PORTCASK_WEB_TOOLS", browser.tools);
    node.env("PORTCASK_CHROMIUM", browser.chromium);
    Ok(node)
}

/// What `cargo xtask web` is to do once the package is built.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Serve { port: u16 },
    Build,
    Screenshots { folder: PathBuf },
}

impl Wish {
    fn read(words: &[&str]) -> Result<Self> {
        match words {
            [] => Ok(Self::Serve { port: 0 }),
            ["--build-only"] => Ok(Self::Build),
            ["--port", port] => match port.parse() {
                Ok(port) => Ok(Self::Serve { port }),
                Err(_) => Err(Failure::new(format!("\"{port}\" is no port"))),
            },
            ["--screenshots", folder] => {
                let folder = std::path::absolute(folder);
                let folder = folder.doing("the folder for screenshots cannot be named")?;
                Ok(Self::Screenshots { folder })
            }
            _ => Err(Failure::new(format!(
                "expected --build-only, --port N, --screenshots DIR or nothing, found \"{}\"",
                words.join(" ")
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_served_unless_something_else_is_asked_for() {
        assert_eq!(Wish::read(&[]).unwrap(), Wish::Serve { port: 0 });
        assert_eq!(Wish::read(&["--build-only"]).unwrap(), Wish::Build);
        let served = Wish::read(&["--port", "8080"]).unwrap();
        assert_eq!(served, Wish::Serve { port: 8080 });
    }

    #[test]
    fn a_word_that_means_nothing_is_refused() {
        assert!(Wish::read(&["--port"]).is_err());
        assert!(Wish::read(&["--port", "70000"]).is_err());
        assert!(Wish::read(&["--fast"]).is_err());
    }
}
