//! What Windows does in its own way: positional calls by another name, and no directory syncs.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The documentation of `MoveFileEx` promises replacement and not atomicity.
pub(super) const ATOMIC_RENAME: bool = false;

/// Opens a symbolic link itself, which is then refused for not being a file.
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// The system's number for what its name says.
const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;

/// Tells a file from another one that got its name later, by its birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64);

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self(metadata.creation_time())
    }
}

pub(super) fn refuse_surprises(options: &mut OpenOptions) {
    options.custom_flags(OPEN_REPARSE_POINT);
}

/// Moves the file's cursor, which nothing here uses.
pub(super) fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(into, offset)
}

/// Reads behind what `into` holds, as far as it has room.
pub(super) fn read_behind(file: &File, into: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
    let held = into.len();
    into.resize(into.capacity(), 0);
    let done = file.seek_read(&mut into[held..], offset);
    into.truncate(held + done.as_ref().map_or(0, |count| *count));
    done
}

/// Moves the file's cursor, which nothing here uses.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(bytes, offset)
}

/// Not asked for on this platform.
pub(super) fn write_with_zeros(_: &File, _: &[u8], _: &[u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn open_directory(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// A directory with open files cannot be removed here.
pub(super) fn is_removed(_: &Metadata) -> bool {
    false
}

/// `LockFileEx` is there on every file system of Windows.
pub(super) fn locks(_: Option<&File>) -> bool {
    true
}

pub(super) fn lengthen(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn has_room(_: &File, _: u64) -> io::Result<bool> {
    Ok(false)
}

pub(super) fn preallocates(_: &Path) -> bool {
    false
}

pub(super) fn preallocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Windows counts handles in millions.
pub(super) fn descriptor_limit() -> Option<usize> {
    None
}

pub(super) fn is_out_of_descriptors(cause: &io::Error) -> bool {
    cause.raw_os_error() == Some(ERROR_TOO_MANY_OPEN_FILES)
}

pub(super) fn is_symbolic_link(_: &io::Error) -> bool {
    false
}

pub(super) fn is_unable(_: &io::Error) -> bool {
    false
}
