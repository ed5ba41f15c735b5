//! Rot: files of a store that was fine are damaged in random ways. Every key answers its right value
//! or a typed error; never another value, and never an absence.
//!
//! `PORTCASK_SEEDS=20000 cargo test --release -p portcask-core --test rot` searches longer.

use portcask_core::testing::damage::Harm;
use portcask_core::testing::rot::{exchange, flip, lost_overwrite, rot};
use std::collections::BTreeSet;

fn seeds(by_default: u64) -> std::ops::RangeInclusive<u64> {
    let from = std::env::var("PORTCASK_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count = std::env::var("PORTCASK_SEEDS").map_or(by_default, |n| n.parse().unwrap());
    from..=from + count - 1
}

#[test]
fn a_damaged_store_answers_right_or_refuses() {
    let mut kinds = BTreeSet::new();
    for seed in seeds(150) {
        kinds.extend(rot(seed).unwrap_or_else(|problem| panic!("{problem}")));
    }
    if std::env::var_os("PORTCASK_SEED").is_none() {
        let all = BTreeSet::from(Harm::ALL);
        assert_eq!(kinds, all, "every kind of damage was done");
    }
}

#[test]
fn a_store_with_one_flipped_bit_answers_right_or_refuses() {
    for nth in seeds(400) {
        flip(nth).unwrap_or_else(|problem| panic!("{nth}: {problem}"));
    }
}

#[test]
fn a_store_with_a_file_in_another_ones_place_answers_right_or_refuses() {
    for nth in seeds(40) {
        exchange(nth).unwrap_or_else(|problem| panic!("{nth}: {problem}"));
    }
}

#[test]
fn a_store_that_lost_the_write_over_a_failed_one_answers_right_or_refuses() {
    let mut done = 0;
    for seed in seeds(300) {
        let fits = lost_overwrite(seed).unwrap_or_else(|problem| panic!("{problem}"));
        done += u32::from(fits);
    }
    assert!(done > 0, "something was left in the place of a record");
}
