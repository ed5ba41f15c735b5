//! The core workloads on one thread, the same code natively and in a sandbox: what an operation costs.
//!
//! Uses the engine alone, as a guest does, without the threads of the native handle.

use crate::data::{Key, Maker, OwnCost, Random, SMALL, Zipf};
use portcask::{Ack, Engine, Error, Options, PlatformStorage};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// The figures of [`run`], each in nanoseconds per operation, the harness's cost included.
pub const FIGURES: [&str; 8] = [
    "harness",
    "put_buffered",
    "put_written",
    "open_per_key",
    "get",
    "get_many_16",
    "miss",
    "ycsb_a",
];

/// Keys of one `get_many`.
const MANY: usize = 16;

type Store = Engine<PlatformStorage>;

/// Runs all of them in an existing directory, with `keys` keys of 16 B and values of 100 B.
pub fn run(dir: &Path, keys: u64, seed: u64) -> Result<Vec<(&'static str, f64)>, Error> {
    let own = OwnCost::measure();
    let (store, buffered) = filled(&dir.join("buffered"), Ack::Buffered, keys, seed)?;
    store.close()?;
    let place = dir.join("written");
    let (store, written) = filled(&place, Ack::Written, keys, seed)?;
    store.close()?;
    let start = Instant::now();
    let mut store = opened(&place, Ack::Written)?;
    let open = per_operation(start, keys);
    // Once untimed, so that everything is in the page cache and in place.
    (0..keys).try_for_each(|number| get(&store, number, &mut Vec::new()))?;
    let figures = [
        own.make_ns + own.check_ns,
        buffered,
        written,
        open,
        gets(&store, keys, seed)?,
        many(&store, keys, seed)?,
        misses(&store, keys, seed)?,
        mix(&mut store, keys, seed)?,
    ];
    store.close()?;
    Ok(FIGURES.into_iter().zip(figures).collect())
}

fn opened(dir: &Path, ack: Ack) -> Result<Store, Error> {
    let refused = |source| Error::storage(portcask::Op::Open, None, source);
    let storage = PlatformStorage::open(dir).map_err(refused)?;
    Engine::open(
        storage,
        Options {
            ack,
            ..Options::default()
        },
    )
}

fn filled(dir: &Path, ack: Ack, keys: u64, seed: u64) -> Result<(Store, f64), Error> {
    // An error here shows again when the store is opened.
    let _ = fs::create_dir(dir);
    let (mut store, mut maker) = (opened(dir, ack)?, Maker::new(SMALL, seed));
    let start = Instant::now();
    for number in 0..keys {
        let (key, value) = maker.entry(number);
        store.put(key, value)?;
    }
    store.flush()?;
    Ok((store, per_operation(start, keys)))
}

fn get(store: &Store, number: u64, scratch: &mut Vec<u8>) -> Result<(), Error> {
    let key = SMALL.key(number);
    assert!(
        store.get_into(key.bytes(), scratch)?,
        "key {number} is missing"
    );
    SMALL.check(&key, scratch);
    Ok(())
}

fn gets(store: &Store, keys: u64, seed: u64) -> Result<f64, Error> {
    let (mut random, mut scratch) = (Random::new(seed + 1), Vec::new());
    let start = Instant::now();
    for _ in 0..keys {
        get(store, random.below(keys), &mut scratch)?;
    }
    Ok(per_operation(start, keys))
}

fn many(store: &Store, keys: u64, seed: u64) -> Result<f64, Error> {
    let mut random = Random::new(seed + 2);
    let rounds = keys.div_ceil(MANY as u64);
    let start = Instant::now();
    for _ in 0..rounds {
        let asked: [Key; MANY] = std::array::from_fn(|_| SMALL.key(random.below(keys)));
        let values = store.get_many(&asked.each_ref().map(Key::bytes))?;
        for (key, value) in asked.iter().zip(values) {
            SMALL.check(key, &value.unwrap_or_default());
        }
    }
    Ok(per_operation(start, rounds * MANY as u64))
}

fn misses(store: &Store, keys: u64, seed: u64) -> Result<f64, Error> {
    let (mut random, mut scratch) = (Random::new(seed + 3), Vec::new());
    let start = Instant::now();
    for _ in 0..keys {
        let absent = SMALL.key(keys + random.below(1 << 40));
        let is_there = store.get_into(absent.bytes(), &mut scratch)?;
        assert!(!is_there, "a key was found that was never stored");
    }
    Ok(per_operation(start, keys))
}

/// YCSB-A: half updates of zipfian keys.
fn mix(store: &mut Store, keys: u64, seed: u64) -> Result<f64, Error> {
    let (zipf, mut random) = (Zipf::new(keys), Random::new(seed + 4));
    let (mut maker, mut scratch) = (Maker::new(SMALL, seed + 5), Vec::new());
    let start = Instant::now();
    for _ in 0..keys {
        let number = zipf.draw(&mut random);
        if random.bits().is_multiple_of(2) {
            let (key, value) = maker.entry(number);
            store.put(key, value)?;
        } else {
            get(store, number, &mut scratch)?;
        }
    }
    Ok(per_operation(start, keys))
}

fn per_operation(start: Instant, operations: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / operations as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_measured() {
        let dir = tempfile::tempdir().unwrap();
        let figures = run(dir.path(), 500, 1).unwrap();
        let names: Vec<&str> = figures.iter().map(|figure| figure.0).collect();
        assert_eq!(names, FIGURES);
        assert!(figures.iter().all(|figure| figure.1 > 0.0), "{figures:?}");
    }
}
