//! Bytes that are not what was written: torn and foreign tails, lying lengths, damaged files of every
//! kind, newer formats, numbers at their end.

mod common;

use common::{Script, check, copy_of, file, header_of, name_of};
use portcask_core::format::record::{Batch, Head, Kind, Site};
use portcask_core::testing::sim::SimDisk;
use portcask_core::testing::world::Store;
use portcask_core::{Engine, OpenMode, Options, Storage};

// Tails.

#[test]
fn the_last_record_torn_at_any_byte_is_cut_and_counted() {
    let mut world = Script::new();
    world.run("put a 1; put b 2 synced; put c 3; kill");
    let whole = world.disk.bytes(&world.newest_segment()).unwrap().len();
    let mut two = Script::new();
    two.run("put a 1; put b 2 synced; kill");
    let before = two.disk.bytes(&two.newest_segment()).unwrap().len();
    for torn in 1..whole - before {
        let mut torn_world = copy_of(&world);
        torn_world.run(&format!("tear {torn}"));
        torn_world.check("scan; report", "a=1 b=2 unclean torn");
        let report = torn_world.store().unwrap().report();
        assert_eq!(report.torn_bytes, (whole - before - torn) as u64);
        torn_world.check("kill; report; scan; verify", "unclean a=1 b=2 sound");
    }
}

#[test]
fn zeros_at_the_end_are_never_a_record_and_not_counted_as_torn() {
    for zeros in [1, 11, 80, 4096, 1 << 20] {
        let mut world = Script::new();
        world.run("put a 1; put b 2 synced; put c 3; kill");
        let mut padded = copy_of(&world);
        padded.run(&format!("pad {zeros}"));
        for world in [&mut world, &mut padded] {
            world.check("scan; report", "a=1 b=2 c=3 unclean");
        }
        let counts = |world: &Script| {
            let report = world.store.as_ref().unwrap().report();
            (report.undecidable_bytes, report.undecidable_records)
        };
        assert_eq!(counts(&world), counts(&padded), "{zeros} zeros");
        padded.check("verify; kill; report", "sound unclean");
    }
}

#[test]
fn a_torn_record_is_counted_up_to_the_zeros_behind_it() {
    for zeros in [0, 1, 4096, 1 << 20] {
        let mut world = Script::new();
        world.run("put a 1; put b 2 synced; put c 345; kill; tear 1");
        world.run(&format!("pad {zeros}"));
        world.check("scan; report", "a=1 b=2 unclean torn");
        let mut torn = Script::new();
        torn.run("put a 1; put b 2 synced; put c 345; kill; tear 1; open");
        let bytes = |world: &Script| world.store.as_ref().unwrap().report().torn_bytes;
        assert_eq!(bytes(&world), bytes(&torn), "{zeros} zeros");
    }
}

#[test]
fn a_last_value_that_ends_in_zeros_is_kept_before_zeros() {
    for value in [vec![0; 1], vec![0; 5_000], [&b"v"[..], &[0; 300]].concat()] {
        let mut world = Script::new();
        world.run("put a 1 synced");
        world.store().unwrap().put(b"k", &value).unwrap();
        world.run("kill; pad 10000");
        let store = world.store().unwrap();
        assert_eq!(store.get(b"k").unwrap(), Some(value));
        assert_eq!(store.report().torn_bytes, 0);
    }
}

#[test]
fn a_file_of_nothing_but_zeros_is_damage_and_takes_no_key_along() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put b 2; kill");
    let segment = world.newest_segment();
    let zeros = vec![0; world.disk.bytes(&segment).unwrap().len()];
    world.disk.set_bytes(&segment, &zeros);
    world.check(
        "scan; report; put c 3; kill; scan",
        "a=1 unclean damaged a=1 c=3",
    );
}

#[test]
fn valid_records_of_another_file_at_the_end_mean_nothing() {
    let mut other = Script::new();
    other.run("put a 1; put stale 9; put stale 8; kill");
    let stale = other.disk.bytes(&other.newest_segment()).unwrap();
    let mut world = Script::on(SimDisk::new(2));
    world.run("put a 1; kill");
    let segment = world.newest_segment();
    let mut bytes = world.disk.bytes(&segment).unwrap();
    // At the very offsets where they were valid in their own file.
    bytes.extend_from_slice(&stale[bytes.len()..]);
    world.disk.set_bytes(&segment, &bytes);
    world.check("scan; report", "a=1 unclean torn");
}

#[test]
fn a_batch_torn_at_any_byte_is_not_there_at_all() {
    let mut world = Script::new();
    world.run("put a 1; batch b=2 -a c=x*300; kill");
    let whole = world.disk.bytes(&world.newest_segment()).unwrap().len();
    for torn in 1..whole - 80 - 20 {
        let mut torn_world = copy_of(&world);
        torn_world.run(&format!("tear {torn}"));
        torn_world.check("scan; kill; scan; verify", "a=1 a=1 sound");
    }
}

// Damage where data was acknowledged.

#[test]
fn a_rotten_value_costs_its_key_and_is_never_merged_away() {
    let mut world = Script::new();
    world.run("put a 1; put b x*100; put c 3; rotate; put d 4; close");
    world.run("flip segment-0000000001 150");
    world.check(
        "get b; get a; get c; verify",
        "!Corrupt a=1 c=3 segment-0000000001@96",
    );
    world.check(
        "merge; get b; get a; kill; get b; get a; get c; get d",
        "!Corrupt !Corrupt a=1 !Corrupt a=1 c=3 d=4",
    );
    world.check(
        "put b new; get b; kill; get b; merge; get b; get a",
        "b=new b=new b=new a=1",
    );
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_allocated() {
    let mut world = Script::new();
    world.run("put a 1 synced; kill");
    let segment = world.newest_segment();
    let header = header_of(&world, segment.as_str());
    let site = Site {
        salt: header.salt,
        base_seq: header.base_seq,
    };
    let bytes = world.disk.bytes(&segment).unwrap();
    let offset = bytes.len() as u64;
    let honest = Head::new(Kind::Put, header.base_seq + 5, b"key", b"value");
    let lies = [
        Head {
            value_bytes: u32::MAX,
            ..honest
        },
        Head {
            key_bytes: u16::MAX,
            value_bytes: u32::MAX,
            ..honest
        },
        Head {
            value_bytes: 1 << 20,
            ..honest
        },
        Head {
            batch: Batch::First {
                rest_bytes: 1 << 30,
                rest_records: 1 << 20,
            },
            ..honest
        },
        Head {
            durable: Some(offset),
            batch: Batch::Member,
            ..honest
        },
        Head {
            seq: u64::MAX,
            ..honest
        },
    ];
    for lie in lies {
        let mut bytes = bytes.clone();
        lie.encode(&mut bytes, site, offset).unwrap();
        bytes.extend_from_slice(b"keyvalue");
        let mut world = copy_of(&world);
        world.disk.set_bytes(&segment, &bytes);
        let said = world.run("get a").said.join(" ");
        // A check that is right makes the writer of it one of us: only the seq may be refused.
        assert!(
            ["a=1", "!SeqExhausted"].contains(&said.as_str()),
            "{lie:?}: {said}"
        );
    }
}

#[test]
fn damage_below_the_marker_is_not_taken_for_a_torn_tail() {
    let mut world = Script::new();
    world.run("put a x*50; put b 2 synced; put c 3; put d 4; kill");
    let segment = world.newest_segment();
    let mut rotten_value = copy_of(&world);
    rotten_value.run(&format!("flip {segment} 120"));
    rotten_value.check(
        "get a; get b; get c; get d; report",
        "!Corrupt b=2 c=3 d=4 unclean damaged",
    );
    let mut strict = copy_of(&world);
    strict.options.mode = OpenMode::Strict;
    strict.check(&format!("flip {segment} 120; get b"), "!Damaged");
    // Key and head beyond repair: which key that was cannot be known.
    let mut hidden = copy_of(&world);
    hidden.run(&format!(
        "lose hint-0000000001; flip {segment} 81; flip {segment} 83"
    ));
    hidden.check(
        "get a; get nothing; get b; report; put e 5",
        "!MaybeStale !MaybeStale b=2 unclean damaged degraded !Degraded",
    );
    hidden.check("kill; report", "unclean damaged degraded");
}

#[test]
fn a_sealed_file_cut_short_is_damage() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; rotate; put c 3; close");
    let segment = file("segment-0000000001");
    let bytes = world.disk.bytes(&segment).unwrap();
    for len in [0, 40, 80, 90, 100, bytes.len() - 133] {
        let mut cut = copy_of(&world);
        cut.disk.set_bytes(&segment, &bytes[..len]);
        let said = cut.run("get c; get b; report").said.clone();
        assert_eq!(said[0], "c=3", "{len} bytes left");
        assert!(said[1].starts_with('!'), "{len} bytes left: {said:?}");
        assert!(said[2].contains("damaged"), "{len} bytes left: {said:?}");
    }
}

#[test]
fn a_missing_file_is_never_all_fine() {
    for lost in ["segment-0000000001", "segment-0000000002"] {
        let mut world = Script::new();
        world.run(&format!("put a 1; rotate; put b 2; close; lose {lost}"));
        world.check("report; put c 3", "clean damaged degraded !Degraded");
        world.check("get nothing", "!MaybeStale");
        world.options.mode = OpenMode::Strict;
        world.check("kill; get a", "!Damaged");
    }
}

#[test]
fn files_of_strangers_are_left_alone() {
    let mut world = Script::new();
    world.run("put a 1; close");
    let strangers = [
        ("notes.txt", &b"mine"[..]),
        ("segment-1", b"not ours"),
        ("segment-0000000099", b"a stranger's bytes under our name"),
        ("manifest-0000000042", b"neither is this"),
        ("hint-0000000001.tmp", b""),
        ("reserve-2", b""),
    ];
    for (name, bytes) in strangers {
        world.disk.set_bytes(&file(name), bytes);
    }
    world.check("get a; put b 2; rotate; merge; close; scan", "a=1 a=1 b=2");
    for (name, bytes) in strangers {
        assert_eq!(
            world.disk.bytes(&file(name)).as_deref(),
            Some(bytes),
            "{name}"
        );
    }
}

#[test]
fn an_empty_newest_file_does_not_stop_the_store_and_its_id_is_not_used() {
    let mut world = Script::new();
    world.run("put a 1; kill");
    for id in [3, 7] {
        world
            .disk
            .set_bytes(&file(&format!("segment-{id:010}")), b"");
    }
    world.check("put b 2; rotate; put c 3; kill; scan", "a=1 b=2 c=3");
    for id in [3, 7] {
        let bytes = world.disk.bytes(&file(&format!("segment-{id:010}")));
        assert_eq!(bytes, Some(Vec::new()), "segment {id}");
    }
}

#[test]
fn blocks_that_changed_places_between_two_files_are_damage() {
    let mut world = Script::new();
    world.run("put a x*600; put b 1; rotate; put c y*600; put d 2; rotate; put e 3; close");
    let (one, two) = (file("segment-0000000001"), file("segment-0000000002"));
    let (mut first, mut second) = (
        world.disk.bytes(&one).unwrap(),
        world.disk.bytes(&two).unwrap(),
    );
    first[..512].swap_with_slice(&mut second[..512]);
    world.disk.set_bytes(&one, &first);
    world.disk.set_bytes(&two, &second);
    let said = world
        .run("get a; get b; get c; get d; get e; report")
        .said
        .clone();
    for (word, honest) in said.iter().zip(["a=x*600", "b=1", "c=y*600", "d=2", "e=3"]) {
        assert!(word == honest || word.starts_with('!'), "{said:?}");
    }
    assert!(said[5].contains("damaged"), "{said:?}");
}

#[test]
fn a_store_that_cannot_be_listed_is_not_taken_for_empty() {
    check(
        "put a 1; kill; fail list; get a; heal; get a",
        "!Storage a=1",
    );
    let mut world = Script::new();
    world.run("put a 1; rotate; put b 2; kill; fail list 2; open");
    assert_eq!(world.said, ["!Storage"]);
    world.check("scan", "a=1 b=2");
}

#[test]
fn segments_without_a_manifest_are_never_a_new_empty_store() {
    let mut world = Script::new();
    world.run("put a 1; kill; lose manifest-0000000001");
    let before = world.disk.files();
    world.check("put b 2", "!NoManifest");
    assert_eq!(world.disk.files(), before);
    let missing = Engine::open(SimDisk::new(1), Options::read_only()).map(|_: Store| ());
    assert_eq!(name_of(&missing.unwrap_err()), "NoStore");
    assert!(SimDisk::new(1).list().unwrap().is_empty());
}

#[test]
fn a_degraded_store_shows_what_was_written_before_the_kill() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; rotate; put a 7; kill; lose hint-0000000001");
    world.run("flip segment-0000000001 80; flip segment-0000000001 82");
    world.check("get a; get b; put c 3", "a=7 b=2 !Degraded");
}

/// What stands behind the last whole record of a manifest may be a change that was never finished.
#[test]
fn a_closed_store_whose_manifest_goes_on_with_a_broken_record_was_not_closed_cleanly() {
    let mut world = Script::new();
    world.run("put a 1; close");
    let manifest = file("manifest-0000000001");
    let mut bytes = world.disk.bytes(&manifest).unwrap();
    bytes.extend_from_slice(&[0x5a; 30]);
    world.disk.set_bytes(&manifest, &bytes);
    world.run("open");
    assert!(!world.store().unwrap().report().clean);
    world.check("scan", "a=1");
}
