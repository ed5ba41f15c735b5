//! Gets: locate under the index cell, read outside of it, check everything, prove the key.

use super::ordinary::{Seen, Sight, Sights};
use super::{Engine, Role};
use crate::error::{Error, Result};
use crate::fallible;
use crate::format::{KeyHash, Space};
use crate::index::IndexCell;
use crate::keydir::{AHEAD, Slot};
use crate::prelude::*;
use crate::segment::long::LongValue;
use crate::segment::read::{Checked, LONG_BYTES, Located, Spot};
use crate::storage::{ErrorKind, File, Host, Storage};
use core::ops::Range;

/// How often a reader looks again when a file vanished between the look and the read.
const RETRIES: usize = 8;

/// A key with its value and what the log says about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The sequence number of this version.
    pub seq: u64,
    /// When the key's life ends, in milliseconds since 1970.
    pub expiry_ms: Option<u64>,
}

/// What [`Reader::get_or_long`] found.
pub enum Found<F> {
    /// The value lies in the caller's buffer, here.
    Buffered(Range<usize>),
    /// A long value, to be read in pieces.
    Long(LongValue<F>),
}

/// Reads through an index cell: what [`Engine`] uses, and what a front end gives its threads.
///
/// A read costs one look at the index and one positional read of the whole record.
pub struct Reader<'a, H, C> {
    host: &'a H,
    pub(super) cell: &'a C,
    accept_stale: bool,
}

impl<'a, H, C> Reader<'a, H, C> {
    /// A reader over `cell`, taking the time from `host`. With `accept_stale`, a degraded store
    /// answers older versions instead of [`Error::MaybeStale`].
    pub fn new(host: &'a H, cell: &'a C, accept_stale: bool) -> Self {
        Self {
            host,
            cell,
            accept_stale,
        }
    }
}

impl<H: Host, C> Reader<'_, H, C> {
    /// The value of a key, into the caller's buffer, replacing what it held. Returns whether the
    /// key exists; if not, the buffer is empty.
    pub fn get_into<F: File + Clone>(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool>
    where
        C: IndexCell<F>,
    {
        self.value(key, None, into)
    }

    /// Where in `buffer` the value of a key lies, behind the rest of its record: nothing is moved, and a
    /// buffer that is used again costs no memory. `None` if the key does not exist.
    pub fn get_record<F: File + Clone>(
        &self,
        key: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Range<usize>>>
    where
        C: IndexCell<F>,
    {
        self.record(key, None, buffer)
    }

    /// The value of a key, to be read in pieces from its file, if its record (head, key and value, in
    /// bytes, rounded up by less than 1/1000) has `record_bytes` or more. `None` where [`Reader::get_into`]
    /// is to be asked: the key is absent or expired, its record is shorter or not in a file yet, or its
    /// bytes are not what was written. An error if the platform cannot read it, or its file was cut
    /// short.
    ///
    /// Reads all of the value once, to check it, 64 KiB at a time.
    pub fn long_value<F: File + Clone>(
        &self,
        key: &[u8],
        record_bytes: u64,
    ) -> Result<Option<LongValue<F>>>
    where
        C: IndexCell<F>,
    {
        let long = |located: Located<F>| located.long(key, record_bytes);
        let found = self.search(Space::User, key, long)?;
        Ok(found.filter(|value| self.is_alive(value.expiry_ms())))
    }

    /// The value of a key: in `buffer`, as [`Reader::get_record`] has it, or, if its record has
    /// `record_bytes` or more and is in a file, to be read in pieces from there. Where it is long, all of
    /// it is read once to be checked; otherwise it costs what [`Reader::get_record`] costs.
    pub fn get_or_long<F: File + Clone>(
        &self,
        key: &[u8],
        record_bytes: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Found<F>>>
    where
        C: IndexCell<F>,
    {
        match self.ordinary(key, None, record_bytes.saturating_sub(1), buffer) {
            Seen::Absent => return Ok(None),
            Seen::At(value) => return Ok(Some(Found::Buffered(value))),
            Seen::Unsure => {}
        }
        let found = self.search(Space::User, key, |located| {
            if let Some(long) = located.long(key, record_bytes)? {
                return Ok(Some((long.expiry_ms(), Found::Long(long))));
            }
            let checked = located.read_proven((Space::User, key), buffer)?;
            Ok(checked.map(|it| (it.head.expiry_ms, Found::Buffered(it.value()))))
        })?;
        let alive = found.filter(|(expiry_ms, _)| self.is_alive(*expiry_ms));
        Ok(alive.map(|(_, found)| found))
    }

    /// The values of several keys, in the order asked. Looks up some thirty keys at a time, so that
    /// memory is waited for once, and then reads them one by one.
    pub fn get_many<F: File + Clone>(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>>
    where
        C: IndexCell<F>,
    {
        let mut values = Vec::new();
        fallible::reserve(&mut values, keys.len())?;
        self.sight_all(keys, |at, sight| {
            let mut value = Vec::new();
            let there = self.value(keys[at], Some(sight), &mut value)?;
            Ok(fallible::push(&mut values, there.then_some(value))?)
        })?;
        Ok(values)
    }

    /// As [`Reader::get_many`], showing `look` each value in turn with the place of its key, as it lies in
    /// `buffer`. An error of `look` ends it.
    pub fn get_many_with<F: File + Clone>(
        &self,
        keys: &[&[u8]],
        buffer: &mut Vec<u8>,
        mut look: impl FnMut(usize, Option<&[u8]>) -> Result<()>,
    ) -> Result<()>
    where
        C: IndexCell<F>,
    {
        self.sight_all(keys, |at, sight| {
            let found = self.record(keys[at], Some(sight), buffer)?;
            look(at, found.map(|value| &buffer[value]))
        })
    }

    /// Looks keys up, some thirty at a time, and hands out each one's place and what was seen of it, in order.
    fn sight_all<F: File + Clone>(
        &self,
        keys: &[&[u8]],
        mut each: impl FnMut(usize, Sight<&Spot<F>>) -> Result<()>,
    ) -> Result<()>
    where
        C: IndexCell<F>,
    {
        let mut sights = Sights::new();
        let mut place = 0;
        for keys in keys.chunks(AHEAD) {
            self.cell.read(|index| sights.look(index, keys))?;
            sights.approach(keys.len());
            for at in 0..keys.len() {
                each(place, sights.at(at))?;
                place += 1;
            }
        }
        Ok(())
    }

    /// Where in `buffer` the value of a key lies. `sight` is what was seen of it, if it was looked for already.
    #[inline]
    fn record<F: File + Clone>(
        &self,
        key: &[u8],
        sight: Option<Sight<&Spot<F>>>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Range<usize>>>
    where
        C: IndexCell<F>,
    {
        match self.ordinary(key, sight, u64::MAX, buffer) {
            Seen::Absent => Ok(None),
            Seen::At(value) => Ok(Some(value)),
            Seen::Unsure => {
                let found = self.find(Space::User, key, buffer)?;
                Ok(found.map(|checked| checked.value()))
            }
        }
    }

    fn value<F: File + Clone>(
        &self,
        key: &[u8],
        sight: Option<Sight<&Spot<F>>>,
        into: &mut Vec<u8>,
    ) -> Result<bool>
    where
        C: IndexCell<F>,
    {
        match self.ordinary(key, sight, LONG_BYTES - 1, into) {
            Seen::Absent => {
                into.clear();
                return Ok(false);
            }
            Seen::At(value) => {
                into.truncate(value.end);
                into.drain(..value.start);
                return Ok(true);
            }
            Seen::Unsure => {}
        }
        let found = self.search(Space::User, key, |located| {
            if let Located::Filed(spot) = &located
                && spot.is_long()
                && let Some(head) = spot.read_long(key, into)?
            {
                return Ok(Some(head.expiry_ms));
            }
            let Some(checked) = located.read_proven((Space::User, key), into)? else {
                return Ok(None);
            };
            into.truncate(checked.value().end);
            into.drain(..checked.value().start);
            Ok(Some(checked.head.expiry_ms))
        })?;
        let alive = found.is_some_and(|expiry_ms| self.is_alive(expiry_ms));
        if !alive {
            into.clear();
        }
        Ok(alive)
    }

    /// A key's record, whole and checked, in `buffer`; `None` if it has none or its time is up.
    pub(crate) fn find<F: File + Clone>(
        &self,
        space: Space,
        key: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Checked>>
    where
        C: IndexCell<F>,
    {
        let read = |located: Located<F>| located.read_proven((space, key), buffer);
        let found = self.search(space, key, read)?;
        Ok(found.filter(|checked| self.is_alive(checked.head.expiry_ms)))
    }

    /// Locates a key's record and reads it; again as long as merge moves it in between.
    pub(super) fn search<F: File + Clone, T>(
        &self,
        space: Space,
        key: &[u8],
        mut read: impl FnMut(Located<F>) -> Result<Option<T>>,
    ) -> Result<Option<T>>
    where
        C: IndexCell<F>,
    {
        let mut tries = 0;
        loop {
            let look = self.cell.read(|index| {
                let hash = index.hash_key.hash(space, key);
                index.look(hash)
            });
            if let Some(error) = look.veiled.filter(|_| !self.accept_stale) {
                return Err(error);
            }
            match read(look.located?) {
                Err(error) if self.moved(look.hash, look.slot, &error) && tries < RETRIES => {
                    tries += 1;
                }
                Err(error) if error.storage_kind() == Some(ErrorKind::NotFound) => {
                    return Err(Error::Changed);
                }
                done => return done,
            }
        }
    }

    /// Whether a key with this expiry is still to be shown.
    pub(crate) fn is_alive<F: File + Clone>(&self, expiry_ms: Option<u64>) -> bool
    where
        C: IndexCell<F>,
    {
        let Some(expiry) = expiry_ms else { return true };
        let host = self.host.now_ms();
        let (now, floor) = self
            .cell
            .read(|index| (index.clock.now(host), index.clock.floor_ms()));
        let alive = now.is_none_or(|now| now < expiry);
        if !alive && floor < expiry {
            // A key that was seen to be gone stays gone, also if the clock goes back.
            self.cell.write(|index| index.clock.observe(host));
        }
        alive
    }

    /// Whether the place that could not be read is no longer the key's: merge moved it.
    fn moved<F: File + Clone>(&self, hash: KeyHash, slot: Option<Slot>, error: &Error) -> bool
    where
        C: IndexCell<F>,
    {
        matches!(
            error.storage_kind(),
            Some(ErrorKind::NotFound | ErrorKind::Closed)
        ) && self.cell.read(|index| index.keydir.get(hash)) != slot
    }
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// The value of a key, or `None`.
    ///
    /// Checks the record whole and that it is this key's. Damage answers [`Error::Corrupt`], never
    /// an absence.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut value = Vec::new();
        Ok(self.get_into(key, &mut value)?.then_some(value))
    }

    /// As [`Engine::get`], into the caller's buffer. Returns whether the key exists.
    pub fn get_into(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        self.reader().get_into(key, into)
    }

    /// Reads the whole record of a key into the caller's buffer and says where in it the value lies: nothing
    /// is moved, and a buffer that is used again costs no memory. `None` if the key does not exist.
    pub fn get_record(&self, key: &[u8], buffer: &mut Vec<u8>) -> Result<Option<Range<usize>>> {
        self.reader().get_record(key, buffer)
    }

    /// The value of a key, to be read in pieces from its file, if its record (head, key and value, in
    /// bytes, rounded up by less than 1/1000) has `record_bytes` or more. `None` where [`Engine::get`]
    /// is to be asked: the key is absent or expired, its record is shorter or not in a file yet, or its
    /// bytes are not what was written. An error if the platform cannot read it, or its file was cut
    /// short.
    ///
    /// Reads all of the value once, to check it, 64 KiB at a time.
    pub fn long_value(&self, key: &[u8], record_bytes: u64) -> Result<Option<LongValue<S::File>>> {
        self.reader().long_value(key, record_bytes)
    }

    /// The value of a key: in `buffer`, as [`Engine::get_record`] has it, or, if its record has
    /// `record_bytes` or more and is in a file, to be read in pieces from there. Where it is long, all of
    /// it is read once to be checked; otherwise it costs what [`Engine::get_record`] costs.
    pub fn get_or_long(
        &self,
        key: &[u8],
        record_bytes: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Found<S::File>>> {
        self.reader().get_or_long(key, record_bytes, buffer)
    }

    /// The value with its sequence number and expiry.
    pub fn get_entry(&self, key: &[u8]) -> Result<Option<Entry>> {
        let mut buffer = Vec::new();
        let found = self.reader().find(Space::User, key, &mut buffer)?;
        found.map(|checked| entry_of(&checked, &buffer)).transpose()
    }

    /// The values of several keys, in the order asked. Costs less than as many single gets: their
    /// places are looked up together.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        self.reader().get_many(keys)
    }

    /// As [`Engine::get_many`], showing `look` each value in turn with the place of its key, as it lies in
    /// `buffer`. An error of `look` ends it.
    pub fn get_many_with(
        &self,
        keys: &[&[u8]],
        buffer: &mut Vec<u8>,
        look: impl FnMut(usize, Option<&[u8]>) -> Result<()>,
    ) -> Result<()> {
        self.reader().get_many_with(keys, buffer, look)
    }

    /// Whether a key exists. Reads its record, so that a hash alone never answers.
    pub fn contains_key(&self, key: &[u8]) -> Result<bool> {
        Ok(self.version_of(Space::User, key)?.is_some())
    }

    /// The value of a key of the system key space.
    pub fn get_meta(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut buffer = Vec::new();
        let found = self.reader().find(Space::Meta, key, &mut buffer)?;
        found
            .map(|checked| Ok(fallible::copy(&buffer[checked.value()])?))
            .transpose()
    }

    pub(crate) fn reader(&self) -> Reader<'_, S, C> {
        Reader::new(&self.storage, &self.index, self.options.accept_stale)
    }

    pub(crate) fn hash(&self, space: Space, key: &[u8]) -> KeyHash {
        let hash_key = match &self.role {
            Role::Writer(writer) => writer.hash_key,
            // A reader's index may be exchanged for another store's.
            Role::Reader(_) => self.index.read(|index| index.hash_key),
        };
        hash_key.hash(space, key)
    }

    /// The sequence number and expiry of a key's living version, verified on disk.
    pub(crate) fn version_of(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<(u64, Option<u64>)>> {
        let mut buffer = Vec::new();
        let found = self.reader().find(space, key, &mut buffer)?;
        Ok(found.map(|checked| (checked.head.seq, checked.head.expiry_ms)))
    }

    /// The sequence number and expiry of the record at `slot`, which must be the key's; expired or
    /// not.
    pub(crate) fn version_at(&self, slot: Slot, key: (Space, &[u8])) -> Result<(u64, Option<u64>)> {
        let mut buffer = Vec::new();
        let located = self.index.read(|index| index.locate_slot(slot))?;
        let Some((spot, checked)) = located.read(&mut buffer)? else {
            return Err(Error::Changed);
        };
        spot.prove_key(&checked, &buffer, key)?;
        Ok((checked.head.seq, checked.head.expiry_ms))
    }
}

pub(crate) fn entry_of(checked: &Checked, buffer: &[u8]) -> Result<Entry> {
    Ok(Entry {
        key: fallible::copy(&buffer[checked.key()])?,
        value: fallible::copy(&buffer[checked.value()])?,
        seq: checked.head.seq,
        expiry_ms: checked.head.expiry_ms,
    })
}
