//! Files that are not the store's: written beside their name and renamed when complete.

use crate::failure::Failure;
use crate::partial::{hold_file, partial};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that appears under its name only when it is complete and synced.
pub struct Replacing {
    path: PathBuf,
    /// Where it is written meanwhile; `None` for a device or a pipe, which cannot be replaced.
    partial: Option<PathBuf>,
    to: BufWriter<File>,
    bytes: u64,
}

impl Replacing {
    /// Starts the file.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let is_special = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        let to = match is_special {
            true => File::create(path).map_err(|error| Failure::file("write", path, &error))?,
            false => hold_file(path)?,
        };
        let partial = (!is_special).then(|| partial(path));
        let to = BufWriter::with_capacity(256 << 10, to);
        Ok(Self {
            path: path.to_owned(),
            partial,
            to,
            bytes: 0,
        })
    }

    /// Gives the complete file its name. Returns its length in bytes.
    pub fn commit(mut self) -> Result<u64, Failure> {
        let refused = |error: io::Error| Failure::file("write", &self.path, &error);
        self.to.flush().map_err(refused)?;
        if let Some(partial) = &self.partial {
            self.to.get_ref().sync_all().map_err(refused)?;
            fs::rename(partial, &self.path).map_err(refused)?;
            sync_parent(&self.path);
        }
        self.partial = None;
        Ok(self.bytes)
    }
}

impl Write for Replacing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            let _ = fs::remove_file(partial);
        }
    }
}

/// Makes a new name survive a power loss, where a directory can be synced at all.
pub fn sync_parent(path: &Path) {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Ok(parent) = File::open(parent.unwrap_or(Path::new("."))) {
        let _ = parent.sync_all();
    }
}

/// The most memory this process has had, where the system tells.
pub fn peak_memory_bytes() -> Option<u64> {
    status_bytes("VmHWM:").or_else(guest_memory_bytes)
}

/// The memory this process has now, where the system tells.
pub fn memory_bytes() -> Option<u64> {
    status_bytes("VmRSS:").or_else(guest_memory_bytes)
}

/// Processor time of this process so far (user, system) in milliseconds, where the system tells.
pub fn processor_ms() -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in parentheses and may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    // Linux counts these in hundredths of a second.
    let mut next = || fields.next()?.parse::<u64>().ok().map(|ticks| ticks * 10);
    Some((next()?, next()?))
}

fn status_bytes(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(target_arch = "wasm32")]
fn guest_memory_bytes() -> Option<u64> {
    Some(core::arch::wasm32::memory_size(0) as u64 * 65_536)
}

#[cfg(not(target_arch = "wasm32"))]
fn guest_memory_bytes() -> Option<u64> {
    None
}
