//! The limit's file: read by `pread`, read from a mapping, or grown ahead.

use crate::Result;
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Address space of a mapping: more than any workload writes.
const MAPPED_BYTES: usize = 64 << 30;
/// How far a file is grown at once.
const AHEAD_BYTES: u64 = 64 << 20;

/// A file that is written at its end.
pub trait Medium: Sized + Send + Sync {
    /// Opens or creates it.
    fn open(path: &Path) -> Result<Self>;
    /// The file.
    fn file(&self) -> &File;

    /// Makes room up to `end`.
    fn grow(&self, _grown: &mut u64, _end: u64) -> Result<()> {
        Ok(())
    }

    /// Gives back the room behind `end`.
    fn cut(&self, _end: u64) -> Result<()> {
        Ok(())
    }

    /// Shows the bytes at `offset`, which were written.
    fn read<R>(
        &self,
        offset: u64,
        bytes: usize,
        scratch: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        // Only a longer value than any before costs zeroing.
        if scratch.len() < bytes {
            scratch.resize(bytes, 0);
        }
        self.file().read_exact_at(&mut scratch[..bytes], offset)?;
        Ok(look(&scratch[..bytes]))
    }

    /// Writes at `offset`.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.file().write_all_at(bytes, offset)?)
    }

    /// Makes what was written durable.
    fn sync(&self) -> Result<()> {
        Ok(self.file().sync_data()?)
    }

    /// Its length.
    fn len(&self) -> Result<u64> {
        Ok(self.file().metadata()?.len())
    }
}

fn opened(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    Ok(options.open(path)?)
}

/// A file and nothing else.
pub struct PlainFile(File);

impl Medium for PlainFile {
    fn open(path: &Path) -> Result<Self> {
        opened(path).map(Self)
    }

    fn file(&self) -> &File {
        &self.0
    }
}

/// A file and a mapping that reaches far beyond its end, so that it never has to be made anew.
pub struct MappedFile {
    file: File,
    map: MmapRaw,
}

impl Medium for MappedFile {
    fn open(path: &Path) -> Result<Self> {
        let file = opened(path)?;
        let map = MmapOptions::new()
            .len(MAPPED_BYTES)
            .map_raw_read_only(&file)?;
        Ok(Self { file, map })
    }

    fn file(&self) -> &File {
        &self.file
    }

    fn read<R>(
        &self,
        offset: u64,
        bytes: usize,
        _: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        let start = offset as usize;
        assert!(
            start + bytes <= MAPPED_BYTES,
            "the file outgrew its mapping"
        );
        // SAFETY: the stretch is inside the mapping, and inside the file: only places that were written are
        // asked for, and this process, which alone uses the directory, never shortens a file that it has
        // mapped nor overwrites what it wrote.
        let value = unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(start), bytes) };
        Ok(look(value))
    }
}

/// A file whose room is allocated before it is needed, so that a sync has no length to write.
pub struct AheadFile(File);

impl Medium for AheadFile {
    fn open(path: &Path) -> Result<Self> {
        opened(path).map(Self)
    }

    fn file(&self) -> &File {
        &self.0
    }

    fn grow(&self, grown: &mut u64, end: u64) -> Result<()> {
        while *grown < end {
            fallocate(&self.0, FallocateFlags::empty(), *grown, AHEAD_BYTES)?;
            *grown += AHEAD_BYTES;
        }
        Ok(())
    }

    fn cut(&self, end: u64) -> Result<()> {
        Ok(self.0.set_len(end)?)
    }
}
