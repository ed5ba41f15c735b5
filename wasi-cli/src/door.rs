//! What verbs do to a store wherever it is: in a directory, through the engine, or behind a server.

use crate::failure::Failure;
use crate::store::{Page, Store, is_of_one_key};
use portcask::{Batch, ChangePage, Entry, Error, Expiry, Ttl, WriteOptions};

/// An entry, and its sequence number where that is known: a server does not tell it.
pub struct Found {
    pub entry: Entry,
    pub seq: Option<u64>,
}

/// A condition that did not hold: the sequence number of what was there instead, if anything was and it is known.
pub struct Refused {
    pub exists: bool,
    pub seq: Option<u64>,
}

impl Store {
    /// The value of a key.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        match self.server()? {
            Some(server) => server.get(key),
            None => self.read(|engine| engine.get(key)),
        }
    }

    /// A key's entry.
    pub fn entry(&mut self, key: &[u8]) -> Result<Option<Found>, Failure> {
        if let Some(server) = self.server()? {
            let entry = server.entry(key)?;
            return Ok(entry.map(|entry| Found { entry, seq: None }));
        }
        let entry = self.read(|engine| engine.get_entry(key))?;
        Ok(entry.map(|entry| Found {
            seq: Some(entry.seq),
            entry,
        }))
    }

    /// A key's entry; damage that concerns this key alone is the inner error.
    pub fn entry_or_damage(&mut self, key: &[u8]) -> Result<Result<Option<Entry>, Error>, Failure> {
        match self.server()? {
            Some(server) => server.entry(key).map(Ok),
            None => self.read(|engine| match engine.get_entry(key) {
                Err(error) if is_of_one_key(&error) => Ok(Err(error)),
                other => other.map(Ok),
            }),
        }
    }

    /// Whether a key exists.
    pub fn contains_key(&mut self, key: &[u8]) -> Result<bool, Failure> {
        match self.server()? {
            Some(server) => server.contains_key(key),
            None => self.read(|engine| engine.contains_key(key)),
        }
    }

    /// When a key's life ends, and the store's time.
    pub fn ttl(&mut self, key: &[u8]) -> Result<(Ttl, Option<u64>), Failure> {
        match self.server()? {
            Some(server) => server.ttl(key),
            None => self.read(|engine| Ok((engine.ttl(key)?, engine.now_ms()))),
        }
    }

    /// How many keys there are.
    pub fn len(&mut self) -> Result<u64, Failure> {
        match self.server()? {
            Some(server) => server.len(),
            None => self.read(|engine| Ok(engine.len())),
        }
    }

    /// Stores a value. Answers its sequence number where that is known.
    pub fn put(
        &mut self,
        key: &[u8],
        value: &[u8],
        how: &WriteOptions,
    ) -> Result<Result<Option<u64>, Refused>, Failure> {
        if let Some(server) = self.server()? {
            return server.put(key, value, how);
        }
        let done = self.write(|engine| judged(engine.put_with(key, value, how)))?;
        Ok(done.map(Some))
    }

    /// Deletes a key. Answers whether it existed.
    pub fn delete(
        &mut self,
        key: &[u8],
        how: &WriteOptions,
    ) -> Result<Result<bool, Refused>, Failure> {
        if let Some(server) = self.server()? {
            return server.delete(key, how);
        }
        let done = self.write(|engine| judged(engine.delete_with(key, how)))?;
        Ok(done.map(|seq| seq.is_some()))
    }

    /// Gives a key another end. Answers whether it exists.
    pub fn expire(&mut self, key: &[u8], expiry: Expiry) -> Result<bool, Failure> {
        match self.server()? {
            Some(server) => server.expire(key, expiry),
            None => self.write(|engine| engine.expire(key, expiry)),
        }
    }

    /// Takes a key's end away. Answers whether it exists.
    pub fn persist(&mut self, key: &[u8]) -> Result<bool, Failure> {
        if let Some(server) = self.server()? {
            return server.expire(key, Expiry::Never);
        }
        self.write(|engine| {
            let ttl = engine.ttl(key)?;
            engine.persist(key)?;
            Ok(ttl != Ttl::Missing)
        })
    }

    /// Deletes every key. Answers how many there were.
    pub fn clear(&mut self) -> Result<u64, Failure> {
        match self.server()? {
            Some(server) => server.clear(),
            None => self.write(|engine| engine.clear()),
        }
    }

    /// Finds out now whether writing is possible: that a store is locked is said before anything is read.
    pub fn prepare_to_write(&mut self) -> Result<(), Failure> {
        match self.server()? {
            Some(_) => Ok(()),
            None => self.write(|_| Ok(())),
        }
    }

    /// Takes a batch, and does what is due beside it.
    pub fn write_batch(&mut self, batch: &Batch) -> Result<(), Failure> {
        let ack = self.ack();
        match self.server()? {
            Some(server) => server.write_batch(batch, ack),
            None => self.write(|engine| {
                engine.write_with(batch, ack)?;
                engine.tick().map(drop)
            }),
        }
    }

    /// The sequence number from which the feed of changes is complete.
    pub fn oldest_change(&mut self) -> Result<u64, Failure> {
        match self.server()? {
            Some(server) => server.oldest_change(),
            None => self.read(|engine| Ok(engine.stats()?.oldest_change_seq)),
        }
    }

    /// Changes from a sequence number on. Errors if that is beyond the next one: it is another store's then, as a server
    /// says too.
    pub fn changes(&mut self, from: u64, limit: usize) -> Result<ChangePage, Failure> {
        if let Some(server) = self.server()? {
            return server.changes(from, limit);
        }
        let (page, last) =
            self.read(|engine| Ok((engine.changes(from, limit)?, engine.stats()?.last_seq)))?;
        let next = last.saturating_add(1);
        match page.changes.is_empty() && from > next {
            true => Err(Failure::input(format!(
                "the log ends at {last}: there is no change {from} to go on from; --from {next} is the next one"
            ))),
            false => Ok(page),
        }
    }

    /// The entries after `cursor`, about `limit` of them; a server leaves out those whose keys do not start with `prefix`.
    pub fn entries<T>(
        &mut self,
        cursor: u64,
        limit: usize,
        prefix: &[u8],
        pick: impl FnMut(Entry) -> T,
    ) -> Result<Page<T>, Failure> {
        match self.server()? {
            Some(server) => server.entries(cursor, limit, prefix, pick),
            None => self.page(cursor, limit, pick),
        }
    }

    /// As [`Store::entries`], for keys alone.
    pub fn keys(
        &mut self,
        cursor: u64,
        limit: usize,
        prefix: &[u8],
    ) -> Result<Page<Vec<u8>>, Failure> {
        match self.server()? {
            Some(server) => server.keys(cursor, limit, prefix),
            None => self.page(cursor, limit, |entry| entry.key),
        }
    }
}

/// A conditional write: `Err` holds what was found when the condition did not hold.
fn judged<T>(done: Result<T, Error>) -> Result<Result<T, Refused>, Error> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(Error::ConditionFailed { unmet }) => Ok(Err(Refused {
            exists: unmet.found.is_some(),
            seq: unmet.found,
        })),
        Err(error) => Err(error),
    }
}
