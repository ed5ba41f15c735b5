//! Debian's compiler as a WebAssembly compiler, for machines where rustup can add nothing.
//!
//! ```text
//! apt: rustc-web cargo-web rust-web-src wasi-libc lld
//!   -> cargo build -Z build-std of an empty crate, once per target (about 45 s on two cores)
//!   -> CACHE/portcask/TARGET-VERSION-TIME/lib/rustlib/TARGET/lib/*.rlib     our own; nothing is written to /usr
//!   -> RUSTC=/usr/bin/rustc /usr/bin/cargo ... with --sysroot on the target's rustflags
//! ```
//! With `--target` the rustflags reach only code for the target, so build scripts and macros keep Debian's own
//! libraries. The time of the build is in the path because two builds of the libraries do not mix: with another path
//! cargo knows that what it compiled against the old ones is stale. `-Z build-std` asks for `RUSTC_BOOTSTRAP`: only the standard library is built with it, never our code.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::targets::{Target, holds_library};
use super::{Consent, on_path, packages, rustc};
use crate::repo::{self, Repo};
use crate::shell::{self, Context, Failure, Result};

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
/// What wasi-libc installs, and the files of it that rustc looks for beside its libraries.
const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";
const WASI_LIBC_FILES: [&str; 3] = ["libc.a", "crt1-command.o", "crt1-reactor.o"];
const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "wasi-libc", "lld"];
/// The separator of `CARGO_ENCODED_RUSTFLAGS`, which unlike `RUSTFLAGS` lets paths hold spaces.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// Debian's compiler, our libraries for it, and a linker.
pub struct DebianToolchain {
    version: String,
    sysroot: PathBuf,
    linker: PathBuf,
}

impl DebianToolchain {
    /// Installs what is missing, then builds the libraries of `target` unless the cache has them.
    pub fn ready(repo: &Repo, target: Target, consent: Consent) -> Result<Self> {
        if !is_installed() {
            packages::install(&PACKAGES, consent)?;
        }
        let version = shell::version(RUSTC)
            .and_then(|line| line.split(' ').nth(1).map(String::from))
            .ok_or_else(|| Failure::new(format!("{RUSTC} cannot be started")))?;
        new_enough(&version, &repo.text("Cargo.toml")?)?;
        let cache = cache_folder(repo)?;
        let prefix = format!("{}-{version}-", target.triple());
        let mut toolchain = Self {
            version,
            sysroot: PathBuf::new(),
            linker: linker()?,
        };
        toolchain.sysroot = match cached(&cache, &prefix, target) {
            Some(sysroot) => sysroot,
            None => toolchain.build_libraries(repo, &cache, &prefix, target)?,
        };
        Ok(toolchain)
    }

    /// The way it came, for people.
    pub fn about(&self) -> String {
        format!(
            "Debian's rustc {} with libraries in {}",
            self.version,
            self.sysroot.display()
        )
    }

    /// Cargo that compiles with this toolchain when `--target` names `target`.
    pub fn cargo(&self, repo: &Repo, target: Target) -> Command {
        let mut sysroot = OsString::from(format!("--sysroot{FLAG_SEPARATOR}"));
        sysroot.push(&self.sysroot);
        let mut command = self.plain_cargo(&repo.root, target);
        command.env("CARGO_ENCODED_RUSTFLAGS", sysroot);
        command
    }

    fn plain_cargo(&self, folder: &Path, target: Target) -> Command {
        let linker = target.triple().replace('-', "_").to_uppercase();
        let mut command = Command::new(CARGO);
        command
            .current_dir(folder)
            .env("RUSTC", RUSTC)
            .env("RUSTDOC", "/usr/bin/rustdoc")
            .env(format!("CARGO_TARGET_{linker}_LINKER"), &self.linker)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO");
        command
    }

    /// Builds the standard library for an empty crate and keeps the libraries; answers their sysroot. The folder
    /// gets its name last, so that an interrupted build is not taken for a finished one.
    fn build_libraries(
        &self,
        repo: &Repo,
        cache: &Path,
        prefix: &str,
        target: Target,
    ) -> Result<PathBuf> {
        println!(
            "  building the {} library for {}",
            target.library(),
            target.triple()
        );
        let crate_folder = repo.emptied(&format!("setup/empty-{}", target.triple()))?;
        let build_folder = crate_folder.join("target");
        let write = |file: &str, text: &str| {
            fs::write(crate_folder.join(file), text).doing(format_args!("cannot write {file}"))
        };
        write(
            "Cargo.toml",
            "[package]\nname = \"empty\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n",
        )?;
        write("lib.rs", "#![no_std]\n")?;
        let parts = match target {
            Target::Bare => "core,alloc,compiler_builtins",
            Target::Wasip1 | Target::Unknown => "std,panic_abort",
        };
        let mut build = self.plain_cargo(&crate_folder, target);
        build
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", &build_folder)
            .args(["build", "--release", "-Z"])
            .arg(format!("build-std={parts}"))
            .args(["--target", target.triple()]);
        // Our wasm profile optimises across crates, which takes bitcode of all of them.
        let mut flags = vec!["-C", "embed-bitcode=yes"];
        let libc = format!("native={WASI_LIBC}");
        if target == Target::Wasip1 {
            flags.extend(["-L", &libc, "-C", "link-self-contained=no"]);
        }
        build.env("CARGO_ENCODED_RUSTFLAGS", flags.join(FLAG_SEPARATOR));
        shell::run(&mut build)?;
        let built = build_folder.join(target.triple()).join("release/deps");
        let unfinished = cache.join(format!("unfinished-{}", target.triple()));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).doing("cannot remove an unfinished sysroot")?;
        }
        let libraries = libraries(&unfinished, target);
        copy_libraries(&built, &libraries)?;
        if target == Target::Wasip1 {
            let own = libraries.join("self-contained");
            fs::create_dir_all(&own).doing("cannot make the library folder")?;
            for file in WASI_LIBC_FILES {
                repo::copy(&Path::new(WASI_LIBC).join(file), &own.join(file))?;
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(0, |since| since.as_secs());
        let sysroot = cache.join(format!("{prefix}{seconds}"));
        fs::rename(&unfinished, &sysroot).doing("cannot name the sysroot")?;
        // Only the libraries are wanted; the build takes ten times their space.
        fs::remove_dir_all(&crate_folder).doing("cannot remove the empty crate")?;
        Ok(sysroot)
    }
}

/// Where rustc looks for a target's libraries in a sysroot.
fn libraries(sysroot: &Path, target: Target) -> PathBuf {
    sysroot
        .join("lib/rustlib")
        .join(target.triple())
        .join("lib")
}

/// A finished sysroot of an earlier run.
fn cached(cache: &Path, prefix: &str, target: Target) -> Option<PathBuf> {
    let entries = fs::read_dir(cache).ok()?;
    let named = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    named
        .map(|entry| entry.path())
        .find(|sysroot| holds_library(&libraries(sysroot, target), target))
}

fn is_installed() -> bool {
    let source = Path::new("/usr/lib/rustlib/src/rust/library/Cargo.toml");
    let libc = Path::new(WASI_LIBC).join("libc.a");
    Path::new(RUSTC).is_file() && Path::new(CARGO).is_file() && source.is_file() && libc.is_file()
}

/// Compares the compiler with `rust-version` of the workspace.
fn new_enough(version: &str, workspace: &str) -> Result<()> {
    let numbers = |text: &str| -> Vec<u32> {
        let parts = text.split(['.', '-', '+']);
        parts.map_while(|part| part.parse().ok()).collect()
    };
    let wanted = workspace
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .map_or("0", |wanted| wanted.trim_matches('"'));
    if numbers(version) >= numbers(wanted) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{RUSTC} is {version}, and this project needs {wanted}"
    )))
}

/// rustc's own linker of the toolchain in use, else Debian's.
fn linker() -> Result<PathBuf> {
    let sysroot = shell::read(rustc().args(["--print", "sysroot"])).unwrap_or_default();
    let own = super::host().ok().map(|host| {
        Path::new(sysroot.trim())
            .join("lib/rustlib")
            .join(host)
            .join("bin/rust-lld")
    });
    own.filter(|linker| linker.is_file())
        .or_else(|| on_path("wasm-ld"))
        .ok_or_else(|| Failure::new("neither rust-lld nor wasm-ld (package lld) is there"))
}

fn cache_folder(repo: &Repo) -> Result<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    match named.or(home) {
        Some(cache) => Ok(cache.join("portcask")),
        None => repo.made("setup"),
    }
}

fn copy_libraries(from: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into).doing("cannot make the library folder")?;
    let entries = fs::read_dir(from).doing(format_args!("cannot list {}", from.display()))?;
    for entry in entries {
        let file = entry.doing("cannot list the libraries")?.file_name();
        let name = file.to_string_lossy();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            repo::copy(&from.join(&file), &into.join(&file))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_older_than_the_workspace_asks_for_is_refused() {
        let workspace = "[workspace.package]\nrust-version = \"1.95\"\n";
        assert!(new_enough("1.96.0", workspace).is_ok());
        assert!(new_enough("1.95.0-nightly", workspace).is_ok());
        assert!(new_enough("2.0.0", workspace).is_ok());
        assert!(new_enough("1.85.0", workspace).is_err());
        assert!(new_enough("1.9.0", workspace).is_err());
    }
}
