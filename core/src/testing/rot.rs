//! Rot: files of a store that was fine are damaged in random ways. Every key answers its right value
//! or a typed error; never another value, and never an absence. What is refused is reported.

use super::oracle::Contents;
use super::sim::{Dice, Laws, SimDisk};
use super::world::{KEYS, Step, Store, World, contents, name, random_step};
use crate::format::file::{FILE_HEADER_BYTES, names};
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

/// Flips one bit of the records of a small store that was not closed: the `nth`, in an order that
/// soon was everywhere. All records have the same 32 bytes, so that a length that lies leads to
/// another record and not into the middle of one. Returns what was wrong, with where the bit is.
pub fn flip(nth: u64) -> Result<(), String> {
    let told = |error: Error| format!("{error}");
    let mut world = World::new(1, Laws::DISK);
    for key in 0..10 {
        world
            .apply(&Step::Put {
                key,
                bytes: 13,
                ack: Ack::Written,
                life_ms: None,
            })
            .map_err(told)?;
    }
    let mut store = world.store.take().ok_or("not open")?;
    let held = contents(&store)?;
    store.sync().map_err(told)?;
    store.tick_sync().map_err(told)?;
    let segments = store.stats().segments;
    let segment = segments.last().ok_or("no segment")?;
    let (start, end) = (FILE_HEADER_BYTES as u64, segment.size_bytes);
    // The golden ratio's multiples are spread evenly (Knuth, TAOCP 6.4).
    let bit = start * 8 + nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) % ((end - start) * 8);
    let (offset, mask) = ((bit / 8) as usize, 1 << (bit % 8));
    let disk = SimDisk::holding(1, Laws::DISK, world.disk.files());
    disk.flip(&names::segment(segment.id), offset, mask);
    let told = |what| format!("byte {offset} flipped by {mask:#x}: {what}");
    let Ok(store) = Engine::open(disk, World::options()) else {
        return Ok(());
    };
    right_or_refused(&store, &held).map_err(told)?;
    explained(&store).map_err(told)
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
        let active = store.stats().segments.last().map(|active| active.id);
        let active = names::segment(active.ok_or("no segment")?);
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
    let other = files.values().nth(dice.below(files.len() as u64) as usize);
    let other = other.cloned().unwrap_or_default();
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
        if let Err(error) = store.get(&key)
            && !told
            && found.is_sound()
        {
            return Err(format!("verify finds nothing, but a read meets: {error}"));
        }
    }
    Ok(())
}
