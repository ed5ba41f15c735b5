//! Rot: files of a store that was fine are damaged in random ways. Every key answers its right value
//! or a typed error; never another value, and never an absence.
//!
//! `PORTCASK_SEEDS=20000 cargo test --release -p portcask-core --test rot` searches longer.

use portcask_core::format::file::names;
use portcask_core::storage::Storage;
use portcask_core::testing::oracle::Contents;
use portcask_core::testing::sim::{Dice, Laws, SimDisk};
use portcask_core::testing::world::{KEYS, Step, Store, World, contents, name, random_step};
use portcask_core::{Engine, Error, FileName, OpenMode, Options, salvage};
use std::collections::BTreeMap;

fn seeds(by_default: u64) -> std::ops::RangeInclusive<u64> {
    let from = std::env::var("PORTCASK_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count = std::env::var("PORTCASK_SEEDS").map_or(by_default, |n| n.parse().unwrap());
    from..=from + count - 1
}

/// A store's files, what it holds, and where its last durable marker lies, if it needs one.
struct Sound {
    files: BTreeMap<FileName, Vec<u8>>,
    held: Contents,
    marker: Option<(FileName, usize)>,
}

/// A store with some history in which everything is durable and known to be: closed, or left behind
/// after a sync and the marker that tells of it.
fn sound(seed: u64, close: bool) -> Sound {
    let mut dice = Dice::new(seed);
    let mut world = World::new(seed, Laws::DISK);
    for _ in 0..10 + dice.below(50) {
        let step = match random_step(&mut dice) {
            // An expiry would make a right value an absence.
            Step::Put {
                key, bytes, ack, ..
            } => Step::Put {
                key,
                bytes,
                ack,
                life_ms: None,
            },
            Step::Clear => Step::Rotate,
            step => step,
        };
        world.apply(&step).unwrap();
    }
    world.open().unwrap();
    let mut store = world.store.take().unwrap();
    let held = contents(&store).unwrap();
    let mut marker = None;
    if close {
        store.close().unwrap();
    } else {
        store.put(b"the last", b"").unwrap();
        store.sync().unwrap();
        let active = names::segment(store.stats().unwrap().segments.last().unwrap().id);
        marker = Some((active, world.disk.bytes(&active).unwrap().len()));
        store.tick_sync().unwrap();
        drop(store);
    }
    Sound {
        files: world.disk.files(),
        held,
        marker,
    }
}

/// Damages one file. Returns what was done, for the person who has to find the bug. A marker is
/// spared: without it the records before it may never have been durable.
fn damage(dice: &mut Dice, sound: &mut Sound) -> String {
    let files = &mut sound.files;
    let chosen = dice.below(files.len() as u64) as usize;
    let file = *files.keys().nth(chosen).unwrap();
    let marked = sound.marker.filter(|(name, _)| *name == file);
    let bytes = files.get_mut(&file).unwrap();
    if let Some((_, marker)) = marked {
        let at = dice.below(marker as u64) as usize;
        let to = (at + 1 + dice.below(60) as usize).min(marker);
        bytes[at..to].iter_mut().for_each(|byte| *byte ^= 0x5a);
        return format!("{file}: noise from {at} to {to}, marker at {marker}");
    }
    let len = bytes.len().max(1) as u64;
    let at = dice.below(len) as usize;
    let many = (at + 1 + dice.below(300) as usize).min(bytes.len());
    match dice.below(8) {
        0..3 if at < bytes.len() => {
            let mask = 1 << dice.below(8);
            bytes[at] ^= mask;
            format!("{file}: byte {at} flipped by {mask:#x}")
        }
        3 if at < many => {
            bytes[at..many].fill(0);
            format!("{file}: zeros from {at} to {many}")
        }
        4 if at < many => {
            for byte in &mut bytes[at..many] {
                *byte = dice.below(256) as u8;
            }
            format!("{file}: noise from {at} to {many}")
        }
        5 => {
            bytes.truncate(at);
            format!("{file}: cut to {at}")
        }
        6 => {
            files.remove(&file);
            format!("{file}: gone")
        }
        _ => {
            let other = files.values().nth(dice.below(files.len() as u64) as usize);
            let other = other.unwrap().clone();
            files.insert(file, other);
            format!("{file}: another file's content")
        }
    }
}

fn right_or_refused(store: &Store, held: &Contents) -> Result<(), String> {
    for key in (0..KEYS).map(name).filter(|_| !held.is_empty()) {
        let want = held.get(&key).map(|(value, _)| value);
        match store.get(&key) {
            Ok(got) if got.as_ref() == want => {}
            Err(_) => {}
            Ok(got) => {
                let key = String::from_utf8_lossy(&key).into_owned();
                let lens = (got.map(|v| v.len()), want.map(Vec::len));
                return Err(format!("{key} has {lens:?} bytes; {}", store.report()));
            }
        }
    }
    Ok(())
}

fn rot(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed ^ 0x0bad);
    let close = dice.below(2) == 0;
    let mut sound = sound(seed, close);
    let mut done = format!("seed {seed}, closed {close}");
    let twice = dice.below(2) == 0;
    for _ in 0..1 + u32::from(twice) {
        if !sound.files.is_empty() {
            done += "; ";
            done += &damage(&mut dice, &mut sound);
        }
    }
    let Sound {
        files, mut held, ..
    } = sound;
    if twice && done.contains("manifest") {
        // Where the news of a file rots together with the file, it is as if neither had been. What
        // remains is that nothing panics and nothing is made up.
        held.clear();
    }
    let told = |what: String| format!("{done}: {what}");
    let disk = || SimDisk::holding(seed, Laws::DISK, files.clone());
    let open = |options: Options| -> Result<Store, Error> { Engine::open(disk(), options) };

    for options in [World::options(), Options::read_only()] {
        // Refusing to open is an answer, but creating a new store over what is left is none.
        let Ok(mut store) = open(options) else {
            continue;
        };
        if !(store.report().created && files.is_empty()) {
            right_or_refused(&store, &held).map_err(told)?;
        }
        // Whatever is wrong, the store can be asked anything.
        let _ = store
            .verify(|_, _| {})
            .map_err(|e| told(format!("verify: {e}")))?;
        let _ = (
            store.stats().unwrap(),
            store.merge_plan().unwrap(),
            store.iter().count(),
        );
        let _ = store.merge_all(|_, _| {});
        right_or_refused(&store, &held).map_err(|e| told(format!("after a merge: {e}")))?;
        let again = store.storage().clone();
        drop(store);
        if let Ok(store) = Engine::open(again, World::options()) {
            right_or_refused(&store, &held).map_err(|e| told(format!("opened again: {e}")))?;
        }
    }
    // In strict mode nothing that is refused by default is shown.
    let strict = Options {
        mode: OpenMode::Strict,
        ..World::options()
    };
    if let Ok(store) = open(strict) {
        right_or_refused(&store, &held).map_err(|e| told(format!("strict: {e}")))?;
    }
    let before = disk().list().unwrap().len();
    let mut saved = 0;
    let report = salvage(disk(), |_| {
        saved += 1;
        Ok(())
    });
    if let Ok(report) = report {
        assert_eq!(report.keys, saved);
    }
    assert_eq!(disk().list().unwrap().len(), before);
    Ok(())
}

#[test]
fn a_damaged_store_answers_right_or_refuses() {
    for seed in seeds(150) {
        rot(seed).unwrap_or_else(|problem| panic!("{problem}"));
    }
}
