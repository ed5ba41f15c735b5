//! Packages of npm, kept below the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Consent, on_path, packages};
use crate::repo::Repo;
use crate::shell::{self, Context, Failure, Result};

/// The folder `tools/NAME` below the target directory, with these packages in it; npm brings them the first time.
/// Needs Node. A folder that is there is believed, so its name should change with the versions.
pub fn installed(repo: &Repo, name: &str, what: &[&str], consent: Consent) -> Result<PathBuf> {
    let folder = repo.target.join("tools").join(name);
    if !folder.join("node_modules").is_dir() {
        // Named last, so that an interrupted download is not taken for a finished one.
        let unfinished = repo.emptied("tools/unfinished")?;
        install(&unfinished, what, consent)?;
        fs::rename(&unfinished, &folder).doing(format_args!("cannot name {}", folder.display()))?;
    }
    Ok(folder)
}

fn install(folder: &Path, what: &[&str], consent: Consent) -> Result<()> {
    if shell::capture(npm().arg("--version")).is_err() {
        // Also where a package is named npm: its question would surprise in the middle of a test.
        if !consent.is_given() || on_path("apt-get").is_none() {
            return Err(Failure::new(format!(
                "there is no npm for {}",
                what.join(", ")
            )));
        }
        packages::install(&["npm"], consent)
            .map_err(|reason| Failure::new(format!("npm is not installed, and {reason}")))?;
    }
    let mut install = npm();
    install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]);
    let output = shell::capture(install.arg("--prefix").arg(folder).args(what))?;
    if output.success {
        return Ok(());
    }
    let words = output.last_words();
    let what = what.join(", ");
    Err(Failure::new(format!("npm cannot install {what}: {words}")))
}

/// npm as a command: on Windows it is a script, which only its whole name starts.
pub fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}
