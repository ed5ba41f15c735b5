//! The store under load in a WASI guest, which has one thread.

use crate::failure::Failure;
use crate::store::{Engine, open_for_writing};
use portcask::{Error, Options, Stats};
use std::cell::RefCell;
use std::path::Path;

/// What ended a run.
#[derive(Clone)]
pub struct Trouble(Error);

impl Trouble {
    /// What it is to a person.
    pub fn failure(&self, dir: &Path) -> Failure {
        Failure::engine(dir, &self.0)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// The engine, with the same face as the native handle.
pub struct Target(RefCell<Engine>);

impl Target {
    /// Becomes the writer.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Failure> {
        Engine::open(open_for_writing(dir)?, options)
            .map(|engine| Self(RefCell::new(engine)))
            .map_err(|error| Failure::engine(dir, &error))
    }

    /// A value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        Ok(self.0.borrow().get(key)?)
    }

    /// Stores a value.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Trouble> {
        Ok(self.0.borrow_mut().put(key, value).map(drop)?)
    }

    /// Deletes a key.
    pub fn delete(&self, key: &[u8]) -> Result<(), Trouble> {
        Ok(self.0.borrow_mut().delete(key).map(drop)?)
    }

    /// Merges everything.
    pub fn merge(&self) -> Result<(), Trouble> {
        Ok(self.0.borrow_mut().merge_all(|_, _| {}).map(drop)?)
    }

    /// Seals the active segment.
    pub fn rotate(&self) -> Result<(), Trouble> {
        Ok(self.0.borrow_mut().rotate()?)
    }

    /// The store in numbers.
    pub fn stats(&self) -> Result<Stats, Trouble> {
        Ok(self.0.borrow().stats()?)
    }

    /// Closes the store.
    pub fn close(self) -> Result<(), Trouble> {
        Ok(self.0.into_inner().close()?)
    }
}
