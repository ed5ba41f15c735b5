//! Random histories against a map: writes, batches, expiry, syncs, rotation, merge in small steps,
//! closing, crashing without losing what the platform has, reopening. In memory, and on a disk that
//! sets space aside ahead of writes that are synced.

use portcask_core::memory::MemoryStorage;
use portcask_core::testing::sim::SimDisk;
use portcask_core::{
    Ack, Batch, Condition, Engine, Error, Expiry, MergePolicy, MergeProgress, Options, Storage,
    Ttl, WriteOptions,
};
use std::collections::BTreeMap;

/// A storage without real files, whose clock is set.
trait Disk: Storage + Clone {
    fn seeded(seed: u64) -> Self;
    fn set_now(&self, now: u64);
}

impl Disk for MemoryStorage {
    fn seeded(seed: u64) -> Self {
        Self::with_seed(seed)
    }

    fn set_now(&self, now: u64) {
        self.set_now_ms(Some(now));
    }
}

impl Disk for SimDisk {
    fn seeded(seed: u64) -> Self {
        Self::new(seed)
    }

    fn set_now(&self, now: u64) {
        self.set_now_ms(Some(now));
    }
}

/// A small deterministic generator (xorshift64*, Vigna 2016), so that a seed is a history.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

struct World<D: Disk> {
    disk: D,
    store: Option<Engine<D>>,
    /// What is there: value and expiry.
    model: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>,
    now: u64,
    random: Random,
}

fn options() -> Options {
    Options {
        merge: MergePolicy {
            fragmentation_trigger_percent: 20,
            fragmentation_threshold_percent: 10,
            min_files: 2,
            ..MergePolicy::default()
        },
        reserve_bytes: 0,
        // A few records: most are read from the disk, and segments that a merge removed had some, too.
        recent_bytes: 300,
        ..Options::default()
    }
}

impl<D: Disk> World<D> {
    fn new(seed: u64) -> Self {
        let disk = D::seeded(seed);
        let now = 1_700_000_000_000;
        disk.set_now(now);
        let store = Engine::open(disk.clone(), options()).unwrap();
        Self {
            disk,
            store: Some(store),
            model: BTreeMap::new(),
            now,
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
        }
    }

    fn store(&mut self) -> &mut Engine<D> {
        self.store.as_mut().unwrap()
    }

    fn key(&mut self) -> Vec<u8> {
        let n = self.random.below(40);
        match n {
            0 => Vec::new(),
            1 => vec![b'x'; 300],
            _ => format!("key-{n}").into_bytes(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let bytes = match self.random.below(10) {
            0 => 0,
            1 => 5_000,
            _ => self.random.below(60) as usize,
        };
        (0..bytes).map(|_| self.random.next() as u8).collect()
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..35 => {
                let (key, value) = (self.key(), self.value());
                let ack = match self.random.below(6) {
                    0 => Some(Ack::Buffered),
                    1 => Some(Ack::Synced),
                    _ => None,
                };
                let life = (self.random.below(5) == 0).then(|| 1 + self.random.below(50));
                let how = WriteOptions {
                    ack,
                    expiry: life.map_or(Expiry::Never, Expiry::AfterMs),
                    ..WriteOptions::default()
                };
                self.store().put_with(&key, &value, &how).unwrap();
                let expiry = life.map(|life| self.now + life);
                self.model.insert(key, (value, expiry));
            }
            35..50 => {
                let key = self.key();
                let existed = self.store().delete(&key).unwrap();
                assert_eq!(existed, self.model.remove(&key).is_some());
            }
            50..58 => self.batch(),
            58..64 => {
                let key = self.key();
                let got = self.store().get(&key).unwrap();
                assert_eq!(got.as_ref(), self.model.get(&key).map(|(value, _)| value));
            }
            64..70 => self.conditional(),
            70..75 => {
                let key = self.key();
                let at = self.now + 1 + self.random.below(30);
                let existed = self.store().expire(&key, Expiry::AtMs(at)).unwrap();
                if let Some(entry) = self.model.get_mut(&key) {
                    entry.1 = Some(at);
                    assert!(existed);
                }
            }
            75..78 => {
                let key = self.key();
                let had = self.store().persist(&key).unwrap();
                let model = self.model.get_mut(&key).and_then(|entry| entry.1.take());
                assert_eq!(had, model.is_some());
            }
            78..82 => {
                self.now += self.random.below(20);
                self.disk.set_now(self.now);
                let now = self.now;
                self.model
                    .retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now < expiry));
            }
            82..86 => self.store().rotate().unwrap(),
            86..92 => {
                let budget = 1 + self.random.below(2_000);
                self.store().merge_step(budget).unwrap();
            }
            92 => {
                self.store().merge_all(|_, _| {}).unwrap();
            }
            93 if self.random.below(2) == 0 => {
                self.store().tick().unwrap();
            }
            93 => self.store().sync().unwrap(),
            94 if self.random.below(4) == 0 => {
                self.store().clear().unwrap();
                self.model.clear();
            }
            94..97 => {
                self.store.take().unwrap().close().unwrap();
                self.reopen();
                assert!(self.store().report().clean);
            }
            _ => {
                // A crash of the process: what was only buffered may be lost, so hand it over.
                self.store().flush().unwrap();
                self.store = None;
                self.reopen();
            }
        }
    }

    fn reopen(&mut self) {
        let store: Engine<D> = Engine::open(self.disk.clone(), options()).unwrap();
        assert!(store.report().is_spotless(), "{}", store.report());
        self.store = Some(store);
        self.check();
    }

    fn batch(&mut self) {
        let mut batch = Batch::new();
        for _ in 0..1 + self.random.below(5) {
            let key = self.key();
            if self.random.below(3) == 0 {
                batch.delete(key.clone());
                self.model.remove(&key);
            } else {
                let value = self.value();
                batch.put(key.clone(), value.clone());
                self.model.insert(key, (value, None));
            }
        }
        batch.put_meta("applied", self.random.next().to_le_bytes());
        self.store().write(&batch).unwrap();
    }

    fn conditional(&mut self) {
        let (key, value) = (self.key(), self.value());
        let seen = self.store().get_entry(&key).unwrap().map(|entry| entry.seq);
        let condition = match (self.random.below(3), seen) {
            (0, _) => Condition::Absent,
            (1, _) | (_, None) => Condition::Present,
            (_, Some(seq)) => Condition::Seq(seq),
        };
        let how = WriteOptions {
            condition: Some(condition),
            ..WriteOptions::default()
        };
        let done = self.store().put_with(&key, &value, &how);
        let holds = (condition == Condition::Absent) != self.model.contains_key(&key);
        match done {
            Ok(_) => {
                assert!(holds);
                self.model.insert(key, (value, None));
            }
            Err(Error::ConditionFailed { unmet }) => {
                assert!(!holds);
                assert_eq!(unmet.found, seen);
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn check(&mut self) {
        let model = self.model.clone();
        let store = self.store();
        assert_eq!(store.len(), model.len() as u64);
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = store
            .iter()
            .map(|entry| entry.map(|entry| (entry.key, entry.value)).unwrap())
            .collect();
        found.sort();
        let expected: Vec<_> = model
            .iter()
            .map(|(key, (value, _))| (key.clone(), value.clone()))
            .collect();
        assert_eq!(found, expected);
        for (key, (_, expiry)) in &model {
            let ttl = expiry.map_or(Ttl::Forever, Ttl::ExpiresAtMs);
            assert_eq!(store.ttl(key).unwrap(), ttl);
        }
        let ends: Vec<u64> = model.values().filter_map(|(_, expiry)| *expiry).collect();
        let expiring = store.expiring();
        assert_eq!(expiring.keys, ends.len() as u64);
        assert_eq!(store.stats().unwrap().expiring_keys, expiring.keys);
        assert_eq!(
            expiring.mean_ms,
            ends.iter().sum::<u64>().checked_div(expiring.keys)
        );
        let report = store.verify(|_, _| {}).unwrap();
        assert!(report.is_sound(), "{:?}", report.damages);
    }
}

#[test]
fn a_store_behaves_like_a_map_through_merges_crashes_and_reopenings() {
    many_lives::<MemoryStorage>();
}

#[test]
fn so_it_does_where_files_are_made_longer_ahead_of_what_is_written() {
    many_lives::<SimDisk>();
}

/// More seeds: PORTCASK_SEEDS=1000 cargo test --release -p portcask-core --test model
fn many_lives<D: Disk>() {
    let seeds = std::env::var("PORTCASK_SEEDS").map_or(12, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        let mut world = World::<D>::new(seed);
        for step in 0..400 {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.step()));
            assert!(outcome.is_ok(), "seed {seed} failed at step {step}");
        }
        world.check();
    }
}

#[test]
fn a_full_segment_is_sealed_by_the_write_that_would_not_fit() {
    let disk = MemoryStorage::with_seed(3);
    let small = Options {
        segment_bytes: 1 << 20,
        ..options()
    };
    let mut store: Engine<MemoryStorage> = Engine::open(disk.clone(), small.clone()).unwrap();
    let mut batch = Batch::new();
    for n in 0..120_u8 {
        store.put(&[n], &vec![n; 30_000]).unwrap();
        batch.clear();
        batch.put([n, 0], vec![n; 20_000]).put([n, 1], vec![n; 100]);
        store.write(&batch).unwrap();
    }
    let stats = store.stats().unwrap();
    assert!(stats.segments.len() > 5, "{}", stats.segments.len());
    assert!(stats.segments.iter().all(|s| s.size_bytes <= 1 << 20));
    drop(store);
    let store: Engine<MemoryStorage> = Engine::open(disk, small).unwrap();
    assert_eq!(store.len(), 360);
    for n in 0..120_u8 {
        assert_eq!(store.get(&[n]).unwrap(), Some(vec![n; 30_000]));
        assert_eq!(store.get(&[n, 0]).unwrap(), Some(vec![n; 20_000]));
        assert_eq!(store.get(&[n, 1]).unwrap(), Some(vec![n; 100]));
    }
    assert!(store.verify(|_, _| {}).unwrap().is_sound());
}

#[test]
fn a_merge_in_small_steps_ends_and_frees_the_dead_bytes() {
    let mut world = World::<MemoryStorage>::new(7);
    for round in 0..5 {
        for n in 0..50 {
            let value = format!("{round}-{n}").into_bytes();
            let key = format!("k{n}").into_bytes();
            world.store().put(&key, &value).unwrap();
            world.model.insert(key, (value, None));
        }
        world.store().rotate().unwrap();
    }
    let before = world.store().stats().unwrap();
    let mut done = false;
    for _ in 0..10_000 {
        match world.store().merge_step(100).unwrap() {
            MergeProgress::Done(report) => {
                assert_eq!(report.records_kept, 50);
                assert_eq!(report.records_dropped, 200);
                done = true;
            }
            MergeProgress::Idle => break,
            MergeProgress::Working { .. } => {}
        }
    }
    assert!(done);
    let after = world.store().stats().unwrap();
    assert_eq!(after.dead_bytes, 0);
    assert!(after.total_bytes * 3 < before.total_bytes);
    world.check();
}
