//! Upkeep: merge, stats, doctor, bench and fill say what is true and leave nothing behind.

mod common;
use common::{Place, portcask, ran};
use serde_json::Value;

const CHURN: [&str; 10] = [
    "fill",
    "--count",
    "5000",
    "--overwrite-percent",
    "40",
    "--delete-percent",
    "20",
    "--rounds",
    "2",
    "-q",
];

fn churned() -> Place {
    let place = Place::new();
    place.run(CHURN).succeeds();
    place
}

#[test]
fn merge_gives_dead_space_back_and_changes_no_content() {
    let place = churned();
    let content = place.export();
    let before = place.run(["stats", "--json"]).json();
    assert!(before["dead_bytes"].as_u64().unwrap() > 100_000, "{before}");
    let merged = place.run(["merge"]).succeeds();
    assert!(merged.text().contains("reclaimed"), "{merged:?}");
    let after = place.run(["stats", "--json"]).json();
    assert_eq!(after["dead_bytes"], 0, "{after}");
    assert_eq!(after["keys"], before["keys"]);
    assert_eq!(place.export(), content);
    place
        .run(["fill", "--check"].iter().chain(&CHURN[1..]))
        .succeeds();
    place.run(["verify"]).succeeds();
}

#[test]
fn a_plan_names_every_file_with_its_reason_and_changes_nothing() {
    let place = churned();
    place.run(["rotate"]).succeeds();
    let plan = place.run(["merge", "--plan", "--json"]).json();
    assert_eq!(plan["due"], true, "{plan}");
    let files = plan["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    assert!(
        files
            .iter()
            .all(|file| !file["why"].as_str().unwrap().is_empty()),
        "{plan}"
    );
    let healthy = [
        "merge",
        "--plan",
        "--json",
        "--fragmentation-trigger",
        "100",
    ];
    assert_eq!(place.run(healthy).json()["due"], false);
    assert_eq!(place.run(["merge", "--plan", "--json"]).json(), plan);
    place.run(["merge", "--due"]).succeeds();
    assert_eq!(
        place.run(["merge", "--plan", "--json"]).json()["due"],
        false
    );
    place
        .run(["merge", "--due"])
        .succeeds()
        .prints("nothing to merge\n");
}

#[test]
fn fill_writes_the_same_content_for_the_same_options() {
    let (first, second) = (churned(), churned());
    assert_eq!(first.export(), second.export());
    first
        .run(["fill", "--check"].iter().chain(&CHURN[1..]))
        .succeeds();
    let other = ["fill", "--check", "--count", "5000", "--seed", "2"];
    assert_eq!(first.run(other).code, 3);
    let key = first.run(["keys", "--limit", "1", "-q"]).text();
    first.run(["put", key.trim(), "changed"]).succeeds();
    let ran = first.run(["fill", "--check"].iter().chain(&CHURN[1..]));
    assert_eq!(ran.code, 3);
    assert!(ran.text().contains("1 of 5,000 keys"), "{ran:?}");
}

#[test]
fn clear_deletes_all_keys_and_their_space() {
    let place = churned();
    let ran = place.run(["clear", "--yes"]).succeeds();
    assert!(ran.text().starts_with("deleted "), "{ran:?}");
    place.run(["count"]).succeeds().prints("0\n");
    assert!(
        place.run(["stats", "--json"]).json()["total_bytes"]
            .as_u64()
            .unwrap()
            < 1000
    );
    place.run(["put", "a", "1"]).succeeds();
    place.run(["keys"]).succeeds().prints("a\n");
}

#[test]
fn clear_deletes_nothing_where_nobody_can_be_asked_and_nobody_said_yes() {
    let place = Place::with(&[("a", "1")]);
    for answer in ["", "y\n"] {
        let ran = place.feed(["clear"], answer.as_bytes());
        ran.fails(2, &["clear deletes all keys", "--yes"]);
    }
    place.run(["count"]).succeeds().prints("1\n");
}

#[test]
fn init_makes_a_store_once() {
    let place = Place::new();
    assert_eq!(place.run(["init", "--json"]).json()["created"], true);
    place.run(["put", "a", "1"]).succeeds();
    assert_eq!(place.run(["init", "--json"]).json()["created"], false);
    place.run(["get", "a"]).succeeds().prints("1");
}

#[test]
fn rotate_seals_and_the_next_write_goes_to_a_new_file() {
    let place = Place::with(&[("a", "1")]);
    place.run(["rotate"]).succeeds();
    place.run(["put", "a", "2"]).succeeds();
    let stats = place.run(["stats", "--json"]).json();
    assert_eq!(stats["segments"].as_array().unwrap().len(), 2, "{stats}");
    place.run(["get", "a"]).succeeds().prints("2");
}

#[test]
fn doctor_tries_every_promise_and_cleans_up() {
    let place = churned();
    let before = names(&place);
    let report = place
        .run(["doctor", "--deep", "--calls", "50", "--json"])
        .succeeds()
        .json();
    let promises = report["promises"].as_array().unwrap();
    assert_eq!(promises.len(), 12);
    assert!(
        promises.iter().all(|promise| promise["broken"] == false),
        "{report}"
    );
    assert_eq!(report["store"]["verified"], true);
    assert!(report["costs"][2]["median_ns"].as_u64().unwrap() > 0);
    assert_eq!(names(&place), before);
    let ran = place.run(["doctor", "--calls", "10"]).succeeds();
    assert!(ran.text().contains("names can be synced"), "{ran:?}");
    assert_eq!(names(&place), before);
}

fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.dir()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn bench_takes_bitcaskctls_eighteen_flags_as_bitcaskctl_spells_them() {
    let place = Place::new();
    let dir = place.dir();
    let dir = dir.to_str().unwrap();
    let args = [
        "bench",
        "-data",
        dir,
        "-concurrency",
        "2",
        "-duration",
        "10s",
        "-ops",
        "3000",
        "-keyspace",
        "500",
        "-valueSize",
        "64",
        "-read",
        "70",
        "-write",
        "25",
        "-del",
        "5",
        "-compactEvery",
        "1s",
        "-printEvery",
        "1s",
        "-samples",
        "1000",
        "-cpuprofile",
        "cpu.csv",
        "-memprofile",
        "mem.csv",
        "-writeHint",
        "-forceScan",
        "-printStartup",
    ];
    let ran = ran(portcask().args(args).current_dir(place.root.path())).succeeds();
    for word in [
        "opened in",
        "hints hidden",
        "3,000 operations",
        "p50",
        "p95",
        "p99",
    ] {
        assert!(ran.text().contains(word), "no {word}: {}", ran.text());
    }
    for profile in ["cpu.csv", "mem.csv"] {
        let rows = std::fs::read_to_string(place.beside(profile)).unwrap();
        assert!(
            rows.starts_with("seconds,") && rows.lines().count() >= 2,
            "{profile}: {rows}"
        );
    }
    let only = common::ran(portcask().args(["bench", "-data", dir, "-startupOnly"])).succeeds();
    assert!(only.text().starts_with("opened in"), "{only:?}");
    assert!(!only.text().contains("operations"), "{only:?}");
    place.run(["verify"]).succeeds();
}

#[test]
fn bench_counts_add_up() {
    let place = Place::new();
    let args = [
        "bench",
        "--ops",
        "2000",
        "--keyspace",
        "100",
        "--concurrency",
        "3",
        "--json",
    ];
    let report = place.run(args).succeeds().json();
    let count = |kind: &str| report["latencies_ns"][kind]["count"].as_u64().unwrap();
    assert_eq!(report["operations"], 2000, "{report}");
    assert_eq!(count("read") + count("write") + count("delete"), 2000);
    assert!(
        count("read") > count("write") && count("write") > count("delete"),
        "{report}"
    );
}

#[test]
fn every_answer_in_json_parses() {
    let place = churned();
    place.run(["put", "a", "1"]).succeeds();
    let answers: [&[&str]; 22] = [
        &["put", "b", "2"],
        &["get", "a"],
        &["exists", "a"],
        &["count"],
        &["ttl", "a"],
        &["expire", "a", "1h"],
        &["persist", "a"],
        &["stats"],
        &["verify"],
        &["recover"],
        &["history", "a"],
        &["changes", "--limit", "1"],
        &["keys", "--limit", "1"],
        &["scan", "--limit", "1"],
        &["range", "a", "b"],
        &["export", "out.jsonl"],
        &["import", "out.jsonl"],
        &["backup", "copy"],
        &["salvage", "--to", "saved"],
        &["merge"],
        &["delete", "a"],
        &["clear", "--yes"],
    ];
    for args in answers {
        let ran = place.run(args.iter().chain(&["--json"])).succeeds();
        assert!(!ran.out.is_empty(), "{args:?}");
        for line in ran.text().lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert!(value.is_object(), "{args:?}: {line}");
        }
    }
}

#[test]
fn nothing_is_coloured_and_nothing_moves_where_nobody_sees_it() {
    let place = churned();
    for args in [
        &["stats"][..],
        &["verify"],
        &["doctor", "--calls", "5"],
        &["merge"],
    ] {
        let ran = place.run(args).succeeds();
        assert!(!ran.out.contains(&0x1b), "{args:?}");
        assert_eq!(ran.err, "", "{args:?}");
    }
}
