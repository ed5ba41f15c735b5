//! What cannot start says why, and with which code.

use crate::process::Process;
use std::process::Command;

/// Runs the command, which must refuse, and returns its code and its words.
pub fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcask-server"));
    command.args(arguments).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), words)
}

fn check(arguments: &[&str], code: i32, words: &str) {
    let (found, told) = refused(arguments, &[]);
    assert_eq!(found, code, "{told}");
    assert!(told.contains(words), "{words} is not in {told}");
}

#[test]
fn an_unknown_setting_or_a_bad_value_in_the_file_names_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("portcask.conf");
    let path = file.to_str().unwrap();
    for (text, words) in [
        (
            "# x\nmaxclient 5\n",
            ":2: there is no setting 'maxclient'; --help lists them",
        ),
        (
            "port many\n",
            ":1: port: argument couldn't be parsed into an integer",
        ),
        (
            "sync sometimes\n",
            ":1: sync: argument must be always, everysec, no, or a time",
        ),
        ("requirepass \"a\n", ":1: a quote is not closed"),
    ] {
        std::fs::write(&file, text).unwrap();
        check(
            &[path, "--dir", "x"],
            2,
            &format!("portcask-server: {path}{words}"),
        );
    }
    let absent = dir.path().join("absent.conf");
    let absent = absent.to_str().unwrap();
    check(
        &[absent],
        2,
        &format!("{absent}: cannot read the configuration: "),
    );
}

#[test]
fn a_bad_flag_or_no_directory_is_a_wrong_command_line() {
    check(
        &["--dir", "x", "--port", "x"],
        2,
        "--port: argument couldn't be parsed",
    );
    check(
        &["--dir", "x", "--colour", "red"],
        2,
        "unexpected argument '--colour'",
    );
    check(
        &[],
        2,
        "where is the store? Give --dir DIR, PORTCASK_DIR, or a file with a `dir` line",
    );
}

#[test]
fn a_directory_that_cannot_be_used_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let below = file.join("store");
    let below = below.to_str().unwrap();
    check(&["--dir", below, "--port", "0"], 5, below);
}

#[test]
fn a_corrupt_store_is_not_served_and_its_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().to_str().unwrap();
    let server = Process::start(dir.path(), &["--sync", "always"]);
    let mut client = crate::common::Client::connect(server.address);
    assert_eq!(client.ask("SET k v"), "+OK");
    server.kill();
    let manifests: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("manifest")
        })
        .collect();
    assert!(!manifests.is_empty());
    for manifest in &manifests {
        std::fs::write(manifest, [0xA5; 4096]).unwrap();
    }
    check(&["--dir", store, "--port", "0"], 3, store);
    for manifest in &manifests {
        assert_eq!(std::fs::read(manifest).unwrap(), [0xA5; 4096]);
    }
}

#[test]
fn help_teaches_and_lists_every_setting_with_its_variable() {
    let output = Command::new(env!("CARGO_BIN_EXE_portcask-server"))
        .arg("--help")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    // Lines are broken where the terminal ends.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for setting in portcask_server::settings::all() {
        assert!(
            help.contains(&format!("--{} <", setting.name)),
            "{}",
            setting.name
        );
        assert!(
            help.contains(&format!("[env: {}", setting.variable())),
            "{}",
            setting.name
        );
    }
    for words in [
        "Exit codes:",
        "Examples:",
        "CONFIG REWRITE",
        "[default: 10000]",
    ] {
        assert!(help.contains(words), "{words}");
    }
}
