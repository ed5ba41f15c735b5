//! What newcomers ran into: backups that are no place of their own, keys that are gone but counted.

#![cfg(not(target_family = "wasm"))]

use std::path::Path;
use std::process::{Command, Output};

fn portcask(store: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcask"))
        .current_dir(store.parent().unwrap())
        .arg("--dir")
        .arg(store)
        .args(args)
        .output()
        .unwrap()
}

#[track_caller]
fn refused(store: &Path, args: &[&str], words: &str) {
    let output = portcask(store, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains(words), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_backup_is_a_place_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    assert!(portcask(&store, &["put", "cat", "meow"]).status.success());
    refused(&store, &["backup", "-"], "standard output");
    refused(&store, &["backup", "store/in"], "inside the store");
    assert!(!store.join("in").exists() && !home.path().join("-").exists());
    assert!(portcask(&store, &["backup", "copy"]).status.success());
    let other = home.path().join("other");
    refused(&other, &["restore", "nothere"], "no such backup");
    assert!(portcask(&other, &["restore", "copy"]).status.success());
    assert_eq!(portcask(&other, &["get", "cat"]).stdout, b"meow");
}

#[test]
fn a_key_whose_time_is_up_counts_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let past = "2020-01-01T00:00:00Z";
    assert!(
        portcask(&store, &["put", "e", "v", "--expires-at", past])
            .status
            .success()
    );
    assert!(portcask(&store, &["put", "f", "v"]).status.success());
    let said = portcask(&store, &["verify", "--json"]).stdout;
    let report: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(report["live_records"], 1, "{report}");
}

#[test]
fn what_opens_or_measures_a_store_counts_no_key_whose_time_is_up() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let past = "2020-01-01T00:00:00Z";
    let expired = portcask(&store, &["put", "e", "v", "--expires-at", past]);
    assert!(expired.status.success());
    assert!(portcask(&store, &["put", "f", "v"]).status.success());
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&portcask(&store, args).stdout).unwrap()
    };
    let told = json(&["doctor", "--json"]);
    assert_eq!(told["store"]["keys"], 1, "{told}");
    assert_eq!(told["store"]["recovery"]["keys"], 1, "{told}");
    let opened = portcask(&store, &["bench", "--startup-only"]).stdout;
    let opened = String::from_utf8(opened).unwrap();
    assert!(opened.contains("1 key"), "{opened}");
    assert!(!opened.contains("2 keys"), "{opened}");
}

#[test]
fn a_value_whose_time_is_up_at_once_is_remarked_on() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    for life in [["--ttl", "0s"], ["--expires-at", "2020-01-01T00:00:00Z"]] {
        let output = portcask(&store, &[&["put", "e", "v"][..], &life].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && said.contains("time is up"),
            "{said}"
        );
    }
    let output = portcask(&store, &["put", "e", "v", "--ttl", "1h"]);
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn an_archive_that_is_not_written_here_is_no_directory_of_that_name() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    assert!(portcask(&store, &["put", "cat", "meow"]).status.success());
    for name in ["dump.tgz", "bk.tar.gz", "bk.TAR.ZST", "b.zip"] {
        refused(&store, &["backup", name], "a directory or a .tar file");
        assert!(!home.path().join(name).exists(), "{name}");
    }
}

#[test]
fn a_directory_where_a_verb_belongs_is_told_where_it_goes() {
    let home = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcask"));
        let output = command
            .current_dir(home.path())
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = said(&["data"]);
    assert!(
        missing.contains("portcask --dir data repl makes one"),
        "{missing}"
    );
    let ahead = said(&["data", "put", "a", "b"]);
    assert!(ahead.contains("portcask --dir data put ..."), "{ahead}");
    let typo = said(&["gte", "a"]);
    assert!(!typo.contains("--dir"), "{typo}");
}

#[test]
fn a_time_to_live_is_told_as_it_was_given() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let told = |args: &[&str]| String::from_utf8(portcask(&store, args).stdout).unwrap();
    told(&["put", "token", "x", "--ttl", "90m"]);
    let left = told(&["ttl", "token"]);
    assert!(
        left == "1h30m\n" || left.starts_with("1h29m"),
        "what is left is told with its units: {left}"
    );
    // It can be given again.
    let given = portcask(&store, &["put", "other", "x", "--ttl", left.trim()]);
    assert!(given.status.success());
    let exact: serde_json::Value =
        serde_json::from_str(&told(&["ttl", "token", "--json"])).unwrap();
    assert!((5_300_000..=5_400_000).contains(&exact["ttl_ms"].as_u64().unwrap()));
    assert!(exact["expires_ms"].as_u64().unwrap() > 1_700_000_000_000);
}

#[test]
fn a_first_write_among_foreign_files_is_refused_unless_the_store_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("documents");
    std::fs::create_dir(&store).unwrap();
    // Nobody counts these.
    std::fs::write(store.join(".gitkeep"), "").unwrap();
    std::fs::create_dir(store.join("lost+found")).unwrap();
    std::fs::write(store.join("letter.txt"), "Dear").unwrap();
    std::fs::write(store.join("photo.jpg"), "").unwrap();
    for verb in [
        &["put", "a", "1"][..],
        &["fill", "-n", "1"],
        &["bench", "--ops", "1"],
        &["import", "documents/letter.txt"],
    ] {
        refused(&store, verb, "not empty (letter.txt and 1 more)");
    }
    assert_eq!(std::fs::read_dir(&store).unwrap().count(), 4);
    assert!(portcask(&store, &["init"]).status.success());
    let put = portcask(&store, &["put", "a", "1"]);
    assert!(put.status.success() && put.stderr.is_empty());
    assert_eq!(std::fs::read(store.join("letter.txt")).unwrap(), b"Dear");
    // A copy has no place among others either.
    std::fs::create_dir(home.path().join("desk")).unwrap();
    std::fs::write(home.path().join("desk/pen"), "").unwrap();
    refused(&store, &["backup", "desk"], "desk: not empty (pen)");
    // What tools hide is no reason to refuse.
    let fresh = home.path().join("fresh");
    std::fs::create_dir(&fresh).unwrap();
    std::fs::write(fresh.join(".gitkeep"), "").unwrap();
    assert!(portcask(&fresh, &["put", "a", "1"]).status.success());
}

#[test]
fn a_size_means_the_same_to_the_command_and_to_the_server() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    for (size, code) in [("1mb", 0), ("1MiB", 0), ("1m", 2), ("999kb", 2)] {
        let put = portcask(&store, &["put", "a", "1", "--segment-size", size]);
        assert_eq!(put.status.code(), Some(code), "{size}");
        let mut config = portcask_server::Config::new(&store);
        let setting = portcask_server::settings::named("segment-size").unwrap();
        let set = setting.set(&mut config, &[size.to_owned()]);
        assert_eq!(set.is_ok(), code == 0, "{size}");
    }
}

#[test]
fn the_shares_of_a_mix_are_what_they_say() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let counts = |shares: &[&str]| -> Vec<u64> {
        let args = [
            &["bench", "--ops", "1000", "--keyspace", "10", "--json"],
            shares,
        ]
        .concat();
        let output = portcask(&store, &args);
        let said = String::from_utf8(output.stdout).unwrap();
        let last = said.lines().last().unwrap_or_default();
        let report: serde_json::Value = serde_json::from_str(last).unwrap();
        let kinds = ["read", "write", "delete"];
        kinds
            .map(|kind| report["latencies_ns"][kind]["count"].as_u64().unwrap())
            .to_vec()
    };
    assert_eq!(counts(&["--read", "100"]), [1000, 0, 0]);
    let half = counts(&["--write", "50"]);
    assert!((400..600).contains(&half[1]) && half[2] < 100, "{half:?}");
}
