//! Damage: it is found, it is named, it costs no more than it must, and a script notices.

mod common;
use common::{Place, find, flip};

fn three() -> Place {
    Place::with(&[
        ("a", "value-of-a"),
        ("b", "value-of-b"),
        ("c", "value-of-c"),
    ])
}

/// A bit of the value of `b` has rotted.
fn rotten() -> Place {
    let place = three();
    let segment = place.newest("segment");
    flip(&segment, find(&segment, b"value-of-b"));
    place
}

/// What a killed writer leaves: a record that is not whole, in a store that was not closed.
fn torn() -> Place {
    let place = three();
    let segment = place.newest("segment");
    let mut torn = place.start(["repl"]);
    use std::io::{BufRead, BufReader, Write};
    let mut input = torn.stdin.take().unwrap();
    let mut output = BufReader::new(torn.stdout.take().unwrap());
    input.write_all(b"put d value-of-d --json\n").unwrap();
    output.read_line(&mut String::new()).unwrap();
    torn.kill().unwrap();
    torn.wait().unwrap();
    let at = find(&segment, b"value-of-d") as usize;
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..at + 4]).unwrap();
    place
}

#[test]
fn verify_of_a_sound_store_exits_0_and_of_a_damaged_one_3() {
    let sound = three().run(["verify"]).succeeds();
    assert!(
        sound.text().ends_with("everything is as it was written\n"),
        "{sound:?}"
    );
    let place = rotten();
    let damaged = place.run(["verify"]);
    assert_eq!(damaged.code, 3, "{damaged:?}");
    assert!(damaged.text().contains("segment-0000000001"), "{damaged:?}");
    assert!(damaged.text().contains("salvage --to"), "{damaged:?}");
    let ran = place.run(["verify", "--json"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["sound"]), (3, &false.into()));
    assert_eq!(report["damages"][0]["key"], "b");
    assert_eq!(report["damages"][0]["live"], true);
}

#[test]
fn a_damaged_key_says_where_and_all_others_are_readable() {
    let place = rotten();
    place
        .run(["get", "b"])
        .fails(3, &["segment-0000000001 at byte", "other keys", "verify"]);
    place.run(["get", "a"]).succeeds().prints("value-of-a");
    for verb in [&["keys", "-s"][..], &["keys"], &["count", "--prefix", ""]] {
        let ran = place.run(verb).fails(3, &["segment-0000000001"]);
        assert!(!ran.text().contains('b'), "{ran:?}");
    }
    let export = place.run(["export"]).fails(3, &["segment-0000000001"]);
    assert_eq!(export.text().lines().count(), 2, "{export:?}");
}

#[test]
fn a_damaged_key_is_repaired_by_writing_it_again() {
    let place = rotten();
    place.run(["put", "b", "again"]).succeeds();
    place.run(["get", "b"]).succeeds().prints("again");
}

#[test]
fn salvage_makes_a_sound_store_and_a_report() {
    let place = rotten();
    let ran = place.run(["salvage", "--to", "rescued", "--report", "lost.json"]);
    assert_eq!(ran.code, 3, "something was lost: {ran:?}");
    let lost = std::fs::read(place.beside("lost.json")).unwrap();
    let lost: serde_json::Value = serde_json::from_slice(&lost).unwrap();
    assert_eq!(
        (&lost["keys"], &lost["damages"][0]["key"]),
        (&2.into(), &"b".into())
    );
    place.run(["--dir", "rescued", "verify"]).succeeds();
    place
        .run(["--dir", "rescued", "scan", "-s"])
        .prints("a\tvalue-of-a\nc\tvalue-of-c\n");
    place
        .run(["salvage", "--to", "rescued"])
        .fails(5, &["rescued", "already holds files of a store"]);
}

#[cfg(unix)]
#[test]
fn a_salvage_that_finds_no_room_leaves_nothing_behind() {
    let place = Place::new();
    let line = format!("{{\"key\":\"k\",\"value\":\"{}\"}}\n", "v".repeat(90_000));
    place.feed(["import"], line).succeeds();
    let ran = place.run_with_small_files(["salvage", "--to", "rescued"]);
    ran.fails(5, &["cannot write rescued", "no storage space"]);
    for name in ["rescued", "rescued.partial"] {
        assert!(!place.beside(name).exists(), "{name}");
    }
    place.run(["salvage", "--to", "rescued"]).succeeds();
}

#[test]
fn salvage_into_lines_can_be_imported() {
    let place = rotten();
    let lines = place.run(["salvage", "-o", "-"]);
    assert_eq!(lines.code, 3);
    let copy = Place::new();
    copy.feed(["import"], &lines.out).succeeds();
    copy.run(["keys", "-s"]).prints("a\nc\n");
    let file = place.run(["salvage", "-o", "saved.jsonl"]);
    assert_eq!(
        (
            file.code,
            std::fs::read(place.beside("saved.jsonl")).unwrap()
        ),
        (3, lines.out)
    );
}

#[test]
fn salvage_of_a_sound_store_loses_nothing_and_keeps_expiry() {
    let place = three();
    place
        .run(["expire", "a", "--at", "4102444800000"])
        .succeeds();
    let ran = place.run(["salvage", "--to", "copy"]).succeeds();
    assert!(ran.text().contains("nothing was lost"), "{ran:?}");
    let copy = place.run(["--dir", "copy", "export"]).succeeds().text();
    assert_eq!(copy, place.export());
}

#[test]
fn a_store_without_its_manifest_is_a_case_for_salvage_and_never_a_new_store() {
    let place = three();
    for entry in std::fs::read_dir(place.dir()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("manifest")
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    place
        .run(["get", "a"])
        .fails(3, &["no valid manifest", "salvage"]);
    place
        .run(["put", "a", "new"])
        .fails(3, &["no valid manifest", "salvage"]);
    place.run(["salvage", "--to", "copy"]);
    place
        .run(["--dir", "copy", "get", "a"])
        .succeeds()
        .prints("value-of-a");
}

#[test]
fn a_torn_tail_is_cut_by_the_writer_and_said_in_one_line() {
    let place = torn();
    let ran = place.run(["put", "e", "5"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    assert!(ran.err.contains("torn tail"), "{ran:?}");
    place.run(["keys", "-s"]).succeeds().prints("a\nb\nc\ne\n");
    assert_eq!(place.run(["verify"]).succeeds().err, "", "said once");
}

#[test]
fn recover_says_once_what_opening_found() {
    let place = torn();
    let ran = place.run(["recover"]).succeeds();
    assert_eq!(ran.err, "", "it is the answer");
    assert_eq!(ran.text().matches("torn tail").count(), 1, "{ran:?}");
}

#[test]
fn recover_counts_no_key_whose_time_is_over() {
    let place = Place::with(&[("kept", "x")]);
    place.run(["put", "gone", "x", "--ttl", "1ms"]).succeeds();
    // A process of its own, begun after the put has ended: more than a millisecond.
    let found = place.run(["recover", "--json"]).succeeds().json();
    assert_eq!(found["recovery"]["keys"], 1, "{found}");
}

#[test]
fn recover_repairs_and_a_dry_run_only_looks() {
    let place = rotten();
    let before = std::fs::read(place.newest("manifest")).unwrap();
    assert_eq!(place.run(["recover", "--dry-run"]).code, 3);
    assert_eq!(std::fs::read(place.newest("manifest")).unwrap(), before);
    let ran = place.run(["recover"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.text().contains("after a clean close"), "{ran:?}");
    three().run(["recover"]).succeeds();
    Place::new()
        .run(["recover"])
        .fails(5, &["no such directory"]);
}

#[test]
fn a_truncated_segment_is_reported_and_nothing_is_made_up() {
    let place = three();
    let segment = place.newest("segment");
    let bytes = std::fs::read(&segment).unwrap();
    let at = find(&segment, b"value-of-c") as usize;
    std::fs::write(&segment, &bytes[..at + 3]).unwrap();
    let verify = place.run(["verify"]);
    assert_eq!(verify.code, 3, "{verify:?}");
    let get = place.run(["get", "c"]);
    assert_eq!(
        get.code, 3,
        "never a shortened value, never absence: {get:?}"
    );
    assert_eq!(get.out, b"");
    place
        .run(["--accept-stale", "get", "a"])
        .prints("value-of-a");
}

#[test]
fn a_damaged_hint_costs_speed_and_no_data() {
    let place = three();
    flip(&place.newest("hint"), -3);
    for (key, value) in [("a", "value-of-a"), ("c", "value-of-c")] {
        place.run(["get", key]).succeeds().prints(value);
    }
    let verify = place.run(["verify", "--json"]);
    let damages = verify.json()["damages"].clone();
    assert!(
        damages
            .as_array()
            .unwrap()
            .iter()
            .all(|damage| damage["live"] == false),
        "{damages}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_or_a_directory_in_a_files_place_is_not_called_a_matter_of_permissions() {
    let place = three();
    let segment = place.newest("segment");
    std::fs::rename(&segment, place.beside("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.beside("elsewhere"), &segment).unwrap();
    let ran = place.run(["get", "a"]);
    assert!(!ran.err.contains("check the permissions"), "{ran:?}");
    ran.fails(5, &["symbolic link", "put the file itself in its place"]);
    std::fs::remove_file(&segment).unwrap();
    std::fs::create_dir(&segment).unwrap();
    let ran = place.run(["get", "a"]);
    assert!(!ran.err.contains("check the permissions"), "{ran:?}");
    ran.fails(5, &["not a regular file", "put the file itself"]);
}
