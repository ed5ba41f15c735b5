//! Help, versions, completions and the manual: what a person reads first.

mod common;
use common::{Place, portcask, ran};

const VERBS: [&str; 32] = [
    "put",
    "get",
    "delete",
    "exists",
    "count",
    "keys",
    "scan",
    "range",
    "ttl",
    "expire",
    "persist",
    "import",
    "export",
    "merge",
    "rotate",
    "clear",
    "stats",
    "verify",
    "recover",
    "salvage",
    "dump",
    "history",
    "changes",
    "backup",
    "restore",
    "doctor",
    "bench",
    "fill",
    "init",
    "repl",
    "completions",
    "man",
];

#[test]
fn the_help_lists_every_verb_and_the_exit_codes() {
    let help = ran(portcask().arg("--help")).succeeds().text();
    for verb in VERBS {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(verb)),
            "{verb}"
        );
    }
    insta::assert_snapshot!("help", help);
}

#[test]
fn every_verb_has_a_page_that_reads_well() {
    let mut pages = String::new();
    for verb in VERBS {
        let page = ran(portcask().args([verb, "-h"])).succeeds().text();
        let (own, _) = page.split_once("Store options:").unwrap();
        pages.push_str(&format!("=== portcask {verb} ===\n{}\n", own.trim_end()));
        if let Some((_, examples)) = page.split_once("\nExamples:\n") {
            pages.push_str(&format!("\nExamples:\n{}\n", examples.trim_end()));
        }
        pages.push('\n');
    }
    insta::assert_snapshot!("verbs", pages);
}

#[test]
fn the_version_is_the_packages() {
    let version = concat!("portcask ", env!("CARGO_PKG_VERSION"), "\n");
    ran(portcask().arg("--version")).succeeds().prints(version);
}

#[test]
fn completions_exist_for_the_common_shells() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = ran(portcask().args(["completions", shell]))
            .succeeds()
            .text();
        assert!(
            script.contains("portcask") && script.contains("salvage"),
            "{shell}"
        );
    }
}

#[test]
fn the_manual_has_a_page_for_the_command_and_for_each_verb() {
    let place = Place::new();
    let page = ran(portcask().arg("man")).succeeds().text();
    assert!(
        page.contains(".TH portcask 1") && page.contains("Exit codes"),
        "{page}"
    );
    let put = ran(portcask().args(["man", "put"])).succeeds().text();
    assert!(put.contains("if\\-absent"), "{put}");
    ran(portcask().args(["man", "frob"])).fails(2, &["frob"]);
    let dir = place.beside("man");
    ran(portcask().args(["man", "--out"]).arg(&dir)).succeeds();
    for verb in VERBS {
        assert!(dir.join(format!("portcask-{verb}.1")).is_file(), "{verb}");
    }
}

#[test]
fn stable_outputs_stay_as_they_are() {
    let place = Place::with(&[("user:1", "Ann"), ("user:2", "Bo"), ("user:1", "Anna")]);
    place.run(["delete", "user:2"]).succeeds();
    let mut shown = String::new();
    for args in [
        &["history", "user:1"][..],
        &["changes"],
        &["changes", "--json"],
        &["scan"],
        &["merge", "--plan"],
        &["verify"],
        &["exists", "user:2"],
        &["export", "--format", "tsv"],
    ] {
        let ran = place.run(args);
        shown.push_str(&format!(
            "$ portcask --dir data {}\n{}",
            args.join(" "),
            ran.text()
        ));
        shown.push_str(&ran.err);
        shown.push_str(&format!("[{}]\n\n", ran.code));
    }
    insta::assert_snapshot!("outputs", shown);
}
