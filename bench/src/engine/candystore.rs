//! candystore 1, its plain key-value interface.
//!
//! * Relaxed: the default. Puts go to files at once; a background thread makes a durable checkpoint every 5 s or
//!   128 KiB.
//! * Each put durable: `flush` behind each put, which "flushes index and data files to stable storage"; a
//!   `checkpoint` would wait for the background thread as well.
//! * Merge: none. Its compaction runs in the background, at 4 MiB/s.
//! * Values above 64 KiB need another interface, a list of pieces, and are not measured.

use super::{Durability, Engine, Entries, Merge};
use crate::Result;
use candystore::{CandyStore, Config, MAX_USER_VALUE_SIZE};
use std::path::Path;

/// A store.
pub struct Candy {
    store: CandyStore,
    durability: Durability,
}

impl Candy {
    fn settle(&self) -> Result<()> {
        match self.durability {
            Durability::Relaxed => Ok(()),
            Durability::EachPut => Ok(self.store.flush()?),
        }
    }
}

impl Engine for Candy {
    type Readers = Self;
    type Shared = Self;
    const VALUE_BYTES_MAX: usize = MAX_USER_VALUE_SIZE;

    fn open(dir: &Path, durability: Durability) -> Result<Self> {
        Ok(Self {
            store: CandyStore::open(dir, Config::default())?,
            durability,
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.store.set(key, value)?;
        self.settle()
    }

    /// It has no batches.
    fn put_batch(&self, entries: &Entries) -> Result<()> {
        for (key, value) in entries.iter() {
            self.store.set(key, value)?;
        }
        self.settle()
    }

    fn get<R>(
        &self,
        key: &[u8],
        _: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        Ok(self.store.get(key)?.map(|value| look(&value)))
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.store.remove(key)?;
        self.settle()
    }

    fn sync(&self) -> Result<()> {
        Ok(self.store.flush()?)
    }

    fn merge(&mut self) -> Result<Merge> {
        Ok(Merge::Unsupported)
    }

    fn close(self) -> Result<()> {
        self.store.checkpoint()?;
        drop(self.store);
        Ok(())
    }
}
