//! With `--json` a program reads why a verb failed: one object on standard error with code, class and message.

mod common;
use common::{Place, find, flip, portcask, ran};
use std::collections::BTreeSet;

/// Every verb, as it fails where the directory cannot be; the code is its own.
const FAILING: [(&[&str], i32); 32] = [
    (&["put", "a", "1"], 5),
    (&["get", "a"], 5),
    (&["delete", "a"], 5),
    (&["exists", "a"], 5),
    (&["count"], 5),
    (&["keys"], 5),
    (&["scan"], 5),
    (&["range", "a"], 5),
    (&["ttl", "a"], 5),
    (&["expire", "a", "1s"], 5),
    (&["persist", "a"], 5),
    (&["import"], 5),
    (&["export"], 5),
    (&["merge"], 5),
    (&["rotate"], 5),
    (&["clear", "--yes"], 5),
    (&["stats"], 5),
    (&["verify"], 5),
    (&["recover"], 5),
    (&["salvage", "--to", "rescued"], 5),
    (&["dump", "segment-0000000001"], 5),
    (&["history", "a"], 5),
    (&["changes"], 5),
    (&["backup", "copy"], 5),
    (&["restore", "copy"], 5),
    (&["doctor"], 5),
    (&["bench"], 5),
    (&["fill"], 5),
    (&["init"], 5),
    (&["repl"], 5),
    (&["completions", "cmd"], 2),
    (&["man", "frob"], 2),
];

fn verbs() -> BTreeSet<String> {
    let help = ran(portcask().arg("--help")).text();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let verbs = commands.lines().filter_map(|line| {
        let verb = line.strip_prefix("  ")?.split(' ').next()?;
        (!verb.is_empty() && verb != "help").then(|| verb.to_owned())
    });
    verbs.collect()
}

#[test]
fn every_verb_tells_every_failure_as_one_object() {
    let listed = FAILING.iter().map(|(args, _)| args[0].to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), verbs());
    let place = Place::new();
    for (args, code) in FAILING {
        let nowhere = ["--dir", "no/such", "--json"];
        let told = place.feed(args.iter().chain(&nowhere), "get a\n");
        assert!(told.out.is_empty(), "{args:?}: {told:?}");
        assert_eq!(told.err.lines().count(), 1, "{args:?}: {told:?}");
        told.fails_in_json(code);
        // A line that cannot be understood, and a store that is not named.
        let unknown = place.run(["--json", args[0], "--no-such-option"]);
        let told = unknown.fails_in_json(2);
        assert!(
            told["message"]
                .as_str()
                .unwrap()
                .contains("--no-such-option"),
            "{told}"
        );
    }
    assert_eq!(std::fs::read_dir(place.root.path()).unwrap().count(), 0);
    ran(portcask().args(["get", "a", "--json"])).fails_in_json(2);
    ran(portcask().args(["--json", "frobnicate"])).fails_in_json(2);
}

#[test]
fn an_answer_that_is_no_is_a_failure_too_and_the_answer_stays() {
    let place = Place::with(&[("a", "1")]);
    for (args, answer) in [
        (&["get", "b"][..], ""),
        (&["exists", "b"], "{\"exists\":false}\n"),
        (&["delete", "b"], "{\"deleted\":0}\n"),
        (&["delete", "b", "c"], "{\"deleted\":0}\n"),
        (&["ttl", "b"], ""),
        (&["expire", "b", "1s"], "{\"exists\":false}\n"),
        (&["persist", "b"], "{\"exists\":false}\n"),
        (&["history", "b"], ""),
        (
            &["put", "a", "2", "--if-absent"],
            "{\"refused\":true,\"seq\":1}\n",
        ),
    ] {
        for quiet in [&[][..], &["-q"]] {
            let told = place.run(args.iter().chain(&["--json"]).chain(quiet));
            assert_eq!(told.text(), answer, "{args:?}");
            told.fails_in_json(1);
        }
    }
    // A person who asked for silence gets the code alone.
    let told = place.run(["get", "b", "-q"]);
    assert_eq!((told.code, told.err.as_str()), (1, ""));
}

#[test]
fn damage_is_a_failure_beside_its_report() {
    let place = Place::with(&[("a", "1"), ("b", "value-of-b")]);
    let segment = place.newest("segment");
    flip(&segment, find(&segment, b"value-of-b"));
    for args in [
        &["get", "b"][..],
        &["scan"],
        &["export"],
        &["verify"],
        &["doctor", "--deep", "--calls", "1"],
        &["salvage", "--to", "rescued"],
    ] {
        place.run(args.iter().chain(&["--json"])).fails_in_json(3);
    }
    let told = place.run(["verify", "--json"]);
    assert_eq!(told.json()["sound"], false);
}

#[test]
fn a_line_of_a_session_may_ask_for_json_itself() {
    let place = Place::with(&[("a", "1")]);
    let lines = "get b\nget b --json\nfrob --json\nput --json\nget b\n";
    let told = place.feed(["repl"], lines);
    let lines: Vec<_> = told.err.lines().collect();
    assert_eq!(lines.len(), 5, "{told:?}");
    for (at, is_json) in [false, true, true, true, false].into_iter().enumerate() {
        assert_eq!(lines[at].starts_with('{'), is_json, "{told:?}");
    }
}

#[test]
fn remarks_are_objects_where_failures_are() {
    let place = Place::new();
    let file = place.write("pets.csv", "key,value\ncat,meow\n");
    let told = place.run(["import".as_ref(), file.as_os_str(), "--json".as_ref()]);
    let remark: serde_json::Value = serde_json::from_str(told.err.trim()).unwrap();
    assert!(remark["remark"].as_str().unwrap().contains("--header"));
    assert_eq!(told.succeeds().json()["imported"], 2);
}
