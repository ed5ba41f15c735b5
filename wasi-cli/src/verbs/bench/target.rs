//! The store under load, shared by threads: in a directory or behind a server.

use crate::failure::Failure;
use crate::remote::failure;
use crate::store::open_for_writing;
use portcask::{Db, Error, Options, Stats};
use std::path::Path;

/// A handle that threads clone.
#[derive(Clone)]
pub enum Target {
    Here(Db),
    There(portcask_client::Db),
}

/// What ended a run.
#[derive(Clone)]
pub enum Trouble {
    Here(Error),
    There(portcask_client::Error),
}

impl Trouble {
    /// What it is to a person; `dir` is the store that it was about, if it was a directory's.
    pub fn failure(&self, dir: &Path) -> Failure {
        match self {
            Self::Here(error) => Failure::engine(dir, error),
            Self::There(error) => failure(error),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl From<portcask_client::Error> for Trouble {
    fn from(error: portcask_client::Error) -> Self {
        Self::There(error)
    }
}

impl Target {
    /// Becomes the writer; due merges run in the background, as in any application.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Failure> {
        Db::on(open_for_writing(dir)?, options)
            .map(Self::Here)
            .map_err(|error| Failure::engine(dir, &error))
    }

    /// A value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        Ok(match self {
            Self::Here(db) => db.get(key)?,
            Self::There(db) => db.get(key)?,
        })
    }

    /// Stores a value.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Trouble> {
        match self {
            Self::Here(db) => {
                db.put(key, value)?;
            }
            Self::There(db) => db.put(key, value)?,
        }
        Ok(())
    }

    /// Deletes a key.
    pub fn delete(&self, key: &[u8]) -> Result<(), Trouble> {
        match self {
            Self::Here(db) => db.delete(key)?,
            Self::There(db) => db.delete(key)?,
        };
        Ok(())
    }

    /// Merges everything.
    pub fn merge(&self) -> Result<(), Trouble> {
        match self {
            Self::Here(db) => {
                db.merge_all(|_, _| {})?;
            }
            Self::There(db) => {
                db.merge_all()?;
            }
        }
        Ok(())
    }

    /// Seals the active segment; a server does that by itself.
    pub fn rotate(&self) -> Result<(), Trouble> {
        match self {
            Self::Here(db) => Ok(db.rotate()?),
            Self::There(_) => Ok(()),
        }
    }

    /// The store in numbers; what a server does not tell is 0.
    pub fn stats(&self) -> Result<Stats, Trouble> {
        let db = match self {
            Self::Here(db) => return Ok(db.stats()?),
            Self::There(db) => db,
        };
        let told = db.stats()?;
        Ok(Stats {
            keys: told.keys,
            expiring_keys: 0,
            live_bytes: told.live_bytes.unwrap_or_default(),
            dead_bytes: told.dead_bytes.unwrap_or_default(),
            tombstone_bytes: 0,
            total_bytes: told.total_bytes.unwrap_or_default(),
            fragmentation_percent: 0,
            memory_bytes: told.memory_bytes.unwrap_or_default(),
            last_seq: told.last_seq.unwrap_or_default(),
            oldest_change_seq: 0,
            epoch: 0,
            segments: Vec::new(),
        })
    }

    /// Closes the store, or the connections.
    pub fn close(self) -> Result<(), Trouble> {
        match self {
            Self::Here(db) => Ok(db.close()?),
            Self::There(_) => Ok(()),
        }
    }
}
