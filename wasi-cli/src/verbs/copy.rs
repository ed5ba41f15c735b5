//! backup and restore: a directory or a `.tar` file, whole or not at all.
//!
//! A new directory or archive is built under `NAME.partial`, held against others, and renamed when it
//! is complete. An existing empty directory is filled in place: there the manifest, which comes last,
//! makes the store, and what was copied is removed again if anything fails.

use crate::args::{BackupArgs, RestoreArgs};
use crate::failure::{Exit, Failure, Outcome, plain};
use crate::host::sync_parent;
use crate::partial::{hold_directory, hold_file, partial};
use crate::store::{Engine, open_for_reading, open_for_writing, parent_must_exist};
use crate::tarball::Tarball;
use crate::term::{Progress, Unit};
use crate::{Context, interrupt, units};
use portcask::{BackupReport, Error, Op, PlatformStorage, Storage};
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// `backup`: copies the store out.
pub fn backup(context: &mut Context, args: &BackupArgs) -> Outcome {
    refuse_odd_target(context.store.dir()?, &args.target)?;
    interrupt::watch();
    interrupt::keep(|| "no backup was made, the store is untouched".to_owned());
    let report = match is_tar(&args.target) {
        true => to_tar(context, &args.target)?,
        false => to_directory(context, &args.target)?,
    };
    say(context, "backed up", "to", &args.target, report)
}

/// `restore`: copies a backup in.
pub fn restore(context: &mut Context, args: &RestoreArgs) -> Outcome {
    let dir = context.store.dir()?.to_owned();
    interrupt::watch();
    interrupt::keep(|| "nothing was restored".to_owned());
    let source = &args.source;
    let progress = Progress::new(context.quiet, "restoring", 0, Unit::Bytes);
    let told = |done, total| progress.set_of(done, total);
    let report = if fs::metadata(source).is_ok_and(|found| found.is_file()) {
        let archive = Tarball::open(source).map_err(|error| {
            let why = plain(&error);
            Failure::new(
                Exit::Damaged,
                format!("{} is no whole backup: {why}", source.display()),
            )
        })?;
        into(&dir, source, |to| portcask::restore(&archive, to, told))?
    } else {
        if !source.exists() {
            return Err(no_backup(source));
        }
        let from = open_for_reading(source)?;
        into(&dir, source, |to| portcask::restore(&from, to, told))?
    };
    progress.end();
    say(context, "restored", "from", source, report)
}

fn no_backup(source: &Path) -> Failure {
    Failure::new(
        Exit::System,
        format!(
            "{}: there is no such backup; name the directory or .tar file that backup wrote",
            source.display()
        ),
    )
}

/// What a copy that writes to `target` was refused, if it was there and not where it reads.
fn of_target(target: &Path, error: &Error) -> Option<Failure> {
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

/// A backup is a place of its own: not a stream, and not inside of what it is to survive.
fn refuse_odd_target(store: &Path, target: &Path) -> Result<(), Failure> {
    if target == Path::new("-") {
        return Err(Failure::usage(
            "backup writes no stream; name a directory or a .tar file (./- for a directory of that name)",
        ));
    }
    let parent = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let (store, parent) = (fs::canonicalize(store), fs::canonicalize(parent));
    if let (Ok(store), Ok(parent)) = (store, parent)
        && parent.starts_with(store)
    {
        return Err(Failure::usage(format!(
            "{} lies inside the store; name a place outside of it",
            target.display()
        )));
    }
    Ok(())
}

fn is_tar(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("tar"))
}

fn to_tar(context: &mut Context, target: &Path) -> Result<BackupReport, Failure> {
    let refused = |error: io::Error| Failure::file("write", target, &error);
    let host_dir = context.store.dir()?.to_owned();
    let partial = partial(target);
    let held = hold_file(target)?;
    // Looked for only now that nobody else can be about to give it its name.
    if target.exists() {
        let _ = fs::remove_file(&partial);
        let message = format!("{} exists; name a new file", target.display());
        return Err(Failure::new(Exit::System, message));
    }
    let progress = Progress::new(context.quiet, "backing up", 0, Unit::Bytes);
    let mut archive = None;
    let report = backed_up(context, target, |engine| {
        // Started anew each time: a writer that merges meanwhile makes us try again.
        let file = emptied(&held).map_err(|error| Error::sink(error.to_string()))?;
        let host = PlatformStorage::open_existing(&host_dir)
            .map_err(|error| Error::sink(error.to_string()))?;
        let tar = Tarball::create(file, host);
        let report = engine.backup(&tar, |done, total| progress.set_of(done, total))?;
        archive = Some(tar);
        Ok(report)
    });
    let done = report.and_then(|report| {
        if let Some(tar) = &archive {
            tar.finish().map_err(refused)?;
        }
        fs::rename(&partial, target).map_err(refused)?;
        Ok(report)
    });
    match &done {
        Ok(_) => sync_parent(target),
        Err(_) => drop(fs::remove_file(&partial)),
    }
    done
}

/// The same file with nothing in it.
fn emptied(held: &File) -> io::Result<File> {
    held.set_len(0)?;
    held.try_clone()
}

fn to_directory(context: &mut Context, target: &Path) -> Result<BackupReport, Failure> {
    let place = Place::take(target)?;
    let storage = place.open()?;
    let progress = Progress::new(context.quiet, "backing up", 0, Unit::Bytes);
    let report = backed_up(context, target, |engine| {
        remove_store_files(&storage);
        engine.backup(&storage, |done, total| progress.set_of(done, total))
    });
    place.settle(storage, report)
}

/// Copies the store out. What the target refused is told of the target.
fn backed_up(
    context: &mut Context,
    target: &Path,
    mut copy: impl FnMut(&mut Engine) -> Result<BackupReport, Error>,
) -> Result<BackupReport, Failure> {
    let mut refused = None;
    let report = context
        .store
        .read_mut(|engine| copy(engine).inspect_err(|error| refused = of_target(target, error)));
    report.map_err(|failure| refused.unwrap_or(failure))
}

fn into(
    dir: &Path,
    source: &Path,
    copy: impl FnOnce(&PlatformStorage) -> Result<BackupReport, Error>,
) -> Result<BackupReport, Failure> {
    let place = Place::take(dir)?;
    let storage = place.open()?;
    let report = copy(&storage).map_err(|error| match error {
        Error::NoStore => no_backup(source),
        error => of_target(dir, &error).unwrap_or_else(|| Failure::engine(source, &error)),
    });
    place.settle(storage, report)
}

/// Where a directory is built.
struct Place {
    target: PathBuf,
    /// A new directory beside the target; `None` if the target itself exists.
    partial: Option<PathBuf>,
    /// Keeps others out of it.
    held: Option<File>,
}

impl Place {
    /// Errors if the target holds a store already, or somebody else is building it.
    fn take(target: &Path) -> Result<Self, Failure> {
        if target.exists() {
            let held = hold_directory(target, target)?;
            let storage = open_for_writing(target)?;
            let holds_store =
                portcask::is_store(&storage).map_err(|error| Failure::engine(target, &error))?;
            if holds_store {
                return Err(Failure::engine(target, &Error::NotEmpty));
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
        // Left by a copy that was killed; only a store's files are touched.
        remove_store_files(&open_for_writing(&partial)?);
        Ok(Self {
            target: target.to_owned(),
            partial: Some(partial),
            held,
        })
    }

    fn open(&self) -> Result<PlatformStorage, Failure> {
        open_for_writing(self.partial.as_deref().unwrap_or(&self.target))
    }

    /// Gives a complete copy its name, or removes what there is of it.
    fn settle(
        self,
        storage: PlatformStorage,
        copied: Result<BackupReport, Failure>,
    ) -> Result<BackupReport, Failure> {
        if copied.is_err() {
            remove_store_files(&storage);
        }
        drop(storage);
        let Some(partial) = &self.partial else {
            return copied;
        };
        let settled = copied.and_then(|report| {
            fs::rename(partial, &self.target)
                .map_err(|error| Failure::file("rename", partial, &error))?;
            sync_parent(&self.target);
            Ok(report)
        });
        if settled.is_err() {
            let _ = fs::remove_dir(partial);
        }
        drop(self.held);
        settled
    }
}

/// Removes the files of a copy that did not become whole.
fn remove_store_files(storage: &PlatformStorage) {
    for name in storage.list().unwrap_or_default() {
        if portcask::format::file::names::parse(&name).is_some() {
            let _ = storage.remove(&name);
        }
    }
}

fn say(context: &mut Context, did: &str, way: &str, path: &Path, report: BackupReport) -> Outcome {
    if context.json {
        context.out.json(&json!({
            "files": report.files,
            "bytes": report.bytes,
            "last_seq": report.last_seq,
        }))?;
    } else if !context.quiet {
        context.out.line(format!(
            "{did} {} ({}) {way} {}, up to sequence number {}",
            units::counted(report.files, "file"),
            units::size(report.bytes),
            path.display(),
            report.last_seq
        ))?;
    }
    Ok(Exit::Done)
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
