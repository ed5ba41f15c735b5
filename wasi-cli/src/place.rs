//! Where a new store is built: whole under its name, or not at all.
//!
//! A new directory is built under `NAME.partial`, held against others, and renamed when it is complete. An
//! existing empty one is filled in place, and what came into it is removed again if anything fails.

use crate::failure::{Exit, Failure};
use crate::host::sync_parent;
use crate::partial::{hold_directory, partial};
use crate::store::{open_for_writing, parent_must_exist};
use crate::text::{argument, excerpt};
use portcask::format::file::names;
use portcask::{Error, Op, PlatformStorage, Storage};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where a directory is built.
pub struct Place {
    target: PathBuf,
    /// A new directory beside the target; `None` if the target itself exists.
    partial: Option<PathBuf>,
    /// Keeps others out of it.
    held: Option<File>,
}

impl Place {
    /// Errors if the target holds a store already, or somebody else is building it.
    pub fn take(target: &Path) -> Result<Self, Failure> {
        if target.exists() {
            let held = hold_directory(target, target)?;
            let storage = open_for_writing(target)?;
            let holds_store =
                portcask::is_store(&storage).map_err(|error| Failure::engine(target, &error))?;
            if holds_store {
                return Err(Failure::engine(target, &Error::NotEmpty));
            }
            if let Some(others) = others(target) {
                let target = target.display();
                return Err(Failure::new(
                    Exit::System,
                    format!("{target}: not empty ({others}); use an empty or a new directory"),
                ));
            }
            return Ok(Self {
                target: target.to_owned(),
                partial: None,
                held,
            });
        }
        parent_must_exist(target)?;
        let partial = partial(target);
        let held = hold_directory(target, &partial)?;
        if target.exists() {
            // Somebody finished it while we waited for the directory, which is a new one then.
            let _ = fs::remove_dir(&partial);
            return Self::take(target);
        }
        // Left by a process that was killed; only a store's files are touched.
        clear(&open_for_writing(&partial)?);
        Ok(Self {
            target: target.to_owned(),
            partial: Some(partial),
            held,
        })
    }

    pub fn open(&self) -> Result<PlatformStorage, Failure> {
        open_for_writing(self.partial.as_deref().unwrap_or(&self.target))
    }

    /// Gives a complete store its name, or removes what there is of it.
    pub fn settle<T>(
        self,
        storage: PlatformStorage,
        built: Result<T, Failure>,
    ) -> Result<T, Failure> {
        if built.is_err() {
            clear(&storage);
        }
        drop(storage);
        let Some(partial) = &self.partial else {
            return built;
        };
        let settled = built.and_then(|report| {
            fs::rename(partial, &self.target)
                .map_err(|error| Failure::file("rename", partial, &error))?;
            sync_parent(&self.target);
            Ok(report)
        });
        if settled.is_err() {
            // Nobody waits for the lock of a directory that has no name yet.
            let _ = fs::remove_file(partial.join(names::lock().as_str()));
            let _ = fs::remove_dir(partial);
        }
        drop(self.held);
        settled
    }
}

/// A first write into a directory that holds other things and no store is more often a slip than meant: its files would
/// lie among the others.
pub fn refuse_others(dir: &Path) -> Result<(), Failure> {
    let Some(others) = others(dir) else {
        return Ok(());
    };
    Err(Failure::new(
        Exit::System,
        format!(
            "{0}: not a store, and not empty ({others}); name an empty or a new directory, or make a store among these \
             files first: portcask --dir {0} init",
            dir.display()
        ),
    ))
}

/// What is in a directory that holds no store, for people: the first name, and how many more.
fn others(dir: &Path) -> Option<String> {
    let others = portcask::strangers(dir);
    let first = excerpt(argument(others.first()?), 40);
    Some(match others.len() {
        1 => first,
        count => format!("{first} and {} more", count - 1),
    })
}

/// Removes the files of a store that did not become whole, and no others.
pub fn clear(storage: &PlatformStorage) {
    for name in storage.list().unwrap_or_default() {
        if names::parse(&name).is_some() || name == names::reserve() {
            let _ = storage.remove(&name);
        }
    }
}

/// What is said of `target` if the refusal was there, and not in the store that is read.
pub fn of_target(target: &Path, error: &Error) -> Option<Failure> {
    match error {
        Error::NotEmpty => Some(Failure::engine(target, error)),
        Error::Full { .. } => {
            let full = io::Error::from(io::ErrorKind::StorageFull);
            Some(Failure::file("write", target, &full))
        }
        Error::Storage { refusal, .. }
            if !matches!(refusal.op, Op::List | Op::Lock | Op::Open | Op::Read) =>
        {
            let message = format!("{}: {error}", target.display());
            Some(Failure::new(Exit::System, message))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::of_target;
    use crate::failure::Failure;
    use portcask::{Error, FileName, Op, StorageError, storage::ErrorKind};
    use std::path::Path;

    #[test]
    fn a_full_target_is_not_told_of_the_store_that_is_copied() {
        let file = FileName::new("segment-0000000001").unwrap();
        let said = |op, kind| {
            let error = Error::storage(op, Some(file), StorageError::new(kind));
            match of_target(Path::new("copy"), &error) {
                Some(Failure::Said { message, .. }) => message,
                _ => String::new(),
            }
        };
        let full = said(Op::Append, ErrorKind::Full);
        assert!(full.starts_with("cannot write copy: "), "{full}");
        assert!(said(Op::Sync, ErrorKind::Io).starts_with("copy: cannot sync"));
        assert_eq!(said(Op::Read, ErrorKind::Io), "", "that was the store");
    }
}
