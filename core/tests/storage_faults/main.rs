//! A platform that refuses: full disks, failing syncs, reads and removals, crashes in the middle of
//! recovery, and openers that meet.

mod common;

use common::{Script, check, file, name_of};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{
    AllKept, Call, Dice, Fault, Kept, Laws, Leaves, Luck, NothingKept, SimDisk,
};
use portcask_core::testing::world::{Store, World};
use portcask_core::{Ack, Damage, Engine, Error, FileName, MergeProgress, Options, WriteOptions};
use std::collections::BTreeMap;

// Files that do not go away, or come back.

#[test]
fn s17_inputs_that_could_not_be_removed_are_removed_at_last_and_change_nothing() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; rotate; put a 3; del b; rotate");
    world
        .disk
        .inject(Fault::from(1, ErrorKind::Io).on(Call::Remove));
    world.run("merge; kill");
    assert!(world.disk.bytes(&file("segment-0000000001")).is_some());
    world.run("heal");
    world.check("scan; kill; scan; verify", "a=3 a=3 sound");
    assert_eq!(world.disk.bytes(&file("segment-0000000001")), None);
}

#[test]
fn inputs_stay_until_the_last_key_points_at_its_copy() {
    let mut world = Script::new();
    world.run("put a 1; put b 1; rotate; put a 2; put c 1");
    let disk = world.disk.clone();
    let store = world.store().unwrap();
    assert_eq!(store.begin_merge_all(), Ok(true));
    let inputs = || {
        let names = ["segment-0000000001", "segment-0000000002"];
        let held = |name: &str| disk.bytes(&file(name)).is_some();
        names.into_iter().filter(|name| held(name)).count()
    };
    while matches!(store.merge_step(1), Ok(MergeProgress::Working { .. })) {
        // A look at the files that ends now removes what nobody needs, and no more.
        store.hold_files();
        store.release_files();
        assert_eq!(inputs(), 2, "keys still point there");
    }
    assert_eq!(inputs(), 0);
}

#[test]
fn s18_any_subset_of_the_inputs_may_come_back() {
    let mut world = Script::new();
    world.run("put a old; put b old; rotate; put a new; del b; rotate; put c 1; rotate");
    let inputs: Vec<(FileName, Vec<u8>)> = world
        .disk
        .files()
        .into_iter()
        .filter(|(name, _)| !name.as_str().starts_with("manifest"))
        .collect();
    world.run("merge; put d 2; kill");
    for subset in 0..1 << inputs.len() {
        let mut files: BTreeMap<FileName, Vec<u8>> = world.disk.files();
        for (i, (name, bytes)) in inputs.iter().enumerate() {
            if subset >> i & 1 == 1 {
                files.entry(*name).or_insert_with(|| bytes.clone());
            }
        }
        let mut revenant = Script::on(SimDisk::holding(subset, Laws::DISK, files));
        revenant.check(
            "scan; kill; scan; verify",
            "a=new c=1 d=2 a=new c=1 d=2 sound",
        );
    }
}

#[test]
fn a_refused_clear_loses_no_merge_that_was_committed_and_not_yet_published() {
    for steps in 1..8 {
        let mut world = Script::new();
        world.run("put a 1; put b 1; rotate; put a 2; put c 1; rotate; put d 1");
        for _ in 0..steps {
            world.run("step 100000");
        }
        world.check("fail create; clear; heal", "!Storage");
        // The next merge must not take for dead what the first one has not repointed.
        world.check("rotate; merge; kill; scan; verify", "a=2 b=1 c=1 d=1 sound");
    }
}

/// Every name is as it was first made since the last sync of names; all bytes are there.
struct NamesOnceMade;

impl Luck for NamesOnceMade {
    fn write(&mut self, _: usize) -> Kept {
        Kept::All
    }

    fn state(&mut self, states: usize) -> usize {
        1.min(states - 1)
    }
}

#[test]
fn a_merge_output_that_could_not_be_made_does_not_stay_when_a_power_cut_brings_it_back() {
    let mut world = Script::new();
    world.check(
        "put a 1; rotate; put a 2; rotate; fail names always; merge; heal",
        "!Storage",
    );
    let files = world.disk.files();
    let after = world.disk.crash(&mut NamesOnceMade);
    let revenant = after
        .files()
        .into_keys()
        .find(|name| !files.contains_key(name));
    let revenant = revenant.unwrap();
    let mut world = Script::on(after);
    world.check("scan; report", "a=2 unclean");
    assert_eq!(world.disk.bytes(&revenant), None, "{revenant}");
}

#[test]
fn a_merge_output_that_could_not_be_made_costs_nobody_a_file_of_that_name() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put a 2; rotate");
    // Id 4 is reserved for the next active segment, so the output would be the fifth.
    let theirs = file("segment-0000000005");
    world.disk.set_bytes(&theirs, b"theirs");
    world.check("fail create; merge; kill; scan", "!Storage a=2");
    assert_eq!(world.disk.bytes(&theirs).as_deref(), Some(&b"theirs"[..]));
}

#[test]
fn a_refused_write_does_not_come_to_life_behind_a_later_answer() {
    for later in ["close", "sync; kill"] {
        let mut world = Script::new();
        world.run("put a 1 synced");
        let fault = Fault::once(1, ErrorKind::Io).on(Call::Append);
        world.disk.inject(fault.leaving(Leaves::All));
        world.check(&format!("put b 2; del b; {later}; scan"), "!Storage a=1");
    }
}

// Full disks.

#[test]
fn a_merge_refused_for_want_of_space_while_it_publishes_loses_no_key() {
    for nth in 1..60 {
        let mut world = Script::new();
        world.run("put a 1; put b 2; rotate; del a; rotate; put c 3; rotate; put d 4; rotate");
        let fault = Fault::once(nth, ErrorKind::Full);
        world.disk.inject(fault.on(Call::Read));
        world.run("merge; heal");
        let mut after = Script::on(world.disk.crash(&mut NothingKept));
        after.check(
            "scan; merge; kill; scan; verify",
            "b=2 c=3 d=4 b=2 c=3 d=4 sound",
        );
    }
}

#[test]
fn s24_an_append_that_fills_the_disk_at_any_byte_is_not_taken_and_harms_nothing() {
    let before = "put a 1; put b 2 synced";
    let mut whole = Script::new();
    let used = whole.run(before).disk.used_bytes();
    let needed = whole.run("put big x*40").disk.used_bytes() - used;
    for room in 0..=needed {
        let mut world = Script::new();
        world.run(before);
        world.disk.set_capacity(Some(used + room));
        let (said, kept) = match room < needed {
            true => ("!Full", "a=1 b=2".to_string()),
            false => ("", format!("a=1 b=2 big={}", "x".repeat(40))),
        };
        world.check("put big x*40", said);
        world.check("scan", &kept);
        world.disk.set_capacity(None);
        // What was refused is not there after a crash either, nor any part of it.
        let mut died = Script::on(world.disk.crash(&mut AllKept));
        died.check("scan; verify", &format!("{kept} sound"));
        world.check("put c 3; kill; scan; verify", &format!("{kept} c=3 sound"));
    }
}

#[test]
fn s24_a_buffer_that_found_no_room_stays_readable_and_goes_out_later() {
    let mut world = Script::new();
    world.run("put a 1 synced; put b 2 buffered; put c 3 buffered");
    world.disk.set_capacity(Some(world.disk.used_bytes() + 5));
    world.check(
        "flush; get b; get c; put d 4; flush",
        "!Full b=2 c=3 !Full !Full",
    );
    world.disk.set_capacity(None);
    world.check("put d 4 synced; cut; scan", "a=1 b=2 c=3 d=4");
}

#[test]
fn s24_on_a_full_disk_the_reserve_lets_deletes_and_a_merge_through() {
    let mut world = Script::new();
    world.options.reserve_bytes = 1 << 20;
    for n in 0..20 {
        world.run(&format!("put k{n} x*20000"));
    }
    world.run("rotate");
    let full = world.disk.used_bytes();
    world.disk.set_capacity(Some(full));
    world.check("put more x*20000", "!Full");
    for n in 0..18 {
        world.run(&format!("del k{n}"));
    }
    world.check("merge; len", "2");
    assert!(world.disk.used_bytes() + 100_000 < full);
    world.check("put more x*20000; kill; len; verify", "3 sound");
}

#[test]
fn on_a_full_disk_the_reserve_lets_a_clear_through() {
    let mut world = Script::new();
    world.options.reserve_bytes = 1 << 20;
    world.run("put a x*20000; put b 1");
    world.disk.set_capacity(Some(world.disk.used_bytes()));
    world.check("put c x*20000", "!Full");
    world.check("clear; len", "0");
    world.check("put c x*20000; kill; len; verify", "1 sound");
}

#[test]
fn s25_a_merge_that_finds_no_room_is_given_up_without_harm() {
    for room in (0..2000).step_by(97) {
        let mut world = Script::new();
        world.run("put a x*500; put b y*500; rotate; put a z*500; put c 1; rotate; put d 2");
        world
            .disk
            .set_capacity(Some(world.disk.used_bytes() + room));
        let said = world.run("merge").said.join(" ");
        assert!(["", "!Full"].contains(&said.as_str()), "{said}");
        world.check("get a; get b; get c; get d", "a=z*500 b=y*500 c=1 d=2");
        world.disk.set_capacity(None);
        world.check("put e 3; kill; get a; get e; verify", "a=z*500 e=3 sound");
        world.check("merge; get a; len; verify", "a=z*500 5 sound");
    }
}

#[test]
fn a_buffered_write_that_is_refused_for_the_interval_sync_is_not_shown() {
    let mut world = Script::new();
    world.options.sync_every_ms = Some(100);
    world.check(
        "put a 1; put b 1 buffered; wait 100; fail append; put c 1 buffered; scan",
        "!Storage a=1 b=1",
    );
    // And what was acknowledged before it is still handed over.
    world.check("put d 1; kill; scan", "a=1 b=1 d=1");
}

// Syncs that fail.

#[test]
fn s26_the_first_failed_sync_poisons_and_reopening_heals() {
    let script = "put a 1 synced; put b 2; fail sync; put c 3 synced; put d 4; sync; rotate; del a; \
                  merge; get a";
    check(
        script,
        "!Storage !Poisoned !Poisoned !Poisoned !Poisoned !Poisoned a=1",
    );
    // What was not durable is not shown as if it were.
    check(
        "put a 1 synced; put b 2; fail sync; sync; get a; get b",
        "!Storage a=1 !Poisoned",
    );
    for cut in ["kill", "cut", "cut all", "cut 3"] {
        let mut world = Script::new();
        world.run(&format!("{script}; {cut}"));
        let said = world.run("put e 5; scan").said.pop().unwrap();
        let prefixes = ["a=1 e=5", "a=1 b=2 e=5", "a=1 b=2 c=3 e=5"];
        assert!(prefixes.contains(&said.as_str()), "{said}");
    }
}

#[test]
fn s26_a_sync_that_fails_once_is_never_taken_back_by_one_that_succeeds() {
    // The platform drops what it could not write, and the next sync has nothing to complain of.
    for seed in 0..40 {
        let mut world = Script::new();
        world.run("put a 1 synced; put b 2; fail sync; sync; sync; put c 3 synced");
        assert_eq!(world.said, ["!Storage", "!Poisoned", "!Poisoned"]);
        world.cut(Some(&seed.to_string()));
        let said = world.run("scan").said.pop().unwrap();
        assert!(["a=1", "a=1 b=2"].contains(&said.as_str()), "{said}");
    }
}

// Reads that fail.

#[test]
fn s27_an_unreadable_sector_costs_its_keys_and_is_never_an_absence() {
    let mut world = Script::new();
    world.run("put a 1; put b x*9000; put c 3; rotate; put d 4; close");
    let bytes = world.disk.bytes(&file("segment-0000000001")).unwrap().len() as u64;
    world
        .disk
        .make_unreadable(&file("segment-0000000001"), 4096..8192);
    world.check("get b; get a; get c; get d", "!Storage a=1 c=3 d=4");
    world.check(
        "lose hint-0000000001; kill; get b; get a; get c; get d",
        "!Storage a=1 c=3 d=4",
    );
    // Where nobody can say whose the sector was, nothing is called absent.
    world.run("kill; lose hint-0000000001");
    world
        .disk
        .make_unreadable(&file("segment-0000000001"), 0..bytes);
    world.check("get a; get nothing; get d", "!MaybeStale !MaybeStale d=4");
}

/// Nobody may take what cannot be read now for a torn tail: it is synced, and comes back.
#[test]
fn what_lies_under_a_reserved_name_and_cannot_be_looked_at_is_not_removed() {
    let mut world = Script::new();
    world.run("put a 1; kill");
    let reserved = file("segment-0000000002");
    assert_eq!(world.disk.bytes(&reserved), None);
    world.disk.set_bytes(&reserved, b"a stranger's");
    world.disk.make_unreadable(&reserved, 0..12);
    world.check("get a; rotate; kill; heal; get a; close", "a=1 a=1");
    assert_eq!(
        world.disk.bytes(&reserved).as_deref(),
        Some(&b"a stranger's"[..])
    );
}

#[test]
fn s27_what_cannot_be_read_while_a_store_opens_is_there_when_it_can_be_read_again() {
    let past =
        "put a 1; batch b=2 c=3; rotate; del a; put d 4; sync; put b 5 synced; put e 6 synced";
    let mut whole = Script::new();
    whole.run(past);
    for (name, bytes) in whole.disk.files() {
        for from in [0, 80, bytes.len() as u64 / 2] {
            let mut world = Script::new();
            world.run(past).run("kill");
            world.disk.make_unreadable(&name, from..bytes.len() as u64);
            world.run("put f 7 synced");
            let taken = world.said.is_empty();
            world.said.clear();
            let expected = match taken {
                true => "b=5 c=3 d=4 e=6 f=7",
                false => "b=5 c=3 d=4 e=6",
            };
            world.check(
                "kill; heal; scan; kill; scan",
                &format!("{expected} {expected}"),
            );
        }
    }
}

#[test]
fn s27_a_history_leaves_out_no_version_that_cannot_be_read_now() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put a 2");
    world
        .disk
        .make_unreadable(&file("segment-0000000001"), 0..4096);
    let refused = world.store().unwrap().history(b"a");
    let unreadable = Damage::Unreadable;
    assert!(matches!(refused, Err(Error::Corrupt { found }) if found.damage == unreadable));
    world.disk.heal();
    assert_eq!(world.store().unwrap().history(b"a").unwrap().len(), 2);
}

#[test]
fn s27_an_expired_key_that_cannot_be_read_is_swept_another_time() {
    let mut world = Script::new();
    world.run("put a 1 ttl=5; put b 2; wait 10");
    world
        .disk
        .inject(Fault::once(1, ErrorKind::Io).on(Call::Read));
    let store = world.store().unwrap();
    // It could not be looked at, so it still counts; it is hidden all the same.
    assert_eq!(store.len(), 2);
    assert_eq!(store.get(b"a"), Ok(None));
    assert_eq!(store.len(), 1);
}

#[test]
fn s28_a_close_that_fails_leaves_the_store_as_after_a_crash() {
    for call in ["append", "sync"] {
        for nth in 1..4 {
            let mut world = Script::new();
            world.run(&format!("put a 1; put b 2; fail {call} {nth}; close; heal"));
            world.check(
                "scan; put c 3; close; scan; report",
                "a=1 b=2 a=1 b=2 c=3 clean",
            );
        }
    }
}

// Crashes during recovery.

/// What was begun and could not be taken back is not a stranger's file.
#[test]
fn s25_a_segment_that_could_be_neither_made_nor_removed_goes_with_the_next_chance() {
    let mut world = Script::new();
    world.check(
        "put a 1; fail append 2; fail remove; rotate; heal",
        "!Storage",
    );
    assert_eq!(world.newest_segment().as_str(), "segment-0000000002");
    world.check("rotate; put b 2; close; open; scan", "a=1 b=2");
    assert!(
        world
            .disk
            .bytes(&common::file("segment-0000000002"))
            .is_none()
    );
}

/// A write that fails leaves an empty segment behind, whose hint has nothing to cover.
#[test]
fn what_a_failed_append_leaves_of_a_hint_is_not_taken_for_damage() {
    for (nth, removable) in (1..=6).flat_map(|nth| [(nth, true), (nth, false)]) {
        let mut world = Script::new();
        world.run("put a 1; put b 2");
        let leaves = Leaves::Zeros;
        let append = Fault::once(nth, ErrorKind::Io).on(Call::Append);
        world.disk.inject(Fault { leaves, ..append });
        let faults = [(Call::Truncate, true), (Call::Remove, !removable)];
        for (call, fails) in faults {
            if fails {
                world.disk.inject(Fault::from(1, ErrorKind::Io).on(call));
            }
        }
        world.run("rotate; heal; rotate; put c 3");
        world.check(
            "verify; scan; close; verify; scan",
            "sound a=1 b=2 c=3 sound a=1 b=2 c=3",
        );
    }
}

#[test]
fn s28_the_hint_of_an_empty_segment_cannot_be_damaged() {
    let mut world = Script::new();
    world.check("put a 1; rotate; fail append 1; put b 2; heal", "!Storage");
    let empty = world.newest_segment();
    let hint = empty.as_str().replace("segment", "hint");
    world.check("put b 2; sync; kill; verify", "sound");
    world.check(
        &format!("flip {hint} 10; verify; kill; scan; verify"),
        "sound a=1 b=2 sound",
    );
}

#[test]
fn s29_recovery_cut_short_three_times_over_reaches_the_same_state() {
    let mut world = World::new(3, Laws::DISK);
    world.open().unwrap();
    let store = world.store.as_mut().unwrap();
    let synced = WriteOptions {
        ack: Some(Ack::Synced),
        ..WriteOptions::default()
    };
    store.put(b"a", b"1").unwrap();
    store.rotate().unwrap();
    store.put_with(b"b", b"2", &synced).unwrap();
    store.put(b"c", b"3").unwrap();
    store.put(b"d", b"4").unwrap();
    world.store = None;
    let crashed = world.disk.crash(&mut AllKept);
    let show = |disk: &SimDisk| {
        let store: Store = Engine::open(disk.clone(), World::options()).unwrap();
        let mut pairs: Vec<_> = store.iter().map(|entry| entry.unwrap().key).collect();
        pairs.sort();
        assert!(!store.report().degraded && store.report().damages.is_empty());
        pairs
    };
    let expected = [b"a", b"b", b"c", b"d"];
    assert_eq!(show(&crashed), expected);
    let changes = crashed.changes();
    for first in 0..=changes {
        let once = crashed.crash_at(first, &mut Dice::new(first as u64));
        assert_eq!(show(&once), expected, "cut at {first}");
        for second in (0..=once.changes()).step_by(5) {
            let twice = once.crash_at(second, &mut Dice::new(second as u64));
            assert_eq!(show(&twice), expected, "cut at {first}, {second}");
            let third = (first * 7 + second) % (twice.changes() + 1);
            let thrice = twice.crash_at(third, &mut NothingKept);
            assert_eq!(show(&thrice), expected, "cut at {first}, {second}, {third}");
        }
    }
}

// Openers that meet.

#[test]
fn s31_the_second_writer_is_told_who_holds_the_store_and_changes_nothing() {
    let mut world = Script::new();
    world.run("put a 1");
    let before = world.disk.files();
    let refused: Result<Store, Error> = Engine::open(world.disk.clone(), Options::default());
    let error = refused.map(|_| ()).unwrap_err();
    assert_eq!(name_of(&error), "Locked");
    assert!(error.to_string().contains("held by"), "{error}");
    assert_eq!(world.disk.files(), before);
    // The lock dies with its holder.
    world.check("kill; put b 2; get a", "a=1");
}

#[test]
fn s32_a_reader_beside_a_writer_keeps_a_consistent_view_or_says_that_it_changed() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; rotate; put a 3");
    let mut reader: Store = Engine::open(world.disk.clone(), Options::read_only()).unwrap();
    let before = world.disk.files();
    assert_eq!(reader.get(b"a").unwrap().as_deref(), Some(&b"3"[..]));
    reader.refresh().unwrap();
    assert_eq!(world.disk.files(), before, "a reader changes nothing");
    world.run("put a 4; put c 5; rotate; merge; put d 6");
    for (key, old) in [(b"a", b"3"), (b"b", b"2")] {
        match reader.get(key) {
            Ok(value) => assert_eq!(value.as_deref(), Some(&old[..])),
            Err(Error::Changed) => {}
            Err(other) => panic!("{other}"),
        }
    }
    reader.refresh().unwrap();
    let now = [(b"a", "4"), (b"b", "2"), (b"c", "5"), (b"d", "6")];
    for (key, value) in now {
        assert_eq!(reader.get(key).unwrap().as_deref(), Some(value.as_bytes()));
    }
    assert!(matches!(reader.put(b"x", b""), Err(Error::ReadOnly)));
    assert!(matches!(reader.merge_all(|_, _| {}), Err(Error::ReadOnly)));
    reader.close().unwrap();
    // The writer's tail is in flight for a reader, not torn.
    world.run("put half x*100");
    let segment = world.store().unwrap().history(b"half").unwrap()[0].file;
    let bytes = world.disk.bytes(&segment).unwrap();
    let copy = SimDisk::holding(5, Laws::DISK, world.disk.files());
    copy.set_bytes(&segment, &bytes[..bytes.len() - 30]);
    let reader: Store = Engine::open(copy, Options::read_only()).unwrap();
    assert_eq!(reader.report().torn_bytes, 0);
    assert!(!reader.report().degraded);
    assert_eq!(reader.get(b"half").unwrap(), None);
    assert_eq!(reader.get(b"d").unwrap().as_deref(), Some(&b"6"[..]));
}

#[test]
fn s33_a_directory_that_lost_its_files_is_not_a_new_store() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put b 2");
    for name in world.disk.files().into_keys() {
        portcask_core::Storage::remove(&world.disk, &name).unwrap();
    }
    // The running store goes on or refuses; it never starts anew under the same handle.
    let said = world
        .run("put c 3; get a; rotate; put d 4; get b")
        .said
        .clone();
    for word in &said {
        assert!(
            word.starts_with('!') || ["a=1", "b=2"].contains(&word.as_str()),
            "{said:?}"
        );
    }
    let read_only: Result<Store, _> = Engine::open(world.disk.clone(), Options::read_only());
    assert!(read_only.is_err());
}

#[test]
fn a_merge_of_a_writer_that_was_taken_over_leaves_nothing_that_looks_like_a_newer_state() {
    for steps in 0..6 {
        let disk = SimDisk::with_laws(1, Laws::GUEST);
        let mut first = Script::on(disk.clone());
        first.options.segment_bytes = 1 << 20;
        for key in ["a", "b", "c", "d"] {
            first.run(&format!("put {key} v*700000; rotate"));
        }
        assert_eq!(first.store().unwrap().begin_merge_all(), Ok(true));
        let mut second = Script::on(disk.clone());
        second.check("len", "4");
        for _ in 0..steps {
            let _ = first.store().unwrap().merge_step(10);
        }
        drop(first);
        second.check("close; report; put e 1; len", "clean 5");
    }
}

#[test]
fn a_merge_of_a_writer_that_was_taken_over_is_not_committed() {
    let disk = SimDisk::with_laws(1, Laws::GUEST);
    let mut first = Script::on(disk.clone());
    // With nothing left to copy, the commit is the first that can notice.
    first.run("put a 1; del a");
    let mut first = first.store.unwrap();
    assert_eq!(first.begin_merge_all(), Ok(true));
    Script::on(disk).check("len", "0");
    let ended = loop {
        match first.merge_step(1 << 20) {
            Ok(MergeProgress::Working { .. }) => {}
            ended => break ended,
        }
    };
    assert_eq!(ended, Err(Error::fenced(2)));
}
