//! Node as a host, where it is installed.

use crate::{Output, Preopen, STATUS_TRAPPED};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether Node is there to be asked. Its version, as it says it.
pub fn version() -> Option<String> {
    let answer = Command::new("node").arg("--version").output().ok()?;
    let words = String::from_utf8(answer.stdout).ok()?;
    answer.status.success().then(|| words.trim().into())
}

/// The script that runs a module: `node SCRIPT run [--dir HOST[::GUEST]]... MODULE ARGUMENT...`.
pub fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("node/run.mjs")
}

/// Runs a module once and captures what it prints. `args` come after the program's name, which
/// is the module's path.
pub fn run_wasi(
    module: &Path,
    args: &[&str],
    env: &[(&str, &str)],
    preopens: &[Preopen],
    stdin: &[u8],
) -> io::Result<Output> {
    let mut command = Command::new("node");
    command.arg(script()).arg("run");
    for (host, guest) in preopens {
        command.arg(format!("--dir={}::{guest}", host.display()));
    }
    for (name, value) in env {
        command.arg(format!("--env={name}={value}"));
    }
    let mut child = command
        .arg(module)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Written from another thread: the guest may print more than a pipe holds before it reads.
    let mut pipe = child.stdin.take();
    let stdin = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        // A guest that does not read to the end is no error of this host.
        let _ = pipe.as_mut().map(|pipe| pipe.write_all(&stdin));
    });
    let answer = child.wait_with_output()?;
    let _ = writer.join();
    Ok(Output {
        status: answer.status.code().unwrap_or(STATUS_TRAPPED),
        stdout: answer.stdout,
        stderr: answer.stderr,
    })
}
