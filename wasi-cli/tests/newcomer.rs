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
