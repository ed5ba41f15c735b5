//! What a store must be able to do to be measured, and the list of those that are.
//!
//! Each store's file says which of its settings were chosen and where they are described. The rules:
//! defaults of the store unless said otherwise, no compression, its own relaxed durability (no sync per put)
//! under [`Durability::Relaxed`], and every put durable on return under [`Durability::EachPut`].

#[cfg(feature = "peers")]
mod candystore;
#[cfg(feature = "peers")]
mod fjall;
mod limit;
#[cfg(feature = "peers")]
mod lmdb;
mod portcask;
#[cfg(feature = "peers")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "peers")]
mod sled;

use crate::Result;
use std::path::Path;

/// What a put promises when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As little as the store's documentation offers without giving up its consistency after a crash of the
    /// process.
    Relaxed,
    /// It survives a power loss.
    EachPut,
}

/// What became of a request to reclaim space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// All that can be reclaimed is.
    Done,
    /// The store has no such request.
    #[cfg_attr(
        not(feature = "peers"),
        expect(dead_code, reason = "only peers have none")
    )]
    Unsupported,
}

/// A store under test.
pub trait Engine: Sized {
    /// The same store for threads that only read. Differs only for `limit`, which takes no lock it does not
    /// need.
    type Readers: Engine + Sync;
    /// The same store for threads that read and write.
    type Shared: Engine + Sync;
    /// Filled in batches where filling is not what is measured: for trees, where single commits are slow and
    /// the outcome is the same.
    const LOADS_IN_BATCHES: bool = false;
    /// The largest value it takes.
    const VALUE_BYTES_MAX: usize = usize::MAX;
    /// Opens after a crash. Not for `limit`, which writes its index when it is closed.
    const RECOVERS: bool = true;

    /// Opens the store in this existing directory, creating it if the directory is empty.
    fn open(dir: &Path, durability: Durability) -> Result<Self>;

    /// Stores a value.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Stores values in the store's own kind of batch or transaction.
    fn put_batch(&self, entries: &Entries) -> Result<()>;

    /// Shows the value of a key: where it lies if the store lends it, else in `scratch`.
    fn get<R>(
        &self,
        key: &[u8],
        scratch: &mut Vec<u8>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>>;

    /// Shows the values of several keys by the place of each key.
    fn get_many(
        &self,
        keys: &[&[u8]],
        scratch: &mut Vec<u8>,
        mut look: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        for (at, key) in keys.iter().enumerate() {
            if self
                .get(key, scratch, |value| look(at, Some(value)))?
                .is_none()
            {
                look(at, None);
            }
        }
        Ok(())
    }

    /// Deletes a key that exists.
    fn delete(&self, key: &[u8]) -> Result<()>;

    /// Makes everything durable.
    fn sync(&self) -> Result<()>;

    /// Reclaims the space of what was overwritten and deleted, and waits for it.
    fn merge(&mut self) -> Result<Merge>;

    /// Closes in order.
    fn close(self) -> Result<()>;
}

/// Keys and values of one batch, side by side.
#[derive(Default)]
pub struct Entries {
    bytes: Vec<u8>,
    /// The end of each key and of each value.
    ends: Vec<(usize, usize)>,
}

impl Entries {
    /// Adds one.
    pub fn push(&mut self, (key, value): (&[u8], &[u8])) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((key_end, self.bytes.len()));
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(key_end, end)| {
            let entry = (&self.bytes[start..key_end], &self.bytes[key_end..end]);
            start = end;
            entry
        })
    }
}

/// Something to be done with one engine, whichever it is.
pub trait Task {
    /// Does it.
    fn run<E: Engine>(&self) -> Result<()>;
}

macro_rules! engines {
    ($($(#[$only:meta])* $name:literal => $engine:ty,)*) => {
        /// Every engine, in the order of the tables.
        pub const NAMES: &[&str] = &[$($(#[$only])* $name),*];

        /// Does `task` with the engine of this name.
        pub fn with(name: &str, task: &impl Task) -> Result<()> {
            match name {
                $($(#[$only])* $name => task.run::<$engine>(),)*
                _ => Err(format!("there is no engine \"{name}\"; there are {}", NAMES.join(", ")).into()),
            }
        }
    };
}

engines! {
    "limit" => limit::Pread<limit::Alone>,
    "limit-mmap" => limit::Mapped<limit::Alone>,
    "limit-falloc" => limit::Preallocated<limit::Alone>,
    "portcask" => portcask::Portcask<portcask::Written>,
    "portcask-buffered" => portcask::Portcask<portcask::Buffered>,
    "portcask-mapped" => portcask::Portcask<portcask::Mapped<portcask::Written>>,
    "portcask-mapped-buffered" => portcask::Portcask<portcask::Mapped<portcask::Buffered>>,
    #[cfg(feature = "peers")]
    "lmdb" => lmdb::Lmdb,
    #[cfg(feature = "peers")]
    "redb" => redb::Redb,
    #[cfg(feature = "rocksdb")]
    "rocksdb" => rocksdb::Rocks,
    #[cfg(feature = "peers")]
    "fjall" => fjall::Fjall,
    #[cfg(feature = "peers")]
    "candystore" => candystore::Candy,
    #[cfg(feature = "peers")]
    "sled" => sled::Sled,
}

#[cfg(test)]
mod tests;
