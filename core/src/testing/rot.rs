//! Rot: the files of a sound store are damaged, and the [oracle for damage](super::oracle::damaged)
//! judges what it then answers.

use super::damage::{Damaged, Harm};
use super::oracle::damaged::{Depth, judge};
use super::sim::{Dice, Laws};
use super::specimen::{Left, Specimen};
use super::world::{Step, World, merging_step, random_step};
use crate::format::file::{FILE_HEADER_BYTES, names};
use crate::prelude::*;
use crate::storage::FileName;
use crate::{Ack, Error};
use compat::collections::BTreeSet;

/// Does one or two things to the files of a random store. Returns what was done; the error is what
/// was wrong.
pub fn rot(seed: u64) -> Result<BTreeSet<Harm>, String> {
    let mut dice = Dice::new(seed ^ 0x0bad);
    let left = match dice.below(2) {
        0 => Left::Closed,
        _ => Left::Killed,
    };
    let (specimen, shown) =
        Specimen::random(seed, left).map_err(|e| format!("seed {seed}, undamaged: {e}"))?;
    if *specimen.held() != shown {
        return Err(format!("seed {seed}: the files do not hold what is shown"));
    }
    let mut damaged = Damaged::none(&specimen);
    let mut harms = BTreeSet::new();
    for _ in 0..1 + dice.below(2) {
        harms.extend(damaged.harm(&mut dice, &specimen));
    }
    judge(&specimen, &damaged, Depth::Lives)
        .map_err(|problem| format!("seed {seed}, {left:?}: {problem}"))?;
    Ok(harms)
}

/// Brings back what an append that failed left in the place of a record, where the medium loses the
/// write that went over it: a whole record of as many bytes, of another kind or another key. Everything
/// checks, and only the hint knows better; where there is none, nobody can. Returns whether the dice
/// chose what can be.
pub fn lost_overwrite(seed: u64) -> Result<bool, String> {
    let mut dice = Dice::new(seed ^ 0x0ce);
    let left = match dice.below(2) {
        0 => Left::Closed,
        _ => Left::Killed,
    };
    let step = match dice.below(2) {
        0 => random_step,
        _ => merging_step,
    };
    let (mut specimen, _) =
        Specimen::lived(seed, left, step).map_err(|e| format!("seed {seed}, undamaged: {e}"))?;
    let mut damaged = Damaged::none(&specimen);
    for _ in 0..20 {
        if damaged.lose_overwrite(&mut dice, &mut specimen).is_some() {
            judge(&specimen, &damaged, Depth::Lives)
                .map_err(|problem| format!("seed {seed}, {left:?}: {problem}"))?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Flips one bit of the records of an even store: the `nth`, in an order that soon was everywhere.
pub fn flip(nth: u64) -> Result<(), String> {
    let (specimen, newest) = even(10)?;
    let length = specimen.files.get(&newest).map_or(0, Vec::len);
    let bits = (length.saturating_sub(FILE_HEADER_BYTES) * 8).max(1) as u64;
    // The golden ratio's multiples are spread evenly (Knuth, TAOCP 6.4).
    let bit = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) % bits;
    let mut damaged = Damaged::none(&specimen);
    damaged.flip(newest, FILE_HEADER_BYTES as u64 + bit / 8, (bit % 8) as u8);
    judge(&specimen, &damaged, Depth::Reads).map(|_| ())
}

/// Gives one file of an even store the content of another of its kind: the `nth` such pair, starting
/// over after the last.
pub fn exchange(nth: u64) -> Result<(), String> {
    let (specimen, _) = even(3)?;
    let kind = |name: &FileName| names::parse(name).map(|(kind, _)| kind);
    let mut pairs = Vec::new();
    for file in specimen.files.keys() {
        let alike = specimen
            .files
            .keys()
            .filter(|other| *other != file && kind(other) == kind(file));
        pairs.extend(alike.map(|other| (*file, *other)));
    }
    let (file, other) = pairs[(nth % pairs.len().max(1) as u64) as usize];
    let mut damaged = Damaged::none(&specimen);
    damaged.files.insert(file, specimen.files[&other].clone());
    damaged.done = format!("{file} holds what {other} does: ");
    judge(&specimen, &damaged, Depth::Reads).map(|_| ())
}

/// A store of ten keys that was not closed, sealed after so many of them, and its newest segment. All
/// records have the same 32 bytes, so that what lies about lengths or places leads to another record
/// and not into the middle of one.
fn even(keys_per_segment: u8) -> Result<(Specimen, FileName), String> {
    let told = |error: Error| format!("undamaged: {error}");
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
    store.sync().map_err(told)?;
    store.tick_sync().map_err(told)?;
    let newest = store
        .stats()
        .map_err(told)?
        .segments
        .last()
        .map(|segment| segment.id);
    let newest = names::segment(newest.ok_or("no segment")?);
    let now_ms = store.now_ms().unwrap_or(0);
    let files = world.disk.files();
    let specimen = Specimen::of(files.clone(), files, now_ms).ok_or("its files are not sound")?;
    Ok((specimen, newest))
}
