//! fjall 3, one keyspace, built without its compression.
//!
//! * Relaxed: the default. "By default, any operation will flush to OS buffers, but not to disk" (its README).
//! * Each put durable: `persist(PersistMode::SyncData)` behind each put.
//! * A block cache of 1 GiB, so that the data fit, as its README advises; the default is smaller.
//! * Merge: the memtable is flushed and all levels are compacted into one (`major_compact`, hidden from its
//!   documentation, but the only such request there is).

use super::{Durability, Engine, Entries, Merge};
use crate::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;

const CACHE_BYTES: u64 = 1 << 30;

/// A database and its keyspace.
pub struct Fjall {
    database: Database,
    pairs: Keyspace,
    durability: Durability,
}

impl Fjall {
    fn settle(&self) -> Result<()> {
        match self.durability {
            Durability::Relaxed => Ok(()),
            Durability::EachPut => self.sync(),
        }
    }
}

impl Engine for Fjall {
    type Readers = Self;
    type Shared = Self;

    fn open(dir: &Path, durability: Durability) -> Result<Self> {
        let database = Database::builder(dir).cache_size(CACHE_BYTES).open()?;
        let pairs = database.keyspace("pairs", KeyspaceCreateOptions::default)?;
        Ok(Self {
            database,
            pairs,
            durability,
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.pairs.insert(key, value)?;
        self.settle()
    }

    fn put_batch(&self, entries: &Entries) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, value) in entries.iter() {
            batch.insert(&self.pairs, key, value);
        }
        batch.commit()?;
        self.settle()
    }

    fn get<R>(
        &self,
        key: &[u8],
        _: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        Ok(self.pairs.get(key)?.map(|value| look(&value)))
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.pairs.remove(key)?;
        self.settle()
    }

    fn sync(&self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn merge(&mut self) -> Result<Merge> {
        self.pairs.rotate_memtable_and_wait()?;
        self.pairs.major_compact()?;
        Ok(Merge::Done)
    }

    fn close(self) -> Result<()> {
        self.database.persist(PersistMode::SyncAll)?;
        Ok(())
    }
}
