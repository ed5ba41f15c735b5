//! The promises that only show when two openers share one directory.

use super::contract::{Outcome, Verdict, ensure, name, read};
use super::names::{excludes, refused};
use crate::prelude::*;
use crate::storage::{Access, ErrorKind, File, Storage};

/// One promise about two openers of one empty directory.
pub(super) type SharedTrial<S> = (&'static str, fn(S, S) -> Verdict);

/// The trials, in the order of the contract's clauses.
pub(super) fn trials<S: Storage>() -> [SharedTrial<S>; 4] {
    [
        (
            "a second opener sees the first one's files and bytes at once",
            sees_the_other,
        ),
        (
            "a second opener meets the first one's names: Exists and NotFound",
            names_are_shared,
        ),
        ("the lock excludes a second opener", |one, other| {
            excludes(&one, &other)
        }),
        (
            "files stay when their opener is dropped",
            files_outlive_the_opener,
        ),
    ]
}

fn sees_the_other<S: Storage>(one: S, other: S) -> Verdict {
    let writer = one.create(&name("a"))?;
    writer.append(0, b"abc")?;
    ensure!(other.list()? == [name("a")], "the file is not listed");
    let reader = other.open(&name("a"), Access::Read)?;
    ensure!(read(&reader, 0, 3)? == b"abc", "other bytes");
    writer.append(3, b"def")?;
    ensure!(
        reader.len()? == 6 && read(&reader, 0, 6)? == b"abcdef",
        "a later append is not seen"
    );
    Ok(Outcome::Kept)
}

fn names_are_shared<S: Storage>(one: S, other: S) -> Verdict {
    one.create(&name("a"))?;
    refused(other.create(&name("a")), ErrorKind::Exists, "create")?;
    other.rename(&name("a"), &name("b"))?;
    refused(
        one.open(&name("a"), Access::Read),
        ErrorKind::NotFound,
        "open",
    )?;
    one.remove(&name("b"))?;
    refused(other.remove(&name("b")), ErrorKind::NotFound, "remove")?;
    Ok(Outcome::Kept)
}

fn files_outlive_the_opener<S: Storage>(one: S, other: S) -> Verdict {
    let file = one.create(&name("a"))?;
    file.append(0, b"abc")?;
    drop(file);
    drop(one);
    let file = other.open(&name("a"), Access::Write)?;
    ensure!(read(&file, 0, 3)? == b"abc", "other bytes");
    Ok(Outcome::Kept)
}
