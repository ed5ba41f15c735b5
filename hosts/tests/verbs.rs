//! Every verb of the command, run once as a guest: what the standard library lacks there shows here.

use portcask_hosts::{Guest, Output, Preopen, cache, guests, node};
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The command, compiled once for all tests here.
static GUEST: LazyLock<Guest> = LazyLock::new(|| {
    let module = std::fs::read(guests::portcask().unwrap()).unwrap();
    cache::load_or_compile(&module).unwrap()
});

/// Each line runs on what the lines before it left, and prints the words behind `->`.
const SESSION: &str = "
    --dir home/store init
    --dir home/store put cat meow
    --dir home/store put dog woof --ttl 1h
    --dir home/store get cat -> meow
    --dir home/store exists cat -> true
    --dir home/store ttl dog --json -> ttl_ms
    --dir home/store expire cat 1h
    --dir home/store persist cat
    --dir home/store count -> 2
    --dir home/store keys -> dog
    --dir home/store scan -> woof
    --dir home/store range a -> meow
    --dir home/store export home/pets.jsonl
    --dir home/other import home/pets.jsonl
    --dir home/other count -> 2
    --dir home/store put cat purr
    --dir home/store history cat -> purr
    --dir home/store changes -> dog
    --dir home/store rotate
    --dir home/store delete dog
    --dir home/store merge --plan
    --dir home/store merge
    --dir home/store stats -> last seq
    --dir home/store verify -> as it was written
    --dir home/store recover
    --dir home/store doctor -> the store opens
    --dir home/store backup home/copy -> backed up
    --dir home/store backup home/copy.tar -> backed up
    --dir home/back restore home/copy -> restored
    --dir home/back get cat -> purr
    --dir home/again restore home/copy.tar -> restored
    --dir home/again get cat -> purr
    --dir home/again verify -> as it was written
    --dir home/store salvage --to home/saved
    --dir home/saved get cat -> purr
    --dir home/load fill --count 50
    --dir home/load fill --count 50 --check
    --dir home/load bench --ops 100 -> per second
    --dir home/load clear --yes
    --dir home/load count -> 0
    --dir home/store repl
    completions bash -> portcask
    man -> portcask
";

#[test]
fn every_verb_does_its_work_on_wasmtime() {
    every_verb_works(|args, preopens| {
        let args = [&["portcask"], args].concat();
        GUEST.run(&args, &[], preopens, b"get cat\n").unwrap()
    });
}

#[test]
fn every_verb_does_its_work_on_node() {
    if node::version().is_none() {
        // Past the test harness, which keeps what a passing test prints to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: there is no `node` on this machine"
        );
        return;
    }
    let module = guests::portcask().unwrap();
    every_verb_works(|args, preopens| {
        node::run_wasi(&module, args, &[], preopens, b"get cat\n").unwrap()
    });
}

fn every_verb_works(run: impl Fn(&[&str], &[Preopen]) -> Output) {
    let scratch = TempDir::new().unwrap();
    let preopens = [(scratch.path().into(), "home".into())];
    let lines = SESSION.lines().map(str::trim);
    let check = |line: &str| {
        let (typed, words) = line.split_once(" -> ").unwrap_or((line, ""));
        let args: Vec<&str> = typed.split(' ').collect();
        let output = run(&args, &preopens);
        let (said, complaint) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status, 0, "{line}: {said}{complaint}");
        assert!(said.contains(words), "{line}: {said}{complaint}");
    };
    lines.filter(|line| !line.is_empty()).for_each(check);
    let files = std::fs::read_dir(scratch.path().join("store")).unwrap();
    let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let segment = names.find(|name| name.starts_with("segment-")).unwrap();
    check(&format!("--dir home/store dump {segment} -> magic"));
    assert!(is_an_archive(&scratch.path().join("copy.tar")));
    assert!(!scratch.path().join("copy.tar.partial").exists());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a file has a tar's mark where one stands.
fn is_an_archive(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.get(257..262) == Some(b"ustar")
}

#[test]
fn a_backup_beside_what_was_handed_over_is_told_which_directory_is_missing() {
    let scratch = TempDir::new().unwrap();
    let preopens = [(scratch.path().into(), "store".into())];
    let run = |args: &[&str]| {
        let args = [&["portcask", "--dir", "store"], args].concat();
        GUEST.run(&args, &[], &preopens, b"").unwrap()
    };
    assert_eq!(run(&["put", "cat", "meow"]).status, 0);
    for target in ["bk", "bk.tar"] {
        let output = run(&["backup", target]);
        let said = text(&output.stderr);
        assert_ne!(output.status, 0, "{said}");
        assert!(said.contains("wasmtime run --dir . "), "{said}");
        assert!(!said.contains("partial"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_named_pipe_in_a_files_place_holds_no_guest_up() {
    let scratch = TempDir::new().unwrap();
    let preopens = [(scratch.path().into(), "home".into())];
    let run = |args: &[&str]| {
        let args = [&["portcask", "--dir", "home/store"], args].concat();
        GUEST.run(&args, &[], &preopens, b"").unwrap()
    };
    assert_eq!(run(&["put", "cat", "meow"]).status, 0);
    let becomes_a_pipe = |name: &str| {
        let path = scratch.path().join("store").join(name);
        std::fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    // A store can do without a hint.
    becomes_a_pipe("hint-0000000001");
    assert_eq!(text(&run(&["get", "cat"]).stdout), "meow");
    becomes_a_pipe("segment-0000000001");
    let refused = run(&["get", "cat"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status, 5, "{said}");
    assert!(said.contains("not a regular file"), "{said}");
}

#[test]
fn what_a_guest_cannot_do_is_told_as_natively_in_words_or_as_an_object() {
    let scratch = TempDir::new().unwrap();
    std::fs::write(scratch.path().join("letter.txt"), "Dear").unwrap();
    let preopens = [(scratch.path().into(), "home".into())];
    let run = |args: &[&str]| {
        let args = [&["portcask"], args].concat();
        GUEST.run(&args, &[], &preopens, b"").unwrap()
    };
    let among = run(&["--dir", "home", "put", "cat", "meow"]);
    let said = text(&among.stderr);
    assert_eq!(among.status, 5, "{said}");
    assert!(said.contains("not empty (letter.txt)"), "{said}");
    assert_eq!(
        run(&["--dir", "home/store", "put", "cat", "meow"]).status,
        0
    );
    let missing = run(&["--dir", "home/store", "--json", "get", "dog"]);
    assert_eq!(missing.status, 1);
    assert_eq!(
        text(&missing.stderr),
        "{\"code\":1,\"class\":\"no\",\"message\":\"no such key: dog\"}\n"
    );
}
