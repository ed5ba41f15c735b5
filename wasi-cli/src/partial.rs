//! What is built beside the name it will have, `NAME.partial`, by one process at a time.
//!
//! Whoever builds holds a lock on the file or directory itself, which ends with the process, so what a
//! killed one left is in nobody's way. Hosts and file systems without locks keep nobody out.

use crate::failure::{Exit, Failure};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Looks for the file that a name means. A file system that numbers its files anew each time would be
/// asked for ever.
const TRIES: u32 = 20;

/// Where a path's neighbour is built before it takes the path's name.
pub fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// An empty file beside `target`, held until it is dropped: drop it after the renaming.
pub fn hold_file(target: &Path) -> Result<File, Failure> {
    let at = partial(target);
    let file = hold(&at, || {
        let mut how = File::options();
        how.read(true).write(true).create(true).truncate(false);
        how.open(&at)
    });
    let file = file.map_err(|refusal| refusal.explain(target))?;
    match file.set_len(0) {
        Ok(()) => Ok(file),
        Err(error) => Err(Failure::file("write", target, &error)),
    }
}

/// Holds the directory `at`, in which `target` is built or which it is, and creates it if need be.
/// `None` where directories have no locks.
pub fn hold_directory(target: &Path, at: &Path) -> Result<Option<File>, Failure> {
    let open = || {
        // Whether it was there does not matter, and why it cannot be made is told by its first file.
        let _ = fs::create_dir(at);
        File::open(at)
    };
    match hold(at, open) {
        Ok(held) => Ok(Some(held)),
        Err(Refusal::Busy) => Err(Refusal::Busy.explain(target)),
        Err(Refusal::System(_)) => Ok(None),
    }
}

enum Refusal {
    Busy,
    System(io::Error),
}

impl Refusal {
    fn explain(self, target: &Path) -> Failure {
        match self {
            Self::System(error) => Failure::file("write", target, &error),
            Self::Busy => Failure::new(
                Exit::Locked,
                format!("another process is writing {}", target.display()),
            ),
        }
    }
}

/// Opens and locks what lies at `at`. What got its name, or was removed, between the two is let go.
fn hold(at: &Path, open: impl Fn() -> io::Result<File>) -> Result<File, Refusal> {
    let mut tries = 0;
    loop {
        let file = open().map_err(Refusal::System)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Refusal::Busy);
        }
        tries += 1;
        if is_still_at(&file, at) || tries == TRIES {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(held), Ok(found)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (held.dev(), held.ino()) == (found.dev(), found.ino())
}

/// An open file keeps its name elsewhere, or there is no lock that could have changed hands.
#[cfg(not(unix))]
fn is_still_at(_: &File, _: &Path) -> bool {
    true
}
