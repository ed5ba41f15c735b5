//! The browser package's demo: served to people, photographed, and what it can do measured beside others.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::repo::Repo;
use crate::setup::{self, Browser, Consent, Target, WasmToolchain, WebTools};
use crate::shell::{self, Context, Failure, Result};
use crate::web;

/// What the package is compared with.
const VENDORS: [&str; 2] = ["@sqlite.org/sqlite-wasm@3.54.1-build1", "idb-keyval@6.3.0"];
/// Where [`VENDORS`] are kept, below the target directory's tools.
const VENDOR_FOLDER: &str = "web-vendors-1";
/// The page that `--record` writes.
const BENCH_PAGE: &str = "docs/BROWSER-PERFORMANCE.md";

/// `cargo xtask web`: builds the package, then serves the demo unless told otherwise.
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
            setup::node(Consent::new(false))?;
            let mut node = script(repo, "web-demo/serve.mjs");
            node.arg(port.to_string());
            // Compared with where it can be had, else left out.
            if let Ok(vendors) = vendors(repo) {
                node.arg(vendors);
            }
            println!("\nThe demo:");
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

fn build(repo: &Repo) -> Result<()> {
    let consent = Consent::new(false);
    let toolchain = WasmToolchain::ready(repo, Target::Unknown, consent)?;
    web::build(repo, &toolchain, consent)
}

/// The npm packages to compare with, as a folder of packages.
fn vendors(repo: &Repo) -> Result<PathBuf> {
    let folder = setup::installed(repo, VENDOR_FOLDER, &VENDORS, Consent::new(false))?;
    Ok(folder.join("node_modules"))
}

/// A script of the repository, under Node.
fn script(repo: &Repo, file: &str) -> Command {
    let mut node = Command::new("node");
    node.current_dir(&repo.root).arg(file);
    node
}

/// A script that drives a browser.
fn driver(repo: &Repo, file: &str) -> Result<Command> {
    let consent = Consent::new(false);
    setup::node(consent)?;
    let mut node = script(repo, file);
    node.env("PORTCASK_WEB_TOOLS", WebTools::ready(repo, consent)?.folder);
    node.env("PORTCASK_CHROMIUM", Browser::ready(consent)?.program);
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
