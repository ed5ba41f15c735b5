//! What drives a real browser: a Chromium, and the npm package that talks to it.

use std::path::PathBuf;

use super::{Consent, npm, on_path, packages};
use crate::repo::Repo;
use crate::shell::{Failure, Result};

/// Talks to a browser that is already there; brings none of its own.
const PACKAGE: &str = "playwright-core@1.65.1";
const FOLDER: &str = "playwright-1.65";
/// Says which browser to take.
const VARIABLE: &str = "PORTCASK_CHROMIUM";

/// A browser, and the folder whose `node_modules` can drive it.
pub struct Browser {
    /// The program.
    pub chromium: PathBuf,
    /// Where `playwright-core` is.
    pub tools: PathBuf,
}

impl Browser {
    /// The one that `PORTCASK_CHROMIUM` names, or on the PATH, or of the system's package `chromium`.
    pub fn ready(repo: &Repo, consent: Consent) -> Result<Self> {
        Ok(Self {
            chromium: chromium(consent)?,
            tools: npm::folder(repo, FOLDER, &[PACKAGE], consent)?,
        })
    }

    /// Which one it is, for people.
    pub fn about(&self) -> String {
        format!("{}, driven by {PACKAGE}", self.chromium.display())
    }
}

fn chromium(consent: Consent) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Ok(PathBuf::from(named));
    }
    let find = || {
        let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
        names.into_iter().find_map(on_path)
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    packages::install(&["chromium"], consent)
        .map_err(|reason| Failure::new(format!("there is no Chromium, and {reason}")))?;
    find().ok_or_else(|| Failure::new("the package chromium brought no program of that name"))
}
