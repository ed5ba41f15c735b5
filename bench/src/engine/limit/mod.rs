//! What the hardware and the kernel allow: not a database.
//!
//! The same bytes appended through a 64 KiB buffer, a hash map with the 16-byte key inline, one positional read
//! per get. No checksum, no header, no lock that the workload does not need, nothing to recover from. `limit-mmap`
//! reads from a mapping instead; `limit-falloc` grows its file 64 MiB ahead.
//!
//! ```text
//!   data     key | value, key | value, ...   a deleted key stands alone
//!   index    written at close: key 16, offset 8, length 4, for each key
//! ```

mod access;
mod index;
mod medium;
mod rewrite;

pub use access::{Alone, Readers, Threads};
pub use medium::{AheadFile, MappedFile, PlainFile};

use super::{Durability, Engine, Entries, Merge};
use crate::Result;
use access::{Access, Guard};
use guest::data::KEY_BYTES_MAX;
use hashbrown::HashMap;
use medium::Medium;
use std::path::{Path, PathBuf};

/// Appends gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Reads with `pread`.
pub type Pread<A> = Limit<A, PlainFile>;
/// Reads from a mapping.
pub type Mapped<A> = Limit<A, MappedFile>;
/// Grows its file ahead.
pub type Preallocated<A> = Limit<A, AheadFile>;

/// The append-only file and its map.
pub struct Limit<A: Access, M> {
    dir: PathBuf,
    durability: Durability,
    medium: M,
    log: A::Of<Log>,
}

/// What a put changes.
struct Log {
    places: HashMap<Key, Place>,
    /// The end of the file; `buffer` comes behind it.
    end: u64,
    buffer: Vec<u8>,
    /// How far the file was grown.
    grown: u64,
    /// There is an index on disk, which the first append makes out of date.
    is_indexed: bool,
}

type Key = [u8; KEY_BYTES_MAX];

/// Where a value is.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    bytes: u32,
}

impl<A: Access, M: Medium> Limit<A, M> {
    /// Appends a key and its value, or a key alone.
    fn append(&self, log: &mut Log, key: &[u8], value: &[u8]) -> Result<u64> {
        if std::mem::take(&mut log.is_indexed) {
            index::remove(&self.dir)?;
        }
        let offset = log.end + (log.buffer.len() + key.len()) as u64;
        log.buffer.extend_from_slice(key);
        log.buffer.extend_from_slice(value);
        if log.buffer.len() >= BUFFER_BYTES {
            self.flush(log)?;
        }
        Ok(offset)
    }

    fn flush(&self, log: &mut Log) -> Result<()> {
        let end = log.end + log.buffer.len() as u64;
        self.medium.grow(&mut log.grown, end)?;
        self.medium.write(log.end, &log.buffer)?;
        log.end = end;
        log.buffer.clear();
        Ok(())
    }

    fn insert(&self, log: &mut Log, key: &[u8], value: &[u8]) -> Result<()> {
        let offset = self.append(log, key, value)?;
        let bytes = value.len() as u32;
        log.places.insert(inline(key), Place { offset, bytes });
        Ok(())
    }

    /// Syncs if every put has to be durable: each thread for itself, without a lock.
    fn settle(&self) -> Result<()> {
        match self.durability {
            Durability::Relaxed => Ok(()),
            Durability::EachPut => self.medium.sync(),
        }
    }

    fn flush_if_each(&self, log: &mut Log) -> Result<()> {
        match self.durability {
            Durability::Relaxed => Ok(()),
            Durability::EachPut => self.flush(log),
        }
    }
}

impl<A: Access, M: Medium> Engine for Limit<A, M> {
    type Readers = Limit<Readers, M>;
    type Shared = Limit<Threads, M>;
    const RECOVERS: bool = false;

    fn open(dir: &Path, durability: Durability) -> Result<Self> {
        let medium = M::open(&dir.join("data"))?;
        let end = medium.len()?;
        let log = Log {
            is_indexed: index::exists(dir),
            places: index::load(dir)?,
            end,
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
            grown: end,
        };
        Ok(Self {
            dir: dir.to_owned(),
            durability,
            medium,
            log: A::guard(log),
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.log.write(|log| {
            self.insert(log, key, value)?;
            self.flush_if_each(log)
        })?;
        self.settle()
    }

    fn put_batch(&self, entries: &Entries) -> Result<()> {
        self.log.write(|log| {
            for (key, value) in entries.iter() {
                self.insert(log, key, value)?;
            }
            self.flush_if_each(log)
        })?;
        self.settle()
    }

    fn get<R>(
        &self,
        key: &[u8],
        scratch: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        let place = self.log.read(|log| {
            let place = *log.places.get(&inline(key))?;
            let unwritten = place.offset.checked_sub(log.end);
            if let Some(start) = unwritten {
                scratch.clear();
                scratch.extend_from_slice(&log.buffer[start as usize..][..place.bytes as usize]);
            }
            Some((place, unwritten.is_some()))
        });
        match place {
            None => Ok(None),
            Some((_, true)) => Ok(Some(look(scratch))),
            Some((place, false)) => {
                let bytes = place.bytes as usize;
                self.medium
                    .read(place.offset, bytes, scratch, look)
                    .map(Some)
            }
        }
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.log.write(|log| {
            log.places.remove(&inline(key));
            self.append(log, key, &[])?;
            self.flush_if_each(log)
        })?;
        self.settle()
    }

    fn sync(&self) -> Result<()> {
        self.log.write(|log| self.flush(log))?;
        self.medium.sync()
    }

    fn merge(&mut self) -> Result<Merge> {
        self.rewrite()?;
        Ok(Merge::Done)
    }

    fn close(self) -> Result<()> {
        self.log.write(|log| {
            self.flush(log)?;
            self.medium.cut(log.end)?;
            index::save(&self.dir, &log.places)
        })?;
        self.medium.sync()
    }
}

/// The key with zeros behind it.
fn inline(key: &[u8]) -> Key {
    let mut inline = [0; KEY_BYTES_MAX];
    match <&Key>::try_from(key) {
        Ok(whole) => inline = *whole,
        Err(_) => inline[..key.len()].copy_from_slice(key),
    }
    inline
}
