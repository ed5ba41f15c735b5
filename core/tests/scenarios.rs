//! Histories in which a careless log would lose, resurrect or misreport data: crashes between merge
//! and sync, expiry against older versions, half batches, rotten manifests, wrong clocks, two hosts.

mod common;

use common::{NOW_MS, Script, check, file};
use portcask_core::format::file::FILE_HEADER_BYTES;
use portcask_core::storage::Capabilities;
use portcask_core::testing::sim::{Kept, Laws, Luck, NothingKept, SimDisk};
use portcask_core::testing::world::{Store, World};
use portcask_core::{Ack, Condition, Engine, Error, OpenMode, Options, WriteOptions, salvage};

#[test]
fn a_merge_drops_only_in_favour_of_what_is_durable() {
    for cut in ["cut", "cut all", "cut 1", "cut 5", "kill"] {
        check(
            &format!(
                "put k 1 synced; put x 1; rotate; put x 2; rotate; put k 2; \
                 step 9999; step 9999; step 9999; {cut}; get k; get x"
            ),
            "k=2 x=2",
        );
    }
    // Between the steps nothing is dropped yet.
    let said = common::run(
        "put k 1 synced; put x 1; rotate; put x 2; rotate; put k 2; step 10; cut; get k",
    );
    assert!(["k=1", "k=2"].contains(&said.as_str()), "{said}");
}

#[test]
fn an_expired_record_hides_older_versions_like_a_tombstone() {
    for cut in ["kill", "cut", "close"] {
        let mut world = Script::new();
        world.run("put k v1; put big x*3000; rotate");
        world.run("put k v2 ttl=50; put y 1; put y 2; put y 3; rotate; put z 1; rotate; wait 60");
        world.options.merge.small_file_bytes = 1;
        world.run("kill");
        // Only the segment with the expired version is merged; the older one stays.
        let plan = world.store().unwrap().merge_plan().unwrap();
        let chosen: Vec<bool> = plan.files.iter().map(|file| file.chosen).collect();
        assert_eq!(chosen, [false, true, false, false], "{plan:?}");
        world.run("step 9999; step 9999; step 9999");
        world.check(
            &format!("history k; get k; {cut}; get k; len"),
            "v1,- k? k? 3",
        );
        world.check("merge; kill; get k; len; history k", "k? 3 ");
    }
}

#[test]
fn a_damaged_newest_version_never_lets_an_older_one_pass_for_current() {
    let mut world = Script::new();
    world.run("put k old; put a 1; rotate; put k new; put b 2; rotate; put c 3; close");
    world.run("lose hint-0000000002");
    // Two flipped bits in the head of the newest version: no repair, and the key cannot be told.
    world.run("flip segment-0000000002 82; flip segment-0000000002 86");
    world.check("report", "clean damaged degraded");
    world.check("get k; get a; put d 4", "!MaybeStale !MaybeStale !Degraded");
    // What lies behind the damage is certain.
    world.check("get b; get c", "b=2 c=3");
    world.options.accept_stale = true;
    world.check("kill; get k; get a", "k=old a=1");
    world.options.mode = OpenMode::Strict;
    world.check("kill; get k", "!Damaged");
}

#[test]
fn with_its_hint_only_the_damaged_key_suffers() {
    let mut world = Script::new();
    world.run("put k old; put a 1; rotate; put k new; put b 2; rotate; put c 3; close");
    world.run("flip segment-0000000002 82; flip segment-0000000002 86");
    world.check(
        "get k; get a; get b; get c; put d 4",
        "!Corrupt a=1 b=2 c=3",
    );
}

#[test]
fn a_marker_names_only_what_the_sync_covered() {
    let mut world = Script::new();
    let store = world.store().unwrap();
    store.put(b"a", b"1").unwrap();
    let ticket = store.begin_sync().unwrap().unwrap();
    let done = portcask_core::storage::File::sync(&ticket.file);
    store.put(b"late", b"2").unwrap();
    store.finish_sync(&ticket, done).unwrap();
    // Carries the marker of the sync, which does not cover `late`.
    store.put(b"z", b"3").unwrap();
    world.cut(None);
    world.check("scan; report", "a=1 unclean");
    // Nor does a marker that is written when the store is idle.
    let mut world = Script::new();
    let store = world.store().unwrap();
    store.put(b"a", b"1").unwrap();
    let ticket = store.begin_sync().unwrap().unwrap();
    let done = portcask_core::storage::File::sync(&ticket.file);
    store.put(b"late", b"2").unwrap();
    store.finish_sync(&ticket, done).unwrap();
    store.tick().unwrap();
    world.store = None;
    world.disk = world.disk.crash(&mut Only(vec![Kept::Zeros, Kept::All]));
    world.check("scan; report", "a=1 unclean torn");
    // The writes behind the sync in another order than they were made.
    let mut world = Script::new();
    world.run("put a 1 synced; put late 2; put z 3");
    world.store = None;
    world.disk = world.disk.crash(&mut Only(vec![Kept::Zeros, Kept::All]));
    world.check("scan; report", "a=1 unclean torn");
    assert_eq!(world.store().unwrap().report().torn_records, 1);
}

#[test]
fn the_next_record_after_each_sync_vouches_for_it() {
    for syncs in 1..5 {
        let mut world = Script::new();
        for _ in 1..syncs {
            world.run("put a before synced");
        }
        world.run("put a vouchedfor synced; put b 1; kill");
        let segment = world.newest_segment();
        let bytes = world.disk.bytes(&segment).unwrap();
        let at = bytes.windows(10).position(|piece| piece == b"vouchedfor");
        assert!(world.disk.flip(&segment, at.unwrap(), 1));
        // Not a torn tail: it was acknowledged, and the record behind it says so.
        world.check("report; get a; get b", "unclean damaged !Corrupt b=1");
    }
}

#[test]
fn half_a_batch_is_never_completed_by_what_follows() {
    let mut whole = Script::new();
    whole.run("put a 1 synced; kill");
    let before = whole.disk.bytes(&whole.newest_segment()).unwrap().len();
    whole.run("put a 1 synced");
    let mut world = Script::new();
    world.run("put a 1 synced; batch b=2 c=3 d=4; kill");
    let after = world.disk.bytes(&world.newest_segment()).unwrap().len();
    for torn in 1..after - before {
        let mut half = Script::on(SimDisk::holding(1, Laws::DISK, world.disk.files()));
        half.run(&format!("tear {torn}"));
        half.check(
            "scan; put e 5; batch f=6 g=7; kill; scan",
            "a=1 a=1 e=5 f=6 g=7",
        );
        half.check("merge; close; scan; verify", "a=1 e=5 f=6 g=7 sound");
    }
}

#[test]
fn a_rotten_newest_manifest_record_is_reported_and_deletes_nothing() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put b 2; rotate; put c 3; kill");
    let manifest = file("manifest-0000000001");
    let len = world.disk.bytes(&manifest).unwrap().len();
    // One flipped bit would be put right.
    world.disk.flip(&manifest, len - 3, 0x30);
    let files = world.disk.files();
    world.check(
        "report; get a; put d 4",
        "unclean orphans stepped-back degraded !MaybeStale !Degraded",
    );
    // The change that was lost may have had another one.
    world.options.accept_stale = true;
    world.check("kill; get a; kill; open; kill", "a=1");
    for (name, bytes) in files {
        if name.as_str().starts_with("segment") {
            assert_eq!(world.disk.bytes(&name), Some(bytes), "{name}");
        }
    }
    let mut saved = Vec::new();
    salvage(world.disk.clone(), |entry| {
        saved.push(entry.key);
        Ok(())
    })
    .unwrap();
    saved.sort();
    assert_eq!(saved, [b"a", b"b", b"c"]);
    world.options.mode = OpenMode::Strict;
    world.check("get a", "!Damaged");
}

#[test]
fn a_torn_newest_manifest_record_is_a_change_that_did_not_happen() {
    // A rotation cut short in its commit: nothing was written under it.
    let mut world = Script::new();
    world.run("put a 1; fail append 3; rotate; kill");
    world.check("scan; report; put b 2; kill; scan", "a=1 unclean a=1 b=2");
}

#[test]
fn a_locked_and_an_unlocked_host_never_both_acknowledge() {
    let bare = Capabilities {
        kernel_lock: false,
        namespace_sync: false,
        ..Laws::DISK.capabilities
    };
    for (first, second) in [(false, true), (true, false)] {
        for killed in [false, true] {
            let disk = SimDisk::new(1);
            let host = |locks: bool| match locks {
                true => disk.clone(),
                false => disk.seen_with(bare),
            };
            let open = |locks| Engine::open(host(locks), World::options());
            let mut one: Store = open(first).unwrap();
            one.put(b"a", b"1").unwrap();
            let mut two: Store = open(second).unwrap();
            assert_eq!(two.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
            two.put(b"b", b"2").unwrap();
            if killed {
                drop(two);
            } else {
                two.close().unwrap();
            }
            let refused = one.put(b"c", b"3").unwrap_err();
            assert!(matches!(refused, Error::Fenced { .. }), "{refused}");
            assert!(matches!(one.put(b"c", b"3"), Err(Error::Fenced { .. })));
            assert!(one.close().is_err());
            let three: Store = open(first).unwrap();
            for (key, value) in [(b"a", b"1"), (b"b", b"2")] {
                assert_eq!(three.get(key).unwrap().as_deref(), Some(&value[..]));
            }
        }
    }
}

#[test]
fn a_clock_that_was_once_a_century_ahead_expires_nothing() {
    let year_2126 = common::NOW_MS + 100 * 365 * 24 * 3_600_000;
    let mut world = Script::new();
    world.run("put k v ttl=5000; put n 1");
    let last = world.store().unwrap().last_seq();
    world.run(&format!("clock {year_2126}; put x 1; kill; tick"));
    world.check(
        "get k; get n; report; put y 1 ttl=100; get y",
        "k=v n=1 unclean jump y=1",
    );
    world.run("merge; tick; kill");
    world.run(&format!("clock {}; open", common::NOW_MS + 10));
    world.check("get k; ttl k; get y; report", "k=v +5000 y=1 unclean");
    assert!(world.store().unwrap().last_seq() > last);
    world.check("wait 200; get y; wait 5000; get k; len", "y? k? 2");
    // Believed only when somebody says so.
    world.run(&format!("put k v ttl=5000; clock {year_2126}"));
    world.check("get k", "k=v");
    world.store().unwrap().confirm_clock();
    world.check("get k; len", "k? 2");
}

/// The delete found nothing to delete, by a time that the crash forgets.
#[test]
fn a_durable_delete_of_an_expired_key_survives_a_clock_that_went_back() {
    for delete in ["del t", "batch o=1 -t"] {
        let mut world = Script::new();
        world.run(&format!("put t 1 ttl=5; wait 10; {delete}; sync; cut"));
        world.check(&format!("clock {}; get t", common::NOW_MS), "t?");
    }
    // Once the time is on record, an absent key costs nothing.
    let mut world = Script::new();
    world.run("put t 1 ttl=5; wait 10; rotate; del t");
    let used = world.disk.used_bytes();
    world.run("del t; del never");
    assert_eq!(world.disk.used_bytes(), used);
}

#[test]
fn a_clock_that_went_back_neither_reorders_nor_revives() {
    let mut world = Script::new();
    world.run("put k 1; put t x ttl=50; wait 100; put k 2");
    world.check("get t; clock 1000; get t; put k 3; get k", "t? t? k=3");
    world.check("close; get k; get t; tick; len", "k=3 t? 1");
}

#[test]
fn what_was_written_under_a_manifest_whose_name_was_lost_is_still_there() {
    let mut world = Script::new();
    world.run("put a 1; close; put b 2 synced; kill; lose manifest-0000000002");
    // The older manifest says that the store was closed where it was.
    world.check("scan; put c 3; kill; scan", "a=1 b=2 a=1 b=2 c=3");
}

#[test]
fn a_clock_that_went_back_does_not_put_off_the_interval_sync() {
    let mut world = Script::new();
    world.options.sync_every_ms = Some(100);
    world.run("put a 1");
    world.run(&format!("clock {}", NOW_MS - 3_600_000));
    // By a tick, then by a write.
    world.check("put b 1; wait 100; tick; cut; scan", "a=1 b=1");
    world.run(&format!("clock {}", NOW_MS - 7_200_000));
    world.check("put c 1; wait 100; put d 1; cut; scan", "a=1 b=1 c=1 d=1");
}

#[test]
fn a_flipped_salt_loses_nothing() {
    for (segment, what) in [
        ("segment-0000000001", "sealed"),
        ("segment-0000000002", "active"),
    ] {
        for at in 0..FILE_HEADER_BYTES {
            let mut world = Script::new();
            world.run("put a 1; put b 2; rotate; put c 3; put a 4 synced; put d 5; kill");
            world.run(&format!("flip {segment} {at}"));
            world.check("scan", "a=4 b=2 c=3 d=5");
            let report = world.store().unwrap().report();
            assert!(!report.damages.is_empty(), "{what} byte {at}: {report}");
            world.check(
                "put e 6; kill; scan; close; scan",
                "a=4 b=2 c=3 d=5 e=6 a=4 b=2 c=3 d=5 e=6",
            );
        }
    }
}

#[test]
fn the_footer_serves_where_there_is_no_manifest_either() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; rotate; put c 3; close");
    world.run("flip segment-0000000001 30; lose manifest-0000000001");
    world.check("get a", "!NoManifest");
    let mut saved = Vec::new();
    salvage(world.disk.clone(), |entry| {
        saved.push((entry.key, entry.value));
        Ok(())
    })
    .unwrap();
    saved.sort();
    let pair = |k: &str, v: &str| (k.as_bytes().to_vec(), v.as_bytes().to_vec());
    assert_eq!(saved, [pair("a", "1"), pair("b", "2"), pair("c", "3")]);
}

#[test]
fn of_two_conditional_puts_in_one_commit_group_exactly_one_wins() {
    let mut world = Script::new();
    let store = world.store().unwrap();
    let how = |ack| WriteOptions {
        ack: Some(ack),
        condition: Some(Condition::Absent),
        ..WriteOptions::default()
    };
    for ack in [Ack::Buffered, Ack::Written] {
        let key = format!("{ack:?}").into_bytes();
        let seq = store.put_with(&key, b"first", &how(ack)).unwrap();
        let found = Some(seq);
        let lost = store.put_with(&key, b"second", &how(ack)).unwrap_err();
        assert_eq!(lost, Error::condition_failed(0, found));
    }
    let ticket = store.begin_sync().unwrap().unwrap();
    let done = portcask_core::storage::File::sync(&ticket.file);
    store.finish_sync(&ticket, done).unwrap();
    world.check(
        "cut; get Buffered; get Written",
        "Buffered=first Written=first",
    );
}

#[test]
fn a_backup_taken_under_a_wrong_clock_restores_the_same_order() {
    let mut world = Script::new();
    world.run("clock 5000; put k 1; clock 1000; put k 2; rotate; clock none; put k 3");
    let target = SimDisk::new(2);
    world.store().unwrap().backup(&target, |_, _| {}).unwrap();
    let copy: Store = Engine::open(target, Options::default()).unwrap();
    assert_eq!(copy.get(b"k").unwrap().as_deref(), Some(&b"3"[..]));
}

/// Keeps of the pending writes what it is told, in order, and nothing of the rest.
struct Only(Vec<Kept>);

impl Luck for Only {
    fn write(&mut self, _: usize) -> Kept {
        match self.0.is_empty() {
            true => Kept::Nothing,
            false => self.0.remove(0),
        }
    }

    fn state(&mut self, states: usize) -> usize {
        NothingKept.state(states)
    }
}
