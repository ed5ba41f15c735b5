//! The file that writes go to is longer than its records while each of them is synced, and never
//! otherwise.

mod common;

use common::{Script, file};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{Call, Fault, SimDisk};

const SYNCED: &str = "put a 1 synced; put b 2 synced; put c 3 synced; put d 4 synced";

/// How long a segment's file is.
fn bytes(disk: &SimDisk, id: u64) -> usize {
    let name = file(&format!("segment-{id:010}"));
    disk.bytes(&name).map_or(0, |bytes| bytes.len())
}

/// How long the first segment's file is after this script.
fn after(script: &str) -> usize {
    let mut world = Script::new();
    world.run(script);
    bytes(&world.disk, 1)
}

/// The same without room ahead.
fn bare(script: &str) -> usize {
    let mut world = Script::new();
    world.run(&format!("fail lengthen always; {script}"));
    bytes(&world.disk, 1)
}

#[test]
fn a_file_whose_writes_are_synced_one_by_one_grows_ahead_of_them() {
    assert!(after(SYNCED) > bare(SYNCED));
    let once = "put a 1; put b 2; put c 3; put d 4; sync";
    assert_eq!(after(once), bare(once));
}

#[test]
fn a_sealed_or_closed_file_is_no_longer_than_what_was_written_to_it() {
    for end in [
        "rotate",
        "close",
        "put e 5; rotate",
        "put e 5; close",
        "close; open; close",
    ] {
        let script = format!("{SYNCED}; {end}");
        assert_eq!(after(&script), bare(&script), "{end}");
    }
}

#[test]
fn closing_sets_nothing_aside_however_many_syncs_came_before() {
    for syncs in 0..5 {
        for end in ["close", "put e 5; close", "put e 5; sync; close"] {
            let script = format!("{}{end}", "put a 1 synced; ".repeat(syncs));
            assert_eq!(after(&script), bare(&script), "{script}");
        }
    }
}

#[test]
fn what_was_set_aside_is_neither_torn_nor_in_doubt_after_a_crash() {
    for end in ["kill", "cut", "cut all"] {
        let mut world = Script::new();
        world.check(
            &format!("{SYNCED}; {end}; scan; report; verify; kill; report"),
            "a=1 b=2 c=3 d=4 unclean sound unclean",
        );
        let mut world = Script::new();
        world.run(&format!("{SYNCED}; {end}; open"));
        let told = |world: &Script| {
            let report = world.store.as_ref().unwrap().report();
            (report.torn_bytes, report.undecidable_bytes)
        };
        let mut bare = Script::new();
        bare.run(&format!("fail lengthen always; {SYNCED}; {end}; open"));
        assert_eq!(told(&world), told(&bare), "{end}");
    }
}

#[test]
fn a_cut_that_a_power_loss_undid_costs_nothing_but_a_scan() {
    for luck in 0..40 {
        let mut world = Script::new();
        world.check(
            &format!("{SYNCED}; close; cut {luck}; scan; verify; close; report"),
            "a=1 b=2 c=3 d=4 sound clean",
        );
    }
}

#[test]
fn no_space_to_set_aside_is_no_error() {
    for kind in [ErrorKind::Full, ErrorKind::Io, ErrorKind::Unsupported] {
        let mut world = Script::new();
        world.run("put a 1 synced");
        world.disk.inject(Fault::from(1, kind).on(Call::Lengthen));
        world.check(
            &format!("{SYNCED}; rotate; {SYNCED}; close; scan; report"),
            "a=1 b=2 c=3 d=4 clean",
        );
    }
}

#[test]
fn what_cannot_be_given_back_stays_without_being_an_error() {
    let mut world = Script::new();
    world.run(SYNCED);
    world
        .disk
        .inject(Fault::from(1, ErrorKind::Io).on(Call::Truncate));
    world.check("rotate; put e 5; close", "");
    world.disk.heal();
    world.check("scan; report; verify", "a=1 b=2 c=3 d=4 e=5 clean sound");
}
