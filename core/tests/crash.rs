//! Power cuts: whatever was acknowledged as durable survives, and what else survives is a prefix.
//!
//! `PORTCASK_SEEDS=5000 cargo test --release -p portcask-core --test crash` searches longer.
#![allow(missing_docs)]

use portcask_core::testing::sim::{AllKept, Dice, Laws, Luck, NothingKept};
use portcask_core::testing::world::{World, random_step};

fn seeds(by_default: u64) -> std::ops::RangeInclusive<u64> {
    let from = std::env::var("PORTCASK_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count = std::env::var("PORTCASK_SEEDS").map_or(by_default, |n| n.parse().unwrap());
    from..=from + count - 1
}

/// One world: random steps, a power cut, recovery cut short a few times, and again.
fn live_and_die(seed: u64, laws: Laws, steps: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut world = World::new(seed, laws);
    for life in 0..4 {
        let mut history = Vec::new();
        for _ in 0..dice.below(steps) {
            let step = random_step(&mut dice);
            history.push(step.clone());
            let told = |problem: String| format!("life {life}: {problem}\nafter {history:?}");
            world
                .apply(&step)
                .map_err(|e| told(format!("refused: {e}")))?;
            if dice.below(16) == 0 {
                world.judge_running().map_err(told)?;
            }
        }
        let told = |problem: String| format!("life {life}: {problem}\nafter {history:?}");
        let at = world.disk.changes();
        world.store = None;
        world.disk = world.disk.crash(&mut Dice::new(seed ^ (life << 32)));
        // Recovery is cut short as well, wherever it is.
        for nested in 0..dice.below(3) {
            let before = world.disk.clone();
            let opened = world.open();
            let changes = before.changes();
            opened.map_err(|e| told(format!("cannot open: {e}")))?;
            world.store = None;
            let cut = dice.below(changes as u64 + 1) as usize;
            world.disk = before.crash_at(cut, &mut Dice::new(seed ^ (nested << 40)));
        }
        world.judge_opened(at).map_err(told)?;
        // Opening again changes nothing, whether the process died or the power failed.
        let at = world.disk.changes();
        world.store = None;
        if dice.below(2) == 0 {
            world.disk = world.disk.crash(&mut NothingKept);
        }
        world.judge_opened(at).map_err(told)?;
    }
    Ok(())
}

#[test]
fn whatever_was_acknowledged_as_durable_survives_any_power_cut() {
    for seed in seeds(60) {
        if let Err(problem) = live_and_die(seed, Laws::DISK, 60) {
            panic!("seed {seed}: {problem}");
        }
    }
}

#[test]
fn a_guest_whose_names_follow_file_syncs_keeps_the_same_promise() {
    for seed in seeds(60) {
        if let Err(problem) = live_and_die(seed, Laws::GUEST, 60) {
            panic!("seed {seed}: {problem}");
        }
    }
}

#[allow(dead_code)]
fn lucks() -> Vec<Box<dyn Luck>> {
    vec![Box::new(NothingKept), Box::new(AllKept)]
}
