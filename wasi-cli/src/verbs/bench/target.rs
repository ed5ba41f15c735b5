//! The store under load, shared by threads.

use crate::failure::Failure;
use crate::store::{Engine, open_for_writing};
use portcask::{Error, Options, Stats};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle that threads clone.
#[derive(Clone)]
pub struct Target(Arc<Mutex<Engine>>);

impl Target {
    pub fn open(dir: &Path, options: Options) -> Result<Self, Failure> {
        let engine = Engine::open(open_for_writing(dir)?, options)
            .map_err(|error| Failure::engine(dir, &error))?;
        Ok(Self(Arc::new(Mutex::new(engine))))
    }
    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.engine().get(key)
    }
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.engine().put(key, value).map(drop)
    }
    pub fn delete(&self, key: &[u8]) -> Result<(), Error> {
        self.engine().delete(key).map(drop)
    }
    pub fn merge(&self) -> Result<(), Error> {
        self.engine().merge_all(|_, _| {}).map(drop)
    }
    pub fn rotate(&self) -> Result<(), Error> {
        self.engine().rotate()
    }
    pub fn stats(&self) -> Result<Stats, Error> {
        Ok(self.engine().stats())
    }
    pub fn close(self) -> Result<(), Error> {
        match Arc::into_inner(self.0) {
            Some(engine) => engine
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .close(),
            None => Ok(()),
        }
    }
}
