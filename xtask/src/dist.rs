//! The archive for people without Rust.

use crate::repo::Repo;
use crate::shell::{Failure, Result};

/// `cargo xtask dist`.
pub fn command(_: &Repo) -> Result<()> {
    Err(Failure::new("the archive is not written yet"))
}
