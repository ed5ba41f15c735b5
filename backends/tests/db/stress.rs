//! Everything at once, for a bounded time: what readers see is always right.

use super::gate::Gates;
use super::{World, eager, key, quiet};
use portcask::{Ack, Db, DbOptions, Result};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const KEYS: usize = 400;
const TIME: Duration = Duration::from_secs(2);

/// What is known of one key: versions are even while it is there, odd while it is deleted.
#[derive(Default)]
struct Known {
    /// A write of this version may have begun.
    begun: AtomicU64,
    /// A write of this version was acknowledged.
    done: AtomicU64,
}

/// Its key and its version, and a length that depends on both.
fn value(n: usize, version: u64) -> Vec<u8> {
    let mut value = [key(n), version.to_le_bytes().to_vec()].concat();
    value.resize(17 + (n * 31 + version as usize * 7) % 2_000, version as u8);
    value
}

fn version(n: usize, found: &[u8]) -> u64 {
    let version = u64::from_le_bytes(found[9..17].try_into().unwrap());
    assert_eq!(
        found,
        value(n, version),
        "key {n} has a value never written"
    );
    version
}

/// A small deterministic generator (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn busy() -> DbOptions {
    let mut options = quiet();
    options.engine.merge = eager();
    options.background = Some(Duration::from_millis(1));
    options
}

type Task<'a> = Box<dyn Fn(&AtomicBool) + Send + Sync + 'a>;

/// Runs the threads until the time is up, or until one of them has panicked.
fn for_a_while(threads: Vec<Task<'_>>) {
    let over = AtomicBool::new(false);
    let until = Instant::now() + TIME;
    thread::scope(|scope| {
        let over = &over;
        let threads: Vec<_> = threads
            .iter()
            .map(|thread| scope.spawn(move || thread(over)))
            .collect();
        while Instant::now() < until && threads.iter().all(|thread| !thread.is_finished()) {
            thread::park_timeout(Duration::from_millis(10));
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// Writes and deletes the keys that are `turn` modulo `writers`, at all levels.
fn write(db: &Db<Gates>, known: &[Known], turn: usize, writers: usize, over: &AtomicBool) {
    let mut random = Random(turn as u64 + 1);
    while !over.load(Ordering::Relaxed) {
        let n = random.below(KEYS / writers) * writers + turn;
        let next = known[n].done.load(Ordering::SeqCst) + 1;
        known[n].begun.store(next, Ordering::SeqCst);
        let level = match random.below(100) {
            0 => Ack::Synced,
            1..30 => Ack::Buffered,
            _ => Ack::Written,
        };
        let how = super::at(level);
        if next % 2 == 1 {
            db.delete_with(&key(n), &how).unwrap();
        } else {
            db.put_with(&key(n), &value(n, next), &how).unwrap();
        }
        known[n].done.store(next, Ordering::SeqCst);
    }
}

/// Reads keys and checks each answer against what was known before and after.
fn read(db: &Db<Gates>, known: &[Known], seed: u64, over: &AtomicBool) {
    let mut random = Random(seed);
    let mut buffer = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let n = random.below(KEYS);
        let before = known[n].done.load(Ordering::SeqCst);
        let found = db.get_into(&key(n), &mut buffer).unwrap();
        let after = known[n].begun.load(Ordering::SeqCst);
        if found {
            let seen = version(n, &buffer);
            assert!((before..=after).contains(&seen), "{before} {seen} {after}");
        } else {
            let deleted = before % 2 == 1 || after > before;
            assert!(deleted, "key {n} is absent at versions {before}..={after}");
        }
    }
}

fn fill(db: &Db<Gates>) {
    for n in 0..KEYS {
        db.put(&key(n), &value(n, 0)).unwrap();
    }
}

#[test]
fn readers_see_right_values_through_merges_rotations_and_syncs() {
    let world = World::new();
    let db = world.open_with(busy());
    fill(&db);
    let known: Vec<Known> = (0..KEYS).map(|_| Known::default()).collect();
    for_a_while(vec![
        Box::new(|over| write(&db, &known, 0, 2, over)),
        Box::new(|over| write(&db, &known, 1, 2, over)),
        Box::new(|over| read(&db, &known, 11, over)),
        Box::new(|over| read(&db, &known, 12, over)),
        Box::new(|over| {
            while !over.load(Ordering::Relaxed) {
                db.rotate().unwrap();
                db.merge_all(|_, _| {}).unwrap();
                let report = db.verify(|_, _| {}).unwrap();
                assert!(report.is_sound(), "{:?}", report.damages);
            }
        }),
    ]);
    assert_eq!(db.background_error(), None);
    db.close().unwrap();
    let db = world.open();
    assert!(db.verify(|_, _| {}).unwrap().is_sound());
    for (n, known) in known.iter().enumerate() {
        let last = known.done.load(Ordering::SeqCst);
        let expected = (last % 2 == 0).then(|| value(n, last));
        assert_eq!(db.get(&key(n)).unwrap(), expected, "key {n}");
    }
}

#[test]
fn a_key_that_lives_through_a_walk_is_met_exactly_once_and_others_at_most_once() {
    const STABLE: usize = 3_000;
    let world = World::new();
    let db = world.open_with(busy());
    let stable = |n: usize| format!("stable-{n}").into_bytes();
    for n in 0..STABLE {
        db.put(&stable(n), &stable(n)).unwrap();
    }
    fill(&db);
    let known: Vec<Known> = (0..KEYS).map(|_| Known::default()).collect();
    let walk = |over: &AtomicBool| {
        while !over.load(Ordering::Relaxed) {
            let before: Vec<u64> = versions(&known, |k| &k.done);
            let met: Vec<_> = db.iter().collect::<Result<_>>().unwrap();
            let after: Vec<u64> = versions(&known, |k| &k.begun);
            let mut keys = BTreeSet::new();
            let mut steady = 0;
            for entry in &met {
                assert!(keys.insert(&entry.key), "{:?} twice", entry.key);
                if entry.key.starts_with(b"stable-") {
                    assert_eq!(entry.key, entry.value);
                    steady += 1;
                    continue;
                }
                let n: usize = std::str::from_utf8(&entry.key[4..])
                    .unwrap()
                    .parse()
                    .unwrap();
                let seen = version(n, &entry.value);
                assert!((before[n]..=after[n]).contains(&seen), "key {n}: {seen}");
            }
            assert_eq!(steady, STABLE);
            for n in (0..KEYS).filter(|n| before[*n] == after[*n] && before[*n].is_multiple_of(2)) {
                assert!(keys.contains(&key(n)), "key {n} was there all the time");
            }
        }
    };
    for_a_while(vec![
        Box::new(|over| write(&db, &known, 0, 2, over)),
        Box::new(|over| write(&db, &known, 1, 2, over)),
        Box::new(walk),
        Box::new(walk),
    ]);
    assert_eq!(db.background_error(), None);
}

fn versions(known: &[Known], which: impl Fn(&Known) -> &AtomicU64) -> Vec<u64> {
    let load = |known| which(known).load(Ordering::SeqCst);
    known.iter().map(load).collect()
}

#[test]
fn the_feed_of_changes_misses_nothing_while_writers_write_and_rotate() {
    let world = World::new();
    let db = world.open();
    let follow = |over: &AtomicBool| {
        let mut next = 1;
        loop {
            let last = over.load(Ordering::Relaxed);
            let page = db.changes(next, 500).unwrap();
            for change in &page.changes {
                assert_eq!(change.seq, next);
                next += 1;
            }
            assert_eq!(page.next_seq, next);
            if last && page.changes.is_empty() {
                return;
            }
        }
    };
    for_a_while(vec![
        Box::new(|over| {
            let mut n = 0;
            while !over.load(Ordering::Relaxed) {
                db.put(&key(n % KEYS), &[1; 3_000]).unwrap();
                n += 1;
            }
        }),
        Box::new(follow),
    ]);
}
