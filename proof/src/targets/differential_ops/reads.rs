//! Reads of every kind, of both, compared.

use super::{Contents, Key, Pair, Store};
use portcask_core::memory::MemoryStorage;
use portcask_core::{ChangeKind, Engine, Error, Options, Ttl};
use std::collections::BTreeSet;

/// A scan in progress.
pub(super) struct Scan {
    cursor: u64,
    seen: BTreeSet<Key>,
    /// Keys that were there at its start and not touched since: it must show them.
    pub steady: BTreeSet<Key>,
}

impl Pair {
    /// One key by every verb that reads one.
    pub(super) fn look(&mut self, key: &[u8]) {
        let known = self.map.get(key).cloned();
        let published = !self.merging;
        let store = self.store();
        let value = known.as_ref().map(|(value, _)| value.clone());
        assert_eq!(store.get(key).expect("get"), value);
        assert_eq!(store.contains_key(key).expect("contains"), value.is_some());
        let entry = store.get_entry(key).expect("get_entry");
        let found = entry.map(|entry| (entry.value, entry.expiry_ms));
        assert_eq!(found, known);
        let ttl = known.map_or(Ttl::Missing, |(_, expiry)| {
            expiry.map_or(Ttl::Forever, Ttl::ExpiresAtMs)
        });
        assert_eq!(store.ttl(key).expect("ttl"), ttl);
        // History is read from files: what is only buffered is not in it yet.
        store.flush().expect("flush");
        let history = store.history(key).expect("history");
        assert!(history.is_sorted_by(|a, b| a.seq < b.seq), "{history:?}");
        let live: Vec<_> = history.iter().filter(|version| version.live).collect();
        assert!(live.len() <= usize::from(value.is_some()), "{history:?}");
        // Half published, a merge's copies are not yet what `get` answers.
        if published {
            let live = live.first().and_then(|version| version.value.clone());
            assert_eq!(live, value, "{history:?}");
        }
    }

    /// The next page of a scan that goes on through everything.
    pub(super) fn scan_on(&mut self, limit: usize) {
        let steady = || self.map.keys().cloned().collect();
        let mut scan = self.scan.take().unwrap_or_else(|| Scan {
            cursor: 0,
            seen: BTreeSet::new(),
            steady: steady(),
        });
        let page = self.store().scan(scan.cursor, limit).expect("scan");
        for entry in page.entries {
            let shown = (entry.value, entry.expiry_ms);
            assert_eq!(self.map.get(&entry.key), Some(&shown), "{:?}", entry.key);
            assert!(scan.seen.insert(entry.key), "a scan shows a key once");
        }
        if page.next == 0 {
            let missed = scan.steady.difference(&scan.seen).next();
            assert_eq!(missed, None, "a scan shows every key that stays");
            return;
        }
        assert!(page.next > scan.cursor);
        scan.cursor = page.next;
        self.scan = Some(scan);
    }

    pub(super) fn prefix(&mut self, key: &[u8]) {
        let prefix = &key[..key.len().min(2)];
        let ordered = self.store().options().ordered_index;
        let found = self.store().scan_prefix(prefix);
        let found: Vec<_> = found.map(|entry| entry.expect("prefix").key).collect();
        assert!(
            !ordered || found.is_sorted(),
            "sorted with the ordered index"
        );
        let count = found.len();
        let found: BTreeSet<_> = found.into_iter().collect();
        assert_eq!(found.len(), count, "each key once");
        let known = self.map.keys().filter(|key| key.starts_with(prefix));
        assert!(found.iter().eq(known), "{found:?}");
    }

    pub(super) fn range(&mut self, from: Key, to: Key) {
        let found = self.store().range(from.clone()..to.clone()).expect("range");
        let found: Vec<_> = found.map(|entry| entry.expect("range").key).collect();
        let known = self.map.keys().filter(|key| **key >= from && **key < to);
        assert!(found.iter().eq(known), "{found:?}");
    }

    /// Lets the follower read pages of changes until there are none.
    pub(super) fn follow(&mut self, limit: usize) {
        let limit = limit.min(1_000);
        // The feed is read from files: what is only buffered is not in it yet.
        self.store().flush().expect("flush");
        loop {
            let from = self.follower.1;
            match self.store().changes(from, limit) {
                Ok(page) if page.changes.is_empty() => break,
                Ok(page) => {
                    for change in page.changes {
                        assert!(change.seq >= from && change.seq < page.next_seq);
                        match change.kind {
                            ChangeKind::Put { value, expiry_ms } => {
                                self.follower.0.insert(change.key, (value, expiry_ms));
                            }
                            ChangeKind::Delete => {
                                self.follower.0.remove(&change.key);
                            }
                        }
                    }
                    self.follower.1 = page.next_seq;
                }
                Err(Error::Gap { missed }) => {
                    let oldest = missed.oldest;
                    // What a follower does then: a copy of everything, and on from there.
                    assert!(oldest > from);
                    self.follower = (self.map.clone(), self.store().last_seq() + 1);
                }
                Err(error) => panic!("changes: {error}"),
            }
        }
        let now_ms = self.now_ms;
        let mut known = self.follower.0.clone();
        known.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now_ms < expiry));
        let wrong = self
            .map
            .iter()
            .find(|(key, value)| known.get(*key) != Some(value));
        assert_eq!(
            wrong,
            None,
            "a follower knows {:?}",
            wrong.map(|(key, _)| known.get(key))
        );
        assert_eq!(known.len(), self.map.len(), "a follower knows what is gone");
    }

    pub(super) fn backup(&mut self) {
        let copy = MemoryStorage::with_seed(9);
        copy.set_now_ms(Some(self.now_ms));
        let done = self.store().backup(&copy, |_, _| {}).expect("backup");
        assert!(done.last_seq >= self.last_seq);
        let copy: Store = Engine::open(copy, Options::read_only()).expect("the copy opens");
        assert_eq!(contents(&copy), self.map);
        assert!(copy.verify(|_, _| {}).expect("verify").is_sound());
    }

    pub(super) fn same_contents(&mut self) {
        let found = contents(self.store());
        assert_eq!(found, self.map);
        // What is only buffered is in no file that could be verified.
        self.store().flush().expect("flush");
        let report = self.store().verify(|_, _| {}).expect("verify");
        assert!(report.is_sound(), "{:?}", report.damages);
        // A merge that is committed and half published has its copies in no listed segment yet.
        let known = (self.map.len() + self.meta.len()) as u64;
        assert!(report.live_records <= known);
    }

    pub(super) fn shows_len(&mut self) {
        let len = self.map.len() as u64;
        assert_eq!(self.store().len(), len);
        assert_eq!(self.store().stats().expect("memory").keys, len);
    }
}

/// Everything that iteration shows, each key once and as `get` shows it.
fn contents(store: &Store) -> Contents {
    let mut contents = Contents::new();
    for entry in store.iter() {
        let entry = entry.expect("iteration");
        assert_eq!(
            store.get(&entry.key).expect("get").as_ref(),
            Some(&entry.value)
        );
        let new = contents.insert(entry.key, (entry.value, entry.expiry_ms));
        assert!(new.is_none(), "iteration shows a key once");
    }
    contents
}
