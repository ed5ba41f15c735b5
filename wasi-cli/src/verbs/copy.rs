//! backup and restore: a directory or a `.tar` file, whole or not at all.
//!
//! A new directory or archive is built under `NAME.partial` and renamed when it is complete. An
//! existing empty directory is filled in place: there the manifest, which comes last, makes the
//! store, and what was copied is removed again if anything fails.

use crate::args::{BackupArgs, RestoreArgs};
use crate::failure::{Exit, Failure, Outcome, plain};
use crate::host::sync_parent;
use crate::store::{open_for_reading, open_for_writing, parent_must_exist, partial};
use crate::tarball::Tarball;
use crate::term::{Progress, Unit};
use crate::{Context, interrupt, units};
use portcask::{BackupReport, Error, PlatformStorage, Storage};
use serde_json::json;
use std::fs;
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
            return Err(Failure::new(
                Exit::System,
                format!(
                    "{}: there is no such backup; name the directory or .tar file that backup wrote",
                    source.display()
                ),
            ));
        }
        let from = open_for_reading(source)?;
        into(&dir, source, |to| portcask::restore(&from, to, told))?
    };
    progress.end();
    say(context, "restored", "from", source, report)
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
    let refused = |error: std::io::Error| Failure::file("write", target, &error);
    if target.exists() {
        let message = format!("{} exists; name a new file", target.display());
        return Err(Failure::new(Exit::System, message));
    }
    let host_dir = context.store.dir()?.to_owned();
    let partial = partial(target);
    let progress = Progress::new(context.quiet, "backing up", 0, Unit::Bytes);
    let mut archive = None;
    let mut unwritable = None;
    let report = context.store.read_mut(|engine| {
        // Started anew each time: a writer that merges meanwhile makes us try again.
        let file = open_read_write(&partial).map_err(|error| {
            unwritable = Some(refused(error));
            Error::sink("")
        })?;
        let host = PlatformStorage::open_existing(&host_dir)
            .map_err(|error| Error::sink(error.to_string()))?;
        let tar = Tarball::create(file, host);
        let report = engine.backup(&tar, |done, total| progress.set_of(done, total))?;
        archive = Some(tar);
        Ok(report)
    });
    let done = unwritable.map_or(report, Err).and_then(|report| {
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

fn open_read_write(path: &Path) -> std::io::Result<fs::File> {
    fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
}

fn to_directory(context: &mut Context, target: &Path) -> Result<BackupReport, Failure> {
    let place = Place::take(target)?;
    let storage = place.open()?;
    let progress = Progress::new(context.quiet, "backing up", 0, Unit::Bytes);
    let report = context.store.read_mut(|engine| {
        remove_store_files(&storage);
        engine.backup(&storage, |done, total| progress.set_of(done, total))
    });
    place.settle(storage, report)
}

fn into(
    dir: &Path,
    source: &Path,
    copy: impl FnOnce(&PlatformStorage) -> Result<BackupReport, Error>,
) -> Result<BackupReport, Failure> {
    let place = Place::take(dir)?;
    let storage = place.open()?;
    let report = copy(&storage).map_err(|error| match error {
        Error::NotEmpty => Failure::engine(dir, &error),
        error => Failure::engine(source, &error),
    });
    place.settle(storage, report)
}

/// Where a directory is built.
struct Place {
    target: PathBuf,
    /// A new directory beside the target; `None` if the target itself exists.
    partial: Option<PathBuf>,
}

impl Place {
    /// Errors if the target holds a store already.
    fn take(target: &Path) -> Result<Self, Failure> {
        if target.exists() {
            let storage = open_for_writing(target)?;
            let holds_store =
                portcask::is_store(&storage).map_err(|error| Failure::engine(target, &error))?;
            if holds_store {
                return Err(Failure::engine(target, &Error::NotEmpty));
            }
            return Ok(Self {
                target: target.to_owned(),
                partial: None,
            });
        }
        parent_must_exist(target)?;
        let partial = partial(target);
        if let Ok(old) = PlatformStorage::open_existing(&partial) {
            // Left by a copy that was killed; only a store's files are touched.
            drop(old);
            let _ = PlatformStorage::open(&partial).map(|old| remove_store_files(&old));
        }
        Ok(Self {
            target: target.to_owned(),
            partial: Some(partial),
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
