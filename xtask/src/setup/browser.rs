//! What the web package is tested with: a browser, and the programs that drive it and check the package.

use std::path::PathBuf;

use super::{Consent, npm, on_path, packages};
use crate::repo::Repo;
use crate::shell::{self, Failure, Result};

/// Names a Chromium to use before any other.
const CHROMIUM_VARIABLE: &str = "PORTCASK_CHROMIUM";
/// What a Chromium is called.
const CHROMIUMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// Drives the browser, minifies for the size, checks the types, and bundles as many applications do.
const PACKAGES: [&str; 4] = [
    "playwright-core@1.65.1",
    "esbuild@0.28.2",
    "typescript@7.0.2",
    "vite@8.3.8",
];
/// Where [`PACKAGES`] are kept, below the target directory's tools.
const FOLDER: &str = "web-2";

/// A Chromium.
pub struct Browser {
    /// The program.
    pub program: PathBuf,
    version: String,
}

impl Browser {
    /// The one that is named or on the PATH, else Debian's.
    pub fn ready(consent: Consent) -> Result<Self> {
        if let Some(named) = std::env::var_os(CHROMIUM_VARIABLE) {
            return Self::started(PathBuf::from(named));
        }
        let found = || CHROMIUMS.into_iter().find_map(on_path);
        if let Some(program) = found() {
            return Self::started(program);
        }
        packages::install(&["chromium"], consent)?;
        let program = found().ok_or_else(|| Failure::new("the package chromium has no program"))?;
        Self::started(program)
    }

    fn started(program: PathBuf) -> Result<Self> {
        let version = shell::version(&program)
            .ok_or_else(|| Failure::new(format!("{} cannot be started", program.display())))?;
        Ok(Self { program, version })
    }

    /// Its version, for people.
    pub fn about(&self) -> String {
        self.version.trim().to_owned()
    }
}

/// The npm packages that the tests of the web package need; the package itself needs none.
pub struct WebTools {
    /// The folder that holds their `node_modules`.
    pub folder: PathBuf,
}

impl WebTools {
    /// Those in the target directory, else npm brings them there, some 60 MB.
    pub fn ready(repo: &Repo, consent: Consent) -> Result<Self> {
        let folder = npm::installed(repo, FOLDER, &PACKAGES, consent)?;
        Ok(Self { folder })
    }

    /// What they are, for people.
    pub fn about(&self) -> String {
        PACKAGES.join(", ")
    }
}
