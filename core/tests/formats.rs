//! Hints that lie in every way, formats from the future, numbers and lengths at their limits.

mod common;

use common::{Script, copy_of, file, header_of};
use portcask_core::format::check::plain;
use portcask_core::format::counter::{COUNTER_MAX, COUNTER_WRITE_MAX};
use portcask_core::format::file::{FILE_HEADER_BYTES, FileHeader, encode_fence};
use portcask_core::format::hint::{BlockBuilder, Entry};
use portcask_core::format::manifest::{self, MANIFEST_RECORDS_OFFSET, State};
use portcask_core::format::record::Kind;
use portcask_core::testing::sim::{Laws, SimDisk};
use portcask_core::{Engine, FileName, Options};

// Hints.

/// A sealed segment with three keys, one of them deleted, and its hint.
fn hinted() -> Script {
    let mut world = Script::new();
    world.run("put a 1; put b 2; put c 3; del b; rotate; put d 4; close");
    world
}

const HINT: &str = "hint-0000000001";

#[test]
fn a_missing_hint_costs_a_scan_and_comes_back() {
    let mut world = hinted();
    world.run(&format!("lose {HINT}"));
    world.check("scan; report; close", "a=1 c=3 d=4 clean");
    world.run("open");
    assert_eq!(world.store().unwrap().report().scanned_records, 0);
}

#[test]
fn a_hint_of_another_segment_is_not_believed() {
    let mut world = hinted();
    let mut other = Script::on(SimDisk::new(5));
    other.run("put x 1; put y 2; put z 3; del y; rotate; close");
    let foreign = other.disk.bytes(&file(HINT)).unwrap();
    world.disk.set_bytes(&file(HINT), &foreign);
    world.check("scan; get x", "a=1 c=3 d=4 x?");
    // Another segment's of the same store.
    let mut world = hinted();
    let second = world.disk.bytes(&file("hint-0000000002")).unwrap();
    world.disk.set_bytes(&file(HINT), &second);
    world.check("scan", "a=1 c=3 d=4");
}

#[test]
fn a_hint_that_says_more_than_the_segment_holds_is_believed_only_as_far() {
    let mut longer = Script::new();
    longer.run("put a 1; put b 2");
    let early = longer.disk.files();
    longer.run("put c 3; rotate; kill");
    let hint = longer.disk.bytes(&file(HINT)).unwrap();
    // An older copy of everything but the hint.
    let old = SimDisk::holding(9, Laws::DISK, early);
    old.set_bytes(&file(HINT), &hint);
    Script::on(old).check("scan; verify", "a=1 b=2 sound");
}

/// The hint of the first segment, written anew with these entries and right checks.
fn forge_hint(world: &Script, entries: &[Entry]) {
    let name = file(HINT);
    let mut bytes = world.disk.bytes(&name).unwrap();
    let salt = header_of(world, HINT).salt;
    bytes.truncate(FILE_HEADER_BYTES);
    let mut block = BlockBuilder::new(FILE_HEADER_BYTES as u64);
    for entry in entries {
        block.push(entry).unwrap();
    }
    bytes.extend(block.encode(salt, FILE_HEADER_BYTES as u64).unwrap());
    world.disk.set_bytes(&name, &bytes);
}

#[test]
fn offsets_past_the_end_of_the_file_are_no_places() {
    for record_bytes in [17, 1 << 20, u64::from(u32::MAX), 1 << 32] {
        let world = hinted();
        let hash = Some(portcask_core::format::KeyHash { hi: 7, lo: 7 });
        let entry = Entry {
            kind: Kind::Put,
            record_bytes,
            hash,
            expiry_ms: None,
        };
        forge_hint(&world, &[entry, entry]);
        let mut world = world;
        let said = world.run("get a; get c; get d").said.join(" ");
        assert_eq!(
            said.split(' ').next_back(),
            Some("d=4"),
            "{record_bytes}: {said}"
        );
        let ask = said
            .split(' ')
            .all(|word| word.contains('=') || word.starts_with('!'));
        assert!(ask || said.contains('?'), "{said}");
    }
}

#[test]
fn a_hint_that_names_another_keys_record_is_found_out_by_the_read() {
    let mut world = hinted();
    let store = world.store().unwrap();
    let places: Vec<_> = ["a", "c"]
        .map(|key| store.history(key.as_bytes()).unwrap().remove(0))
        .into();
    assert!(places[0].offset < places[1].offset);
    world.run("kill");
    // The entries of the first two records change places; lengths are equal.
    let name = file(HINT);
    let bytes = world.disk.bytes(&name).unwrap();
    let salt = header_of(&world, HINT).salt;
    let at = FILE_HEADER_BYTES;
    let (block, _) =
        portcask_core::format::hint::decode_block(&bytes[at..], salt, at as u64).unwrap();
    let mut entries: Vec<Entry> = block.entries().map(|(_, entry)| entry).collect();
    entries.swap(0, 1);
    forge_hint(&world, &entries);
    world.check("get a; get c; get d", "!KeyCollision c=3 d=4");
}

// Formats, numbers, names.

#[test]
fn a_newer_format_or_an_unknown_flag_refuses_and_touches_nothing() {
    let mut world = Script::new();
    world.run("put a 1; rotate; put b 2; close");
    let names = [
        "manifest-0000000001",
        "segment-0000000001",
        "segment-0000000002",
    ];
    for name in names {
        for (at, value, refusal) in [(8, 9, "NewerFormat"), (12, 1, "UnknownFeature")] {
            let mut newer = copy_of(&world);
            let mut bytes = newer.disk.bytes(&file(name)).unwrap();
            bytes[at] = value;
            let check = plain(&bytes[..76]);
            bytes[76..80].copy_from_slice(&check.to_le_bytes());
            newer.disk.set_bytes(&file(name), &bytes);
            let before = newer.disk.files();
            for access in [Options::default(), Options::read_only()] {
                newer.options = access;
                newer.check("open", &format!("!{refusal}"));
                assert_eq!(newer.disk.files(), before, "{name} byte {at}");
            }
        }
    }
}

/// Rewrites the newest manifest with a changed state.
fn with_state(world: &Script, change: impl FnOnce(&mut State)) {
    let files = world.disk.files();
    let name: FileName = *files
        .keys()
        .rfind(|n| n.as_str().starts_with("manifest"))
        .unwrap();
    let bytes = &files[&name];
    let header = FileHeader::decode(bytes).unwrap();
    let mut at = MANIFEST_RECORDS_OFFSET as usize;
    let mut state = State::empty();
    while let Ok((edits, length)) = manifest::decode_record(&bytes[at..], header.salt, at as u64) {
        state.apply_all(edits).unwrap();
        at += length;
    }
    change(&mut state);
    let mut forged = header.encode().to_vec();
    forged.extend(encode_fence(0));
    let edits = state.snapshot().unwrap();
    let record = manifest::encode_record(&edits, header.salt, MANIFEST_RECORDS_OFFSET);
    forged.extend(record.unwrap());
    world.disk.set_bytes(&name, &forged);
}

/// Numbers around the ends of counting: of writing, of opening, and of what an integer holds.
fn last_numbers() -> impl Iterator<Item = u64> {
    let ends = [COUNTER_WRITE_MAX, COUNTER_MAX];
    let near = |end: u64| [0, 1, 2, 3, 10, (1 << 24) + 2].map(|left| end - left);
    ends.into_iter().flat_map(near)
}

/// Runs the script, which may be refused for want of numbers alone; then everything that it had
/// acknowledged is there for the next writer, and what was there before for readers.
fn assert_counting_ends_without_a_loss(world: &mut Script, script: &str, about: u64) {
    let mut kept = vec!["a=1".to_owned()];
    for word in script.split(';').map(str::trim) {
        let already = world.said.len();
        let said = world.run(word).said[already..].join(" ");
        match (
            said.as_str(),
            word.split(' ').collect::<Vec<_>>().as_slice(),
        ) {
            ("", ["put", key, value]) => kept.push(format!("{key}={value}")),
            ("" | "!SeqExhausted", _) => {}
            _ => panic!("about {about}: {word}: {said}"),
        }
    }
    for way_out in ["close", "kill"] {
        world.run(way_out);
        if kept.len() == 1 {
            world.options = Options::read_only();
        }
        for pair in &kept {
            let key = pair.split('=').next().unwrap();
            world.check(&format!("get {key}"), pair);
        }
    }
}

#[test]
fn sequence_numbers_end_with_an_error_and_not_with_a_wrap() {
    for last in last_numbers() {
        let mut world = Script::new();
        world.run("put a 1; close");
        with_state(&world, |state| {
            state.last_seq = last;
            state.seq_bound = last;
        });
        let script = "put b 2; put c 3; batch x=1 d=2; rotate; put e 5";
        assert_counting_ends_without_a_loss(&mut world, script, last);
    }
}

#[test]
fn a_number_that_nobody_counts_to_is_damage() {
    let forgeries: [fn(&mut State); 4] = [
        |state| state.seq_bound = COUNTER_MAX + 1,
        |state| state.last_seq = u64::MAX,
        |state| state.next_id = u64::MAX,
        |state| state.segments[0].last_seq = COUNTER_MAX + 1,
    ];
    for forge in forgeries {
        let mut world = Script::new();
        world.run("put a 1; close");
        with_state(&world, forge);
        let opened = Engine::open(world.disk.clone(), world.options.clone());
        assert!(opened.is_err(), "no other manifest is there");
    }
}

#[test]
fn no_number_is_issued_twice_when_its_reservation_ends_within_a_life() {
    let mut world = Script::new();
    world.run("put a 1; close");
    with_state(&world, |state| state.seq_bound = state.last_seq + 2);
    // Written and lost, so that nothing but the reservation tells how far they went.
    let store = world.store().unwrap();
    let last = (0..9).map(|n| store.put(b"lost", &[n]).unwrap()).last();
    world.run("cut");
    assert_eq!(world.store().unwrap().get(b"lost").unwrap(), None);
    let next = world.store().unwrap().put(b"b", b"2").unwrap();
    assert!(Some(next) > last, "{next} after {last:?}");
}

#[test]
fn file_numbers_end_with_an_error_and_not_with_a_wrap() {
    for last in last_numbers() {
        let mut world = Script::new();
        world.run("put a 1; close");
        with_state(&world, |state| state.next_id = last);
        let script = "put b 2; rotate; put c 3; rotate; merge; put d 4";
        assert_counting_ends_without_a_loss(&mut world, script, last);
    }
}
