//! One directory, three hosts.

use crate::hosts::Wasmtime;
use crate::repo::Repo;
use crate::shell::{Failure, Result};

/// How much of the data set is used.
pub enum Length {
    /// All of it.
    Full,
    /// A part that is enough for every step.
    Short,
}

/// `cargo xtask demo`.
pub fn command(repo: &Repo, quick: bool) -> Result<()> {
    let wasmtime = Wasmtime::find(repo)?;
    tell(
        repo,
        &wasmtime,
        if quick { Length::Short } else { Length::Full },
    )
}

/// Runs the story.
pub fn tell(_: &Repo, _: &Wasmtime, _: Length) -> Result<()> {
    Err(Failure::new("the demo is not written yet"))
}
