//! Live backups: a copy of the store in a directory of its own, while clients read and write.
//!
//! A copy is made under another name and gets its own when it is whole and durable, so whatever is called a backup
//! opens by itself.

use crate::store::Store;
use portcask::storage::{Storage, StorageError};
use portcask::{Error, PlatformStorage};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const PREFIX: &str = "backup-";
const UNFINISHED: &str = ".unfinished";

/// Why there is no backup.
#[derive(Debug)]
pub(crate) enum BackupError {
    Store(Error),
    Files(PathBuf, io::Error),
    Open(PathBuf, StorageError),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Open(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Files(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

/// Copies the store, as it is now, to a new directory in `into`. Returns where.
pub(crate) fn back_up(store: &Store, into: &Path) -> Result<PathBuf, BackupError> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        |error| BackupError::Files(path, error)
    };
    fs::create_dir_all(into).map_err(at(into))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = now.unwrap_or_default().as_millis();
    let name = format!("{PREFIX}{ms}");
    clear_drafts(into);
    let draft = into.join(format!("{name}{UNFINISHED}"));
    let copied = copy(store, &draft);
    if copied.is_err() {
        // Best effort: the error to tell is the first one, and the name says that it is not whole.
        let _ = fs::remove_dir_all(&draft);
    }
    copied?;
    let path = into.join(name);
    fs::rename(&draft, &path).map_err(at(&path))?;
    let parent = File::open(into).and_then(|dir| dir.sync_all());
    parent.map_err(at(into))?;
    Ok(path)
}

/// Removes what backups left that were killed: they hold as much as whole ones, and nobody asks for them.
///
/// Best effort, as what is in the way of this does not have to be in the way of a backup.
fn clear_drafts(into: &Path) {
    let Ok(found) = fs::read_dir(into) else {
        return;
    };
    for draft in found.filter_map(Result::ok) {
        let (name, path) = (draft.file_name(), draft.path());
        if !name.to_str().is_some_and(is_draft) || !draft.file_type().is_ok_and(|it| it.is_dir()) {
            continue;
        }
        // Another server may be at work on it.
        let Ok(files) = PlatformStorage::open(&path) else {
            continue;
        };
        let Ok(_lock) = files.lock() else {
            continue;
        };
        match fs::remove_dir_all(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "removed what is left of a backup"),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "an unfinished backup stays")
            }
        }
    }
}

/// Whether it is a name that [`back_up`] gives to what is not whole.
fn is_draft(name: &str) -> bool {
    let number = name
        .strip_prefix(PREFIX)
        .and_then(|it| it.strip_suffix(UNFINISHED));
    number.is_some_and(|ms| !ms.is_empty() && ms.bytes().all(|byte| byte.is_ascii_digit()))
}

fn copy(store: &Store, draft: &Path) -> Result<(), BackupError> {
    let opened = PlatformStorage::open(draft);
    let at_draft = |error| BackupError::Open(draft.to_path_buf(), error);
    let files = opened.map_err(at_draft)?;
    // Until it is whole nobody takes it for what a kill left. Where nothing can be locked, nothing is removed either.
    let _lock = files.lock();
    let copied = store.db().backup(&files, |_, _| {});
    copied.map(drop).map_err(BackupError::Store)
}
