//! The storage contract on WASI hosts, and what the WASI backend says about a bad directory.

use portcask::testing::contract::{Outcome, broken};
use portcask_hosts::promises::{Column, wasi_on_node, wasi_on_wasmtime};
use portcask_hosts::{Guest, Output, Preopen, cache, guests, node};
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The contract's module, compiled once for all tests here.
static GUEST: LazyLock<Guest> = LazyLock::new(|| {
    let module = std::fs::read(guests::contract().unwrap()).unwrap();
    cache::load_or_compile(&module).unwrap()
});

const NAMES_SENTENCE: &str = "names survive a power loss after sync_namespace";

#[test]
fn wasi_on_wasmtime_keeps_the_contract_and_declines_durable_names() {
    let column = wasi_on_wasmtime().unwrap();
    assert!(matches!(checked(&column), Outcome::Declined(_)));
}

#[test]
fn wasi_on_node_keeps_the_contract_and_claims_durable_names() {
    let Some(column) = wasi_on_node().unwrap() else {
        return skipped_without_node();
    };
    assert_eq!(checked(&column), Outcome::Claimed);
}

#[test]
fn a_directory_that_does_not_do_is_refused_in_words_on_wasmtime() {
    refuses_bad_directories(|args, preopens| {
        let args = [&["contract"], args].concat();
        GUEST.run(&args, &[], preopens, &[]).unwrap()
    });
}

#[test]
fn a_directory_that_does_not_do_is_refused_in_words_on_node() {
    if node::version().is_none() {
        return skipped_without_node();
    }
    let module = guests::contract().unwrap();
    refuses_bad_directories(|args, preopens| {
        node::run_wasi(&module, args, &[], preopens, &[]).unwrap()
    });
}

/// Says so past the test harness, which keeps what a passing test prints to itself.
fn skipped_without_node() {
    let _ = writeln!(
        std::io::stderr(),
        "skipped: there is no `node` on this machine"
    );
}

/// No promise is broken; what became of the one about names.
fn checked((host, promises): &Column) -> Outcome {
    let broken: Vec<_> = broken(promises).collect();
    assert!(broken.is_empty(), "{host}: {broken:#?}");
    assert!(promises.len() > 30, "{host}: {}", promises.len());
    let names = promises.iter().find(|one| one.sentence == NAMES_SENTENCE);
    names.unwrap().outcome.clone()
}

fn refuses_bad_directories(run: impl Fn(&[&str], &[Preopen]) -> Output) {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("file"), b"precious").unwrap();
    let preopen = |guest: &str| -> Preopen { (home.path().into(), guest.into()) };
    let check = |dir: &str, preopens: &[Preopen], words: &str| {
        let output = run(&[dir], preopens);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status, 2, "{dir}: {said}");
        assert!(said.contains(words), "{dir}: {said}");
        assert_eq!(said.lines().count(), 1, "{dir}: {said}");
    };
    check("data", &[], "run it with --dir data");
    check("data", &[preopen("other")], "opened only other");
    check("data/../x", &[preopen("data")], "leaves the directory");
    check("data/a/b", &[preopen("data")], "its parent does not exist");
    check(
        "/data/file",
        &[preopen("data")],
        "is a file, not a directory",
    );
    assert_eq!(names_in(home.path()), ["file"]);

    // And one that does: below a preopened directory, under another spelling of its name.
    let output = run(&["./data//store/"], &[preopen("/data")]);
    assert_eq!(
        output.status,
        0,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(names_in(home.path()), ["file", "store"]);
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
