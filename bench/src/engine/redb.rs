//! redb 4, one table in one file.
//!
//! * Relaxed: commits with `Durability::None`, which "will not be persisted to disk unless followed by a commit
//!   with Durability::Immediate" (its documentation); an empty immediate commit makes everything durable.
//! * Each put durable: `Durability::Immediate`, the default. Cache: the default, 1 GiB.
//! * One put is one write transaction, one get is one read transaction, a batch or a `get_many` is one as well.
//! * Merge: `Database::compact`.

use super::{Durability, Engine, Entries, Merge};
use crate::Result;
use redb::{Database, ReadableDatabase, TableDefinition, WriteTransaction};
use std::path::Path;

const PAIRS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("pairs");

/// A database.
pub struct Redb {
    database: Database,
    durability: redb::Durability,
}

impl Redb {
    fn write(&self) -> Result<WriteTransaction> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        Ok(transaction)
    }
}

impl Engine for Redb {
    type Readers = Self;
    type Shared = Self;
    const LOADS_IN_BATCHES: bool = true;

    fn open(dir: &Path, durability: Durability) -> Result<Self> {
        let file = dir.join("redb");
        let is_new = !file.exists();
        let database = Database::create(file)?;
        if is_new {
            let transaction = database.begin_write()?;
            transaction.open_table(PAIRS)?;
            transaction.commit()?;
        }
        let durability = match durability {
            Durability::Relaxed => redb::Durability::None,
            Durability::EachPut => redb::Durability::Immediate,
        };
        Ok(Self {
            database,
            durability,
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let transaction = self.write()?;
        transaction.open_table(PAIRS)?.insert(key, value)?;
        Ok(transaction.commit()?)
    }

    fn put_batch(&self, entries: &Entries) -> Result<()> {
        let transaction = self.write()?;
        let mut pairs = transaction.open_table(PAIRS)?;
        for (key, value) in entries.iter() {
            pairs.insert(key, value)?;
        }
        drop(pairs);
        Ok(transaction.commit()?)
    }

    fn get<R>(
        &self,
        key: &[u8],
        _: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        let pairs = self.database.begin_read()?.open_table(PAIRS)?;
        Ok(pairs.get(key)?.map(|value| look(value.value())))
    }

    fn get_many(
        &self,
        keys: &[&[u8]],
        _: &mut Vec<u8>,
        mut look: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        let pairs = self.database.begin_read()?.open_table(PAIRS)?;
        for (at, key) in keys.iter().enumerate() {
            let value = pairs.get(key)?;
            look(at, value.as_ref().map(|value| value.value()));
        }
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        let transaction = self.write()?;
        transaction.open_table(PAIRS)?.remove(key)?;
        Ok(transaction.commit()?)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.database.begin_write()?.commit()?)
    }

    fn merge(&mut self) -> Result<Merge> {
        self.sync()?;
        self.database.compact()?;
        Ok(Merge::Done)
    }

    fn close(self) -> Result<()> {
        self.sync()?;
        drop(self.database);
        Ok(())
    }
}
