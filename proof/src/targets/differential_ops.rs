//! Every verb of the engine beside a `BTreeMap`.

use super::input::{byte, one_in, pick, short};
use arbitrary::Unstructured;
use portcask_core::memory::MemoryStorage;
use portcask_core::{
    Ack, Batch, ChangeKind, Condition, Engine, Error, Expiry, MergePolicy, Options, Ttl,
    WriteOptions,
};
use std::collections::{BTreeMap, BTreeSet};

type Key = Vec<u8>;
/// Value and expiry of every key that is there.
type Contents = BTreeMap<Key, (Vec<u8>, Option<u64>)>;
type Store = Engine<MemoryStorage>;

/// Steps of one case: it has to stay cheap.
const STEPS_MAX: usize = 200;

/// Does the same to a store and to a map, and compares every answer. A scan and a follower of the
/// changes go on through everything, also through merge and reopening.
pub fn differential_ops(data: &[u8]) {
    let u = &mut Unstructured::new(data);
    let mut pair = Pair::new(u);
    for _ in 0..STEPS_MAX {
        if u.is_empty() {
            break;
        }
        pair.step(u);
    }
    pair.same_contents();
    pair.follow(usize::MAX);
    pair.reopen(byte(u));
    assert!(pair.store().report().is_spotless());
    pair.same_contents();
}

/// A store and the map that it must be.
struct Pair {
    disk: MemoryStorage,
    store: Option<Store>,
    map: Contents,
    meta: BTreeMap<Key, Vec<u8>>,
    now_ms: u64,
    /// Steps made, which the values are made from.
    made: u64,
    last_seq: u64,
    /// A merge may be half done.
    merging: bool,
    scan: Option<Scan>,
    /// What a follower of the changes knows, and from where it goes on.
    follower: (Contents, u64),
}

/// A scan in progress.
struct Scan {
    cursor: u64,
    seen: BTreeSet<Key>,
    /// Keys that were there at its start and not touched since: it must show them.
    steady: BTreeSet<Key>,
}

impl Pair {
    fn new(u: &mut Unstructured<'_>) -> Self {
        let now_ms = 1_700_000_000_000;
        let disk = MemoryStorage::with_seed(byte(u).into());
        disk.set_now_ms(Some(now_ms));
        let mut pair = Self {
            disk,
            store: None,
            map: Contents::new(),
            meta: BTreeMap::new(),
            now_ms,
            made: 0,
            last_seq: 0,
            merging: false,
            scan: None,
            follower: (Contents::new(), 0),
        };
        pair.open(byte(u));
        pair
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("open between two steps")
    }

    fn step(&mut self, u: &mut Unstructured<'_>) {
        self.made += 1;
        match byte(u) % 40 {
            0..7 => self.put(u),
            7..10 => {
                let key = key(u);
                let existed = self.store().delete(&key).expect("delete");
                assert_eq!(existed, self.set(key, None).is_some());
            }
            10..13 => self.batch(u),
            13 | 14 => self.conditional(u),
            15 => self.look(&key(u)),
            16 => {
                let key = key(u);
                let at = self.now_ms + u64::from(byte(u));
                let existed = self.store().expire(&key, Expiry::AtMs(at)).expect("expire");
                let old = self.map.get(&key).cloned();
                assert_eq!(existed, old.is_some());
                if let Some((value, _)) = old {
                    self.set(key, Some((value, Some(at))));
                }
            }
            17 => {
                let key = key(u);
                let had = self.store().persist(&key).expect("persist");
                let old = self.map.get(&key).cloned();
                assert_eq!(
                    had,
                    old.as_ref().is_some_and(|(_, expiry)| expiry.is_some())
                );
                if let Some((value, Some(_))) = old {
                    self.set(key, Some((value, None)));
                }
            }
            18 | 19 => {
                self.now_ms += u64::from(byte(u));
                self.disk.set_now_ms(Some(self.now_ms));
            }
            20..22 => self.store().rotate().expect("rotate"),
            22..25 => {
                let budget = 1 + u64::from(byte(u)) * 16;
                self.store().merge_step(budget).expect("merge step");
                self.merging = true;
            }
            25 => {
                self.store().merge_all(|_, _| {}).expect("merge");
                self.merging = false;
            }
            26 => {
                self.store().tick().expect("tick");
                self.merging = true;
            }
            27 => self.store().flush().expect("flush"),
            28 => self.store().sync().expect("sync"),
            29 => {
                if one_in(u, 4) {
                    let removed = self.store().clear().expect("clear");
                    assert_eq!(removed, self.map.len() as u64);
                    for key in self.map.keys().cloned().collect::<Vec<_>>() {
                        self.set(key, None);
                    }
                    self.meta.clear();
                }
            }
            30 | 31 => self.reopen(byte(u)),
            32 => {
                // The process dies; what it was told is written stays.
                self.store().flush().expect("flush");
                self.store = None;
                self.open(byte(u));
            }
            33 | 34 => self.scan_on(1 + usize::from(byte(u) % 6)),
            35 => self.follow(1 + usize::from(byte(u) % 6)),
            36 => self.prefix(&key(u)),
            37 => self.range(key(u), key(u)),
            38 => self.backup(),
            _ => self.same_contents(),
        }
        self.let_expire();
        self.shows_len();
    }

    fn put(&mut self, u: &mut Unstructured<'_>) {
        let (key, value) = (key(u), self.value(u));
        let (how, expiry) = self.how(u);
        let seq = self.store().put_with(&key, &value, &how).expect("put");
        self.issued(seq);
        self.set(key, Some((value, expiry)));
    }

    fn batch(&mut self, u: &mut Unstructured<'_>) {
        let mut batch = Batch::new();
        let mut after = self.map.clone();
        let mut meta = self.meta.clone();
        let mut holds = true;
        for _ in 0..byte(u) % 6 {
            let key = key(u);
            match byte(u) % 8 {
                0..4 => {
                    let value = self.value(u);
                    let (how, expiry) = self.how(u);
                    batch.put_with(key.clone(), value.clone(), how.expiry);
                    after.insert(key, (value, expiry));
                }
                4 | 5 => {
                    batch.delete(key.clone());
                    after.remove(&key);
                }
                6 => {
                    let value = self.value(u);
                    batch.put_meta(key.clone(), value.clone());
                    meta.insert(key, value);
                }
                _ if one_in(u, 2) => {
                    batch.delete_meta(key.clone());
                    meta.remove(&key);
                }
                _ => {
                    let absent = one_in(u, 2);
                    let condition = [Condition::Present, Condition::Absent][usize::from(absent)];
                    holds &= self.map.contains_key(&key) != absent;
                    batch.require(key, condition);
                }
            }
        }
        let ack = pick(u, &[None, Some(Ack::Buffered), Some(Ack::Synced)]);
        match self.store().write_with(&batch, ack) {
            Ok(committed) => {
                assert!(holds, "taken against a condition: {batch:?}");
                assert!(committed.first_seq <= committed.last_seq);
                self.last_seq = self.last_seq.max(committed.last_seq);
                let touched: BTreeSet<Key> = self.map.keys().chain(after.keys()).cloned().collect();
                for key in touched {
                    if self.map.get(&key) != after.get(&key) {
                        let new = after.get(&key).cloned();
                        self.set(key, new);
                    }
                }
                self.meta = meta;
            }
            Err(Error::ConditionFailed { .. }) => assert!(!holds, "refused: {batch:?}"),
            Err(error) => panic!("batch: {error}"),
        }
        for (key, value) in &self.meta {
            let got = self.store.as_ref().map(|store| store.get_meta(key));
            assert_eq!(got, Some(Ok(Some(value.clone()))), "meta {key:?}");
        }
    }

    fn conditional(&mut self, u: &mut Unstructured<'_>) {
        let (key, value) = (key(u), self.value(u));
        let entry = self.store().get_entry(&key).expect("get_entry");
        let seen = entry.map(|entry| entry.seq);
        let (condition, holds) = match (byte(u) % 4, seen) {
            (0, _) => (Condition::Absent, seen.is_none()),
            (1, _) => (Condition::Present, seen.is_some()),
            (2, Some(seq)) => (Condition::Seq(seq), true),
            _ => (Condition::Seq(u64::from(byte(u)) + (1 << 40)), false),
        };
        let (mut how, expiry) = self.how(u);
        how.condition = Some(condition);
        let deletes = one_in(u, 3);
        let done = match deletes {
            true => self.store().delete_with(&key, &how),
            false => self.store().put_with(&key, &value, &how).map(Some),
        };
        match done {
            Ok(seq) => {
                assert!(holds, "taken against {condition:?}");
                assert_eq!(seq.is_some(), !deletes || seen.is_some());
                if let Some(seq) = seq {
                    self.issued(seq);
                }
                self.set(key, (!deletes).then_some((value, expiry)));
            }
            Err(Error::ConditionFailed { found, .. }) => {
                assert!(!holds, "refused by {condition:?}");
                assert_eq!(found, seen);
            }
            Err(error) => panic!("{condition:?}: {error}"),
        }
    }

    /// One key by every verb that reads one.
    fn look(&mut self, key: &[u8]) {
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
    fn scan_on(&mut self, limit: usize) {
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

    /// Lets the follower read pages of changes until there are none.
    fn follow(&mut self, limit: usize) {
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
                Err(Error::Gap { oldest, .. }) => {
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

    fn prefix(&mut self, key: &[u8]) {
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

    fn range(&mut self, from: Key, to: Key) {
        let found = self.store().range(from.clone()..to.clone()).expect("range");
        let found: Vec<_> = found.map(|entry| entry.expect("range").key).collect();
        let known = self.map.keys().filter(|key| **key >= from && **key < to);
        assert!(found.iter().eq(known), "{found:?}");
    }

    fn backup(&mut self) {
        let copy = MemoryStorage::with_seed(9);
        copy.set_now_ms(Some(self.now_ms));
        let done = self.store().backup(&copy, |_, _| {}).expect("backup");
        assert!(done.last_seq >= self.last_seq);
        let copy: Store = Engine::open(copy, Options::read_only()).expect("the copy opens");
        assert_eq!(contents(&copy), self.map);
        assert!(copy.verify(|_, _| {}).expect("verify").is_sound());
    }

    fn same_contents(&mut self) {
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

    fn shows_len(&mut self) {
        let len = self.map.len() as u64;
        assert_eq!(self.store().len(), len);
        assert_eq!(self.store().stats().expect("memory").keys, len);
    }

    fn reopen(&mut self, how: u8) {
        if let Some(store) = self.store.take() {
            store.close().expect("close");
        }
        self.open(how);
        assert!(self.store().report().clean);
    }

    fn open(&mut self, how: u8) {
        let options = Options {
            merge: MergePolicy {
                fragmentation_trigger_percent: 20,
                fragmentation_threshold_percent: 10,
                min_files: 2,
                ..MergePolicy::default()
            },
            ordered_index: how & 1 != 0,
            verify_overwrite: how & 2 != 0,
            buffer_bytes: if how & 4 != 0 { 64 } else { 64 << 10 },
            ack: [Ack::Written, Ack::Buffered][usize::from(how >> 3 & 1)],
            segment_bytes: 1 << 20,
            reserve_bytes: 0,
            ..Options::default()
        };
        self.store = Some(Engine::open(self.disk.clone(), options).expect("open"));
        self.merging = false;
    }

    fn how(&self, u: &mut Unstructured<'_>) -> (WriteOptions, Option<u64>) {
        let (expiry, at) = match byte(u) {
            0..180 => (Expiry::Never, None),
            180..190 => (Expiry::Default, None),
            life @ 190..225 => {
                let life = u64::from(life - 189);
                (Expiry::AfterMs(life), Some(self.now_ms + life))
            }
            at => {
                let at = self.now_ms - 5 + u64::from(at - 225);
                (Expiry::AtMs(at), Some(at))
            }
        };
        let ack = pick(
            u,
            &[
                None,
                Some(Ack::Written),
                Some(Ack::Buffered),
                Some(Ack::Synced),
            ],
        );
        let how = WriteOptions {
            ack,
            expiry,
            condition: None,
        };
        (how, at)
    }

    fn value(&self, u: &mut Unstructured<'_>) -> Vec<u8> {
        let bytes = match byte(u) {
            // More than one page of anything, seldom: a case has to stay cheap.
            255 => 70_000,
            250.. => 5_000,
            size => [6, 0, 1, 20, 40, 6, 100, 6, 1_100, 6][usize::from(size) % 10],
        };
        let text = format!("{}.", self.made);
        text.bytes().cycle().take(bytes).collect()
    }

    fn issued(&mut self, seq: u64) {
        assert!(seq > self.last_seq, "{seq} after {}", self.last_seq);
        self.last_seq = seq;
    }

    /// Changes the map, and tells the scan in progress. Returns what was there.
    fn set(&mut self, key: Key, new: Option<(Vec<u8>, Option<u64>)>) -> Option<Vec<u8>> {
        if let Some(scan) = &mut self.scan
            && new.is_none()
        {
            scan.steady.remove(&key);
        }
        let old = match new {
            Some(new) => self.map.insert(key, new),
            None => self.map.remove(&key),
        };
        old.map(|(value, _)| value)
    }

    fn let_expire(&mut self) {
        let now_ms = self.now_ms;
        let due = |(key, (_, expiry)): (&Key, &(Vec<u8>, Option<u64>))| {
            expiry
                .is_some_and(|expiry| expiry <= now_ms)
                .then(|| key.clone())
        };
        for key in self.map.iter().filter_map(due).collect::<Vec<_>>() {
            self.set(key, None);
        }
    }
}

/// Keys with common beginnings, an empty one, bytes at both ends of the order, a few long ones.
fn key(u: &mut Unstructured<'_>) -> Key {
    match byte(u) {
        0..4 => Vec::new(),
        4..8 => vec![b'x'; 300],
        8 => vec![b'x'; 65_535],
        9..16 => vec![0xff; usize::from(byte(u) % 4)],
        16..24 => short(u).to_le_bytes().to_vec(),
        letter => vec![b'a' + letter % 3, b'0' + letter / 3 % 8],
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
