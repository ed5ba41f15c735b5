//! LMDB by `heed` 0.22, the unnamed database of an environment.
//!
//! * Relaxed: `MDB_NOSYNC`, "don't flush system buffers to disk when committing a transaction" (lmdb.h). Without
//!   `MDB_WRITEMAP` a crash of the process alone loses nothing; with it, a stray pointer could write to the
//!   database, which heed advises against.
//! * Each put durable: no flag, a commit syncs.
//! * One put is one write transaction, one get is one read transaction, a batch or a `get_many` is one as well.
//! * Merge: the copying compaction (`mdb_env_copy2` with `MDB_CP_COMPACT`), which then takes the environment's place.

use super::{Durability, Engine, Entries, Merge};
use crate::Result;
use heed::types::Bytes;
use heed::{CompactionOption, Database, Env, EnvFlags, EnvOpenOptions};
use std::fs;
use std::path::{Path, PathBuf};

/// Address space: more than any workload writes.
const MAP_BYTES: usize = 64 << 30;

/// An environment; `None` while it is being replaced.
pub struct Lmdb {
    dir: PathBuf,
    durability: Durability,
    open: Option<Open>,
}

struct Open {
    env: Env,
    pairs: Database<Bytes, Bytes>,
}

impl Open {
    fn new(dir: &Path, durability: Durability) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_readers(256);
        if durability == Durability::Relaxed {
            // SAFETY: what a crash of the machine leaves behind is never opened here.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: this process alone uses the directory, and opens it once at a time.
        let env = unsafe { options.open(dir) }?;
        let mut transaction = env.write_txn()?;
        let pairs = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Self { env, pairs })
    }
}

impl Lmdb {
    fn open(&self) -> Result<&Open> {
        self.open.as_ref().ok_or_else(|| "LMDB is closed".into())
    }
}

impl Engine for Lmdb {
    type Readers = Self;
    type Shared = Self;
    const LOADS_IN_BATCHES: bool = true;

    fn open(dir: &Path, durability: Durability) -> Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            durability,
            open: Some(Open::new(dir, durability)?),
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let Open { env, pairs } = self.open()?;
        let mut transaction = env.write_txn()?;
        pairs.put(&mut transaction, key, value)?;
        Ok(transaction.commit()?)
    }

    fn put_batch(&self, entries: &Entries) -> Result<()> {
        let Open { env, pairs } = self.open()?;
        let mut transaction = env.write_txn()?;
        for (key, value) in entries.iter() {
            pairs.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn get<R>(
        &self,
        key: &[u8],
        _: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        let Open { env, pairs } = self.open()?;
        let transaction = env.read_txn()?;
        Ok(pairs.get(&transaction, key)?.map(look))
    }

    fn get_many(
        &self,
        keys: &[&[u8]],
        _: &mut Vec<u8>,
        mut look: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        let Open { env, pairs } = self.open()?;
        let transaction = env.read_txn()?;
        for (at, key) in keys.iter().enumerate() {
            look(at, pairs.get(&transaction, key)?);
        }
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        let Open { env, pairs } = self.open()?;
        let mut transaction = env.write_txn()?;
        pairs.delete(&mut transaction, key)?;
        Ok(transaction.commit()?)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.open()?.env.force_sync()?)
    }

    fn merge(&mut self) -> Result<Merge> {
        let copy = self.dir.join("copy.mdb");
        let Open { env, .. } = self.open()?;
        env.copy_to_path(&copy, CompactionOption::Enabled)?
            .sync_all()?;
        shut(self.open.take())?;
        fs::rename(copy, self.dir.join("data.mdb"))?;
        self.open = Some(Open::new(&self.dir, self.durability)?);
        Ok(Merge::Done)
    }

    fn close(mut self) -> Result<()> {
        self.sync()?;
        shut(self.open.take())
    }
}

fn shut(open: Option<Open>) -> Result<()> {
    if let Some(open) = open {
        open.env.prepare_for_closing().wait();
    }
    Ok(())
}
