//! What a bare machine lacks, and the ways to get it.
//!
//! Every part looks first and acts only if something is missing, so running it again costs less than a second.
//! System packages need consent ([`Consent`]); everything else goes into rustup's own folders, the target directory
//! or the user's cache folder.

mod binaryen;
mod browser;
mod clients;
mod debian;
mod npm;
mod packages;
mod targets;

pub use binaryen::WasmOpt;
pub use browser::{Browser, WebTools};
pub use clients::Clients;
pub use npm::{installed, npm};
pub use packages::Consent;
pub use targets::{Target, WasmToolchain};

use std::path::Path;
use std::process::Command;

use crate::hosts;
use crate::repo::Repo;
use crate::shell::{self, Failure, Result};

/// The oldest Node whose `node:wasi` the runner was tried with.
const NODE_MAJOR_MIN: u32 = 20;

/// `cargo xtask setup`: everything, with one line per part; fails at the end if a part is missing.
pub fn command(repo: &Repo, yes: bool) -> Result<()> {
    let consent = Consent::new(yes);
    let mut missing = Vec::new();
    let mut note = |part: &str, outcome: Result<String>| match outcome {
        Ok(way) => println!("  ready    {part}: {way}"),
        Err(failure) => {
            println!("  missing  {part}: {failure}");
            missing.push(part.to_owned());
        }
    };
    println!("Setting up this machine");
    note("clippy and rustfmt", components(repo));
    for target in Target::ALL {
        let outcome = WasmToolchain::ready(repo, target, consent);
        note(target.triple(), outcome.map(|toolchain| toolchain.way()));
    }
    note("Node", node(consent));
    note(
        "wasm-opt",
        WasmOpt::ready(repo, consent).map(|wasm_opt| wasm_opt.about()),
    );
    note(
        "tools of the web package",
        WebTools::ready(repo, consent).map(|tools| tools.about()),
    );
    note(
        "browser",
        Browser::ready(consent).map(|browser| browser.about()),
    );
    note(
        "wasmtime",
        hosts::Wasmtime::find(repo).map(|wasmtime| wasmtime.about()),
    );
    match redis(consent) {
        Ok(way) => println!("  ready    redis-server: {way}"),
        Err(failure) => println!("  optional redis-server, to compare the server with: {failure}"),
    }
    for (what, outcome) in Clients::ready(repo, consent).about() {
        match outcome {
            Ok(way) => println!("  ready    {what}: {way}"),
            Err(failure) => println!("  optional {what}, for the page of clients: {failure}"),
        }
    }
    match xfs_tools(consent) {
        Ok(way) => println!("  ready    mkfs.xfs: {way}"),
        Err(failure) => println!("  optional mkfs.xfs, for power cuts on XFS: {failure}"),
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "not everything is ready; still missing: {}",
        missing.join(", ")
    )))
}

/// Makes sure of clippy and rustfmt; answers how they came.
pub fn components(repo: &Repo) -> Result<String> {
    let lacking: Vec<&str> = ["clippy", "fmt"]
        .into_iter()
        .filter(|name| {
            let probe = shell::capture(repo.cargo().args([name, "--version"]));
            !probe.is_ok_and(|output| output.success)
        })
        .map(|name| if name == "fmt" { "rustfmt" } else { name })
        .collect();
    if lacking.is_empty() {
        return Ok("already there".to_owned());
    }
    let outcome = targets::rustup(&["component", "add"], &lacking);
    outcome
        .map(|()| "added by rustup")
        .map(String::from)
        .map_err(|reason| {
            Failure::new(format!("{} cannot be had: {reason}", lacking.join(" and ")))
        })
}

/// Makes sure of a Node that runs WASI modules; answers its version.
pub fn node(consent: Consent) -> Result<String> {
    if shell::version("node").is_none() {
        packages::install(&["nodejs"], consent)
            .map_err(|reason| Failure::new(format!("Node is not installed, and {reason}")))?;
    }
    let version = shell::version("node").ok_or_else(|| Failure::new("node cannot be started"))?;
    let major = version.trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(version),
        Some(_) => Ok(format!(
            "{version} (older than {NODE_MAJOR_MIN}, the oldest that was tried)"
        )),
        None => Err(Failure::new(format!(
            "node --version answers \"{version}\""
        ))),
    }
}

/// Makes sure of a redis-server to compare with; answers its version.
pub fn redis(consent: Consent) -> Result<String> {
    if on_path("redis-server").is_none() {
        packages::install(&["redis-server"], consent).map_err(|reason| {
            Failure::new(format!("redis-server is not installed, and {reason}"))
        })?;
    }
    shell::version("redis-server").ok_or_else(|| Failure::new("redis-server cannot be started"))
}

/// Makes sure of a Python that makes environments; answers its command.
pub fn python(consent: Consent) -> Result<String> {
    let makes_environments = || {
        let mut python = std::process::Command::new("python3");
        let tried = shell::capture(python.args(["-c", "import venv, ensurepip"]));
        tried.is_ok_and(|output| output.success)
    };
    if !makes_environments() {
        packages::install(&["python3", "python3-venv"], consent)
            .map_err(|reason| Failure::new(format!("Python has no venv, and {reason}")))?;
    }
    match makes_environments() {
        true => Ok("python3".to_owned()),
        false => Err(Failure::new("python3 makes no environments")),
    }
}

/// Looks for the tools of XFS, which only `powercut` wants; answers how they came.
fn xfs_tools(consent: Consent) -> Result<String> {
    // Not on everybody's PATH, but only root needs it.
    let there = || on_path("mkfs.xfs").is_some() || Path::new("/usr/sbin/mkfs.xfs").is_file();
    if there() {
        return Ok("already there".to_owned());
    }
    if !cfg!(target_os = "linux") {
        return Err(Failure::new("power is cut on Linux only"));
    }
    packages::install(&["xfsprogs"], consent)?;
    match there() {
        true => Ok("from the package xfsprogs".to_owned()),
        false => Err(Failure::new("the package xfsprogs has none")),
    }
}

/// Where a program of this name is on the PATH, if anywhere.
pub fn on_path(program: &str) -> Option<std::path::PathBuf> {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(&file))
        .find(|candidate| candidate.is_file())
}

/// The compiler of the toolchain that started this program.
fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// The machine's own target triple.
pub fn host() -> Result<String> {
    let about = shell::read(rustc().arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(String::from)
        .ok_or_else(|| Failure::new("rustc -vV names no host"))
}
