//! Bad input: one clear line with the file and what to do, a code of its own, and nothing lost.

mod common;
use common::{Place, portcask, ran};
use std::io::{BufRead, BufReader, Write};

#[test]
fn an_unknown_verb_is_named() {
    ran(portcask().arg("frobnicate")).fails(2, &["frobnicate", "--help"]);
    ran(portcask().args(["put", "--frob", "a", "b"])).fails(2, &["--frob"]);
    ran(portcask().args(["put", "a", "b", "--ttl", "soon"])).fails(2, &["--ttl", "10s"]);
    ran(portcask().args(["put"])).fails(2, &["<KEY>", "put"]);
}

#[test]
fn a_limit_that_makes_no_sense_is_told_by_the_name_of_its_flag() {
    let place = Place::with(&[("a", "1")]);
    let limits = [
        ["--segment-size", "5GiB"],
        ["--max-key", "65536"],
        ["--max-value", "4GiB"],
    ];
    for [flag, value] in limits {
        let ran = place.run([flag, value, "put", "b", "2"]);
        assert!(!ran.err.contains('_'), "{ran:?}");
        ran.fails(2, &[flag, "must be"]);
    }
}

#[test]
fn without_a_directory_the_line_to_type_is_shown() {
    for args in [
        ["get", "a"],
        ["delete", "a"],
        ["exists", "a"],
        ["import", "x"],
    ] {
        ran(portcask().args(args)).fails(2, &["portcask --dir DIR", "PORTCASK_DIR"]);
    }
    let mut empty = portcask();
    ran(empty.args(["get", "a"]).env("PORTCASK_DIR", "")).fails(2, &["--dir DIR"]);
}

#[test]
fn reading_verbs_want_a_directory_that_exists() {
    let verbs: [&[&str]; 12] = [
        &["get", "a"],
        &["exists", "a"],
        &["count"],
        &["keys"],
        &["scan"],
        &["ttl", "a"],
        &["stats"],
        &["verify"],
        &["export"],
        &["history", "a"],
        &["changes"],
        &["doctor"],
    ];
    for args in verbs {
        let place = Place::new();
        place
            .run(args)
            .fails(5, &["data", "no such directory", "init"]);
        assert!(!place.dir().exists(), "{args:?} created it");
    }
}

#[test]
fn a_directory_without_a_store_is_no_empty_store_to_a_reader() {
    let place = Place::new();
    std::fs::create_dir(place.dir()).unwrap();
    place.run(["get", "a"]).fails(5, &["no store", "init"]);
    assert_eq!(std::fs::read_dir(place.dir()).unwrap().count(), 0);
}

#[test]
fn writing_verbs_create_the_last_component_and_never_its_parents() {
    let place = Place::new();
    place.run(["put", "a", "1"]).succeeds();
    let deep = place.beside("no/such");
    let mut command = portcask();
    ran(command.args(["put", "a", "1", "--dir"]).arg(&deep)).fails(5, &["parent", "mkdir -p"]);
    assert!(!place.beside("no").exists());
}

#[test]
fn a_file_instead_of_a_directory_is_left_alone() {
    let place = Place::new();
    let file = place.write("data", "precious");
    place
        .run(["put", "a", "1"])
        .fails(5, &["data", "file", "directory"]);
    place
        .run(["get", "a"])
        .fails(5, &["data", "file", "directory"]);
    assert_eq!(std::fs::read(file).unwrap(), b"precious");
}

#[cfg(unix)]
#[test]
fn an_unreadable_directory_is_said_with_what_to_check() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with(&[("a", "1")]);
    let permit = |mode| {
        std::fs::set_permissions(place.dir(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    permit(0o000);
    // The system does not refuse anything to root.
    let is_refused = std::fs::read_dir(place.dir()).is_err();
    if is_refused {
        place.run(["get", "a"]).fails(5, &["data", "permission"]);
        place
            .run(["put", "a", "2"])
            .fails(5, &["data", "permission"]);
    }
    permit(0o755);
    place.run(["get", "a"]).succeeds().prints("1");
}

#[test]
fn a_key_or_value_over_the_limit_is_refused_and_nothing_is_written() {
    let place = Place::with(&[("a", "1")]);
    let before = place.export();
    let long = "k".repeat(65_536);
    place.run(["put", &long, "x"]).fails(6, &["65536", "65535"]);
    place
        .run(["put", "abcd", "x", "--max-key", "3"])
        .fails(6, &["4 bytes", "limit is 3"]);
    place
        .run(["put", "a", "12345", "--max-value", "4"])
        .fails(6, &["limit is 4"]);
    place
        .feed(["put", "a", "-", "--max-value", "4"], "12345")
        .fails(6, &["limit is 4"]);
    let file = place.write("big", vec![b'x'; 5000]);
    let file = file.to_str().unwrap();
    place
        .run(["put", "a", "--file", file, "--max-value", "4KiB"])
        .fails(6, &["5000 bytes"]);
    place
        .run(["put", "a", "--file", "nope"])
        .fails(5, &["nope", "no such file"]);
    assert_eq!(place.export(), before);
    // A key over the limit cannot exist, which is no error when reading.
    assert_eq!(place.run(["get", &long]).code, 1);
}

#[test]
fn options_out_of_range_are_refused_before_anything_happens() {
    let place = Place::new();
    place
        .run(["put", "a", "1", "--segment-size", "1KiB"])
        .fails(2, &["1 MiB and 4 GiB"]);
    place
        .run(["put", "a", "1", "--segment-size", "many"])
        .fails(2, &["256MiB"]);
    place
        .run(["merge", "--fragmentation-trigger", "0"])
        .fails(2, &["percentages --fragmentation-trigger"]);
    place
        .run(["merge", "--max-files", "1"])
        .fails(2, &["--min-files must be", "at most --max-files"]);
    place
        .run(["put", "a", "1", "--ttl", "-5"])
        .fails(2, &["'-5' is no value for --ttl"]);
    place
        .run(["merge", "--window", "9-25"])
        .fails(2, &["0 to 23"]);
    place
        .run(["fill", "--count", "1000", "--key-size", "1"])
        .fails(2, &["1,000 different keys"]);
    place
        .run(["fill", "-n", "abc"])
        .fails(2, &["a number from 0"]);
    place
        .run(["bench", "--read", "0", "--write", "0", "--del", "0"])
        .fails(2, &["percentages and come to 0"]);
    place
        .run(["bench", "--read", "100", "--del", "5"])
        .fails(2, &["come to 105", "leave one out"]);
}

#[test]
fn a_second_writer_is_told_who_the_first_is_and_readers_go_on() {
    let place = Place::with(&[("a", "1")]);
    let mut first = place.start(["repl"]);
    let mut input = first.stdin.take().unwrap();
    let mut output = BufReader::new(first.stdout.take().unwrap());
    input.write_all(b"put b 2 --json\n").unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.contains("seq"), "{line}");
    let pid = first.id().to_string();
    place
        .run(["put", "c", "3"])
        .fails(4, &["data", "another process", &pid, "portcask"]);
    place.run(["get", "b"]).succeeds().prints("2");
    input.write_all(b"exit\n").unwrap();
    assert!(first.wait().unwrap().success());
    place.run(["put", "c", "3"]).succeeds();
    place.run(["keys", "-s"]).succeeds().prints("a\nb\nc\n");
}

#[test]
fn a_foreign_file_in_the_directory_is_ignored_and_kept() {
    let place = Place::with(&[("a", "1")]);
    let note = place.dir().join("README.txt");
    std::fs::write(&note, "mine").unwrap();
    std::fs::create_dir(place.dir().join("subdirectory")).unwrap();
    place.run(["put", "b", "2"]).succeeds();
    place.run(["merge"]).succeeds();
    place.run(["verify"]).succeeds();
    assert_eq!(std::fs::read(note).unwrap(), b"mine");
}

#[test]
fn a_newer_format_version_is_refused_and_touched_by_nobody() {
    let place = Place::with(&[("a", "1")]);
    for kind in ["segment", "manifest"] {
        let file = place.newest(kind);
        let old = std::fs::read(&file).unwrap();
        let mut newer = old.clone();
        newer[8] = 9;
        let crc = crc32(&newer[..76]);
        newer[76..80].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&file, &newer).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        place
            .run(["get", "a"])
            .fails(7, &[name, "version 9", "newer portcask"]);
        place.run(["put", "b", "2"]).fails(7, &[name, "version 9"]);
        assert_eq!(std::fs::read(&file).unwrap(), newer, "{kind}");
        std::fs::write(&file, old).unwrap();
    }
    place.run(["get", "a"]).succeeds().prints("1");
}

#[test]
fn a_dump_of_something_else_says_so() {
    let place = Place::with(&[("a", "1")]);
    place
        .run(["dump", "segment-0000000099"])
        .fails(5, &["segment-0000000099"]);
    place.run(["dump", "Nonsense!"]).fails(2, &["Nonsense!"]);
    let foreign = place.write("foreign", "hello");
    let shown = ran(portcask().arg("dump").arg(foreign)).succeeds();
    assert!(!shown.out.is_empty());
}

/// CRC-32 as in zip, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_is_an_error_and_not_the_end_of_the_command() {
    let place = Place::with(&[("kept", "before")]);
    let large = "v".repeat(90_000);
    place
        .run_with_small_files(["put", "large", &large])
        .fails(5, &["no space left", "the write was not taken"]);
    place
        .run_with_small_files(["get", "kept"])
        .succeeds()
        .prints("before");
    place.run(["put", "large", &large]).succeeds();
    place.run(["verify"]).succeeds();
}
