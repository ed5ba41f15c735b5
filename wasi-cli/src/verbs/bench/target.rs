//! The store under load, shared by threads.

use crate::failure::Failure;
use crate::store::open_for_writing;
use portcask::{Db, Error, Options, Stats};
use std::path::Path;

/// A handle that threads clone.
#[derive(Clone)]
pub struct Target(Db);

impl Target {
    /// Becomes the writer; due merges run in the background, as in any application.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Failure> {
        Db::on(open_for_writing(dir)?, options)
            .map(Self)
            .map_err(|error| Failure::engine(dir, &error))
    }

    /// A value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    /// Stores a value.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.0.put(key, value).map(drop)
    }

    /// Deletes a key.
    pub fn delete(&self, key: &[u8]) -> Result<(), Error> {
        self.0.delete(key).map(drop)
    }

    /// Merges everything.
    pub fn merge(&self) -> Result<(), Error> {
        self.0.merge_all(|_, _| {}).map(drop)
    }

    /// Seals the active segment.
    pub fn rotate(&self) -> Result<(), Error> {
        self.0.rotate()
    }

    /// The store in numbers.
    pub fn stats(&self) -> Result<Stats, Error> {
        self.0.stats()
    }

    /// Closes the store.
    pub fn close(self) -> Result<(), Error> {
        self.0.close()
    }
}
