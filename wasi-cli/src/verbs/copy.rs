//! backup and restore: a directory or a `.tar` file, whole or not at all.
//!
//! An archive is built under `NAME.partial`, held against others, and renamed when it is complete; a
//! directory as [`place`] does it: there the manifest, which comes last, makes the store.

use crate::args::{BackupArgs, RestoreArgs};
use crate::failure::{Exit, Failure, Outcome, plain};
use crate::host::sync_parent;
use crate::partial::{hold_file, partial};
use crate::place::{self, Place, of_target};
use crate::store::{Engine, open_for_reading, parent_must_exist};
use crate::tarball::Tarball;
use crate::term::{Progress, Unit};
use crate::{Context, interrupt, units};
use portcask::{BackupReport, Error, PlatformStorage};
use serde_json::json;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;

/// `backup`: copies the store out.
pub fn backup(context: &mut Context, args: &BackupArgs) -> Outcome {
    refuse_odd_target(context.store.dir()?, &args.target)?;
    refuse_other_archives(&args.target)?;
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
                format!("{} is not a complete backup: {why}", source.display()),
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
            "{}: no such backup; name the directory or .tar file that backup wrote",
            source.display()
        ),
    )
}

/// A backup is a place of its own: not a stream, and not inside of what it is to survive.
fn refuse_odd_target(store: &Path, target: &Path) -> Result<(), Failure> {
    if target == Path::new("-") {
        return Err(Failure::usage(
            "backup cannot write to standard output; name a directory or a .tar file (./- for a directory called -)",
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
            "{} lies inside the store; choose a place outside it",
            target.display()
        )));
    }
    Ok(())
}

/// A name that promises an archive which is not written here would become a directory of that name.
fn refuse_other_archives(target: &Path) -> Result<(), Failure> {
    const OTHERS: [&str; 11] = [
        ".tgz", ".tbz2", ".txz", ".tzst", ".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar",
    ];
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    match OTHERS.iter().find(|ending| name.ends_with(*ending)) {
        Some(ending) if !target.is_dir() => Err(Failure::usage(format!(
            "backup writes a directory or a .tar file, and no {ending}; name a .tar, and compress that"
        ))),
        _ => Ok(()),
    }
}

fn is_tar(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("tar"))
}

fn to_tar(context: &mut Context, target: &Path) -> Result<BackupReport, Failure> {
    let refused = |error: io::Error| Failure::file("write", target, &error);
    let host_dir = context.store.dir()?.to_owned();
    parent_must_exist(target)?;
    let partial = partial(target);
    let held = Rc::new(hold_file(target)?);
    // Looked for only now that nobody else can be about to give it its name.
    if target.exists() {
        let _ = fs::remove_file(&partial);
        let message = format!("{} exists; choose a new file", target.display());
        return Err(Failure::new(Exit::System, message));
    }
    let progress = Progress::new(context.quiet, "backing up", 0, Unit::Bytes);
    let mut archive = None;
    let report = backed_up(context, target, |engine| {
        // Started anew each time: a writer that merges meanwhile makes us try again.
        let emptied = held.set_len(0);
        emptied.map_err(|error| Error::sink(error.to_string()))?;
        let host = PlatformStorage::open_existing(&host_dir)
            .map_err(|error| Error::sink(error.to_string()))?;
        let tar = Tarball::create(Rc::clone(&held), host);
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

fn to_directory(context: &mut Context, target: &Path) -> Result<BackupReport, Failure> {
    let place = Place::take(target)?;
    let storage = place.open()?;
    let progress = Progress::new(context.quiet, "backing up", 0, Unit::Bytes);
    let report = backed_up(context, target, |engine| {
        place::clear(&storage);
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
