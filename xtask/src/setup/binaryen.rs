//! wasm-opt, from the npm package `binaryen`: what distributions carry is years older.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Consent, on_path, packages};
use crate::repo::Repo;
use crate::shell::{self, Context, Failure, Result};

/// The package and the version that the sizes of `docs/SIZE.md` were measured with.
const PACKAGE: &str = "binaryen@132.0.0";
/// Where [`PACKAGE`] is kept, below the target directory.
const FOLDER: &str = "tools/binaryen-132";
/// The program within the package; a script for Node.
const PROGRAM: &str = "node_modules/binaryen/bin/wasm-opt";

/// The optimizer of finished modules.
pub struct WasmOpt {
    program: PathBuf,
    version: String,
}

impl WasmOpt {
    /// The one in the target directory, else npm brings it there, about 100 MB. Needs Node.
    pub fn ready(repo: &Repo, consent: Consent) -> Result<Self> {
        let folder = repo.target.join(FOLDER);
        if !folder.join(PROGRAM).is_file() {
            // Named last, so that an interrupted download is not taken for a finished one.
            let unfinished = repo.emptied("tools/unfinished")?;
            by_npm(&unfinished, consent)?;
            fs::rename(&unfinished, &folder).doing("cannot name the folder of binaryen")?;
        }
        let program = folder.join(PROGRAM);
        let version = shell::read(Command::new("node").arg(&program).arg("--version"))?;
        Ok(Self {
            program,
            version: version.trim().to_owned(),
        })
    }

    /// Its version, for people.
    pub fn about(&self) -> String {
        format!("{}, from the npm package {PACKAGE}", self.version)
    }

    /// `node wasm-opt`, ready for arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new("node");
        command.arg(&self.program);
        command
    }
}

/// npm as a command: on Windows it is a script, which only its whole name starts.
fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

fn by_npm(folder: &std::path::Path, consent: Consent) -> Result<()> {
    if shell::capture(npm().arg("--version")).is_err() {
        // Also where a package is named npm: its question would surprise in the middle of a test.
        if !consent.is_given() || on_path("apt-get").is_none() {
            return Err(Failure::new("there is no npm for the package binaryen"));
        }
        packages::install(&["npm"], consent)
            .map_err(|reason| Failure::new(format!("npm is not installed, and {reason}")))?;
    }
    let mut install = npm();
    install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]);
    let output = shell::capture(install.arg("--prefix").arg(folder).arg(PACKAGE))?;
    if output.success {
        return Ok(());
    }
    let words = output.last_words();
    Err(Failure::new(format!(
        "npm cannot install {PACKAGE}: {words}"
    )))
}
