//! Rot: files of a store that was fine are damaged in random ways. Every key answers its right value
//! or a typed error; never another value, and never an absence. What is refused is reported.

use super::oracle::Contents;
use super::sim::{Dice, Laws, SimDisk};
use super::world::{KEYS, Step, Store, World, contents, name, random_step};
use crate::format::file::{FILE_HEADER_BYTES, FileKind, names};
use crate::prelude::*;
use crate::storage::FileName;
use crate::{Ack, Engine, Error, OpenMode, Options, salvage};
use compat::collections::BTreeMap;

/// Builds a store, damages its files, and asks it everything. Returns what was wrong, with what had
/// been done.
pub fn rot(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed ^ 0x0bad);
    let close = dice.below(2) == 0;
    let mut sound =
        sound(seed, close).map_err(|e| format!("seed {seed}, before any damage: {e}"))?;
    let mut done = format!("seed {seed}, closed {close}");
    let twice = dice.below(2) == 0;
    for _ in 0..1 + u32::from(twice) {
        done += "; ";
        done += &damage(&mut dice, &mut sound);
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
        explained(&store).map_err(told)?;
        // Whatever is wrong, the store can be asked anything.
        let _ = (store.stats(), store.merge_plan(), store.iter().count());
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
    let (saved_from, mut saved) = (disk(), 0);
    let report = salvage(saved_from.clone(), |_| {
        saved += 1;
        Ok(())
    });
    match report {
        Ok(report) if report.keys != saved => Err(told(format!(
            "salvage counts {saved} keys as {}",
            report.keys
        ))),
        _ if saved_from.changes() > 0 => Err(told(String::from("salvage changes the store"))),
        _ => Ok(()),
    }
}

/// Flips one bit of the records of an even store: the `nth`, in an order that soon was everywhere.
/// Returns what was wrong, with where the bit is.
pub fn flip(nth: u64) -> Result<(), String> {
    let (sound, newest) = even(10)?;
    let mut files = sound.files;
    let bytes = files.entry(newest).or_default();
    let bits = (bytes.len().saturating_sub(FILE_HEADER_BYTES) * 8).max(1) as u64;
    // The golden ratio's multiples are spread evenly (Knuth, TAOCP 6.4).
    let bit = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) % bits;
    let (offset, mask) = (FILE_HEADER_BYTES + (bit / 8) as usize, 1 << (bit % 8));
    if let Some(byte) = bytes.get_mut(offset) {
        *byte ^= mask;
    }
    ask(files, &sound.held).map_err(|e| format!("byte {offset} flipped by {mask:#x}: {e}"))
}

/// Gives one file of an even store the content of another of its kind: the `nth` such pair, starting
/// over after the last. Returns what was wrong, with the pair.
pub fn exchange(nth: u64) -> Result<(), String> {
    let (sound, _) = even(3)?;
    let mut files = sound.files;
    let mut pairs = Vec::new();
    for file in files.keys() {
        let alike = files
            .keys()
            .filter(|other| *other != file && kind(other) == kind(file));
        pairs.extend(alike.map(|other| (*file, *other)));
    }
    let (file, other) = pairs[(nth % pairs.len().max(1) as u64) as usize];
    let content = files.get(&other).cloned().unwrap_or_default();
    files.insert(file, content);
    ask(files, &sound.held).map_err(|e| format!("{file} holds what {other} does: {e}"))
}

/// A store of ten keys that was not closed, sealed after so many of them, and its newest segment. All
/// records have the same 32 bytes, so that what lies about lengths or places leads to another record
/// and not into the middle of one.
fn even(keys_per_segment: u8) -> Result<(Sound, FileName), String> {
    let told = |error: Error| format!("{error}");
    let mut world = World::new(1, Laws::DISK);
    for key in 0..10 {
        if key > 0 && key % keys_per_segment == 0 {
            world.apply(&Step::Rotate).map_err(told)?;
        }
        let put = Step::Put {
            key,
            bytes: 13,
            ack: Ack::Written,
            life_ms: None,
        };
        world.apply(&put).map_err(told)?;
    }
    let mut store = world.store.take().ok_or("not open")?;
    let held = contents(&store)?;
    store.sync().map_err(told)?;
    store.tick_sync().map_err(told)?;
    let newest = newest_segment(&store)?;
    let sound = Sound {
        files: world.disk.files(),
        held,
        marker: None,
    };
    Ok((sound, newest))
}

/// Opens what is left and reads every key.
fn ask(files: BTreeMap<FileName, Vec<u8>>, held: &Contents) -> Result<(), String> {
    let disk = SimDisk::holding(1, Laws::DISK, files);
    // Refusing to open is an answer.
    let Ok(store) = Engine::open(disk, World::options()) else {
        return Ok(());
    };
    right_or_refused(&store, held)?;
    explained(&store)
}

fn newest_segment(store: &Store) -> Result<FileName, String> {
    let newest = store.stats().segments.last().map(|segment| segment.id);
    Ok(names::segment(newest.ok_or("no segment")?))
}

fn kind(name: &FileName) -> Option<FileKind> {
    names::parse(name).map(|(kind, _)| kind)
}

/// A store's files, what it holds, and where its last durable marker lies, if it needs one.
struct Sound {
    files: BTreeMap<FileName, Vec<u8>>,
    held: Contents,
    marker: Option<(FileName, usize)>,
}

/// A store with some history in which everything is durable and known to be: closed, or left behind
/// after a sync and the marker that tells of it.
fn sound(seed: u64, close: bool) -> Result<Sound, String> {
    let told = |error: Error| format!("{error}");
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
        world.apply(&step).map_err(told)?;
    }
    world.open().map_err(told)?;
    let mut store = world.store.take().ok_or("not open")?;
    let held = contents(&store)?;
    let mut marker = None;
    if close {
        store.close().map_err(told)?;
    } else {
        store.put(b"the last", b"").map_err(told)?;
        store.sync().map_err(told)?;
        let active = newest_segment(&store)?;
        marker = world.disk.bytes(&active).map(|bytes| (active, bytes.len()));
        store.tick_sync().map_err(told)?;
    }
    Ok(Sound {
        files: world.disk.files(),
        held,
        marker,
    })
}

/// Damages one file. Returns what was done, for the person who has to find the bug. A marker is
/// spared: without it the records before it may never have been durable.
fn damage(dice: &mut Dice, sound: &mut Sound) -> String {
    let files = &mut sound.files;
    let chosen = dice.below(files.len().max(1) as u64) as usize;
    let Some((&file, _)) = files.iter().nth(chosen) else {
        return String::from("nothing left");
    };
    let alike: Vec<_> = files
        .iter()
        .filter(|(name, _)| kind(name) == kind(&file))
        .collect();
    let (_, other) = alike[dice.below(alike.len() as u64) as usize];
    let other = other.clone();
    let marked = sound.marker.filter(|(name, _)| *name == file);
    let bytes = files.entry(file).or_default();
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
            files.insert(file, other);
            format!("{file}: another's content")
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

/// Whatever is refused has a reason that somebody can read.
fn explained(store: &Store) -> Result<(), String> {
    let report = store.report();
    let told = !report.damages.is_empty() || !report.orphans.is_empty() || report.stepped_back;
    if report.degraded && !told {
        return Err(format!("degraded without a reason: {report}"));
    }
    let found = store
        .verify(|_, _| {})
        .map_err(|error| format!("verify: {error}"))?;
    for key in (0..KEYS).map(name) {
        match store.get(&key) {
            Ok(_) => {}
            // An absent key whose hash is another's.
            Err(Error::KeyCollision { .. }) if cfg!(feature = "short-hash") => {}
            Err(_) if told || !found.is_sound() => {}
            Err(error) => {
                return Err(format!("verify finds nothing, but a read meets: {error}"));
            }
        }
    }
    Ok(())
}
