//! Full disks: nothing is taken that does not fit, and what gives space back gets through.

use crate::common::Script;
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{AllKept, Call, Fault, NothingKept};

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
fn an_append_that_fills_the_disk_at_any_byte_is_not_taken_and_harms_nothing() {
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
fn a_buffer_that_found_no_room_stays_readable_and_goes_out_later() {
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
fn on_a_full_disk_the_reserve_lets_deletes_and_a_merge_through() {
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
fn a_reserve_for_which_there_is_no_room_takes_none_of_what_is_left() {
    let mut world = Script::new();
    world.run("put a 1; close");
    let room = world.disk.used_bytes() + (200 << 10);
    world.disk.set_capacity(Some(room));
    world.options.reserve_bytes = u64::MAX;
    let before = world.disk.changes();
    world.check("get a; put b 2; scan", "a=1 a=1 b=2");
    // No piece of zeros was tried: others on that disk would meet it full for a while.
    let told = world.disk.told()[before..].join("\n");
    assert!(!told.contains(": 65536 bytes"), "{told}");
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
fn a_merge_that_finds_no_room_is_given_up_without_harm() {
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
