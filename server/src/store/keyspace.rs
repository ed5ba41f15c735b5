//! What a command sees of the store, and what it is about to change.
//!
//! Writes are kept here until the command, or the whole transaction, is done, and then committed as one
//! batch: all of it or none, also across a crash. Reads see them at once.

mod commit;

use super::Store;
use crate::protocol::Args;
use crate::pubsub::events::{self, Told};
use crate::pubsub::{Classes, Deed, Kind};
use portcask::{Error, Result};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

/// Keys looked at in one piece of a walk.
const PAGE_KEYS: usize = 256;

/// A key's value and the end of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub value: Vec<u8>,
    /// In milliseconds since 1970.
    pub expiry_ms: Option<u64>,
}

/// What was done to a key, and when among the deeds of the batch.
struct Deal {
    /// `None` is a delete.
    entry: Option<Entry>,
    number: u64,
    command: u32,
}

/// The store as one command sees it.
pub(crate) struct Keyspace<'a> {
    store: &'a Store,
    /// The last deed for each key.
    own: BTreeMap<Vec<u8>, Deal>,
    /// What an earlier command did to keys that a later one changed again: versions of their own.
    earlier: Vec<(Vec<u8>, Deal)>,
    /// The command at hand, of those that are committed together.
    command: u32,
    /// What was there before is gone.
    cleared: bool,
    /// Keys changed, each time.
    changes: u64,
    /// Which events somebody wants to hear of; the rest is kept only for these.
    wanted: Classes,
    /// What the command at hand did.
    deeds: RefCell<Vec<Deed>>,
    /// Keys that the command at hand looked for: those it found, and the others.
    looked_for: Cell<(u64, u64)>,
    /// What all commands did so far, by name, and the messages that they sent, in order.
    told: Vec<Told>,
    /// The ends of lives that were written, in order.
    ends: Vec<(Vec<u8>, Option<u64>)>,
}

impl<'a> Keyspace<'a> {
    pub(super) fn reading(store: &'a Store) -> Self {
        Self {
            store,
            own: BTreeMap::new(),
            earlier: Vec::new(),
            command: 0,
            cleared: false,
            changes: 0,
            wanted: store.events.wanted(),
            deeds: RefCell::default(),
            looked_for: Cell::default(),
            told: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The time that the store trusts, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> Result<u64> {
        self.store.db.now_ms().ok_or(Error::NoClock)
    }

    /// The value of a key, into the caller's buffer. Returns whether the key exists.
    pub(crate) fn get_into(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let exists = match self.own(key) {
            None => self.store.db.get_into(key, into)?,
            Some(own) => {
                into.clear();
                into.extend_from_slice(own.map_or(&[], |it| &it.value));
                own.is_some()
            }
        };
        self.note_look(key, exists);
        Ok(exists)
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = match self.own(key) {
            None => self.store.db.get(key)?,
            Some(own) => own.map(|it| it.value.clone()),
        };
        self.note_look(key, found.is_some());
        Ok(found)
    }

    /// The value of a key and when it ends.
    pub(crate) fn entry(&self, key: &[u8]) -> Result<Option<Entry>> {
        let found = match self.own(key) {
            Some(own) => own.cloned(),
            None => self.store.db.get_entry(key)?.map(|found| Entry {
                value: found.value,
                expiry_ms: found.expiry_ms,
            }),
        };
        self.note_look(key, found.is_some());
        Ok(found)
    }

    pub(crate) fn exists(&self, key: &[u8]) -> Result<bool> {
        let exists = self.is_there(key)?;
        self.note_look(key, exists);
        Ok(exists)
    }

    fn is_there(&self, key: &[u8]) -> Result<bool> {
        match self.own(key) {
            None => self.store.db.contains_key(key),
            Some(own) => Ok(own.is_some()),
        }
    }

    /// Stores a value. One whose time is up already is not there.
    pub(crate) fn put(&mut self, key: &[u8], value: Vec<u8>, expiry_ms: Option<u64>) -> Result<()> {
        let is_over = match expiry_ms {
            Some(at) => at <= self.now_ms()?,
            None => false,
        };
        if self.wanted != Classes::default() {
            let is_new = self.wanted.has(Classes::NEW) && !self.is_there(key)?;
            self.note_end(key, expiry_ms.filter(|_| !is_over));
            self.deeds.get_mut().push(Deed::Put {
                key: key.to_vec(),
                expiry_ms,
                is_new,
                is_over,
            });
        }
        let entry = (!is_over).then_some(Entry { value, expiry_ms });
        self.keep(key, entry);
        Ok(())
    }

    /// Deletes a key. Returns whether it existed.
    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<bool> {
        let existed = self.is_there(key)?;
        if existed && self.wanted != Classes::default() {
            self.note_end(key, None);
            self.deeds.get_mut().push(Deed::Delete(key.to_vec()));
        }
        if existed {
            self.keep(key, None);
        }
        Ok(existed)
    }

    fn keep(&mut self, key: &[u8], entry: Option<Entry>) {
        self.changes += 1;
        let deal = Deal {
            entry,
            number: self.changes,
            command: self.command,
        };
        // Nearly every key is changed once.
        if let Some(before) = self.own.insert(key.to_vec(), deal)
            && before.command != self.command
        {
            self.earlier.push((key.to_vec(), before));
        }
    }

    /// What follows is another command of the same batch: the log keeps what each of them did to a key.
    pub(super) fn next_command(&mut self) {
        self.command += 1;
    }

    pub(super) fn store(&self) -> &'a Store {
        self.store
    }

    /// Whether nobody wants to hear of what is done.
    pub(super) fn is_untold(&self) -> bool {
        self.wanted == Classes::default()
    }

    /// How often something was changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Deletes every key.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
        self.earlier.clear();
        self.ends.clear();
        self.cleared = true;
        self.changes += 1;
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> Result<u64> {
        let mut keys = match self.cleared {
            true => 0,
            false => self.store.db.len()?,
        };
        for (key, own) in &self.own {
            let before = !self.cleared && self.store.db.contains_key(key)?;
            match (before, own.entry.is_some()) {
                (true, false) => keys = keys.saturating_sub(1),
                (false, true) => keys += 1,
                (true, true) | (false, false) => {}
            }
        }
        Ok(keys)
    }

    /// Keys after a cursor, about `limit` of them, and the next cursor; 0 begins and ends.
    pub(crate) fn scan(&self, cursor: u64, limit: usize) -> Result<(Vec<Vec<u8>>, u64)> {
        let (mut keys, next) = match self.cleared {
            true => (Vec::new(), 0),
            false => {
                let page = self.store.db.scan_keys(cursor, limit)?;
                (page.keys, page.next)
            }
        };
        if !self.own.is_empty() {
            keys.retain(|key| !self.own.contains_key(key));
            if next == 0 {
                // They have no place in the store's order yet: the last page shows them.
                let own = self.own.iter().filter(|(_, own)| own.entry.is_some());
                keys.extend(own.map(|(key, _)| key.clone()));
            }
        }
        Ok((keys, next))
    }

    /// Some key: the next one after a random place in the store's order.
    pub(crate) fn random_key(&self) -> Result<Option<Vec<u8>>> {
        // Each hasher of the standard library begins with other random keys.
        let from = RandomState::new().hash_one(0);
        let mut cursor = from;
        let mut is_second_turn = false;
        loop {
            let (keys, next) = self.scan(cursor, 1)?;
            if let Some(key) = keys.into_iter().next() {
                return Ok(Some(key));
            }
            if next != 0 {
                cursor = next;
            } else if is_second_turn || from == 0 {
                return Ok(None);
            } else {
                (cursor, is_second_turn) = (0, true);
            }
        }
    }

    /// Looks at several keys as they are at one moment, for a command that goes on with them when writers may go on,
    /// too. Not inside a transaction, which has the writers' turn already.
    pub(crate) fn at_one_moment<T>(&self, look: impl FnOnce(&Self) -> T) -> T {
        let _turn = self.store.turn();
        look(self)
    }

    /// Shows every key to `sink` until it has had enough.
    pub(crate) fn walk(&self, mut sink: impl FnMut(Vec<u8>) -> bool) -> Result<()> {
        let mut cursor = 0;
        loop {
            let (keys, next) = self.scan(cursor, PAGE_KEYS)?;
            for key in keys {
                if !sink(key) {
                    return Ok(());
                }
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// What this command did to a key: deleted it, or left this; `None` if it did nothing to it.
    fn own(&self, key: &[u8]) -> Option<Option<&Entry>> {
        if self.own.is_empty() && !self.cleared {
            return None;
        }
        match self.own.get(key) {
            Some(own) => Some(own.entry.as_ref()),
            None => self.cleared.then_some(None),
        }
    }

    /// How many keys were looked for since this was asked last: those that were found, and the others.
    pub(crate) fn take_looked_for(&self) -> (u64, u64) {
        self.looked_for.take()
    }

    fn note_look(&self, key: &[u8], exists: bool) {
        let (found, missed) = self.looked_for.get();
        self.looked_for
            .set((found + u64::from(exists), missed + u64::from(!exists)));
        if !exists && self.wanted.has(Classes::MISS) {
            self.deeds.borrow_mut().push(Deed::Miss(key.to_vec()));
        }
    }

    fn note_end(&mut self, key: &[u8], expiry_ms: Option<u64>) {
        if self.store.events.notes_ends() {
            self.ends.push((key.to_vec(), expiry_ms));
        }
    }

    /// A command is done: what it did gets its names, or is forgotten if it was refused.
    pub(crate) fn name_deeds(&mut self, command: &str, args: Args<'_>, was_done: bool) {
        if self.wanted == Classes::default() {
            return;
        }
        let deeds = std::mem::take(self.deeds.get_mut());
        if was_done {
            let events = events::name(command, args, deeds);
            self.told.extend(events.into_iter().map(Told::Event));
        }
    }

    /// Has a message sent once everything is committed.
    pub(crate) fn publish(&mut self, kind: Kind, channel: &[u8], message: &[u8]) {
        let (channel, message) = (channel.to_vec(), message.to_vec());
        self.told.push(Told::Message(kind, channel, message));
    }

    /// Tells what was done to whoever listens.
    pub(super) fn tell(&mut self) {
        let told = &self.store.events;
        if self.cleared && told.notes_ends() {
            told.forget_ends();
        }
        let now = match self.ends.is_empty() {
            true => None,
            false => self.store.db.now_ms(),
        };
        for (key, expiry_ms) in self.ends.drain(..) {
            told.note_end(&key, expiry_ms, now);
        }
        told.tell(self.told.drain(..));
    }
}
