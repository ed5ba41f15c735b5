//! What commands did, on its way into the log.

use super::{Deal, Entry, Keyspace};
use portcask::{Batch, Expiry, Result, WriteOptions};

impl Keyspace<'_> {
    /// Writes it all, or nothing.
    pub(in crate::store) fn commit(&mut self) -> Result<()> {
        let done = self.write();
        if let Err(error) = &done {
            self.store.troubles.tell(error);
        }
        done
    }

    fn write(&mut self) -> Result<()> {
        if self.cleared {
            return self.commit_clear();
        }
        if self.own.len() + self.earlier.len() > 1 {
            self.store.db.write(&self.batch())?;
        } else if let Some((key, own)) = self.own.first_key_value() {
            match &own.entry {
                Some(entry) => {
                    let how = WriteOptions {
                        expiry: expiry(entry),
                        ..WriteOptions::default()
                    };
                    self.store.db.put_with(key, &entry.value, &how)?;
                }
                None => {
                    self.store.db.delete(key)?;
                }
            }
        }
        for (key, _) in self.deals() {
            self.store.touched(key);
        }
        Ok(())
    }

    fn deals(&self) -> impl Iterator<Item = (&Vec<u8>, &Deal)> {
        let earlier = self.earlier.iter().map(|(key, deal)| (key, deal));
        earlier.chain(&self.own)
    }

    /// Everything that was done, in the order in which it was.
    fn batch(&self) -> Batch<&[u8]> {
        let mut batch = Batch::borrowed();
        self.add_deals(&mut batch);
        batch
    }

    fn add_deals<'b>(&'b self, batch: &mut Batch<&'b [u8]>) {
        let mut deals: Vec<_> = self.deals().collect();
        deals.sort_unstable_by_key(|(_, deal)| deal.number);
        for (key, deal) in deals {
            match &deal.entry {
                Some(entry) => {
                    batch.put_with(key.as_slice(), entry.value.as_slice(), expiry(entry))
                }
                None => batch.delete(key.as_slice()),
            };
        }
    }

    /// A clear is one step of its own, durable at once. With writes after it, what was there is
    /// deleted key by key in their batch, so that it still is all or nothing.
    fn commit_clear(&mut self) -> Result<()> {
        let store = self.store;
        let db = &store.db;
        let mut gone = Vec::new();
        for key in self.store.watches.keys() {
            if db.contains_key(&key)? {
                gone.push(key);
            }
        }
        if self.own.is_empty() {
            db.clear()?;
        } else {
            let mut before = Vec::new();
            for key in db.keys() {
                let key = key?;
                if !self.own.contains_key(&key) {
                    before.push(key);
                }
            }
            let mut batch = Batch::borrowed();
            for key in &before {
                batch.delete(key.as_slice());
            }
            self.add_deals(&mut batch);
            db.write(&batch)?;
        }
        for key in gone.iter().chain(self.own.keys()) {
            self.store.touched(key);
        }
        Ok(())
    }
}

fn expiry(entry: &Entry) -> Expiry {
    entry.expiry_ms.map_or(Expiry::Never, Expiry::AtMs)
}
