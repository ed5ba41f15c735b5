//! The system's errors in the contract's classes, with the path and the system's own words.

use portcask_core::storage::{ErrorKind, StorageError};
use std::io;
use std::path::Path;

/// A refusal in these words.
pub(super) fn say(kind: ErrorKind, words: impl Into<String>) -> StorageError {
    StorageError::with_detail(kind, words)
}

/// What the system refused to do with this path.
pub(super) fn refused(path: &Path, cause: io::Error) -> StorageError {
    if super::platform::is_symbolic_link(&cause) {
        let words = format!(
            "{} is a symbolic link, which is not followed",
            path.display()
        );
        return say(ErrorKind::Denied, words);
    }
    say(classify(&cause), format!("{}: {cause}", path.display()))
}

/// Whether the platform, or this file system, cannot do such a thing at all.
pub(super) fn means_unable(cause: &io::Error) -> bool {
    // A directory that cannot be synced answers one of these, by the file system.
    matches!(
        cause.kind(),
        io::ErrorKind::Unsupported
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::IsADirectory
    ) || super::platform::is_unable(cause)
}

fn classify(cause: &io::Error) -> ErrorKind {
    use io::ErrorKind as Io;
    match cause.kind() {
        Io::NotFound | Io::NotADirectory => ErrorKind::NotFound,
        Io::AlreadyExists => ErrorKind::Exists,
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::Full,
        Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::IsADirectory => ErrorKind::Denied,
        Io::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Io,
    }
}
