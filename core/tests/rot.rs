//! Rot: files of a store that was fine are damaged in random ways. Every key answers its right value
//! or a typed error; never another value, and never an absence.
//!
//! `PORTCASK_SEEDS=20000 cargo test --release -p portcask-core --test rot` searches longer.

use portcask_core::testing::damage::{Damaged, Harm};
use portcask_core::testing::oracle::damaged::{Depth, judge};
use portcask_core::testing::sim::Dice;
use portcask_core::testing::specimen::{Left, Specimen};
use std::collections::BTreeSet;

fn seeds(by_default: u64) -> std::ops::RangeInclusive<u64> {
    let from = std::env::var("PORTCASK_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count = std::env::var("PORTCASK_SEEDS").map_or(by_default, |n| n.parse().unwrap());
    from..=from + count - 1
}

/// Does one or two things to a random store, and judges what it answers. Notes what was done.
fn rot(seed: u64, kinds: &mut BTreeSet<Harm>) -> Result<(), String> {
    let mut dice = Dice::new(seed ^ 0x0bad);
    let left = match dice.below(2) {
        0 => Left::Closed,
        _ => Left::Killed,
    };
    let (specimen, shown) = Specimen::random(seed, left).map_err(|error| error.to_string())?;
    assert_eq!(
        *specimen.held(),
        shown,
        "the files hold what the store shows"
    );
    let mut damaged = Damaged::none(&specimen);
    for _ in 0..1 + dice.below(2) {
        kinds.extend(damaged.harm(&mut dice, &specimen));
    }
    judge(&specimen, &damaged, Depth::Lives)
        .map_err(|problem| format!("seed {seed}, {left:?}: {problem}"))?;
    Ok(())
}

#[test]
fn a_damaged_store_answers_right_or_refuses() {
    let mut kinds = BTreeSet::new();
    for seed in seeds(150) {
        rot(seed, &mut kinds).unwrap_or_else(|problem| panic!("{problem}"));
    }
    if std::env::var_os("PORTCASK_SEED").is_none() {
        let all = BTreeSet::from(Harm::ALL);
        assert_eq!(kinds, all, "every kind of damage was done");
    }
}
