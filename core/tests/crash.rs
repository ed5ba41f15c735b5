//! Power cuts: whatever was acknowledged as durable survives, and what else survives is a prefix.
//!
//! `PORTCASK_SEEDS=5000 cargo test --release -p portcask-core --test crash` searches longer;
//! `PORTCASK_SEED=77 PORTCASK_SEEDS=1` repeats one seed. `PORTCASK_LUCKS` is how many kinds of luck
//! are tried at every change of the short workloads.

use portcask_core::Ack::{Buffered, Synced, Written};
use portcask_core::format::file::names;
use portcask_core::storage::ErrorKind;
use portcask_core::testing::history::{Cut, History, Life};
use portcask_core::testing::sim::{
    AllKept, Call, Dice, EveryChoice, Fault, Laws, Luck, NothingKept, SimDisk, Torn,
};
use portcask_core::testing::world::{Step, World, random_step};

fn seeds(by_default: u64) -> std::ops::RangeInclusive<u64> {
    let from = std::env::var("PORTCASK_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count = std::env::var("PORTCASK_SEEDS").map_or(by_default, |n| n.parse().unwrap());
    from..=from + count - 1
}

/// Histories of these seeds keep every promise.
fn histories(by_default: u64, laws: Laws) {
    for seed in seeds(by_default) {
        let history = History::random(seed, laws, 60);
        if let Err(violation) = history.run(&mut ()) {
            panic!("seed {seed}: {}", history.minimal(violation));
        }
    }
}

#[test]
fn whatever_was_acknowledged_as_durable_survives_any_power_cut() {
    histories(30, Laws::DISK);
}

#[test]
fn merges_that_leave_older_segments_alone_keep_the_same_promise() {
    for seed in seeds(30) {
        let history = History::merging(seed, Laws::DISK, 40);
        if let Err(violation) = history.run(&mut ()) {
            panic!("seed {seed}: {}", history.minimal(violation));
        }
    }
}

#[test]
fn a_guest_whose_names_follow_file_syncs_keeps_the_same_promise() {
    histories(15, Laws::GUEST);
}

/// Where names cannot be synced and are lost, what was acknowledged may be lost with them; the store
/// shows all of it, or says that it does not. Only where the newest manifest and the newest segment
/// are both gone is nothing left that could tell.
#[test]
fn a_lost_name_is_told_and_never_passed_over_in_silence() {
    let mut told = 0;
    for seed in seeds(60) {
        let mut dice = Dice::new(seed);
        let mut world = World::new(seed, Laws::FORGETFUL);
        let mut history = Vec::new();
        for _ in 0..2 + dice.below(40) {
            let step = random_step(&mut dice);
            history.push(step.clone());
            world.apply(&step).unwrap();
        }
        let at = world.disk.changes();
        let stats = world.store.take().unwrap().stats().unwrap();
        let newest = [
            names::manifest(stats.epoch),
            names::segment(stats.segments.last().unwrap().id),
        ];
        world.disk = world.disk.crash(&mut Dice::new(seed ^ 0xf0));
        if newest.iter().all(|name| world.disk.bytes(name).is_none()) {
            continue;
        }
        let left: Vec<_> = world.disk.files().into_keys().collect();
        let judged = world.judge_opened(at);
        let Err(problem) = judged else { continue };
        // A refusal to open, or a report.
        let silent = world.store.as_ref().is_some_and(|store| {
            let report = store.report();
            report.damages.is_empty() && report.orphans.is_empty() && !report.stepped_back
        });
        told += u32::from(!silent);
        assert!(
            !silent,
            "seed {seed}: {left:?}: {problem}\nafter {history:?}"
        );
    }
    assert!(told > 0, "no name was ever missed");
}

fn put(key: u8) -> Step {
    put_at(key, Written)
}

fn put_at(key: u8, ack: portcask_core::Ack) -> Step {
    Step::Put {
        key,
        bytes: 10,
        ack,
        life_ms: None,
    }
}

/// Runs the steps once, then cuts the power after every single change that they made, with
/// several kinds of luck each; and after every change of the recovery from some of those.
fn cut_everywhere(steps: &[Step]) {
    let mut world = World::new(7, Laws::DISK);
    for step in steps {
        world.apply(step).unwrap();
    }
    world.judge_running().unwrap();
    world.store = None;
    let changes = world.disk.changes();
    for at in 0..=changes {
        let mut lucks: Vec<Box<dyn Luck>> =
            vec![Box::new(NothingKept), Box::new(AllKept), Box::new(Torn(12))];
        let more = std::env::var("PORTCASK_LUCKS").map_or(2, |lucks| lucks.parse().unwrap());
        for seed in 1..=more {
            lucks.push(Box::new(Dice::new(seed * 1000 + at as u64)));
        }
        for (i, luck) in lucks.iter_mut().enumerate() {
            let disk = world.disk.crash_at(at, &mut **luck);
            let told = |what: String| format!("change {at} of {changes}, luck {i}: {what}");
            if let Err(problem) = judge(&world, &disk, at) {
                panic!("{}", told(problem));
            }
            if at % 8 == i {
                for nested in (at % 3..=disk.changes()).step_by(3) {
                    let again = disk.crash_at(nested, &mut Dice::new((at * 100 + nested) as u64));
                    if let Err(problem) = judge(&world, &again, at) {
                        panic!("{}", told(format!("cut again at {nested}: {problem}")));
                    }
                }
            }
        }
    }
}

/// Opens a disk that `world` may have left behind after change `at`, twice.
fn judge(world: &World, disk: &SimDisk, at: usize) -> Result<(), String> {
    let mut heir = World::on(disk.clone());
    heir.oracle = world.oracle.clone();
    heir.judge_opened(at)?;
    heir.store = None;
    heir.judge_opened(disk.changes())
        .map_err(|problem| format!("opened again: {problem}"))
}

#[test]
fn puts_and_syncs_survive_a_cut_after_any_change() {
    cut_everywhere(&[
        put(1),
        put_at(2, Synced),
        put(1),
        put_at(3, Buffered),
        put(4),
        Step::Delete(2),
        Step::Sync,
        Step::Tick,
        Step::Batch(vec![1, 5], vec![3, 4]),
        put_at(6, Synced),
    ]);
}

/// A sync of much writes a marker at once, and a block of the hint before it.
#[test]
fn syncs_of_much_survive_a_cut_after_any_change() {
    let much = |key, ack| Step::Put {
        key,
        bytes: 150_000,
        ack,
        life_ms: None,
    };
    cut_everywhere(&[
        put(1),
        much(2, Written),
        much(3, Buffered),
        Step::Sync,
        put(1),
        Step::Delete(2),
        much(4, Written),
        much(2, Synced),
        Step::Sync,
        put(5),
        Step::Sync,
    ]);
}

#[test]
fn a_rotation_survives_a_cut_after_any_change() {
    cut_everywhere(&[
        put(1),
        Step::Rotate,
        put(2),
        Step::Batch(vec![1, 3], vec![2]),
        Step::Rotate,
        Step::Delete(1),
        Step::Rotate,
        put(4),
    ]);
}

#[test]
fn a_merge_survives_a_cut_after_any_change() {
    cut_everywhere(&[
        put(1),
        put(2),
        Step::Rotate,
        put(1),
        Step::Delete(2),
        Step::Rotate,
        put(3),
        Step::MergeStep(40),
        put(1),
        Step::MergeStep(40),
        Step::MergeStep(4000),
        Step::Delete(3),
        Step::MergeAll,
        put_at(5, Synced),
    ]);
}

#[test]
fn closing_and_opening_survive_a_cut_after_any_change() {
    cut_everywhere(&[
        put(1),
        Step::Reopen,
        put_at(2, Synced),
        Step::Kill,
        put(3),
        Step::Reopen,
        Step::Reopen,
        Step::Delete(1),
    ]);
}

/// The copy of a tail that only the system's cache held outlives the tail, before any manifest tells
/// of it: that is no lost state.
#[test]
fn an_opening_after_a_kill_survives_a_cut_after_any_change() {
    cut_everywhere(&[put(1), put(2), Step::Kill]);
    cut_everywhere(&[
        put(1),
        put_at(2, Synced),
        put(3),
        Step::Batch(vec![1, 3], vec![2]),
        Step::Kill,
        put(4),
        Step::Delete(1),
        Step::Kill,
        put(5),
    ]);
}

#[test]
fn clearing_survives_a_cut_after_any_change() {
    cut_everywhere(&[
        put(1),
        put_at(2, Synced),
        Step::Rotate,
        put(3),
        Step::Clear,
        put(4),
        Step::Clear,
        put(1),
        Step::MergeAll,
        Step::Kill,
    ]);
}

#[test]
fn expiring_keys_survive_a_cut_after_any_change() {
    let brief = |key, life_ms| Step::Put {
        key,
        bytes: 5,
        ack: Written,
        life_ms: Some(life_ms),
    };
    cut_everywhere(&[
        put(1),
        Step::Rotate,
        brief(1, 10),
        brief(2, 1000),
        Step::Rotate,
        Step::Wait(20),
        Step::MergeStep(100),
        Step::MergeAll,
        brief(2, 5),
        Step::Sync,
        Step::Wait(7),
        Step::Tick,
        put(2),
    ]);
}

/// Every subset of what was pending, not only lucky ones, where it is small.
#[test]
fn every_subset_of_the_pending_changes_leaves_a_prefix() {
    let mut world = World::new(11, Laws::DISK);
    let steps = [
        put_at(1, Synced),
        put(2),
        Step::Batch(vec![1, 3], vec![2]),
        put(4),
        Step::Delete(1),
        Step::Tick,
    ];
    for step in &steps {
        world.apply(step).unwrap();
    }
    world.store = None;
    let changes = world.disk.changes();
    let (mut luck, mut images) = (EveryChoice::new(), 0);
    while luck.begin() {
        let disk = world.disk.crash_at(changes, &mut luck);
        if let Err(problem) = judge(&world, &disk, changes) {
            panic!("image {images}: {problem}");
        }
        images += 1;
    }
    assert!(images >= 16, "only {images} images");
}

/// The second opener cannot read, so it comes up as a reader and leaves the first one's manifest
/// the newest; the first one cannot read its fence either, and refuses a write it has appended.
#[test]
fn a_write_refused_beside_an_opener_that_failed_may_show_up_like_any_refused_one() {
    let put = |key, ack| Step::Put {
        key,
        bytes: 20,
        ack,
        life_ms: None,
    };
    let life = |steps: Vec<Step>| Life {
        steps,
        end: Cut {
            after: 255,
            luck: 0,
        },
        recoveries: Vec::new(),
        cut_at_rest: false,
    };
    let failing = |nth| Step::Fail(Fault::from(nth, ErrorKind::Io).on(Call::Read));
    for nth in 1..40 {
        let history = History {
            seed: nth,
            laws: Laws::GUEST,
            lives: vec![
                life(vec![put(1, Synced), Step::Rotate, put(2, Synced)]),
                life(vec![failing(nth), Step::SecondOpener]),
            ],
        };
        if let Err(violation) = history.run(&mut ()) {
            panic!("read {nth}: {}", history.minimal(violation));
        }
    }
}

/// What only the system's cache has is copied by the next opening. If the power then takes the
/// original and leaves the copy, that must not look like records of a state that was lost.
#[test]
fn a_power_cut_while_the_store_of_a_killed_process_opens_is_no_damage() {
    let mut world = World::new(1, Laws::DISK);
    let put = |key, ack| Step::Put {
        key,
        bytes: 12,
        ack,
        life_ms: None,
    };
    for step in [
        put(1, Synced),
        put(2, Written),
        Step::Batch(vec![3, 4], vec![1]),
    ] {
        world.apply(&step).unwrap();
    }
    world.store = None;
    let killed = world.disk.changes();
    world.open().unwrap();
    for at in killed..=world.disk.changes() {
        let lucks: [&mut dyn Luck; 3] = [&mut NothingKept, &mut AllKept, &mut Dice::new(at as u64)];
        for luck in lucks {
            let mut heir = World::on(world.disk.crash_at(at, luck));
            heir.oracle = world.oracle.clone();
            heir.last_seq = world.last_seq;
            heir.judge_opened(at)
                .unwrap_or_else(|problem| panic!("change {at}: {problem}"));
        }
    }
}
