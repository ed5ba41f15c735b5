//! Files that do not go away, come back, or cannot be made.

use crate::common::{Script, file};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{Call, Fault, Kept, Laws, Leaves, Luck, SimDisk};
use portcask_core::testing::world::Store;
use portcask_core::{Engine, FileName, MergeProgress, Options};
use std::collections::BTreeMap;

#[test]
fn inputs_that_could_not_be_removed_are_removed_at_last_and_change_nothing() {
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
fn any_subset_of_the_inputs_may_come_back() {
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

#[test]
fn a_directory_that_lost_its_files_is_not_a_new_store() {
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
