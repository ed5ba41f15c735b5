//! System packages: only with consent, and only through apt.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::Command;

use super::on_path;
use crate::shell::{self, Context, Failure, Result};

/// Whether system packages may be installed without a question.
#[derive(Clone, Copy, Debug)]
pub struct Consent {
    given: bool,
}

impl Consent {
    /// Given by `--yes`, or by `CI=true` as throw-away machines have it.
    pub fn new(yes: bool) -> Self {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        Self { given: yes || ci }
    }

    /// Whether it was given, so that what is missing may be demanded.
    pub fn is_given(self) -> bool {
        self.given
    }
}

/// Installs Debian packages: as root with consent at once, else after a question on the terminal.
///
/// The failure holds the exact line to type.
pub fn install(packages: &[&str], consent: Consent) -> Result<()> {
    if on_path("apt-get").is_none() {
        return Err(Failure::new(format!(
            "this machine has no apt-get; install it your way (on Debian: {})",
            packages.join(" ")
        )));
    }
    let root = is_root();
    let line = format!(
        "{}apt-get install -y --no-install-recommends {}",
        if root { "" } else { "sudo " },
        packages.join(" ")
    );
    let allowed = (root && consent.given) || asked(&line)?;
    if !allowed {
        return Err(Failure::new(format!(
            "system packages are installed only as root with --yes or CI=true; the line is: {line}"
        )));
    }
    // The lists first: an old list names versions that are gone, or older than what is needed.
    let update = shell::run(apt(root).arg("update"));
    let options = ["install", "-y", "--no-install-recommends"];
    shell::run(apt(root).args(options).args(packages)).map_err(|failure| match update {
        Ok(()) => failure,
        Err(update) => Failure::new(format!("{update}; then {failure}")),
    })
}

fn apt(root: bool) -> Command {
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.arg("apt-get");
    }
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["-q", "-o", "Dpkg::Use-Pty=0"]);
    command
}

fn is_root() -> bool {
    shell::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Asks on the terminal; without one the answer is no.
fn asked(line: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    print!("System packages are needed:\n    {line}\nRun it now? [y/N] ");
    io::stdout().flush().doing("cannot write to the terminal")?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.doing("cannot read from the terminal")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
