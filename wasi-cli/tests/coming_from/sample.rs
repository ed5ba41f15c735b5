//! The directory in which every row is run, and how a command line is run there.
//!
//! ```text
//! store/         key=value hello=world user:1=Alice victim=new (was old), gone is deleted;
//!                two sealed segments and one that grows
//! data.csv dump.jsonl base64.jsonl prologic.jsonl     each with cat=meow
//! value.bin      meow
//! ```

use crate::page;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const FILES: [(&str, &str); 5] = [
    ("data.csv", "key,value\ncat,meow\ndog,woof\n"),
    ("dump.jsonl", "{\"key\":\"cat\",\"value\":\"meow\"}\n"),
    (
        "base64.jsonl",
        "{\"key_base64\":\"Y2F0\",\"value_base64\":\"/w==\"}\n",
    ),
    (
        "prologic.jsonl",
        "{\"key\":\"Y2F0\",\"value\":\"bWVvdw==\"}\n",
    ),
    ("value.bin", "meow"),
];

/// The master copy.
pub struct Sample {
    dir: TempDir,
}

impl Sample {
    /// Writes the store and the files.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = portcask::open(dir.path().join("store")).unwrap();
        db.put(b"key", b"value").unwrap();
        db.put(b"victim", b"old").unwrap();
        db.put(b"gone", b"value").unwrap();
        db.rotate().unwrap();
        db.put(b"hello", b"world").unwrap();
        db.put(b"victim", b"new").unwrap();
        db.rotate().unwrap();
        db.put(b"user:1", b"Alice").unwrap();
        assert!(db.delete(b"gone").unwrap());
        db.close().unwrap();
        for (name, text) in FILES {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Self { dir }
    }

    /// A copy to work in.
    pub fn fresh(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join("store")).unwrap();
        for part in ["", "store"] {
            for entry in fs::read_dir(self.dir.path().join(part)).unwrap() {
                let from = entry.unwrap().path();
                if from.is_file() {
                    let to = copy.path().join(part).join(from.file_name().unwrap());
                    fs::copy(&from, to).unwrap();
                }
            }
        }
        copy
    }
}

/// Runs a command line as it stands on the page, without a shell.
pub fn run(line: &str, given: Option<&str>, dir: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcask"))
        .args(page::words(line).skip(1))
        .current_dir(dir)
        .env("PORTCASK_DIR", "store")
        .env("HOME", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child
        .stdin
        .take()
        .unwrap()
        .write_all(given.unwrap_or_default().as_bytes());
    child.wait_with_output().unwrap()
}
