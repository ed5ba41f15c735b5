//! Single keys: what goes in comes out, and a script can tell what happened.

mod common;
use common::{Place, fed, portcask, ran};

#[test]
fn get_writes_exactly_the_bytes_that_were_put() {
    let place = Place::new();
    let value: Vec<u8> = (0..=255).chain(*b"\n\r\0").collect();
    place.feed(["put", "bytes", "-"], &value).succeeds();
    assert_eq!(place.run(["get", "bytes"]).succeeds().out, value);
    let file = place.write("value.bin", &value);
    place
        .run([
            "put".as_ref(),
            "file".as_ref(),
            "--file".as_ref(),
            file.as_os_str(),
        ])
        .succeeds();
    let out = place.beside("out.bin");
    place
        .run([
            "get".as_ref(),
            "file".as_ref(),
            "-o".as_ref(),
            out.as_os_str(),
        ])
        .succeeds();
    assert_eq!(std::fs::read(out).unwrap(), value);
}

#[test]
fn a_missing_key_exits_1_with_nothing_on_stdout() {
    let place = Place::with(&[("a", "1")]);
    for verb in ["get", "delete", "ttl", "persist", "history"] {
        let ran = place.run([verb, "nope"]);
        assert_eq!(
            (ran.code, ran.out.as_slice()),
            (1, &b""[..]),
            "{verb}: {ran:?}"
        );
    }
    assert_eq!(place.run(["expire", "nope", "1s"]).code, 1);
    assert_eq!(place.run(["-q", "get", "nope"]).err, "");
}

#[test]
fn an_empty_value_is_a_value_and_an_empty_key_is_a_key() {
    let place = Place::with(&[("empty", ""), ("", "no key")]);
    place.run(["get", "empty"]).succeeds().prints("");
    place.run(["get", ""]).succeeds().prints("no key");
    place.run(["exists", "empty"]).succeeds().prints("true\n");
    place.run(["count"]).succeeds().prints("2\n");
}

#[test]
fn exists_answers_by_word_and_by_code() {
    let place = Place::with(&[("a", "1")]);
    place.run(["exists", "a"]).succeeds().prints("true\n");
    let no = place.run(["exists", "b"]).prints("false\n");
    assert_eq!(no.code, 1);
    place.run(["exists", "a", "--quiet"]).succeeds().prints("");
    assert_eq!(place.run(["exists", "a", "--json"]).json()["exists"], true);
}

#[test]
fn the_directory_may_stand_before_or_after_the_verb_or_in_the_environment() {
    let place = Place::with(&[("a", "1")]);
    let mut after = portcask();
    ran(after.args(["get", "a", "--dir"]).arg(place.dir()))
        .succeeds()
        .prints("1");
    let mut short = portcask();
    ran(short.args(["get", "-d"]).arg(place.dir()).arg("a"))
        .succeeds()
        .prints("1");
    let mut environment = portcask();
    ran(environment
        .args(["get", "a"])
        .env("PORTCASK_DIR", place.dir()))
    .succeeds()
    .prints("1");
}

#[test]
fn the_familys_names_do_the_same() {
    let place = Place::new();
    place.run(["set", "a", "1"]).succeeds();
    place.run(["list"]).succeeds().prints("a\n");
    place.run(["has", "a"]).succeeds();
    place.run(["len"]).succeeds().prints("1\n");
    place.run(["compact"]).succeeds();
    place.run(["del", "a"]).succeeds();
    place.run(["count"]).succeeds().prints("0\n");
}

#[test]
fn delete_takes_several_keys() {
    let place = Place::with(&[("a", "1"), ("b", "2"), ("c", "3")]);
    place.run(["delete", "a", "b", "nope"]).succeeds();
    place.run(["keys"]).succeeds().prints("c\n");
    assert_eq!(
        place.run(["delete", "c", "nope", "--json"]).json()["deleted"],
        1
    );
}

#[test]
fn conditions_decide_and_say_what_they_found() {
    let place = Place::with(&[("a", "1")]);
    let seq = place.run(["get", "a", "--json"]).json()["seq"].to_string();
    place
        .run(["put", "a", "2", "--if-absent"])
        .fails(1, &["exists"]);
    place
        .run(["put", "b", "2", "--if-present"])
        .fails(1, &["does not exist"]);
    place.run(["put", "a", "2", "--if-seq", &seq]).succeeds();
    place
        .run(["put", "a", "3", "--if-seq", &seq])
        .fails(1, &["sequence number"]);
    place
        .run(["delete", "a", "--if-seq", &seq])
        .fails(1, &["sequence number"]);
    place.run(["put", "b", "2", "--if-absent"]).succeeds();
    place
        .run(["scan", "--sort"])
        .succeeds()
        .prints("a\t2\nb\t2\n");
}

#[test]
fn keys_end_their_life_when_told() {
    let place = Place::new();
    place.run(["put", "soon", "x", "--ttl", "1ms"]).succeeds();
    place
        .run(["put", "past", "x", "--expires-at", "2001-01-01"])
        .succeeds();
    place.run(["put", "later", "x", "--ttl", "1h"]).succeeds();
    place.run(["put", "never", "x"]).succeeds();
    place
        .run(["keys", "--sort"])
        .succeeds()
        .prints("later\nnever\n");
    place.run(["ttl", "never"]).succeeds().prints("forever\n");
    let left = place.run(["ttl", "later", "--json"]).json()["ttl_ms"]
        .as_u64()
        .unwrap();
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    place.run(["persist", "later"]).succeeds();
    place.run(["ttl", "later"]).succeeds().prints("forever\n");
    place
        .run(["expire", "never", "--at", "4102444800000"])
        .succeeds();
    assert_eq!(
        place.run(["ttl", "never", "--json"]).json()["expires_ms"],
        4_102_444_800_000u64
    );
}

#[test]
fn binary_keys_go_through_base64() {
    let place = Place::new();
    place
        .run(["put", "--key-base64", "/wA=", "--base64", "AP8="])
        .succeeds();
    place
        .run(["get", "--key-base64", "/wA=", "--base64"])
        .succeeds()
        .prints("AP8=\n");
    assert_eq!(place.run(["get", "--key-base64", "/wA="]).out, b"\0\xff");
    place.run(["keys", "--base64"]).succeeds().prints("/wA=\n");
    place
        .run(["keys", "--json"])
        .succeeds()
        .prints("{\"key_base64\":\"/wA=\"}\n");
    assert_eq!(place.run(["keys", "-0"]).out, b"\xff\0\0");
}

#[test]
fn values_may_look_like_options() {
    let place = Place::with(&[("number", "-5")]);
    place.run(["get", "number"]).succeeds().prints("-5");
    place.run(["put", "--", "-k", "--dir"]).succeeds();
    place.run(["get", "--", "-k"]).succeeds().prints("--dir");
}

#[test]
fn history_and_changes_tell_what_the_log_holds() {
    let place = Place::with(&[("a", "1"), ("b", "x"), ("a", "2")]);
    place.run(["delete", "a"]).succeeds();
    let history = place.run(["history", "a", "--json"]).succeeds().text();
    let versions: Vec<serde_json::Value> = history
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(versions.len(), 3);
    assert_eq!(
        (&versions[0]["value"], &versions[2]["deleted"]),
        (&"1".into(), &true.into())
    );
    let changes = place.run(["changes", "--limit", "2"]).succeeds();
    assert_eq!(changes.text(), "1\tput\ta\t1\n2\tput\tb\tx\n");
    let rest = place
        .run(["changes", "--from", "3", "--json"])
        .succeeds()
        .text();
    assert_eq!(
        rest.lines().count(),
        3,
        "two changes and where to go on: {rest}"
    );
    place.run(["merge"]).succeeds();
    place
        .run(["changes", "--from", "1"])
        .fails(3, &["no longer complete"]);
}

#[test]
fn every_acknowledgement_level_is_taken() {
    let place = Place::new();
    for level in ["buffered", "written", "synced"] {
        place.run(["--ack", level, "put", level, "x"]).succeeds();
    }
    place.run(["put", "sync", "x", "--sync"]).succeeds();
    place.run(["count"]).succeeds().prints("4\n");
}

#[test]
fn a_verb_that_reads_standard_input_does_not_hold_the_lock_meanwhile() {
    let place = Place::with(&[("a", "1")]);
    let mut waiting = place.start(["put", "slow", "-"]);
    place.run(["put", "quick", "x"]).succeeds();
    drop(waiting.stdin.take());
    assert!(waiting.wait().unwrap().success());
    place.run(["get", "slow"]).succeeds().prints("");
    fed(&mut place.command(["get", "quick"]), b"")
        .succeeds()
        .prints("x");
}
