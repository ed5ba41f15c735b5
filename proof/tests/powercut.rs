//! The rounds of `powercut` with killed processes instead of cuts: for that nobody has to be root.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn killing(folder: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcask-proof"))
        .args(["powercut", "--kill", "--json", "--dir"])
        .arg(folder)
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn what_was_acknowledged_as_written_survives_the_death_of_its_process() {
    survives(&["--cuts", "6", "--seed", "5"]);
}

#[test]
fn what_was_acknowledged_as_written_in_a_mapping_survives_the_death_of_its_process() {
    survives(&["--cuts", "6", "--seed", "5", "--mapped"]);
}

fn survives(more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = killing(folder.path(), more);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(line["counts"]["killed: cuts"].as_u64() >= Some(6), "{line}");
    assert!(
        line["counts"]["killed: acknowledged writes"].as_u64() > Some(0),
        "{line}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "left over");
}

#[test]
fn a_run_that_could_cut_nothing_does_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let output = killing(
        &folder.path().join("absent"),
        &["--cuts", "1", "--seed", "5"],
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{said}");
    assert!(said.contains("SKIPPED killed: no folder in"), "{said}");
    assert!(output.stdout.is_empty(), "a line that counts nothing");
}

#[test]
fn a_writer_that_acknowledges_too_early_is_found_out_and_the_evidence_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let output = killing(folder.path(), &["--cuts", "60", "--seed", "5", "--lie"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("VIOLATION: thread"), "{said}");
    assert!(said.contains("seed 5, life"), "{said}");
    let kept = fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let told = fs::read_to_string(kept.path().join("told.txt")).unwrap();
    assert!(told.starts_with("opening\nopen\n"), "{told}");
    assert!(fs::read_dir(kept.path().join("left")).unwrap().count() > 0);
}
