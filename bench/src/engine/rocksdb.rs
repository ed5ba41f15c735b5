//! RocksDB by its crate 0.25, the default column family. Behind the feature `rocksdb`: it takes long to compile.
//!
//! * Relaxed: the default, the log is written but not synced.
//! * Each put durable: `WriteOptions::set_sync(true)`; concurrent writers share a sync.
//! * A block cache of 1 GiB and Bloom filters of 10 bits per key, as its wiki advises for point lookups ("Setup
//!   Options and Basic Tuning"); no compression, which is also how the crate is built here.
//! * Merge: `compact_range` over all keys.

use super::{Durability, Engine, Entries, Merge};
use crate::Result;
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Options, WriteBatch, WriteOptions};
use std::path::Path;

const CACHE_BYTES: usize = 1 << 30;
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// A database.
pub struct Rocks {
    db: DB,
    durability: Durability,
}

impl Rocks {
    fn options(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.durability == Durability::EachPut);
        options
    }
}

impl Engine for Rocks {
    type Readers = Self;
    type Shared = Self;

    fn open(dir: &Path, durability: Durability) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::None);
        options.set_block_based_table_factory(&blocks);
        let db = DB::open(&options, dir)?;
        Ok(Self { db, durability })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.db.put_opt(key, value, &self.options())?)
    }

    fn put_batch(&self, entries: &Entries) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in entries.iter() {
            batch.put(key, value);
        }
        Ok(self.db.write_opt(batch, &self.options())?)
    }

    fn get<R>(
        &self,
        key: &[u8],
        _: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        Ok(self.db.get_pinned(key)?.map(|value| look(&value)))
    }

    fn get_many(
        &self,
        keys: &[&[u8]],
        _: &mut Vec<u8>,
        mut look: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        for (at, value) in self.db.multi_get(keys).into_iter().enumerate() {
            look(at, value?.as_deref());
        }
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        Ok(self.db.delete_opt(key, &self.options())?)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.db.flush_wal(true)?)
    }

    fn merge(&mut self) -> Result<Merge> {
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(Merge::Done)
    }

    fn close(self) -> Result<()> {
        self.sync()?;
        self.db.cancel_all_background_work(true);
        Ok(())
    }
}
