//! The clients that docs/CLIENTS.md shows, kept below the target directory, so that its snippets can be run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Consent, installed, packages};
use crate::repo::Repo;
use crate::shell::{self, Context, Failure, Result};

const FOR_PYTHON: [&str; 2] = ["redis==8.1.0", "grpcio-tools==1.85.1"];
const FOR_NODE: [&str; 1] = ["ioredis@6.0.0"];

/// What could be had.
pub struct Clients {
    /// A Python with redis-py and grpcio-tools.
    pub python: Result<PathBuf>,
    /// A folder of Node's modules, with ioredis.
    pub node_modules: Result<PathBuf>,
}

impl Clients {
    /// Brings them the first time. The folders' names tell of the versions.
    pub fn ready(repo: &Repo, consent: Consent) -> Self {
        let modules = installed(repo, "clients-node-1", &FOR_NODE, consent);
        Self {
            python: python(repo, consent),
            node_modules: modules.map(|folder| folder.join("node_modules")),
        }
    }

    /// A line about each.
    pub fn about(&self) -> [(&'static str, std::result::Result<String, &Failure>); 2] {
        let python = self.python.as_ref().map(|_| FOR_PYTHON.join(", "));
        let node = self.node_modules.as_ref().map(|_| FOR_NODE.join(", "));
        [("Python's clients", python), ("Node's client", node)]
    }
}

fn python(repo: &Repo, consent: Consent) -> Result<PathBuf> {
    let folder = repo.target.join("tools/clients-python-1");
    let python = folder.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let finished = folder.join("finished");
    if finished.is_file() {
        return Ok(python);
    }
    repo.emptied("tools/clients-python-1")?;
    let make = || {
        let mut venv = Command::new("python3");
        shell::read(venv.args(["-m", "venv"]).arg(&folder))
    };
    if let Err(first) = make() {
        // Debian keeps it in a package of its own.
        packages::install(&["python3-venv"], consent)
            .map_err(|reason| Failure::new(format!("{first}, and {reason}")))?;
        make()?;
    }
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    shell::read(pip.args(FOR_PYTHON))?;
    // Written last, so that an interrupted download is not taken for a finished one.
    fs::write(&finished, "").doing("cannot note that pip is done")?;
    Ok(python)
}
