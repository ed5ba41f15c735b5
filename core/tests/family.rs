//! Every way in which five other Bitcasks lose or corrupt data in ordinary use (torn tails, rotation,
//! deletes, merge), as a promise of this one. Damage is in `family_damage.rs`.

mod common;

use common::{Script, check};
use portcask_core::testing::sim::SimDisk;
use portcask_core::testing::world::Store;
use portcask_core::{Engine, Options};

// The torn tail: refuses to open, shows padded values, or loses the next write.

/// Every length of the newest segment, from whole down to nothing but its header.
fn torn_everywhere(mut judge: impl FnMut(&mut Script, usize)) {
    for torn in 0.. {
        let mut world = Script::new();
        world.run("put a 1; sync; put b hello; put c 3; kill");
        let before = world.disk.bytes(&world.newest_segment()).unwrap().len();
        if torn > before {
            return;
        }
        world.run(&format!("tear {torn}"));
        judge(&mut world, torn);
    }
}

#[test]
fn a_tail_torn_at_any_byte_opens_and_shows_a_prefix() {
    torn_everywhere(|world, torn| {
        let mut said = Script::on(world.disk.clone());
        let text = said.run("scan").said.join(" ");
        let prefixes = ["a=1 b=hello c=3", "a=1 b=hello", "a=1", ""];
        assert!(prefixes.contains(&text.as_str()), "{torn} torn: {text}");
    });
}

#[test]
fn the_next_acknowledged_put_after_a_torn_tail_is_there_after_reopening() {
    torn_everywhere(|world, torn| {
        let before = world.run("scan; put z 9; kill").said.pop().unwrap();
        let after = world.run("scan").said.pop().unwrap();
        assert_eq!(after, format!("{before} z=9").trim(), "{torn} torn");
    });
}

#[test]
fn a_torn_value_is_never_padded_with_zeros() {
    check(
        "put greeting hello; kill; tear 2; get greeting; report",
        "greeting? unclean torn",
    );
    check(
        "put greeting hello; kill; tear 2; pad 2; get greeting",
        "greeting?",
    );
}

#[test]
fn a_torn_tail_is_cut_even_if_it_is_the_whole_segment() {
    check("put a 1; kill; tear 19; scan; put b 2; kill; scan", " b=2");
}

// Rotation: sealed files unreadable, lexical order, two rollovers in one second.

#[test]
fn after_a_rotation_every_key_of_the_sealed_segment_is_readable() {
    let mut store: Store = Engine::open(SimDisk::new(1), small_segments()).unwrap();
    for n in 0..40_u32 {
        store
            .put(&n.to_be_bytes(), &vec![n as u8; 100_000])
            .unwrap();
    }
    assert!(store.stats().unwrap().segments.len() > 3);
    for n in 0..40_u32 {
        let value = store.get(&n.to_be_bytes()).unwrap().unwrap();
        assert_eq!(value, vec![n as u8; 100_000]);
    }
    store.close().unwrap();
}

#[test]
fn many_rollovers_within_one_second_destroy_nothing() {
    let disk = SimDisk::new(1);
    let mut store: Store = Engine::open(disk.clone(), small_segments()).unwrap();
    for n in 0..30_u32 {
        store
            .put(&n.to_be_bytes(), &vec![n as u8; 100_000])
            .unwrap();
    }
    drop(store);
    let store: Store = Engine::open(disk, small_segments()).unwrap();
    for n in 0..30_u32 {
        let value = store.get(&n.to_be_bytes()).unwrap().unwrap();
        assert_eq!(value, vec![n as u8; 100_000], "value {n}");
    }
}

#[test]
fn a_counter_in_fourteen_files_has_its_last_value_after_reopening() {
    let mut world = Script::new();
    for n in 0..14 {
        world.run(&format!("put counter {n:02}; rotate"));
    }
    world.check("close; get counter", "counter=13");
    world.check("put counter 14; kill; get counter", "counter=14");
    world.check(
        "cut; get counter; history counter",
        &format!(
            "counter=14 {}",
            (0..15)
                .map(|n| format!("{n:02}"))
                .collect::<Vec<_>>()
                .join(",")
        ),
    );
}

#[test]
fn more_than_a_hundred_files_keep_their_order_across_digits() {
    let mut world = Script::new();
    for n in 0..120 {
        world.run(&format!("put k{} {n}; rotate; put last {n}", n % 7));
    }
    world
        .run("kill")
        .check("get last; get k0; get k6", "last=119 k0=119 k6=118");
}

fn small_segments() -> Options {
    Options {
        segment_bytes: 1 << 20,
        reserve_bytes: 0,
        ..Options::default()
    }
}

// Deletes: undone by a restart, by hints without tombstones, by a merge.

#[test]
fn a_delete_survives_rotation_and_restart() {
    check(
        "put victim alive; rotate; del victim; close; get victim; len",
        "victim? 0",
    );
    check(
        "put victim alive; rotate; del victim; rotate; close; get victim",
        "victim?",
    );
    check(
        "put victim alive; del victim; rotate; kill; get victim",
        "victim?",
    );
}

#[test]
fn a_deleted_key_never_comes_back_as_an_empty_value() {
    check("put k v; del k; close; scan; get k; len", " k? 0");
}

#[test]
fn hints_carry_tombstones() {
    let script = "put victim old; rotate; del victim; rotate; put x 1; close; get victim; report";
    check(script, "victim? clean");
    let mut world = Script::new();
    world.run(script);
    let report = world.store().unwrap().report();
    assert_eq!(
        report.scanned_records, 0,
        "the hints answered for everything"
    );
}

#[test]
fn put_merge_delete_merge_reopen_leaves_nothing() {
    let mut world = Script::new();
    world.check(
        "put a 1; put b 2; merge; del a; del b; merge; kill; scan; len",
        " 0",
    );
    let stats = world.store().unwrap().stats().unwrap();
    assert_eq!(stats.segments.len(), 1);
    assert_eq!((stats.dead_bytes, stats.tombstone_bytes), (0, 0));
}

#[test]
fn a_partial_merge_does_not_drop_a_tombstone_that_hides_an_older_file() {
    let mut world = Script::new();
    world
        .run("put k old; put big x*3000; rotate; put y 1; del k; put y 2; rotate; put z 1; rotate");
    // Only the middle one is fragmented.
    world.options.merge.fragmentation_threshold_percent = 30;
    world.options.merge.fragmentation_trigger_percent = 30;
    world.options.merge.small_file_bytes = 1;
    world.run("kill");
    let plan = world.store().unwrap().merge_plan().unwrap();
    let chosen: Vec<bool> = plan.files.iter().map(|file| file.chosen).collect();
    assert_eq!(chosen[..2], [false, true], "{plan:?}");
    world.check(
        "step 9999; step 9999; get k; kill; get k; cut; get k",
        "k? k? k?",
    );
}

// Empty values and awkward keys.

#[test]
fn an_empty_value_is_a_value() {
    check(
        "put k \"\"; get k; len; close; get k; len; rotate; merge; kill; get k",
        "k= 1 k= 1 k=",
    );
}

#[test]
fn an_empty_key_is_a_key_and_stops_no_recovery() {
    check("put a 1; put \"\" e; put b 2; kill; scan", "=e a=1 b=2");
    check(
        "put a 1; put \"\" e; put b 2; rotate; merge; close; scan",
        "=e a=1 b=2",
    );
    check(
        "put a 1; put \"\" e; del \"\"; put b 2; kill; scan",
        "a=1 b=2",
    );
}

#[test]
fn the_value_nil_is_a_value() {
    check(
        "put k nil; get k; kill; get k; get other",
        "k=nil k=nil other?",
    );
}

#[test]
fn keys_and_values_with_spaces_newlines_and_zeros_are_kept_byte_by_byte() {
    let disk = SimDisk::new(1);
    let awkward: [&[u8]; 6] = [
        b" lead and trail ",
        b"two\nlines\r\n",
        b"\0",
        b"nil",
        b"\xff\xfe",
        b"=",
    ];
    let mut store: Store = Engine::open(disk.clone(), Options::default()).unwrap();
    for key in awkward {
        store.put(key, key).unwrap();
    }
    store.rotate().unwrap();
    store.merge_all(|_, _| {}).unwrap();
    store.close().unwrap();
    let store: Store = Engine::open(disk, Options::default()).unwrap();
    for key in awkward {
        assert_eq!(store.get(key).unwrap().as_deref(), Some(key));
    }
}

// Merge: destroys data, lets old values win, collides with rotation.

#[test]
fn the_first_merge_loses_nothing_while_running_and_after_a_restart() {
    let mut world = Script::new();
    for n in 0..600 {
        world.run(&format!("put k{n} v{n}"));
        if n % 200 == 199 {
            // Updates and deletes in between, so that live records follow skipped ones.
            for dead in (0..n).step_by(3) {
                world.run(&format!("put k{dead} v{dead}"));
            }
            world.run("del k1; rotate");
        }
    }
    let expected: Vec<String> = (0..600)
        .filter(|n| *n != 1)
        .map(|n| format!("get k{n}"))
        .collect();
    let all = expected.join("; ");
    let values = |said: &str| said.replace("get ", "").replace("; ", " ");
    let want: Vec<String> = (0..600)
        .filter(|n| *n != 1)
        .map(|n| format!("k{n}=v{n}"))
        .collect();
    let want = values(&want.join(" "));
    world.check("merge", "").check(&all, &want);
    world.check("get k1; verify", "k1? sound");
    world.run("kill").check(&all, &want);
    world.run("close").check(&all, &want);
}

#[test]
fn merge_output_never_wins_over_a_newer_write_whatever_the_crash() {
    for cut in ["kill", "close", "cut", "cut all", "cut 1", "cut 2", "cut 3"] {
        check(
            &format!(
                "put victim old; rotate; put other 1; rotate; put victim NEW synced; merge; {cut}; \
                 get victim"
            ),
            "victim=NEW",
        );
        check(
            &format!(
                "put victim old; put x 1; rotate; put x 2; rotate; step 20; put victim NEW; step 20; \
                 sync; step 9999; step 9999; {cut}; get victim"
            ),
            "victim=NEW",
        );
    }
}

#[test]
fn a_delete_during_a_merge_is_not_undone_by_it() {
    for cut in ["kill", "close", "cut", "cut all"] {
        check(
            &format!(
                "put victim old; put x 1; rotate; put x 2; rotate; step 20; del victim; sync; \
                 step 9999; step 9999; {cut}; get victim; get x"
            ),
            "victim? x=2",
        );
    }
}

#[test]
fn rotation_and_merge_never_take_each_others_file() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put a 2; rotate; put b 1; step 10");
    world.run("rotate; put c 1; rotate; step 9999; step 9999; put d 1; rotate; merge");
    world.check(
        "scan; kill; scan; verify",
        "a=2 b=1 c=1 d=1 a=2 b=1 c=1 d=1 sound",
    );
}

#[test]
fn merged_files_have_hints() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put a 2; rotate; merge; close; open");
    let report = world.store().unwrap().report();
    assert!(report.hinted_bytes > 0);
    assert_eq!(report.scanned_records, 0);
}
