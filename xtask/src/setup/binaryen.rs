//! wasm-opt, from the npm package `binaryen`: what distributions carry is years older.

use std::path::PathBuf;
use std::process::Command;

use super::{Consent, npm};
use crate::repo::Repo;
use crate::shell::{self, Result};

/// The package and the version that the sizes of `docs/SIZE.md` were measured with.
const PACKAGE: &str = "binaryen@132.0.0";
/// Where [`PACKAGE`] is kept, below the target directory's tools.
const FOLDER: &str = "binaryen-132";
/// The program within the package; a script for Node.
const PROGRAM: &str = "node_modules/binaryen/bin/wasm-opt";
/// What else the package can do, as a module of JavaScript.
const LIBRARY: &str = "node_modules/binaryen/index.js";

/// The optimizer of finished modules.
pub struct WasmOpt {
    folder: PathBuf,
    program: PathBuf,
    version: String,
}

impl WasmOpt {
    /// The one in the target directory, else npm brings it there, about 100 MB. Needs Node.
    pub fn ready(repo: &Repo, consent: Consent) -> Result<Self> {
        let folder = npm::installed(repo, FOLDER, &[PACKAGE], consent)?;
        let program = folder.join(PROGRAM);
        let version = shell::read(Command::new("node").arg(&program).arg("--version"))?;
        Ok(Self {
            folder,
            program,
            version: version.trim().to_owned(),
        })
    }

    /// Its version, for people.
    pub fn about(&self) -> String {
        format!("{}, from the npm package {PACKAGE}", self.version)
    }

    /// The same passes and more, as a module for Node.
    pub fn library(&self) -> PathBuf {
        self.folder.join(LIBRARY)
    }

    /// `node wasm-opt`, ready for arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new("node");
        command.arg(&self.program);
        command
    }
}
