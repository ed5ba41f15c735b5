//! Compilers for WebAssembly: the present toolchain where it has the target or rustup can add it, else Debian's.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::debian::DebianToolchain;
use super::{Consent, on_path, rustc};
use crate::repo::Repo;
use crate::shell::{self, Context, Failure, Result};

/// How long rustup may try to reach its server. Closed machines mostly refuse at once; some say nothing.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// Names the way to take: `rustup`, or `debian` to try the recipe where rustup would do.
const WAY_VARIABLE: &str = "PORTCASK_SETUP_WAY";

/// What we build for besides the machine itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// WASI preview 1: the command.
    Wasip1,
    /// The browser: the web package.
    Unknown,
    /// WebAssembly without a standard library: the no_std proof.
    Bare,
}

impl Target {
    /// All, the most needed first.
    pub const ALL: [Self; 3] = [Self::Wasip1, Self::Unknown, Self::Bare];

    /// The name that rustc knows.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Wasip1 => "wasm32-wasip1",
            Self::Unknown => "wasm32-unknown-unknown",
            Self::Bare => "wasm32v1-none",
        }
    }

    /// The library whose presence says that the target is installed.
    pub(super) fn library(self) -> &'static str {
        match self {
            Self::Wasip1 | Self::Unknown => "std",
            Self::Bare => "core",
        }
    }
}

/// A compiler that has one target, however it came here. All wasm builds start with [`WasmToolchain::cargo`].
pub struct WasmToolchain {
    target: Target,
    way: Way,
}

enum Way {
    /// The toolchain in use had it.
    Present,
    /// rustup added it to the toolchain in use.
    Added,
    /// Debian's compiler with libraries built from Debian's sources.
    Debian(DebianToolchain),
}

impl WasmToolchain {
    /// Finds a compiler for `target`, or makes one. Under a second if it is there, about a minute by Debian's way.
    pub fn ready(repo: &Repo, target: Target, consent: Consent) -> Result<Self> {
        let way = std::env::var(WAY_VARIABLE).unwrap_or_default();
        match way.as_str() {
            "" => {}
            "rustup" => return Self::by_rustup(target),
            "debian" => return Self::by_debian(repo, target, consent),
            other => {
                return Err(Failure::new(format!(
                    "{WAY_VARIABLE} is \"{other}\"; it may be rustup or debian"
                )));
            }
        }
        let refused = match Self::by_rustup(target) {
            Ok(toolchain) => return Ok(toolchain),
            Err(refused) => refused,
        };
        println!("  {}: {refused}; trying Debian's compiler", target.triple());
        Self::by_debian(repo, target, consent)
            .map_err(|failure| Failure::new(format!("{refused}; Debian's way: {failure}")))
    }

    fn by_rustup(target: Target) -> Result<Self> {
        let way = if is_present(target) {
            Way::Present
        } else {
            rustup(&["target", "add"], &[target.triple()])?;
            Way::Added
        };
        Ok(Self { target, way })
    }

    fn by_debian(repo: &Repo, target: Target, consent: Consent) -> Result<Self> {
        let toolchain = DebianToolchain::ready(repo, target, consent)?;
        Ok(Self {
            target,
            way: Way::Debian(toolchain),
        })
    }

    /// The way it came, for people.
    pub fn way(&self) -> String {
        match &self.way {
            Way::Present => "already in the toolchain".to_owned(),
            Way::Added => "added by rustup".to_owned(),
            Way::Debian(toolchain) => toolchain.about(),
        }
    }

    /// Cargo, set up for this target: give it a subcommand, then [`Self::target_arguments`].
    pub fn cargo(&self, repo: &Repo) -> Command {
        match &self.way {
            Way::Present | Way::Added => repo.cargo(),
            Way::Debian(toolchain) => toolchain.cargo(repo, self.target),
        }
    }

    /// `--target T`.
    pub fn target_arguments(&self) -> [&'static str; 2] {
        ["--target", self.target.triple()]
    }

    /// Whether this compiler comes with the clippy that the rest of the project is held to.
    pub fn has_clippy(&self) -> bool {
        !matches!(self.way, Way::Debian(_))
    }
}

/// Runs rustup on some names; the failure is its last word.
pub(super) fn rustup(subcommand: &[&str], names: &[&str]) -> Result<()> {
    if on_path("rustup").is_none() {
        return Err(Failure::new("there is no rustup"));
    }
    let mut command = Command::new("rustup");
    // A backtrace would end in frames, and the last words are what is told.
    command
        .args(subcommand)
        .args(names)
        .env("RUST_BACKTRACE", "0");
    capture_within(&mut command, RUSTUP_LIMIT)
        .map_err(|reason| Failure::new(format!("rustup cannot add {}: {reason}", names.join(" "))))
}

/// Runs silently and at most for `limit`; the failure is the last line of standard error.
fn capture_within(command: &mut Command, limit: Duration) -> Result<()> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.doing("it cannot be started")?;
    let mut stderr = child.stderr.take().expect("standard error is piped");
    let (send, ended) = mpsc::channel();
    thread::spawn(move || {
        let said = std::io::read_to_string(&mut stderr).unwrap_or_default();
        // The receiver is gone when the limit has passed.
        let _ = send.send(said);
    });
    let Ok(said) = ended.recv_timeout(limit) else {
        child
            .kill()
            .doing("it does not end and cannot be stopped")?;
        child.wait().doing("it was stopped but does not end")?;
        return Err(Failure::new(format!(
            "no answer in {} seconds",
            limit.as_secs()
        )));
    };
    if child.wait().doing("it does not end")?.success() {
        return Ok(());
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(Failure::new(last.unwrap_or("it said nothing").trim()))
}

/// Whether the toolchain in use holds the target's library.
fn is_present(target: Target) -> bool {
    let arguments = ["--print", "target-libdir", "--target", target.triple()];
    shell::read(rustc().args(arguments))
        .is_ok_and(|folder| holds_library(Path::new(folder.trim()), target))
}

/// Whether a folder of libraries holds the target's.
pub(super) fn holds_library(folder: &Path, target: Target) -> bool {
    let prefix = format!("lib{}-", target.library());
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(".rlib")
    })
}
