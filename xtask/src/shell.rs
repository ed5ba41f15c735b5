//! Running other programs: what they are called, how they end, what to say when they fail.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::{Command, ExitCode, Stdio};

/// Why a command of this program stopped, in words for the person who typed it.
#[derive(Clone, Debug)]
pub struct Failure(String);

/// What everything here answers.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure told in `words`.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was being done when an I/O error came.
pub trait Context<T> {
    /// Turns the error into a [`Failure`] that starts with `doing`.
    fn doing(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn doing(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure::new(format!("{doing}: {error}")))
    }
}

/// What a program wrote, as text, and whether it ended well.
pub struct Output {
    /// Standard output, with bytes that are not UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Exit code 0.
    pub success: bool,
}

impl Output {
    /// The last line that says something, for a message about a failure.
    pub fn last_words(&self) -> &str {
        let said = |text: &'_ str| -> bool { !text.trim().is_empty() };
        let last = self.stderr.lines().rev().find(|line| said(line));
        last.or_else(|| self.stdout.lines().rev().find(|line| said(line)))
            .map_or("it said nothing", str::trim)
    }
}

/// Shows the command, runs it with this terminal, and fails unless it exits with 0.
pub fn run(command: &mut Command) -> Result<()> {
    println!("    $ {}", shown(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .doing(format_args!("cannot start {}", name(command)))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} ended with {status}",
        shown(command)
    )))
}

/// Becomes a cargo whose program speaks for itself, so that a signal for this process reaches it, and
/// its exit code is ours.
#[cfg(unix)]
pub fn exit_code(cargo: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    // It only comes back with an error.
    Err(cargo.exec()).doing("cannot start cargo")
}

#[cfg(not(unix))]
pub fn exit_code(cargo: &mut Command) -> Result<ExitCode> {
    let status = cargo.status().doing("cannot start cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs it silently and answers what it wrote, whatever the exit code. Fails only if it cannot be started.
pub fn capture(command: &mut Command) -> Result<Output> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .doing(format_args!("cannot start {}", name(command)))?;
    Ok(Output {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        success: output.status.success(),
    })
}

/// Runs it silently and answers its standard output; fails with its last words unless it exits with 0.
pub fn read(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    if output.success {
        return Ok(output.stdout);
    }
    Err(Failure::new(format!(
        "{}: {}",
        shown(command),
        output.last_words()
    )))
}

/// Whether `program` can be started and `--version` succeeds; answers the first line of it.
pub fn version(program: impl AsRef<OsStr>) -> Option<String> {
    let output = capture(Command::new(program).arg("--version")).ok()?;
    let first = output.stdout.lines().next()?.trim().to_owned();
    output.success.then_some(first)
}

/// The command as one would type it, without its environment.
pub fn shown(command: &Command) -> String {
    let mut line = name(command);
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let quote = argument.is_empty() || argument.contains([' ', '\t', '"', '\'', ';', '*']);
        line.push(' ');
        if quote {
            line.push_str(&format!("'{argument}'"));
        } else {
            line.push_str(&argument);
        }
    }
    line
}

fn name(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let file = program.file_name().unwrap_or(command.get_program());
    file.to_string_lossy().into_owned()
}
