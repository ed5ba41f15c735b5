//! Walks over many keys, a page at a time.

use crate::db::{KEYS_AT_ONCE, entry};
use crate::line::{Kind, Request};
use crate::reply::{accepted, bytes, fixed, list, text, unexpected};
use crate::{Db, Entry, KeyPage, Result};
use redis::Value;
use std::collections::VecDeque;
use std::ops::RangeBounds;

/// Part of a walk over all entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPage {
    /// Live entries, in the server's own order.
    pub entries: Vec<Entry>,
    /// Pass this to get the next page; 0 when the scan is complete.
    pub next: u64,
}

impl Db {
    /// The keys after `cursor` (0 at first), about `limit` of them, in the server's own order.
    ///
    /// On a Portcask server a key that is there all the time appears exactly once, and the cursor survives merges and
    /// restarts; Redis may show a key twice.
    pub fn scan_keys(&self, cursor: u64, limit: usize) -> Result<KeyPage> {
        self.scan_keys_of(cursor, limit, b"")
    }

    /// As [`Db::scan_keys`], with values and expiries. Keys that are deleted meanwhile are left out.
    pub fn scan(&self, cursor: u64, limit: usize) -> Result<ScanPage> {
        self.scan_of(cursor, limit, b"")
    }

    /// Every key.
    pub fn keys(&self) -> Walk<impl Iterator<Item = Result<Vec<u8>>>> {
        self.keys_of(b"")
    }

    /// Every key that starts with `prefix`, at the cost of the server reading every key.
    pub fn keys_of(&self, prefix: &[u8]) -> Walk<impl Iterator<Item = Result<Vec<u8>>>> {
        let (db, prefix) = (self.clone(), prefix.to_vec());
        paged(move |cursor| {
            let page = db.scan_keys_of(cursor, KEYS_AT_ONCE, &prefix)?;
            Ok((page.keys, page.next))
        })
    }

    /// Every entry.
    pub fn iter(&self) -> Walk<impl Iterator<Item = Result<Entry>>> {
        self.scan_prefix(b"")
    }

    /// Every entry whose key starts with `prefix`, in the server's own order, at the cost of the server reading every
    /// key.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Walk<impl Iterator<Item = Result<Entry>>> {
        let (db, prefix) = (self.clone(), prefix.to_vec());
        paged(move |cursor| {
            let page = db.scan_of(cursor, KEYS_AT_ONCE, &prefix)?;
            Ok((page.entries, page.next))
        })
    }

    /// The entries of a range of keys, sorted. Every key is read first, and those in the range are sorted in memory.
    pub fn range(
        &self,
        range: impl RangeBounds<Vec<u8>>,
    ) -> Result<Walk<impl Iterator<Item = Result<Entry>>>> {
        let mut keys = Vec::new();
        for key in self.keys() {
            let key = key?;
            if range.contains(&key) {
                keys.push(key);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        let db = self.clone();
        Ok(paged(move |cursor| {
            let from = usize::try_from(cursor).unwrap_or(usize::MAX);
            let rest = keys.get(from..).unwrap_or_default();
            let piece = &rest[..rest.len().min(KEYS_AT_ONCE)];
            let next = match piece.len() == rest.len() {
                true => 0,
                false => (from + piece.len()) as u64,
            };
            Ok((db.entries_of(piece)?, next))
        }))
    }

    /// As [`Db::scan`], for keys that start with `prefix`; pages are as long as those of the whole, so they may be empty.
    pub fn scan_of(&self, cursor: u64, limit: usize, prefix: &[u8]) -> Result<ScanPage> {
        let page = self.scan_keys_of(cursor, limit, prefix)?;
        Ok(ScanPage {
            entries: self.entries_of(&page.keys)?,
            next: page.next,
        })
    }

    /// Those of the keys that exist, each as it was at one moment.
    fn entries_of(&self, keys: &[Vec<u8>]) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(keys.len());
        for piece in keys.chunks(KEYS_AT_ONCE) {
            let mut request = Request::default();
            for key in piece {
                request.add(&[b"GET", key]);
                request.add(&[b"PEXPIRETIME", key]);
            }
            let answers = list("EXEC", self.at_once(Kind::Read, &request)?)?;
            let mut answers = answers.into_iter();
            for key in piece {
                let (Some(value), Some(expiry)) = (answers.next(), answers.next()) else {
                    return Err(unexpected("EXEC", &Value::Nil));
                };
                entries.extend(entry(key, accepted(value)?, &accepted(expiry)?)?);
            }
        }
        Ok(entries)
    }

    /// As [`Db::scan_keys`], for keys that start with `prefix`; pages may be empty.
    pub fn scan_keys_of(&self, cursor: u64, limit: usize, prefix: &[u8]) -> Result<KeyPage> {
        let (from, count) = (cursor.to_string(), limit.max(1).to_string());
        let pattern = pattern(prefix);
        let mut words = vec![b"SCAN", from.as_bytes(), b"COUNT", count.as_bytes()];
        if !prefix.is_empty() {
            words.extend([&b"MATCH"[..], &pattern]);
        }
        let [next, keys]: [Value; 2] = fixed("SCAN", self.read(&words)?)?;
        let next = text("SCAN", next)?;
        let keys = list("SCAN", keys)?
            .into_iter()
            .map(|key| bytes("SCAN", key));
        Ok(KeyPage {
            keys: keys.collect::<Result<_>>()?,
            next: next
                .parse()
                .map_err(|_| unexpected("SCAN", &Value::SimpleString(next)))?,
        })
    }
}

/// What a glob matcher takes for a prefix as it is, and then anything.
fn pattern(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for byte in prefix {
        if b"*?[]^-\\".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.push(b'*');
    pattern
}

/// Items that are asked for in pages.
pub struct Walk<I>(I);

impl<I: Iterator> Iterator for Walk<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.0.next()
    }
}

/// The items of page after page, until a page says that it is the last, or an error.
fn paged<T>(
    mut ask: impl FnMut(u64) -> Result<(Vec<T>, u64)>,
) -> Walk<impl Iterator<Item = Result<T>>> {
    let mut items = VecDeque::new();
    let mut cursor = Some(0);
    Walk(std::iter::from_fn(move || {
        loop {
            if let Some(item) = items.pop_front() {
                return Some(Ok(item));
            }
            match ask(cursor?) {
                Ok((page, next)) => {
                    items.extend(page);
                    cursor = (next != 0).then_some(next);
                }
                Err(error) => {
                    cursor = None;
                    return Some(Err(error));
                }
            }
        }
    }))
}
