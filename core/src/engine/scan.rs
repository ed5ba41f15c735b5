//! Iteration: a cursor in hash order (stateless, bounded work per call, survives reopening and
//! merge), and sorted scans where the ordered index is on.
//!
//! A key that is live during a whole scan appears exactly once; one changed meanwhile at most
//! once, with a value it had during the scan.

use super::read::entry_of;
use super::{Engine, Entry};
use crate::error::{Error, Result};
use crate::fallible::{self, OutOfMemory};
use crate::format::KeyHash;
use crate::format::record::Kind;
use crate::index::IndexCell;
use crate::keydir::Slot;
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::read::{Checked, Spot};
use crate::sort;
use crate::storage::{ErrorKind, Storage};
use core::ops::{Bound, RangeBounds};

/// Places that an iterator looks up at once.
const PAGE_ENTRIES: usize = 256;

/// Part of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// Live keys with their values, in the store's own (hash) order.
    pub entries: Vec<Entry>,
    /// Pass this to get the next page; 0 when the scan is complete.
    pub next: u64,
}

/// Part of a scan of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// Live keys, in the store's own (hash) order.
    pub keys: Vec<Vec<u8>>,
    /// Pass this to get the next page; 0 when the scan is complete.
    pub next: u64,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// The entries after `cursor` (0 at first), about `limit` of them: a page ends between two
    /// different 64-bit hash prefixes. A damaged record ends the scan with its error.
    pub fn scan(&self, cursor: u64, limit: usize) -> Result<ScanPage> {
        let mut page = ScanPage::default();
        page.next = self.visit(cursor, limit, |entry| {
            fallible::push(&mut page.entries, entry?)?;
            Ok(())
        })?;
        Ok(page)
    }

    /// As [`Engine::scan`], for keys alone; the values are read (to prove the keys) and dropped, so that
    /// one at a time is in memory.
    pub fn scan_keys(&self, cursor: u64, limit: usize) -> Result<KeyPage> {
        let mut page = KeyPage::default();
        page.next = self.visit(cursor, limit, |entry| {
            fallible::push(&mut page.keys, entry?.key)?;
            Ok(())
        })?;
        Ok(page)
    }

    /// Every live entry once, in the store's own order. A damaged record is an `Err` item; the
    /// iteration goes on behind it.
    pub fn iter(&self) -> Entries<'_, S, C> {
        Entries {
            engine: self,
            page: Vec::new().into_iter(),
            cursor: Some(0),
            prefix: Vec::new(),
        }
    }

    /// Every live key once, in the store's own order.
    pub fn keys(&self) -> Keys<'_, S, C> {
        Keys(self.iter())
    }

    /// Every live entry whose key starts with `prefix`: sorted, at the cost of what it returns,
    /// with the ordered index; otherwise in the store's own order, at the cost of reading every
    /// key.
    pub fn scan_prefix<'a>(
        &'a self,
        prefix: &[u8],
    ) -> Box<dyn Iterator<Item = Result<Entry>> + 'a> {
        let bounds = fallible::copy(prefix).and_then(|prefix| Ok((prefix_end(&prefix)?, prefix)));
        match bounds {
            Ok((end, prefix)) if self.options.ordered_index => {
                let to = end.map_or(Bound::Unbounded, Bound::Excluded);
                self.in_order(Bound::Included(prefix), to)
                    .unwrap_or_else(|refused| Box::new(core::iter::once(Err(refused))))
            }
            Ok((_, prefix)) => Box::new(Entries {
                prefix,
                ..self.iter()
            }),
            Err(refused) => Box::new(core::iter::once(Err(refused.into()))),
        }
    }

    /// The live entries of a range of keys, sorted. Needs the ordered index to be cheap: without
    /// it every key is read and those in the range are sorted in memory.
    pub fn range<'a>(
        &'a self,
        range: impl RangeBounds<Vec<u8>>,
    ) -> Result<Box<dyn Iterator<Item = Result<Entry>> + 'a>> {
        self.in_order(copy(range.start_bound())?, copy(range.end_bound())?)
    }

    fn in_order<'a>(
        &'a self,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
    ) -> Result<Box<dyn Iterator<Item = Result<Entry>> + 'a>> {
        if self.index.read(|index| index.ordered.is_some()) {
            return Ok(Box::new(self.sorted(from, to)));
        }
        let range = (from, to);
        let mut keys = Vec::new();
        for key in self.keys() {
            let key = key?;
            if range.contains(&key) {
                fallible::push(&mut keys, key)?;
            }
        }
        sort::by(&mut keys, Ord::cmp);
        Ok(Box::new(
            keys.into_iter()
                .filter_map(move |key| self.get_entry(&key).transpose()),
        ))
    }

    /// Walks the ordered index from bound to bound, one key at a time. Records that cannot tell
    /// their key come first, as the errors they are: they may belong anywhere.
    fn sorted(
        &self,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Entry>> + '_ {
        let unread = self.index.read(|index| fallible::copy(&index.unread));
        let (unread, hidden) = match unread {
            Ok(unread) => (unread, self.shows_all().err().map(Err)),
            Err(refused) => (Vec::new(), Some(Err(refused.into()))),
        };
        let damaged = unread
            .into_iter()
            .filter_map(|(hash, slot)| self.user_entry(hash, slot).err().map(Err));
        let mut ended = hidden.is_some();
        let mut from = from;
        let sound = core::iter::from_fn(move || {
            if ended {
                return None;
            }
            loop {
                let next = self.index.read(|index| {
                    let before = |key: &Vec<u8>| match &from {
                        Bound::Included(from) => key < from,
                        Bound::Excluded(from) => key <= from,
                        Bound::Unbounded => false,
                    };
                    let within = |key: &&Vec<u8>| match &to {
                        Bound::Included(to) => *key <= to,
                        Bound::Excluded(to) => *key < to,
                        Bound::Unbounded => true,
                    };
                    let next = index.ordered.as_ref()?.from(before).next();
                    let key = next.filter(within)?;
                    Some(fallible::copy(key).and_then(|copy| Ok((copy, fallible::copy(key)?))))
                })?;
                let key = match next {
                    Ok((key, last)) => {
                        from = Bound::Excluded(last);
                        key
                    }
                    Err(refused) => {
                        ended = true;
                        return Some(Err(refused.into()));
                    }
                };
                if let Some(found) = self.get_entry(&key).transpose() {
                    return Some(found);
                }
            }
        });
        hidden.into_iter().chain(damaged).chain(sound)
    }

    /// Visits the live user entries after `cursor` until about `limit` were met. Returns the next
    /// cursor. An error from `sink` stops the walk.
    pub fn visit(
        &self,
        cursor: u64,
        limit: usize,
        mut sink: impl FnMut(Result<Entry>) -> Result<()>,
    ) -> Result<u64> {
        self.shows_all()?;
        let mut from = cursor;
        let mut met = 0;
        loop {
            let slots = self.slots_after(from, limit.max(1))?;
            let Some((last, _)) = slots.last() else {
                return Ok(0);
            };
            let next = last.hi.checked_add(1);
            for (hash, slot) in slots {
                if let Some(entry) = self.user_entry(hash, slot).transpose() {
                    sink(entry)?;
                    met += 1;
                }
            }
            match next {
                None => return Ok(0),
                Some(next) if met >= limit.max(1) => {
                    return Ok(next - u64::from(planted(Bug::ScanRepeated)));
                }
                Some(next) => from = next,
            }
        }
    }

    /// Refuses to walk where damage hides keys, unless older versions are welcome.
    fn shows_all(&self) -> Result<()> {
        match self.index.read(|index| index.veiled(None)) {
            Some(error) if !self.options.accept_stale => Err(error),
            _ => Ok(()),
        }
    }

    /// At least `limit` slots from a hash on, ending between two different prefixes.
    fn slots_after(&self, from_hi: u64, limit: usize) -> Result<Vec<(KeyHash, Slot)>> {
        let limit = limit.min(PAGE_ENTRIES);
        let mut slots: Vec<(KeyHash, Slot)> = Vec::new();
        fallible::reserve(&mut slots, limit + 1)?;
        self.index.read(|index| {
            for (hash, slot) in index.keydir.scan(from_hi) {
                if slots.len() >= limit && slots.last().is_some_and(|(h, _)| h.hi != hash.hi) {
                    break;
                }
                fallible::push(&mut slots, (hash, slot))?;
            }
            Ok::<_, Error>(())
        })?;
        Ok(slots)
    }

    /// The entry behind a slot, looked up again if it moved meanwhile; `None` for system keys and
    /// for keys that are gone.
    fn user_entry(&self, hash: KeyHash, seen: Slot) -> Result<Option<Entry>> {
        let mut slot = seen;
        let mut buffer = Vec::new();
        loop {
            let located = self.index.read(|index| index.locate_slot(slot));
            let read = located
                .and_then(|located| located.read(&mut buffer))
                .and_then(|read| self.prove_hash(hash, read, &buffer));
            let Some(checked) = (match read {
                Ok(read) => read,
                Err(error) => match self.index.read(|index| index.keydir.get(hash)) {
                    None => return Ok(None),
                    Some(now) if now != slot => {
                        slot = now;
                        continue;
                    }
                    Some(_) if error.storage_kind() == Some(ErrorKind::NotFound) => {
                        return Err(Error::Changed);
                    }
                    Some(_) => return Err(error),
                },
            }) else {
                return Ok(None);
            };
            let shown =
                checked.head.kind == Kind::Put && self.reader().is_alive(checked.head.expiry_ms);
            return shown.then(|| entry_of(&checked, &buffer)).transpose();
        }
    }

    /// Refuses a record that is no put of this hash. Beside a writer, a place that was seen a moment
    /// ago may by now be in another file that took over the slot.
    fn prove_hash(
        &self,
        hash: KeyHash,
        read: Option<(Spot<S::File>, Checked)>,
        buffer: &[u8],
    ) -> Result<Option<Checked>> {
        let Some((spot, checked)) = read else {
            return Ok(None);
        };
        spot.prove_put(&checked)?;
        if self.hash(checked.head.kind.space(), &buffer[checked.key()]) == hash {
            return Ok(Some(checked));
        }
        Err(Error::key_collision(spot.name(), spot.offset))
    }
}

/// Iterator of [`Engine::iter`] and of unordered prefix scans. Holds one entry at a time.
pub struct Entries<'a, S: Storage, C: IndexCell<S::File>> {
    engine: &'a Engine<S, C>,
    /// Where the next entries were a moment ago.
    page: alloc::vec::IntoIter<(KeyHash, Slot)>,
    /// Where the next page starts; `None` at the end.
    cursor: Option<u64>,
    prefix: Vec<u8>,
}

impl<S: Storage, C: IndexCell<S::File>> Entries<'_, S, C> {
    /// Fetches the next page. `None` at the end.
    fn turn(&mut self) -> Option<Result<()>> {
        let cursor = self.cursor?;
        if cursor == 0
            && let Err(error) = self.engine.shows_all()
        {
            self.cursor = None;
            return Some(Err(error));
        }
        match self.engine.slots_after(cursor, PAGE_ENTRIES) {
            Ok(slots) => {
                self.cursor = slots.last().and_then(|(hash, _)| hash.hi.checked_add(1));
                self.page = slots.into_iter();
                Some(Ok(()))
            }
            Err(error) => {
                self.cursor = None;
                Some(Err(error))
            }
        }
    }
}

impl<S: Storage, C: IndexCell<S::File>> Iterator for Entries<'_, S, C> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            for (hash, slot) in self.page.by_ref() {
                match self.engine.user_entry(hash, slot).transpose() {
                    Some(Ok(entry)) if !entry.key.starts_with(&self.prefix) => {}
                    Some(item) => return Some(item),
                    None => {}
                }
            }
            if let Err(error) = self.turn()? {
                return Some(Err(error));
            }
        }
    }
}

/// Iterator of [`Engine::keys`].
pub struct Keys<'a, S: Storage, C: IndexCell<S::File>>(Entries<'a, S, C>);

impl<S: Storage, C: IndexCell<S::File>> Iterator for Keys<'_, S, C> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|entry| entry.key))
    }
}

/// The first key after all keys with this prefix, if there is one.
fn prefix_end(prefix: &[u8]) -> Result<Option<Vec<u8>>, OutOfMemory> {
    let Some(at) = prefix.iter().rposition(|byte| *byte < u8::MAX) else {
        return Ok(None);
    };
    let mut end = fallible::copy(&prefix[..=at])?;
    end[at] += 1;
    Ok(Some(end))
}

fn copy(bound: Bound<&Vec<u8>>) -> Result<Bound<Vec<u8>>, OutOfMemory> {
    Ok(match bound {
        Bound::Included(key) => Bound::Included(fallible::copy(key)?),
        Bound::Excluded(key) => Bound::Excluded(fallible::copy(key)?),
        Bound::Unbounded => Bound::Unbounded,
    })
}
