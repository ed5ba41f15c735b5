//! sled 0.34, its default tree.
//!
//! * Relaxed: the default, a flush every 500 ms in the background. Cache: the default, 1 GiB.
//! * Each put durable: `flush` behind each put.
//! * Merge: none; it cleans its log as it goes.

use super::{Durability, Engine, Entries, Merge};
use crate::Result;
use sled::{Batch, Db};
use std::path::Path;

/// A database.
pub struct Sled {
    db: Db,
    durability: Durability,
}

impl Sled {
    fn settle(&self) -> Result<()> {
        match self.durability {
            Durability::Relaxed => Ok(()),
            Durability::EachPut => self.sync(),
        }
    }
}

impl Engine for Sled {
    type Readers = Self;
    type Shared = Self;

    fn open(dir: &Path, durability: Durability) -> Result<Self> {
        let db = sled::open(dir)?;
        Ok(Self { db, durability })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.db.insert(key, value)?;
        self.settle()
    }

    fn put_batch(&self, entries: &Entries) -> Result<()> {
        let mut batch = Batch::default();
        for (key, value) in entries.iter() {
            batch.insert(key, value);
        }
        self.db.apply_batch(batch)?;
        self.settle()
    }

    fn get<R>(
        &self,
        key: &[u8],
        _: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        Ok(self.db.get(key)?.map(|value| look(&value)))
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.db.remove(key)?;
        self.settle()
    }

    fn sync(&self) -> Result<()> {
        self.db.flush()?;
        Ok(())
    }

    fn merge(&mut self) -> Result<Merge> {
        Ok(Merge::Unsupported)
    }

    fn close(self) -> Result<()> {
        self.sync()
    }
}
