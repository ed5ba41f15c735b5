//! Portcask as shipped: the native handle with its defaults, background thread included.
//!
//! `portcask` acknowledges a put once the platform has it (`Ack::Written`, the default), `portcask-buffered` once
//! the engine has it (`Ack::Buffered`, 64 KiB). Durable puts are `Ack::Synced` in both. `portcask-mapped` and
//! `portcask-mapped-buffered` are the same with files mapped, which the user must ask for: `DbOptions::mapped`.

use super::{Durability, Engine, Entries, Merge};
use crate::Result;
use portcask::{Ack, Batch, Db, DbOptions, Options};
use std::marker::PhantomData;
use std::path::Path;

/// A way to open it.
pub trait Flavor: Send + Sync {
    /// The options where puts need not be durable.
    fn relaxed() -> DbOptions;
}

/// The defaults.
pub struct Written;

impl Flavor for Written {
    fn relaxed() -> DbOptions {
        DbOptions::default()
    }
}

/// Acknowledged from the engine's buffer.
pub struct Buffered;

impl Flavor for Buffered {
    fn relaxed() -> DbOptions {
        let options = Options {
            ack: Ack::Buffered,
            ..Options::default()
        };
        options.into()
    }
}

/// With files mapped.
pub struct Mapped<F>(PhantomData<F>);

impl<F: Flavor> Flavor for Mapped<F> {
    fn relaxed() -> DbOptions {
        DbOptions {
            mapped: true,
            ..F::relaxed()
        }
    }
}

/// The handle.
pub struct Portcask<F> {
    db: Db,
    flavor: PhantomData<F>,
}

impl<F: Flavor> Engine for Portcask<F> {
    type Readers = Self;
    type Shared = Self;

    fn open(dir: &Path, durability: Durability) -> Result<Self> {
        let mut options = F::relaxed();
        if durability == Durability::EachPut {
            options.engine.ack = Ack::Synced;
        }
        Ok(Self {
            db: Db::open_with(dir, options)?,
            flavor: PhantomData,
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.db.put(key, value)?;
        Ok(())
    }

    fn put_batch(&self, entries: &Entries) -> Result<()> {
        let mut batch = Batch::borrowed();
        for (key, value) in entries.iter() {
            batch.put(key, value);
        }
        self.db.write(&batch)?;
        Ok(())
    }

    fn get<R>(
        &self,
        key: &[u8],
        _: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        Ok(self.db.get_with(key, look)?)
    }

    fn get_many(
        &self,
        keys: &[&[u8]],
        _: &mut Vec<u8>,
        look: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        Ok(self.db.get_many_with(keys, look)?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.db.delete(key)?;
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.db.sync()?;
        Ok(())
    }

    fn merge(&mut self) -> Result<Merge> {
        self.db.merge_all(|_, _| {})?;
        Ok(Merge::Done)
    }

    fn close(self) -> Result<()> {
        self.db.close()?;
        Ok(())
    }
}
