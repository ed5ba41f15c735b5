//! Reads: through the index and the files alone, never through the writer.

use super::long::{Found, LongValue};
use super::writer::Held;
use super::{Core, Db, SharedStorage};
use portcask_core::{
    Entry, Error, Expiring, Explanation, KeyPage, OpenAccess, Result, ScanPage, Ttl,
};
use std::cell::Cell;
use std::ops::RangeBounds;

/// How often a read-only handle catches up with the writer for one read.
const REFRESHES: usize = 8;

/// Most that a thread keeps of its buffer from one read to the next.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// Lends this thread's buffer; a fresh one to a read inside of a read, and at the thread's end.
fn with_buffer<R>(deed: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    thread_local!(static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    let done = deed(&mut buffer);
    if buffer.capacity() <= BUFFER_BYTES_MAX {
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    done
}

impl<S: SharedStorage> Db<S> {
    /// The value of a key, or `None`. Costs a lookup in memory and one positional read.
    ///
    /// Verifies the whole record, and that it belongs to this key. Damage is [`Error::Corrupt`], never
    /// `None`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.core().reading(|view| view.get(key))
    }

    /// As [`Db::get`], into the caller's buffer, replacing what it held. Returns whether the key
    /// exists; if not, the buffer is empty.
    pub fn get_into(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        self.core().reading(|view| view.get_into(key, into))
    }

    /// Shows `look` the value of a key, if it has one, and returns what that made of it. Costs what [`Db::get`]
    /// costs without the memory of a value: it lies in a buffer of this thread, which the next such call uses again.
    ///
    /// ```
    /// # fn main() -> Result<(), portcask::Error> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = portcask::open(dir.path().join("data"))?;
    /// db.put(b"cat", b"meow")?;
    /// assert_eq!(db.get_with(b"cat", |value| value.len())?, Some(4));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_with<R>(&self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        with_buffer(|buffer| {
            let found = self.core().reading(|view| view.get_record(key, buffer))?;
            Ok(found.map(|value| look(&buffer[value])))
        })
    }

    /// The value of a key, to be read in pieces from its file, if its record (head, key and value, in
    /// bytes, rounded up by less than 1/1000) has `record_bytes` or more. `None` where [`Db::get`]
    /// is to be asked: the key is absent or expired, its record is shorter or not in a file yet, or its
    /// bytes are not what was written. An error if the platform cannot read it, or its file was cut
    /// short.
    ///
    /// Reads all of the value once, to check it, 64 KiB at a time.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = portcask::open(dir.path().join("data"))?;
    /// db.put(b"film", &[7; 1 << 20])?;
    /// let mut film = db.long_value(b"film", 64 << 10)?.expect("it is long, and written");
    /// db.delete(b"film")?;
    /// let shown = std::io::copy(&mut film, &mut std::io::sink())?;
    /// assert_eq!(shown, 1 << 20);
    /// # Ok(())
    /// # }
    /// ```
    pub fn long_value(&self, key: &[u8], record_bytes: u64) -> Result<Option<LongValue<S>>> {
        let found = self
            .core()
            .reading(|view| view.long_value(key, record_bytes))?;
        Ok(found.map(LongValue::new))
    }

    /// The value of a key: in `buffer`, behind the rest of its record, or, if that has `record_bytes` or more and is in a
    /// file, to be read in pieces from there. Where it is long, all of it is read once to be checked; otherwise it costs what
    /// [`Db::get_with`] costs.
    pub fn get_or_long(
        &self,
        key: &[u8],
        record_bytes: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Found<S>>> {
        let found = self
            .core()
            .reading(|view| view.get_or_long(key, record_bytes, buffer))?;
        Ok(found.map(|found| match found {
            portcask_core::Found::Buffered(value) => Found::Buffered(value),
            portcask_core::Found::Long(value) => Found::Long(LongValue::new(value)),
        }))
    }

    /// The value with its sequence number and expiry.
    pub fn get_entry(&self, key: &[u8]) -> Result<Option<Entry>> {
        self.core().reading(|view| view.get_entry(key))
    }

    /// How a key is found, or `None` if there is no such key. Costs what [`Db::get`] costs.
    pub fn explain(&self, key: &[u8]) -> Result<Option<Explanation>> {
        self.core().reading(|view| view.explain(key))
    }

    /// The values of several keys, in the order asked. Each is read on its own: writes may happen in
    /// between.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        self.core().reading(|view| view.get_many(keys))
    }

    /// As [`Db::get_many`], showing `look` each value in turn with the place of its key, as [`Db::get_with`] does.
    /// After an error the keys before it have been shown.
    pub fn get_many_with(
        &self,
        keys: &[&[u8]],
        mut look: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        self.get_many_while(keys, |at, value| {
            look(at, value);
            true
        })
    }

    /// As [`Db::get_many_with`], until `look` answers that it has seen enough: the keys after that are not read.
    pub fn get_many_while(
        &self,
        keys: &[&[u8]],
        mut look: impl FnMut(usize, Option<&[u8]>) -> bool,
    ) -> Result<()> {
        let core = self.core();
        let (mut shown, mut enough) = (0, false);
        let ended = with_buffer(|buffer| {
            core.reading(|view| {
                view.get_many_with(&keys[shown..], buffer, |_, value| {
                    if value.is_none() {
                        // Closing empties the index.
                        core.refuse_closed()?;
                    }
                    enough = !look(shown, value);
                    shown += 1;
                    // Only an error ends the walk; nobody sees this one.
                    if enough { Err(Error::Closed) } else { Ok(()) }
                })
            })
        });
        if enough { Ok(()) } else { ended }
    }

    /// Whether a key exists. Reads and verifies its record, so the answer never rests on a hash alone.
    pub fn contains_key(&self, key: &[u8]) -> Result<bool> {
        self.core().reading(|view| view.contains_key(key))
    }

    /// The value of a key of the system key space.
    pub fn get_meta(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.core().reading(|view| view.get_meta(key))
    }

    /// When a key expires. Verified on disk.
    pub fn ttl(&self, key: &[u8]) -> Result<Ttl> {
        self.core().reading(|view| view.ttl(key))
    }

    /// The number of live user keys. Expired keys that were not swept yet do not count.
    pub fn len(&self) -> Result<u64> {
        self.core().reading(|view| Ok(view.len()))
    }

    /// Whether there is no live user key.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The live keys that have an expiry: how many, and when they end on average. Expired keys that were not swept yet
    /// do not count.
    pub fn expiring(&self) -> Result<Expiring> {
        self.core().reading(|view| Ok(view.expiring()))
    }

    /// The wall-clock time this store trusts, in milliseconds since 1970.
    pub fn now_ms(&self) -> Option<u64> {
        self.core().view.now_ms()
    }

    /// The entries after `cursor` (0 at first), about `limit` of them, in the store's own order.
    /// The cursor survives merges and reopening.
    pub fn scan(&self, cursor: u64, limit: usize) -> Result<ScanPage> {
        self.core().reading(|view| view.scan(cursor, limit))
    }

    /// As [`Db::scan`], for keys alone.
    pub fn scan_keys(&self, cursor: u64, limit: usize) -> Result<KeyPage> {
        self.core().reading(|view| view.scan_keys(cursor, limit))
    }

    /// Every live entry, in the store's own order. A key that stays live during the whole iteration
    /// appears exactly once; one that changes meanwhile appears at most once, with a value it had during it.
    /// Holds no lock between items. A damaged record is an `Err` item, and the iteration continues after it.
    pub fn iter(&self) -> Walk<'_, S, impl Iterator<Item = Result<Entry>>> {
        self.walk(self.core().view.iter())
    }

    /// Every live key, in the manner of [`Db::iter`].
    pub fn keys(&self) -> Walk<'_, S, impl Iterator<Item = Result<Vec<u8>>>> {
        self.walk(self.core().view.keys())
    }

    /// Every live entry whose key starts with `prefix`. With the ordered index they are sorted and
    /// cost only what is returned; otherwise they come in the store's own order, and every key is
    /// read.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Walk<'_, S, impl Iterator<Item = Result<Entry>>> {
        self.walk(self.core().view.scan_prefix(prefix))
    }

    /// The live entries in a range of keys, sorted. Without the ordered index, this first reads every
    /// key and sorts those in the range in memory.
    pub fn range(
        &self,
        range: impl RangeBounds<Vec<u8>>,
    ) -> Result<Walk<'_, S, impl Iterator<Item = Result<Entry>>>> {
        let found = self.core().view.range(range);
        self.core().refuse_closed()?;
        Ok(self.walk(found?))
    }

    fn walk<I>(&self, items: I) -> Walk<'_, S, I> {
        Walk {
            core: self.core(),
            items,
            told: false,
        }
    }
}

/// Items of a [`Db`], read in pages; no lock is held between two of them. Ends with
/// [`Error::Closed`] if the store is closed meanwhile.
pub struct Walk<'a, S: SharedStorage, I> {
    core: &'a Core<S>,
    items: I,
    /// Has said that the store is closed.
    told: bool,
}

impl<T, S: SharedStorage, I: Iterator<Item = Result<T>>> Iterator for Walk<'_, S, I> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.told {
            return None;
        }
        let item = self.items.next();
        if self.core.is_closed() {
            self.told = true;
            return Some(Err(Error::Closed));
        }
        item
    }
}

impl<S: SharedStorage> Core<S> {
    /// Reads. A read-only handle catches up when the writer has replaced files under it.
    fn reading<T>(&self, mut look: impl FnMut(&Held<S>) -> Result<T>) -> Result<T> {
        let mut refreshes = 0;
        loop {
            let found = look(&self.view);
            // Asked after the look: closing empties the index, and that must not pass for absence.
            self.refuse_closed()?;
            let reads_only = self.options.engine.access == OpenAccess::ReadOnly;
            match found {
                Err(Error::Changed) if reads_only && refreshes < REFRESHES => {
                    refreshes += 1;
                    self.writer.with(|engine| engine.refresh())??;
                }
                found => return found,
            }
        }
    }

    pub(super) fn refuse_closed(&self) -> Result<()> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        Ok(())
    }
}
