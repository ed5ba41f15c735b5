//! `cargo xtask dist`: what people without Rust take.
//!
//! ```text
//! target/dist/portcask-VERSION-HOST/          the command, portcask.wasm, README, licences
//!                                  man/       portcask.1 and a page per verb
//!                                  completions/
//!                                  SHA256SUMS of everything above
//! target/dist/portcask-VERSION-HOST.tar.gz, portcask-VERSION-HOST.tar.gz.sha256
//! ```
//! Packing and hashing are done by the system's `tar` and `sha256sum` (or `shasum`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo::{self, Repo};
use crate::setup::{self, Consent, Target, WasmToolchain};
use crate::shell::{self, Context, Failure, Result};
use crate::wasm::{self, grouped};

/// Files of the repository that go along as they are.
const DOCUMENTS: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];
/// Shells with their script's usual name.
const COMPLETIONS: [(&str, &str); 5] = [
    ("bash", "portcask.bash"),
    ("zsh", "_portcask"),
    ("fish", "portcask.fish"),
    ("powershell", "_portcask.ps1"),
    ("elvish", "portcask.elv"),
];

/// Builds everything and packs it.
pub fn command(repo: &Repo) -> Result<()> {
    let toolchain = WasmToolchain::ready(repo, Target::Wasip1, Consent::new(false))?;
    let module = wasm::build(repo, &toolchain)?;
    let mut cargo = repo.cargo();
    shell::run(cargo.args(["build", "--release", "--package", "portcask-cli"]))?;
    let name = format!("portcask-{}-{}", repo.version()?, setup::host()?);
    let dist = repo.emptied("dist")?;
    let folder = dist.join(&name);
    fill(repo, &folder, &module)?;
    let sums = hash(&folder, &files_below(&folder)?)?;
    fs::write(folder.join("SHA256SUMS"), sums).doing("cannot write SHA256SUMS")?;

    let archive = format!("{name}.tar.gz");
    let mut tar = Command::new("tar");
    shell::run(tar.current_dir(&dist).args(["-czf", &archive, &name]))?;
    let sum = hash(&dist, &[PathBuf::from(&archive)])?;
    fs::write(dist.join(format!("{archive}.sha256")), &sum).doing("cannot write the checksum")?;
    let packed = dist.join(&archive);
    let bytes = fs::metadata(&packed)
        .doing("cannot read the archive's size")?
        .len();
    println!("  {}: {} bytes", repo::shown(&packed), grouped(bytes));
    print!("  {sum}");
    Ok(())
}

fn fill(repo: &Repo, folder: &Path, module: &Path) -> Result<()> {
    let program = format!("portcask{}", std::env::consts::EXE_SUFFIX);
    let built = repo.target.join("release").join(&program);
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&man, &completions] {
        fs::create_dir_all(folder).doing("cannot make a folder of the archive")?;
    }
    repo::copy(&built, &folder.join(&program))?;
    repo::copy(module, &folder.join("portcask.wasm"))?;
    for document in DOCUMENTS {
        repo::copy(&repo.root.join(document), &folder.join(document))?;
    }
    shell::read(Command::new(&built).args(["man", "--out"]).arg(&man))?;
    for (shell, file) in COMPLETIONS {
        let script = shell::read(Command::new(&built).args(["completions", shell]))?;
        fs::write(completions.join(file), script).doing(format_args!("cannot write {file}"))?;
    }
    Ok(())
}

/// Files below a folder, relative to it and sorted.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let entries = fs::read_dir(folder.join(&below)).doing("cannot list the archive's files")?;
        for entry in entries {
            let path = below.join(entry.doing("cannot list the archive's files")?.file_name());
            if folder.join(&path).is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The lines that `sha256sum --check` reads.
fn hash(folder: &Path, files: &[PathBuf]) -> Result<String> {
    let tools: [&[&str]; 2] = [&["sha256sum"], &["shasum", "-a", "256"]];
    let tool = tools
        .into_iter()
        .find(|tool| setup::on_path(tool[0]).is_some());
    let [program, options @ ..] =
        tool.ok_or_else(|| Failure::new("neither sha256sum nor shasum is on the PATH"))?
    else {
        unreachable!("each tool has a name");
    };
    shell::read(
        Command::new(program)
            .args(options)
            .args(files)
            .current_dir(folder),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_name_every_file_below_a_folder_in_order() {
        let folder = Repo::find().unwrap().emptied("test-dist").unwrap();
        fs::create_dir(folder.join("b")).unwrap();
        for file in ["c", "a", "b/d"] {
            fs::write(folder.join(file), "abc").unwrap();
        }
        let files = files_below(&folder).unwrap();
        assert_eq!(files, ["a", "b/d", "c"].map(PathBuf::from));
        let sums = hash(&folder, &files).unwrap();
        let first = sums.lines().next().unwrap();
        assert_eq!(
            first,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a"
        );
        assert_eq!(sums.lines().count(), 3);
    }
}
