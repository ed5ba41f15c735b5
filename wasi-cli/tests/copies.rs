//! backup and restore: whole or not at all.

mod common;
use common::{Place, flip};
use std::path::Path;

fn filled() -> Place {
    let place = Place::new();
    place
        .run([
            "fill",
            "--count",
            "3000",
            "--overwrite-percent",
            "30",
            "--delete-percent",
            "10",
        ])
        .succeeds();
    place
        .run(["put", "later", "x", "--expires-at", "4102444800000"])
        .succeeds();
    place
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_comes_back_with_everything() {
    let place = filled();
    let content = place.export();
    for target in ["copy", "copy.tar"] {
        place.run(["backup", target]).succeeds();
        let dir = format!("restored-from-{target}");
        place.run(["--dir", &dir, "restore", target]).succeeds();
        assert_eq!(
            place.run(["--dir", &dir, "export"]).text(),
            content,
            "{target}"
        );
        place.run(["--dir", &dir, "verify"]).succeeds();
        place.run(["--dir", &dir, "put", "new", "1"]).succeeds();
    }
    place.run(["--dir", "copy", "verify"]).succeeds();
    let ours = |name: &String| !name.starts_with("tmp");
    let left: Vec<String> = names(place.root.path()).into_iter().filter(ours).collect();
    assert!(
        left.iter().all(|name| !name.contains("partial")),
        "{left:?}"
    );
}

#[test]
fn an_archive_is_an_ordinary_tar_file() {
    let place = filled();
    place.run(["backup", "copy.tar"]).succeeds();
    let file = std::fs::File::open(place.beside("copy.tar")).unwrap();
    tar::Archive::new(file)
        .unpack(place.beside("unpacked"))
        .unwrap();
    place.run(["--dir", "unpacked", "verify"]).succeeds();
}

#[test]
fn an_existing_target_is_never_overwritten() {
    let place = filled();
    place.run(["backup", "copy"]).succeeds();
    place
        .run(["backup", "copy"])
        .fails(5, &["copy", "already holds"]);
    place.write("copy.tar", "precious");
    place
        .run(["backup", "copy.tar"])
        .fails(5, &["copy.tar", "exists"]);
    assert_eq!(
        std::fs::read(place.beside("copy.tar")).unwrap(),
        b"precious"
    );
    place.run(["restore", "copy"]).fails(5, &["already holds"]);
    std::fs::create_dir(place.beside("empty")).unwrap();
    place.run(["backup", "empty"]).succeeds();
    place.run(["--dir", "empty", "verify"]).succeeds();
}

#[test]
fn a_damaged_store_gives_no_backup() {
    let place = filled();
    let segment = place.newest("segment");
    flip(
        &segment,
        std::fs::metadata(&segment).unwrap().len() as i64 / 2,
    );
    for target in ["copy", "copy.tar"] {
        let ran = place.run(["backup", target]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(!place.beside(target).exists(), "{target}");
        assert!(
            !place.beside(&format!("{target}.partial")).exists(),
            "{target}"
        );
    }
}

#[test]
fn a_damaged_or_cut_backup_restores_nothing() {
    let place = filled();
    place.run(["backup", "copy.tar"]).succeeds();
    let tar = std::fs::read(place.beside("copy.tar")).unwrap();
    place.write("cut.tar", &tar[..tar.len() / 2]);
    let mut rotten = tar.clone();
    rotten[tar.len() / 3] ^= 1;
    place.write("rotten.tar", rotten);
    place.write("foreign.tar", "no tar at all");
    for source in ["cut.tar", "rotten.tar", "foreign.tar"] {
        let ran = place.run(["--dir", "restored", "restore", source]);
        assert!(ran.code == 3 || ran.code == 5, "{source}: {ran:?}");
        assert!(ran.err.contains(source), "{source}: {ran:?}");
        assert!(!place.beside("restored").exists(), "{source}");
        assert!(!place.beside("restored.partial").exists(), "{source}");
    }
    place
        .run(["--dir", "restored", "restore", "nope.tar"])
        .fails(5, &["nope.tar"]);
}

#[test]
fn a_damaged_archive_is_not_called_a_directory_to_salvage() {
    let place = filled();
    place.run(["backup", "copy"]).succeeds();
    let mut archive = tar::Builder::new(Vec::new());
    for name in names(&place.beside("copy")) {
        if !name.starts_with("manifest") {
            let path = place.beside("copy").join(&name);
            archive.append_path_with_name(path, name).unwrap();
        }
    }
    place.write("copy.tar", archive.into_inner().unwrap());
    let ran = place.run(["--dir", "restored", "restore", "copy.tar"]);
    assert!(!ran.err.contains("--dir copy.tar"), "{ran:?}");
    ran.fails(
        3,
        &["copy.tar", "no valid manifest", "unpack it", "salvage"],
    );
}

#[test]
fn a_compressed_backup_is_named_with_what_unpacks_it() {
    let place = filled();
    for (magic, undo) in [
        (&b"\x1f\x8b\x08"[..], "gunzip copy.tar.packed"),
        (b"BZh9", "bunzip2 copy.tar.packed"),
        (b"\xfd7zXZ\0", "unxz copy.tar.packed"),
        (b"\x28\xb5\x2f\xfd", "unzstd copy.tar.packed"),
    ] {
        place.write("copy.tar.packed", [magic, &[7; 600]].concat());
        place
            .run(["--dir", "restored", "restore", "copy.tar.packed"])
            .fails(3, &["compressed", undo]);
    }
}

#[test]
fn what_a_killed_copy_left_is_in_nobodys_way() {
    let place = filled();
    place.run(["backup", "copy"]).succeeds();
    // A copy that was killed: segments and no manifest yet, under the partial name.
    std::fs::rename(place.beside("copy"), place.beside("copy.partial")).unwrap();
    let manifest = names(&place.beside("copy.partial"))
        .into_iter()
        .find(|name| name.starts_with("manifest"))
        .unwrap();
    std::fs::remove_file(place.beside("copy.partial").join(manifest)).unwrap();
    place.run(["backup", "copy"]).succeeds();
    place.run(["--dir", "copy", "verify"]).succeeds();
    assert!(!place.beside("copy.partial").exists());
}

/// Locks what a copy under way would hold.
#[cfg(unix)]
fn hold(path: &Path) -> std::fs::File {
    let file = std::fs::File::open(path).unwrap();
    file.lock().unwrap();
    file
}

#[cfg(unix)]
#[test]
fn two_at_once_never_build_the_same_copy() {
    let place = filled();
    std::fs::create_dir(place.beside("copy.partial")).unwrap();
    std::fs::create_dir(place.beside("empty")).unwrap();
    for file in ["copy.tar.partial", "out.jsonl.partial"] {
        place.write(file, "half of it");
    }
    let verbs = [
        ("copy.partial", ["backup", "copy"]),
        ("empty", ["backup", "empty"]),
        ("copy.tar.partial", ["backup", "copy.tar"]),
        ("out.jsonl.partial", ["export", "out.jsonl"]),
    ];
    for (held, verb) in verbs {
        let other = hold(&place.beside(held));
        place.run(verb).fails(4, &["another process", verb[1]]);
        if held.ends_with(".partial") && held != "copy.partial" {
            let kept = std::fs::read(place.beside(held)).unwrap();
            assert_eq!(kept, b"half of it", "{held}");
        }
        drop(other);
        place.run(verb).succeeds();
    }
    let held = hold(&place.beside("copy"));
    let restore = ["--dir", "copy", "restore", "copy.tar"];
    place.run(restore).fails(4, &["another process", "copy"]);
    drop(held);
    place.run(["--dir", "copy", "verify"]).succeeds();
}

#[test]
fn what_is_no_backup_is_called_that() {
    let place = filled();
    std::fs::create_dir(place.beside("empty")).unwrap();
    let ran = place.run(["--dir", "restored", "restore", "empty"]);
    assert!(!ran.err.contains("init"), "{ran:?}");
    ran.fails(5, &["empty", "no such backup"]);
    place.write("foreign.tar", "secret words, ".repeat(100));
    let ran = place.run(["--dir", "restored", "restore", "foreign.tar"]);
    assert!(!ran.err.contains("secret"), "{ran:?}");
    ran.fails(3, &["foreign.tar", "not a tar file"]);
}
