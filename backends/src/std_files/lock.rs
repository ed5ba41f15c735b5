//! The writer's lock: a kernel lock on the file `lock`, which says inside who holds it.
//!
//! The kernel drops the lock when its holder dies, so a left-over file blocks nobody and its words
//! count only while somebody holds the lock. The file is never removed: a waiter could lock the
//! removed one while a third locks a new one.

use super::platform::{self, Identity};
use super::refusal::{means_unable, refused, say};
use portcask_core::storage::{ErrorKind, StorageError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The lock file's name in the directory.
const LOCK_NAME: &str = "lock";

/// Most of the holder's words that are read, in bytes.
const HOLDER_BYTES_MAX: u64 = 256;

/// The exclusive right to write in a directory; given back when dropped or when the process dies.
#[derive(Debug)]
pub struct StdLock {
    file: File,
    /// The process that took it.
    holder: u32,
}

/// Closing alone would not do: a child process that another thread is just starting holds the same
/// descriptor, and with it the lock, until it has become its own program. A child that lives on as
/// a copy of this process gives back nothing, because the right is its parent's.
impl Drop for StdLock {
    fn drop(&mut self) {
        if self.holder == std::process::id() {
            // What refuses here is closed in the next moment.
            let _ = self.file.unlock();
        }
    }
}

impl StdLock {
    pub(super) fn take(directory: &Path) -> Result<Self, StorageError> {
        let path = directory.join(LOCK_NAME);
        let refuse = |cause| refused(&path, cause);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        platform::refuse_surprises(&mut options);
        let mut file = options.open(&path).map_err(refuse)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(directory, &mut file)),
            Err(TryLockError::Error(cause)) if means_unable(&cause) => {
                return Err(say(ErrorKind::Unsupported, refuse(cause).detail));
            }
            Err(TryLockError::Error(cause)) => return Err(refuse(cause)),
        }
        // A lock on a file that somebody has meanwhile removed or replaced excludes nobody.
        let held = file.metadata().map_err(refuse)?;
        let named = std::fs::symlink_metadata(&path).map_err(refuse)?;
        if Identity::of(&held) != Identity::of(&named) {
            let words = format!("{} was replaced while it was locked", path.display());
            return Err(say(ErrorKind::Locked, words));
        }
        // The words are for people; a disk too full for them does not make the lock weaker.
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all(introduction().as_bytes()));
        let holder = std::process::id();
        Ok(Self { file, holder })
    }
}

fn locked(directory: &Path, file: &mut File) -> StorageError {
    let mut words = String::new();
    // Where locked bytes cannot be read, the holder stays unnamed.
    let _ = file.take(HOLDER_BYTES_MAX).read_to_string(&mut words);
    let holder: String = words.chars().filter(|c| !c.is_control()).collect();
    let holder = if holder.is_empty() {
        "another process".into()
    } else {
        holder
    };
    say(
        ErrorKind::Locked,
        format!("{} is held by {holder}", directory.display()),
    )
}

/// "process 4711 (portcask) since 2026-11-21 09:30:00 UTC".
fn introduction() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    format!(
        "process {} ({}) since {}\n",
        std::process::id(),
        program.display(),
        utc(now.map_or(0, |since| since.as_secs()))
    )
}

/// Seconds since 1970 as a date, by the days-to-civil algorithm of Howard Hinnant.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_given_back_is_free_while_a_child_process_starts() {
        let home = tempfile::TempDir::new().unwrap();
        let lock = StdLock::take(home.path()).unwrap();
        // What a child holds between fork and exec: the same open file.
        let inherited = lock.file.try_clone().unwrap();
        drop(lock);
        StdLock::take(home.path()).unwrap();
        drop(inherited);
    }

    #[test]
    fn the_holder_tells_the_day_right_also_around_leap_days() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_767_225_599), "2025-12-31 23:59:59 UTC");
    }
}
