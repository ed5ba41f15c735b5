//! Every bit: one bit of a store flips, wherever it is. Each read is right or a typed error, no other
//! key suffers, the store stays open for reads and writes, and verify finds the place.
//!
//! What each byte is for, and who has to tell of it, is listed in `portcask_core::testing::regions`.
//! The whole of it is a campaign: `cargo run --release -p portcask-proof -- every-bit`.

use portcask_core::FileName;
use portcask_core::testing::damage::Damaged;
use portcask_core::testing::oracle::damaged::{Depth, judge};
use portcask_core::testing::regions::{Part, Region, Whose};
use portcask_core::testing::specimen::{Left, Specimen};
use std::collections::BTreeMap;

/// Bytes of each kind that are tried.
const SHARE: usize = 14;

/// Some bytes of every kind, spread over all that there are.
fn share(specimen: &Specimen) -> Vec<(FileName, u64, Region)> {
    let mut kinds: BTreeMap<Region, Vec<(FileName, u64)>> = BTreeMap::new();
    for stretch in &specimen.map.stretches {
        let bytes = (stretch.from..stretch.to).map(|at| (stretch.file, at));
        kinds.entry(stretch.region).or_default().extend(bytes);
    }
    let mut chosen = Vec::new();
    for (region, bytes) in kinds {
        let stride = (bytes.len() / SHARE).max(1) | 1;
        let some = bytes.iter().step_by(stride);
        chosen.extend(some.map(|(file, at)| (*file, *at, region)));
    }
    chosen
}

fn flip_a_share_of(left: Left) {
    let specimen = Specimen::rich(12, left).unwrap();
    let sound = judge(&specimen, &Damaged::none(&specimen), Depth::Lives).unwrap();
    assert!(!sound.named && !sound.doubted && !sound.told_at_open);
    assert!(sound.refused.is_empty());
    for (turn, (file, at, region)) in share(&specimen).into_iter().enumerate() {
        let mut damaged = Damaged::none(&specimen);
        damaged.flip(file, at, (turn * 3 % 8) as u8);
        let depth = match turn % 5 {
            0 => Depth::Lives,
            _ => Depth::Reads,
        };
        judge(&specimen, &damaged, depth)
            .unwrap_or_else(|problem| panic!("{}: {problem}", region.name()));
    }
}

#[test]
fn a_flipped_bit_of_a_closed_store_harms_one_key_at_most_and_is_found() {
    flip_a_share_of(Left::Closed);
}

#[test]
fn a_flipped_bit_of_a_killed_store_harms_one_key_at_most_and_is_found() {
    flip_a_share_of(Left::Killed);
}

#[test]
fn the_oracle_notices_a_wrong_value_an_absence_a_silence_and_contagion() {
    let made = || Specimen::rich(12, Left::Closed).unwrap();
    let problem = |specimen: &Specimen, damaged: &Damaged| {
        judge(specimen, damaged, Depth::Reads).expect_err("it was not noticed")
    };

    let mut other = made();
    let last = other.states.last_mut().unwrap();
    last.values_mut().next().unwrap().0.push(1);
    let none = Damaged::none(&other);
    assert!(problem(&other, &none).contains("(got, right)"));

    let mut more = made();
    let key = b"after all".to_vec();
    more.ever.entry(key.clone()).or_default().insert(vec![1]);
    let last = more.states.last_mut().unwrap();
    last.insert(key, (vec![1], None));
    let none = Damaged::none(&more);
    assert!(problem(&more, &none).contains("(None, Some(1))"));

    // A byte that nobody looks at, taken for one that verify owes.
    let mut owed = made();
    let fence = |region: Region| region == Region::Fence;
    let mut stretches = owed.map.stretches.iter_mut();
    let stretch = stretches.find(|s| fence(s.region)).unwrap();
    stretch.region = Region::Footer;
    let (file, at) = (stretch.file, stretch.from);
    let mut damaged = Damaged::none(&owed);
    damaged.flip(file, at, 0);
    assert!(problem(&owed, &damaged).contains("verify owes"));

    // A record whose key is taken for another's.
    let mut blamed = made();
    let live = |region: Region| region == Region::Record(Whose::Live, Part::Value);
    let mut stretches = blamed.map.stretches.iter();
    let stretch = stretches.find(|s| live(s.region)).unwrap();
    let (file, at, record) = (stretch.file, stretch.from, stretch.record.unwrap());
    blamed.map.records[record].key = b"never written".to_vec();
    let mut damaged = Damaged::none(&blamed);
    damaged.flip(file, at, 0);
    assert!(problem(&blamed, &damaged).contains("another's damage"));
}
