//! Every verb of the engine beside a `BTreeMap`.

mod reads;
mod writes;

use super::input::{byte, one_in, short};
use arbitrary::Unstructured;
use portcask_core::memory::MemoryStorage;
use portcask_core::{Ack, Engine, Expiry, MergePolicy, Options};
use reads::Scan;
use std::collections::BTreeMap;

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
            recent_bytes: [0, 200][usize::from(how >> 4 & 1)],
            segment_bytes: 1 << 20,
            reserve_bytes: 0,
            ..Options::default()
        };
        self.store = Some(Engine::open(self.disk.clone(), options).expect("open"));
        self.merging = false;
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
