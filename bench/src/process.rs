//! What the kernel says of this process and of a directory.

use crate::Result;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of this process's memory that no file stands behind.
pub fn anonymous_bytes() -> Option<u64> {
    status_bytes("RssAnon:")
}

/// The most of [`resident_bytes`] that there ever was.
pub fn peak_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Bytes of this process's memory, files mapped included.
pub fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// Bytes that this process caused to be written to files, counted when a page becomes dirty.
pub fn written_bytes() -> Option<u64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    field(&io, "write_bytes:")
}

/// For how long this process's first thread ran, and for how long it was ready to run and had no processor, in
/// nanoseconds.
pub fn running_and_waiting_ns() -> Option<(u64, u64)> {
    let schedule = fs::read_to_string("/proc/self/schedstat").ok()?;
    let mut words = schedule.split_whitespace();
    words.next()?.parse().ok().zip(words.next()?.parse().ok())
}

/// Bytes that the files of a directory occupy.
pub fn disk_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(found) if found.is_dir() => disk_bytes(&entry.path())?,
            Ok(found) => found.blocks() * 512,
            // A store at work removes files.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(bytes)
}

fn status_bytes(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    field(&status, name).map(|kib| kib * 1024)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Reads every file of a directory once, so that the page cache has them.
pub fn read_all(dir: &Path) -> Result<()> {
    let mut piece = vec![0; 1 << 20];
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path)?;
            continue;
        }
        let mut file = fs::File::open(path)?;
        while file.read(&mut piece)? > 0 {}
    }
    Ok(())
}

/// Waits until everything written to a directory's file system has reached it.
pub fn write_back(dir: &Path) -> Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(dir)?)?)
}
