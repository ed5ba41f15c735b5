//! Every way in which five other Bitcasks trust bytes, hints, locks and clocks that they should not,
//! as a promise of this one.

mod common;

use common::{Script, check, file, run};
use portcask_core::testing::sim::{Laws, SimDisk};
use portcask_core::{Condition, Error, WriteOptions};

// Hints: trusted by time stamp, without a checksum, holding paths.

#[test]
fn a_hint_newer_than_its_segment_by_the_clock_is_not_trusted_for_that() {
    // A hint that says less than the segment holds, written last.
    let mut world = Script::new();
    world.run("put a old; rotate; kill");
    let stale = world.disk.bytes(&file("hint-0000000001")).unwrap();
    let mut other = Script::new();
    other.run("put a old; put a new; put b 2; rotate; kill");
    other.disk.set_bytes(&file("hint-0000000001"), &stale);
    other.check("scan; report", "a=new b=2 unclean");
}

#[test]
fn a_hint_cut_anywhere_costs_a_scan_and_nothing_else() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; del a; put c 3 ttl=99; rotate; put d 4; kill");
    let hint = world.disk.bytes(&file("hint-0000000001")).unwrap();
    for len in 0..hint.len() {
        let mut world = Script::on(SimDisk::holding(len as u64, Laws::DISK, world.disk.files()));
        world.disk.set_bytes(&file("hint-0000000001"), &hint[..len]);
        world.check("scan; verify; kill; scan", "b=2 c=3 d=4 sound b=2 c=3 d=4");
    }
}

#[test]
fn a_hint_with_any_flipped_byte_is_not_believed() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; del a; put c 3 ttl=99; rotate; put d 4; kill");
    let len = world.disk.bytes(&file("hint-0000000001")).unwrap().len();
    for at in 0..len {
        let mut world = Script::on(SimDisk::holding(at as u64, Laws::DISK, world.disk.files()));
        world.disk.flip(&file("hint-0000000001"), at, 0x40);
        world.check("scan; kill; scan", "b=2 c=3 d=4 b=2 c=3 d=4");
    }
}

#[test]
fn a_moved_directory_keeps_its_keys() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put b 2; rotate; merge; put c 3; close");
    let moved = SimDisk::holding(99, Laws::DISK, world.disk.files());
    Script::on(moved).check("scan; report", "a=1 b=2 c=3 clean");
}

// Checksums that are missing, misplaced or not looked at.

#[test]
fn a_flipped_byte_anywhere_in_a_record_is_never_returned_as_data() {
    let mut world = Script::new();
    world.run("put before 1; put key value ttl=5000; put after 2; rotate; put x 1; close");
    let segment = file("segment-0000000001");
    let bytes = world.disk.bytes(&segment).unwrap();
    for at in 80..bytes.len() - 132 {
        for mask in [1, 0x80] {
            let mut flipped = Script::on(SimDisk::holding(9, Laws::DISK, world.disk.files()));
            flipped.disk.flip(&segment, at, mask);
            for (key, value) in [
                ("before", "1"),
                ("key", "value"),
                ("after", "2"),
                ("x", "1"),
            ] {
                let said = flipped.run(&format!("get {key}")).said.pop().unwrap();
                let honest = said == format!("{key}={value}") || said.starts_with('!');
                assert!(honest, "byte {at} mask {mask:#x}: {said}");
            }
        }
    }
}

#[test]
fn a_flipped_byte_in_a_sealed_file_costs_no_later_record() {
    let mut world = Script::new();
    world.run("put a 1; put b x*200; put c 3; put d 4; rotate; put e 5; close");
    let bytes = world.disk.bytes(&file("segment-0000000001")).unwrap().len();
    world.run("flip segment-0000000001 200");
    world.check(
        "get b; get a; get c; get d; get e",
        "!Corrupt a=1 c=3 d=4 e=5",
    );
    world.check("kill; get b; get c; get d", "!Corrupt c=3 d=4");
    let after = world.disk.bytes(&file("segment-0000000001")).unwrap().len();
    assert_eq!(bytes, after, "nothing was truncated");
}

#[test]
fn a_bad_read_does_not_spoil_later_ones() {
    let mut world = Script::new();
    world.run("put a 1; put b x*200; put c 3; rotate; flip segment-0000000001 200");
    world.check(
        "get b; get a; get b; get c; put b new; get b",
        "!Corrupt a=1 !Corrupt c=3 b=new",
    );
}

#[test]
fn a_place_that_holds_another_key_is_never_answered() {
    // Two records of one length change places.
    let mut world = Script::new();
    world.run("put aa 11; put bb 22; put cc 33; rotate; put x 1; close");
    let segment = file("segment-0000000001");
    let mut bytes = world.disk.bytes(&segment).unwrap();
    let record = (bytes.len() - 132 - 80) / 3;
    let (first, second) = (80, 80 + record);
    for i in 0..record {
        bytes.swap(first + i, second + i);
    }
    world.disk.set_bytes(&segment, &bytes);
    world.check("get aa; get bb; get cc", "!Corrupt !Corrupt cc=33");
}

#[test]
fn a_failed_write_is_never_answered_with_ok() {
    check(
        "put a 1; fail append; put b 2; get b; put c 3; kill; scan",
        "!Storage b? a=1 c=3",
    );
    check(
        "put a 1; fail sync always; put b 2 synced; put c 3",
        "!Storage !Poisoned",
    );
    check(
        "put a 1; put b 2; fail append; del a; get a; kill; scan",
        "!Storage a=1 a=1 b=2",
    );
}

#[test]
fn a_length_in_a_damaged_header_allocates_nothing() {
    // The length fields of the first record, all ones: refused without believing them.
    let mut world = Script::new();
    world.run("put key value; put after 2; rotate; put x 1; close");
    let segment = file("segment-0000000001");
    for at in 91..96 {
        let mut flipped = Script::on(SimDisk::holding(9, Laws::DISK, world.disk.files()));
        let mut bytes = flipped.disk.bytes(&segment).unwrap();
        bytes[at..at + 4].fill(0xff);
        flipped.disk.set_bytes(&segment, &bytes);
        let said = flipped.run("get after").said.pop().unwrap();
        assert!(said == "after=2" || said.starts_with('!'), "{said}");
    }
}

// Process and directory.

#[test]
fn a_second_process_does_not_share_the_log() {
    let mut first = Script::new();
    first.run("put a 1");
    Script::on(first.disk.clone()).check("put a 2; get a", "!Locked !Locked");
    first.check("put a 3; kill; get a", "a=3");
}

#[test]
fn an_empty_lock_file_left_by_a_crash_blocks_nobody() {
    let mut world = Script::new();
    world.run("put a 1; kill");
    world.disk.set_bytes(&file("lock"), b"");
    world.check("get a; put b 2; scan", "a=1 a=1 b=2");
}

#[test]
fn a_value_that_looks_like_a_record_is_never_taken_for_one() {
    // A record stored inside a value, then everything around it damaged.
    let mut world = Script::new();
    world.run("put secret planted; kill");
    let record = world.disk.bytes(&world.newest_segment()).unwrap()[80..].to_vec();
    let mut world = Script::new();
    let store = world.store().unwrap();
    store.put(b"a", b"1").unwrap();
    store.put(b"crafted", &record.repeat(20)).unwrap();
    store.put(b"b", b"2").unwrap();
    world.run("rotate; put x 1; close");
    for at in 100..130 {
        let mut flipped = Script::on(SimDisk::holding(at as u64, Laws::DISK, world.disk.files()));
        flipped.disk.flip(&file("segment-0000000001"), at, 0xff);
        let said = flipped.run("get secret").said.pop().unwrap();
        assert!(said == "secret?" || said.starts_with('!'), "{said}");
    }
}

#[test]
fn conditions_are_judged_on_what_is_there_not_on_a_time_stamp() {
    let mut world = Script::new();
    world.run("put k 1; clock 1000; put k 2; clock 99; put k 3");
    let store = world.store().unwrap();
    let seq = store.get_entry(b"k").unwrap().unwrap().seq;
    let how = |condition| WriteOptions {
        condition: Some(condition),
        ..WriteOptions::default()
    };
    let stale = store.put_with(b"k", b"4", &how(Condition::Seq(seq - 1)));
    assert!(matches!(stale, Err(Error::ConditionFailed { .. })));
    store
        .put_with(b"k", b"4", &how(Condition::Seq(seq)))
        .unwrap();
    assert_eq!(run("put k 1; clock 1000; put k 2; kill; get k"), "k=2");
}
