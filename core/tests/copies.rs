//! Copies and checks of a whole store: backup, restore, salvage, verify, statistics.

mod common;

use common::{Script, copy_of, file, name_of};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{AllKept, Dice, Fault, Laws, Luck, NothingKept, SimDisk};
use portcask_core::testing::world::{Store, audit};
use portcask_core::{Engine, Error, OpenAccess, Options, is_store, restore, salvage};

/// Three segments with hints: overwrites, a tombstone, a batch, an expiry.
fn filled() -> Script {
    let mut world = Script::new();
    world
        .run("put a 1; put b 2; put gone x; rotate; put a 3; del gone; batch c=4 d=x*2000; rotate");
    world.run("put t v ttl=5000; put \"\" e; put e 6");
    world
}

const HELD: &str = "=e a=3 b=2 c=4 d=x*2000 e=6 t=v";

fn shows(disk: &SimDisk) -> String {
    Script::on(disk.clone()).run("scan").said.join(" ")
}

#[test]
fn a_reader_knows_the_last_sequence_number_of_a_writer_at_work_and_of_a_killed_one() {
    let reads = Options {
        access: OpenAccess::ReadOnly,
        ..Options::default()
    };
    let check = |disk: &SimDisk, last: u64| {
        let mut reader: Store = Engine::open(disk.clone(), reads.clone()).unwrap();
        assert_eq!(reader.last_seq(), last);
        assert_eq!(reader.stats().unwrap().last_seq, last);
        let target = SimDisk::new(7);
        assert_eq!(reader.backup(&target, |_, _| {}).unwrap().last_seq, last);
        let copy: Store = Engine::open(target, reads.clone()).unwrap();
        assert_eq!(copy.last_seq(), last);
    };
    let disk = SimDisk::new(5);
    let mut world = Script::on(disk.clone());
    world.run("put a 1; put b 2; put c 3; del a");
    let last = world.store().unwrap().last_seq();
    assert!(last >= 4);
    check(&disk, last);
    world.run("rotate; put d 4");
    let last = world.store().unwrap().last_seq();
    check(&disk, last);
    world.run("kill");
    check(&disk, last);
}

#[test]
fn a_backup_is_a_store_that_holds_what_was_acknowledged_before_it() {
    let mut world = filled();
    world.run("put late 7 buffered");
    let target = SimDisk::new(2);
    let mut told = Vec::new();
    let store = world.store().unwrap();
    let report = store
        .backup(&target, |done, all| told.push((done, all)))
        .unwrap();
    assert_eq!(report.last_seq, store.last_seq());
    assert!(told.is_sorted());
    assert!(
        told.last().is_some_and(|(done, all)| done == all),
        "{told:?}"
    );
    let bytes: u64 = target
        .files()
        .values()
        .map(|bytes| bytes.len() as u64)
        .sum();
    assert_eq!(report.bytes, bytes);
    assert_eq!(report.files, target.files().len() as u64);
    // Writes go on here, and there it is another store with the same identity.
    world.run("put a after");
    let copy: Store = Engine::open(target.clone(), Options::default()).unwrap();
    assert_eq!(copy.store_id(), world.store().unwrap().store_id());
    assert!(copy.report().clean);
    drop(copy);
    assert_eq!(shows(&target), HELD.replace("t=v", "late=7 t=v"));
    let mut copy = Script::on(target);
    copy.check(
        "put z 9; ttl t; kill; get z; get a; merge; verify; cut; get b",
        "+5000 z=9 a=3 sound b=2",
    );
}

#[test]
fn a_backup_cut_short_anywhere_is_whole_or_no_store() {
    let mut world = filled();
    let target = SimDisk::new(2);
    world.store().unwrap().backup(&target, |_, _| {}).unwrap();
    let mut whole = 0;
    for at in 0..=target.changes() {
        let mut lucks: [Box<dyn Luck>; 4] = [
            Box::new(NothingKept),
            Box::new(AllKept),
            Box::new(Dice::new(at as u64)),
            Box::new(Dice::new(at as u64 + 5000)),
        ];
        for luck in &mut lucks {
            let cut = target.crash_at(at, &mut **luck);
            if is_store(&cut).unwrap() {
                whole += 1;
                assert_eq!(shows(&cut), HELD, "cut at {at}");
            } else {
                let said = shows(&cut);
                assert!(
                    ["", "!NoManifest"].contains(&said.as_str()),
                    "cut at {at}: {said}"
                );
            }
        }
    }
    assert!(whole > 0);
    assert_eq!(
        shows(&target.crash(&mut NothingKept)),
        HELD,
        "a finished backup is durable"
    );
}

#[test]
fn a_backup_whose_target_fails_at_any_call_says_so_and_harms_neither_side() {
    for nth in 1.. {
        let mut world = filled();
        let target = SimDisk::new(2);
        target.inject(Fault::once(nth, ErrorKind::Io));
        let done = world.store().unwrap().backup(&target, |_, _| {});
        let struck = target.steps() >= nth;
        target.heal();
        assert!(done.is_err() || is_store(&target).unwrap(), "call {nth}");
        if !struck {
            assert!(nth > 20, "only {nth} calls");
            break;
        }
        if is_store(&target).unwrap() {
            // The last call failed after the work was done; the copy is whole then.
            assert_eq!(shows(&target), HELD, "call {nth}");
        }
        world.check(
            "put z 9; scan; merge; kill; get z; verify",
            &format!("{HELD} z=9 z=9 sound"),
        );
    }
}

#[test]
fn a_backup_never_overwrites_and_never_passes_damage_on() {
    let mut world = filled();
    let target = SimDisk::new(2);
    world.store().unwrap().backup(&target, |_, _| {}).unwrap();
    let before = target.files();
    let again = world.store().unwrap().backup(&target, |_, _| {});
    assert_eq!(again, Err(Error::NotEmpty));
    assert_eq!(target.files(), before);
    world.run("flip segment-0000000001 90");
    let fresh = SimDisk::new(3);
    let error = world
        .store()
        .unwrap()
        .backup(&fresh, |_, _| {})
        .unwrap_err();
    assert_eq!(name_of(&error), "Corrupt");
    assert!(!is_store(&fresh).unwrap());
}

#[test]
fn merges_and_writes_go_on_while_a_backup_holds_its_moment() {
    let mut world = filled();
    let store = world.store().unwrap();
    let plan = store.begin_backup().unwrap();
    store.put(b"a", b"later").unwrap();
    store.merge_all(|_, _| {}).unwrap();
    let target = SimDisk::new(2);
    plan.copy_to(&target, |_, _| {}).unwrap();
    store.end_backup(plan);
    assert_eq!(shows(&target), HELD);
    world.check("get a; kill; get a; verify", "a=later a=later sound");
    assert_eq!(
        world.disk.bytes(&file("segment-0000000001")),
        None,
        "removed after all"
    );
}

#[test]
fn a_restored_store_is_the_one_that_was_backed_up() {
    let mut world = filled();
    world.run("close");
    let (copy, back) = (SimDisk::new(2), SimDisk::new(3));
    restore(&world.disk, &copy, |_, _| {}).unwrap();
    restore(&copy, &back, |_, _| {}).unwrap();
    assert_eq!(shows(&back), HELD);
    assert!(
        restore(&world.disk, &back, |_, _| {}).is_err(),
        "not into a store"
    );
    assert!(
        restore(&SimDisk::new(4), &SimDisk::new(5), |_, _| {}).is_err(),
        "not from nothing"
    );
}

fn saved(disk: &SimDisk) -> (String, portcask_core::SalvageReport) {
    let mut pairs = Vec::new();
    let report = salvage(disk.clone(), |entry| {
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(1)]).into_owned();
        pairs.push(format!("{}={}", text(&entry.key), text(&entry.value)));
        Ok(())
    })
    .unwrap();
    pairs.sort();
    (pairs.join(" "), report)
}

#[test]
fn salvage_needs_no_manifest_and_no_order_of_files() {
    let mut world = filled();
    world.run("merge; put a 8; del b; kill");
    let (with, _) = saved(&world.disk);
    assert_eq!(with, "=e a=8 c=4 d=x e=6 t=v");
    for name in world.disk.files().into_keys() {
        if name.as_str().starts_with("manifest") || name.as_str().starts_with("hint") {
            portcask_core::Storage::remove(&world.disk, &name).unwrap();
        }
    }
    let before = world.disk.files();
    let (without, report) = saved(&world.disk);
    assert_eq!(without, with);
    assert_eq!(report.lost_bytes, 0);
    assert_eq!(world.disk.files(), before, "nothing is changed");
}

#[test]
fn salvage_does_not_bring_back_what_a_recovery_gave_up() {
    let mut world = Script::new();
    world.run("put k 1 synced; put m 0; put torn jjjjjjjj; del k; put m 9; kill");
    let newest = world.newest_segment();
    let bytes = world.disk.bytes(&newest).unwrap();
    let torn = bytes.windows(8).position(|piece| piece == b"jjjjjjjj");
    assert!(world.disk.flip(&newest, torn.unwrap(), 1));
    // Whole records behind the torn one, which the store goes on without.
    world.check("report; scan; close", "unclean torn k=1 m=0");
    assert_eq!(saved(&world.disk).0, "k=1 m=0");
    // What was kept is there twice; should the copy be lost, the first one serves.
    world.run(&format!("lose {}", world.newest_segment()));
    assert_eq!(saved(&world.disk).0, "k=1 m=0");
}

#[test]
fn salvage_saves_what_is_readable_and_names_what_is_not() {
    let mut world = filled();
    world.run("close; flip segment-0000000001 95; lose manifest-0000000001");
    let (pairs, report) = saved(&world.disk);
    assert!(
        pairs.contains("b=2") && pairs.contains("a=3") && pairs.contains("e=6"),
        "{pairs}"
    );
    assert!(!report.damages.is_empty());
    assert!(report.lost_bytes > 0);
}

#[test]
fn verify_finds_every_flip_in_bytes_that_live_keys_need() {
    let mut world = filled();
    world.run("close");
    let store = world.store().unwrap();
    let places: Vec<_> = [&b"a"[..], b"b", b"c", b"d", b"", b"e", b"t"]
        .iter()
        .map(|key| {
            let version = store.history(key).unwrap().pop().unwrap();
            assert!(version.live);
            (version.file, version.offset as usize)
        })
        .collect();
    let sound = store.verify(|_, _| {}).unwrap();
    assert!(sound.is_sound());
    assert_eq!(sound.live_records, places.len() as u64);
    world.run("close");
    for (name, offset) in places {
        // The head and the first byte of the key, bit by bit.
        for at in offset..offset + 16 {
            for bit in 0..8 {
                let mut flipped = copy_of(&world);
                flipped.store().unwrap();
                assert!(flipped.disk.flip(&name, at, 1 << bit));
                let found = flipped.store().unwrap().verify(|_, _| {}).unwrap();
                let here = |d: &&portcask_core::DamageReport| {
                    d.file == name && (d.offset..d.offset + d.bytes).contains(&(at as u64))
                };
                let told = found.damages.iter().find(here);
                assert!(
                    told.is_some_and(|d| d.live),
                    "{name} byte {at} bit {bit}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn verify_looks_at_headers_hints_and_the_rest_of_long_values() {
    let world = {
        let mut world = filled();
        world.run("close");
        world
    };
    let spots = [
        ("segment-0000000001", 20),
        ("segment-0000000002", 800),
        ("segment-0000000002", 2000),
        ("hint-0000000001", 30),
        ("hint-0000000002", 100),
    ];
    for (name, at) in spots {
        let mut flipped = copy_of(&world);
        flipped.store().unwrap();
        flipped.run(&format!("flip {name} {at}"));
        let found = flipped.store().unwrap().verify(|_, _| {}).unwrap();
        assert_eq!(found.damages.len(), 1, "{name} byte {at}: {found:?}");
        assert_eq!(found.damages[0].file.as_str(), name);
    }
}

#[test]
fn the_numbers_add_up_through_everything_that_changes_them() {
    let mut world = filled();
    let steps = [
        "put a 9; put a 10",
        "del b",
        "rotate",
        "batch x=1 y=2 -x",
        "wait 6000; tick",
        "merge",
        "put d x*3000",
        "step 100",
        "expire a 50; persist a",
        "kill",
        "close",
        "clear",
        "put q 1",
        "tick",
    ];
    for step in steps {
        world.run(step);
        let store = world.store().unwrap();
        audit(store).unwrap_or_else(|problem| panic!("after {step}: {problem}"));
        let stats = store.stats().unwrap();
        let entries = store.iter().count() as u64;
        assert_eq!(
            (stats.keys, store.len()),
            (entries, entries),
            "after {step}"
        );
        let live: u64 = stats.segments.iter().map(|segment| segment.live_keys).sum();
        assert_eq!(live, entries, "after {step}");
        let sizes: u64 = stats
            .segments
            .iter()
            .map(|segment| segment.size_bytes)
            .sum();
        assert_eq!(stats.total_bytes, sizes, "after {step}");
    }
    assert!(world.said.is_empty(), "{:?}", world.said);
}

#[test]
fn an_idle_store_does_not_grow_by_looking_after_itself() {
    let mut world = Script::new();
    world.options.sync_every_ms = Some(10);
    world.run("put a 1; wait 20; tick; wait 20; tick; wait 20; tick");
    let before = world.disk.used_bytes();
    for _ in 0..50 {
        world.run("wait 20; tick");
    }
    assert_eq!(world.disk.used_bytes(), before);
    let reopened: Vec<u64> = (0..6)
        .map(|_| {
            world.run("close; open; close; open");
            world.disk.used_bytes()
        })
        .collect();
    assert!(
        reopened.windows(2).all(|two| two[0] == two[1]),
        "{reopened:?}"
    );
}

#[test]
fn a_copy_of_a_guest_opens_on_a_disk() {
    let mut guest = Script::on(SimDisk::with_laws(4, Laws::GUEST));
    guest.run("put a 1; rotate; put b 2");
    let target = SimDisk::new(6);
    guest.store().unwrap().backup(&target, |_, _| {}).unwrap();
    assert_eq!(shows(&target), "a=1 b=2");
}
