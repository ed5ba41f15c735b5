//! Where things are, and cargo started from there.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Context, Failure, Result};

/// The working copy these commands act on.
pub struct Repo {
    /// The workspace's folder.
    pub root: PathBuf,
    /// Cargo's target directory, wherever it was configured to be.
    pub target: PathBuf,
}

impl Repo {
    /// The repository this program was started in by `cargo xtask`.
    pub fn find() -> Result<Self> {
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = here
            .parent()
            .ok_or_else(|| Failure::new("xtask has no parent folder"))?
            .to_owned();
        let mut repo = Self {
            target: root.join("target"),
            root,
        };
        let metadata =
            shell::read(
                repo.cargo()
                    .args(["metadata", "--no-deps", "--format-version", "1"]),
            )?;
        if let Some(target) = json_string(&metadata, "target_directory") {
            repo.target = PathBuf::from(target);
        }
        Ok(repo)
    }

    /// The cargo that started this program, in the workspace's folder.
    pub fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.current_dir(&self.root);
        command
    }

    /// A folder below the target directory, made if it is not there.
    pub fn made(&self, folder: &str) -> Result<PathBuf> {
        let path = self.target.join(folder);
        fs::create_dir_all(&path).doing(format_args!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// An empty folder below the target directory; what was in it is removed.
    pub fn emptied(&self, folder: &str) -> Result<PathBuf> {
        let path = self.target.join(folder);
        if path.exists() {
            fs::remove_dir_all(&path).doing(format_args!("cannot empty {}", path.display()))?;
        }
        self.made(folder)
    }

    /// Names of the workspace members that may be published, in the order of the workspace.
    pub fn publishable(&self) -> Result<Vec<String>> {
        let workspace = self.text("Cargo.toml")?;
        let mut packages = Vec::new();
        for member in members(&workspace) {
            let manifest = self.text(&format!("{member}/Cargo.toml"))?;
            if !manifest
                .lines()
                .any(|line| line.trim() == "publish = false")
            {
                packages.extend(package_name(&manifest));
            }
        }
        Ok(packages)
    }

    /// The version all members share.
    pub fn version(&self) -> Result<String> {
        let workspace = self.text("Cargo.toml")?;
        workspace
            .lines()
            .find_map(|line| line.strip_prefix("version = "))
            .map(|version| version.trim_matches('"').to_owned())
            .ok_or_else(|| Failure::new("Cargo.toml names no version"))
    }

    /// The text of a file of the repository.
    pub fn text(&self, file: &str) -> Result<String> {
        let path = self.root.join(file);
        fs::read_to_string(&path).doing(format_args!("cannot read {}", path.display()))
    }
}

/// `path` for a person: relative to the current folder where that is possible.
pub fn shown(path: &Path) -> String {
    let relative = std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    relative.as_deref().unwrap_or(path).display().to_string()
}

/// The first string value of `name` in JSON written without spaces, as cargo writes it.
fn json_string(json: &str, name: &str) -> Option<String> {
    let start = json.find(&format!("\"{name}\":\""))? + name.len() + 4;
    let mut value = String::new();
    let mut characters = json[start..].chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

fn members(workspace: &str) -> Vec<String> {
    let list = workspace
        .lines()
        .skip_while(|line| !line.starts_with("members"));
    let mut text = String::new();
    for line in list {
        text.push_str(line);
        if line.contains(']') {
            break;
        }
    }
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(String::from)
        .collect()
}

fn package_name(manifest: &str) -> Option<String> {
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("name = "))?;
    Some(line.trim_matches('"').to_owned())
}

/// Copies a file; an error names it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied
        .map(|_| ())
        .doing(format_args!("cannot copy {}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_from_one_line_or_many() {
        let expected = ["core", "xtask"];
        assert_eq!(
            members("[workspace]\nmembers = [\"core\", \"xtask\"]\n"),
            expected
        );
        assert_eq!(
            members("members = [\n  \"core\",\n  \"xtask\",\n]\ndefault-members = [\"core\"]\n"),
            expected
        );
    }

    #[test]
    fn a_json_string_keeps_escaped_backslashes() {
        let json = r#"{"version":1,"target_directory":"C:\\work\\target","x":"y"}"#;
        assert_eq!(
            json_string(json, "target_directory").as_deref(),
            Some(r"C:\work\target")
        );
        assert_eq!(json_string(json, "absent"), None);
    }

    #[test]
    fn what_may_be_published_is_what_does_not_forbid_it() {
        let packages = Repo::find().unwrap().publishable().unwrap();
        assert!(packages.contains(&"portcask-core".to_owned()));
        assert!(!packages.contains(&"xtask".to_owned()));
    }
}
