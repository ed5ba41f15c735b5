//! One test for each reason that a merge plan can give for a segment, with the number that decided.

mod common;

use common::{NOW_MS, Script};
use portcask_core::{MergePlan, MergePolicy, MergeReason};

/// Nothing is due by itself: each test lowers what it is about.
fn policy() -> MergePolicy {
    MergePolicy {
        fragmentation_trigger_percent: 100,
        fragmentation_threshold_percent: 100,
        small_file_bytes: 0,
        ..MergePolicy::default()
    }
}

/// What the plan says of the segments that these commands leave behind.
fn plan(script: &str, policy: MergePolicy) -> MergePlan {
    let mut world = Script::new();
    world.options.merge = policy;
    world.run(script);
    assert!(world.said.is_empty(), "{:?}", world.said);
    world.store().unwrap().merge_plan().unwrap()
}

/// Chosen or not, and why, for every segment; the last one is the active one.
#[track_caller]
fn check(script: &str, policy: MergePolicy, due: bool, expected: &[(bool, MergeReason)]) {
    let plan = plan(script, policy);
    let said: Vec<_> = plan.files.iter().map(|f| (f.chosen, f.why)).collect();
    let (active, sealed) = said.split_last().unwrap();
    assert_eq!(active, &(false, MergeReason::Active));
    assert_eq!(sealed, expected);
    assert_eq!(plan.due, due);
}

/// Two thirds of the segment are dead.
const MOSTLY_DEAD: &str = "put a 1; put a 2; put a 3; rotate";
/// Nothing of it is dead.
const ALIVE: &str = "put b 1; put c 2; rotate";

#[test]
fn a_segment_is_chosen_for_the_share_of_it_that_is_dead() {
    let policy = MergePolicy {
        fragmentation_trigger_percent: 60,
        fragmentation_threshold_percent: 40,
        ..policy()
    };
    let (percent, limit) = (66, 40);
    check(
        MOSTLY_DEAD,
        policy,
        true,
        &[(true, MergeReason::Fragmented { percent, limit })],
    );
}

#[test]
fn a_segment_is_chosen_for_its_dead_bytes() {
    let policy = MergePolicy {
        dead_bytes_trigger: 30,
        dead_bytes_threshold: 20,
        ..policy()
    };
    let (bytes, limit) = (2 * 16, 20);
    check(
        MOSTLY_DEAD,
        policy,
        true,
        &[(true, MergeReason::DeadBytes { bytes, limit })],
    );
}

#[test]
fn small_segments_side_by_side_are_chosen() {
    let policy = MergePolicy {
        small_file_bytes: 1000,
        min_files: 2,
        ..policy()
    };
    let why = MergeReason::Small {
        bytes: 16,
        limit: 1000,
    };
    check(
        "put a 1; rotate; put b 1; rotate",
        policy,
        true,
        &[(true, why), (true, why)],
    );
}

#[test]
fn a_healthy_segment_between_two_chosen_ones_is_chosen() {
    let policy = MergePolicy {
        fragmentation_trigger_percent: 60,
        fragmentation_threshold_percent: 40,
        small_file_bytes: 20,
        ..policy()
    };
    let dead = MergeReason::Fragmented {
        percent: 66,
        limit: 40,
    };
    check(
        &format!("{MOSTLY_DEAD}; {ALIVE}; put x 1; put x 2; put x 3; rotate"),
        policy,
        true,
        &[(true, dead), (true, MergeReason::Between), (true, dead)],
    );
}

#[test]
fn a_healthy_segment_is_left() {
    let policy = MergePolicy {
        fragmentation_threshold_percent: 40,
        ..policy()
    };
    let healthy = MergeReason::Healthy {
        percent: 0,
        limit: 40,
    };
    check(ALIVE, policy, false, &[(false, healthy)]);
}

#[test]
fn a_small_segment_with_too_few_small_neighbours_is_left() {
    let policy = MergePolicy {
        small_file_bytes: 1000,
        min_files: 4,
        ..policy()
    };
    let why = (false, MergeReason::TooFew { files: 2, limit: 4 });
    check(
        "put a 1; rotate; put b 1; rotate",
        policy,
        false,
        &[why, why],
    );
}

#[test]
fn a_merge_leaves_what_exceeds_its_number_of_files() {
    let policy = MergePolicy {
        small_file_bytes: 1000,
        min_files: 2,
        max_files: 2,
        ..policy()
    };
    let small = MergeReason::Small {
        bytes: 16,
        limit: 1000,
    };
    check(
        "put a 1; rotate; put b 1; rotate; put c 1; rotate",
        policy,
        true,
        &[
            (true, small),
            (true, small),
            (false, MergeReason::MaxFiles { limit: 2 }),
        ],
    );
}

#[test]
fn a_merge_leaves_what_exceeds_its_bytes() {
    let policy = MergePolicy {
        small_file_bytes: 1000,
        min_files: 2,
        max_bytes: 40,
        ..policy()
    };
    let small = MergeReason::Small {
        bytes: 16,
        limit: 1000,
    };
    check(
        "put a 1; rotate; put b 1; rotate; put c 1; rotate",
        policy,
        true,
        &[
            (true, small),
            (true, small),
            (false, MergeReason::MaxBytes { limit: 40 }),
        ],
    );
}

#[test]
fn of_what_exceeds_its_bytes_a_merge_takes_the_part_that_gives_back_most() {
    let policy = MergePolicy {
        fragmentation_trigger_percent: 60,
        fragmentation_threshold_percent: 40,
        max_bytes: 50,
        ..policy()
    };
    check(
        "put a 1; put a 2; rotate; put b 1; put b 2; put b 3; rotate",
        policy,
        true,
        &[
            (false, MergeReason::MaxBytes { limit: 50 }),
            (
                true,
                MergeReason::Fragmented {
                    percent: 66,
                    limit: 40,
                },
            ),
        ],
    );
}

/// What is written over and over then lies by itself and is merged at little cost.
#[test]
fn a_large_segment_is_sealed_when_keys_in_it_are_written_over() {
    let mut world = Script::new();
    world.options.merge = MergePolicy {
        fragmentation_trigger_percent: 60,
        fragmentation_threshold_percent: 40,
        small_file_bytes: 1000,
        ..policy()
    };
    world.run("put big x*5000; put a x*400");
    let segments = |world: &mut Script| {
        let store = world.store().unwrap();
        store.merge_step(1 << 20).unwrap();
        store.merge_plan().unwrap().files.len()
    };
    assert_eq!(segments(&mut world), 1);
    world.run("put a x*400");
    assert_eq!(segments(&mut world), 1, "not much is dead yet");
    world.run("put a x*400");
    assert_eq!(segments(&mut world), 2);
    assert_eq!(segments(&mut world), 2, "nothing was written since");
    world.check("len; verify", "2 sound");
}

#[test]
fn a_threshold_alone_starts_nothing() {
    let policy = MergePolicy {
        fragmentation_trigger_percent: 90,
        fragmentation_threshold_percent: 40,
        ..policy()
    };
    let why = MergeReason::NotTriggered {
        percent: 66,
        limit: 90,
    };
    check(MOSTLY_DEAD, policy, false, &[(false, why)]);
}

#[test]
fn outside_of_its_hours_a_merge_does_not_start_by_itself() {
    // Scripts begin at midnight UTC.
    assert_eq!(NOW_MS % 86_400_000, 0);
    for (window, open) in [
        ((1, 5), false),
        ((0, 0), true),
        ((22, 3), true),
        ((22, 23), false),
    ] {
        let policy = MergePolicy {
            fragmentation_trigger_percent: 60,
            fragmentation_threshold_percent: 40,
            window_hours: Some(window),
            ..policy()
        };
        let why = match open {
            true => MergeReason::Fragmented {
                percent: 66,
                limit: 40,
            },
            false => MergeReason::WindowClosed,
        };
        check(MOSTLY_DEAD, policy, open, &[(open, why)]);
    }
}

#[test]
fn a_damaged_segment_is_left_and_the_others_are_not() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; rotate; put c 3; rotate; put d 4; close");
    world.run("lose hint-0000000001; flip segment-0000000001 95");
    let files = world.store().unwrap().merge_plan().unwrap().files;
    assert_eq!(
        (files[0].chosen, files[0].why),
        (false, MergeReason::Damaged)
    );
    world.check("merge; get a; get b; get c; get d", "!Corrupt b=2 c=3 d=4");
}

#[test]
fn a_merge_that_was_asked_for_takes_everything_that_is_sound() {
    let mut world = Script::new();
    world.options.merge = policy();
    world.run(&format!("{ALIVE}; put d 1; rotate; put e 1"));
    assert!(!world.store().unwrap().merge_plan().unwrap().due);
    let report = world.store().unwrap().merge_all(|_, _| {}).unwrap();
    assert_eq!((report.inputs, report.outputs), (3, 1));
    assert_eq!((report.records_kept, report.records_dropped), (4, 0));
    assert_eq!(MergeReason::Forced.to_string(), "everything was asked for");
}

#[test]
fn tombstones_count_as_reclaimable_only_from_the_oldest_segment_on() {
    let policy = MergePolicy {
        fragmentation_trigger_percent: 30,
        fragmentation_threshold_percent: 30,
        ..policy()
    };
    // The tombstone hides a version in the oldest segment, which is mostly alive.
    let script = "put a 1; put b x*200; rotate; del a; put c 3; rotate";
    let plan = plan(script, policy);
    assert!(plan.files[1].tombstone_bytes > 0);
    assert_eq!(
        plan.files[1].why,
        MergeReason::Healthy {
            percent: 0,
            limit: 30
        }
    );
}

#[test]
fn merging_ends_whatever_the_policy() {
    let eager = MergePolicy {
        fragmentation_trigger_percent: 1,
        fragmentation_threshold_percent: 1,
        small_file_bytes: 1 << 20,
        min_files: 2,
        ..policy()
    };
    let mut world = Script::new();
    world.options.merge = eager;
    for round in 0..10 {
        world.run(&format!(
            "put a {round}; del b; put b {round}; put k{round} 1; rotate; del k{round}"
        ));
    }
    let store = world.store().unwrap();
    let mut steps = 0;
    while store.merge_step(1 << 20).unwrap() != portcask_core::MergeProgress::Idle {
        steps += 1;
        assert!(steps < 200, "{:?}", store.merge_plan().unwrap());
    }
    world.check("scan; kill; scan; verify", "a=9 b=9 a=9 b=9 sound");
}

#[test]
fn keys_written_over_and_over_do_not_fill_a_segment_before_it_is_merged() {
    let policy = MergePolicy {
        fragmentation_trigger_percent: 60,
        fragmentation_threshold_percent: 40,
        small_file_bytes: 1000,
        ..policy()
    };
    let mut world = Script::new();
    world.options.merge = policy;
    for round in 0..200 {
        world.run(&format!("put a {round}; put b {round}; put c {round}"));
        let store = world.store().unwrap();
        while store.merge_step(1 << 20).unwrap() != portcask_core::MergeProgress::Idle {}
        let sizes = store.merge_plan().unwrap().files;
        let sum: u64 = sizes.iter().map(|file| file.size_bytes).sum();
        assert!(sum < 2 * 1000, "round {round}: {sizes:?}");
    }
    world.check(
        "scan; kill; scan; verify",
        "a=199 b=199 c=199 a=199 b=199 c=199 sound",
    );
}
