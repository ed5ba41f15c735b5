//! Runs the real command on a store in a temporary directory.
#![allow(dead_code, reason = "each test file uses a part")]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A directory that may become a store, and what lies beside it.
pub struct Place {
    pub root: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

/// The command, without a store and with nothing of the caller's environment that changes it.
pub fn portcask() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcask"));
    command
        .env_remove("PORTCASK_DIR")
        .env_remove("NO_COLOR")
        .env("COLUMNS", "100");
    command
}

impl Place {
    pub fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    /// A place whose store holds these, in this order.
    pub fn with(pairs: &[(&str, &str)]) -> Self {
        let place = Self::new();
        for (key, value) in pairs {
            place.run(["put", key, value]).succeeds();
        }
        place
    }

    /// The store's directory.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// A path beside the store.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.beside(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = portcask();
        command
            .arg("--dir")
            .arg(self.dir())
            .args(args)
            .current_dir(self.root.path());
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        ran(self.command(args).stdin(Stdio::null()))
    }

    /// Runs it where no file may become longer than 64 KiB, which stands for a full disk.
    #[cfg(unix)]
    pub fn run_with_small_files<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        let command = self.command(args);
        let mut limited = Command::new("bash");
        limited
            .args(["-c", "ulimit -f 64; exec \"$0\" \"$@\""])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(self.root.path());
        ran(limited.stdin(Stdio::null()))
    }

    pub fn feed<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: impl AsRef<[u8]>,
    ) -> Ran {
        fed(&mut self.command(args), input.as_ref())
    }

    /// Starts the command with all streams in hand.
    pub fn start<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Child {
        piped(&mut self.command(args)).spawn().unwrap()
    }

    /// The store as `export` writes it.
    pub fn export(&self) -> String {
        self.run(["export"]).succeeds().text()
    }

    /// The newest file of a kind in the store.
    pub fn newest(&self, kind: &str) -> PathBuf {
        let mut found: Vec<PathBuf> = std::fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .starts_with(kind)
            })
            .collect();
        found.sort();
        found.pop().unwrap()
    }
}

impl Ran {
    /// Code 0, and nothing on standard error but remarks.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// This code, and one line that says all of `words`.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "one line: {self:?}");
        assert!(self.err.starts_with("portcask: "), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {self:?}");
        }
        self
    }

    /// This code, and as the last line on standard error the object that says so; remarks before it are objects too.
    #[track_caller]
    pub fn fails_in_json(self, code: i32) -> serde_json::Value {
        assert_eq!(self.code, code, "{self:?}");
        let lines = self.err.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{error} in {line}: {self:?}"));
            line
        });
        let mut lines: Vec<_> = lines.collect();
        let last = lines.pop().unwrap_or_default();
        let is_remark = |line: &serde_json::Value| line["remark"].is_string();
        assert!(lines.iter().all(is_remark), "{self:?}");
        assert_eq!(last["code"], code, "{self:?}");
        let classes = [
            (1, "no"),
            (2, "usage"),
            (3, "damaged"),
            (4, "locked"),
            (5, "system"),
            (6, "input"),
            (7, "unable"),
        ];
        let class = classes.iter().find(|(of, _)| *of == code).unwrap().1;
        assert_eq!(last["class"], class, "{self:?}");
        let message = last["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{self:?}");
        assert!(!message.starts_with("portcask: "), "{self:?}");
        last
    }

    #[track_caller]
    pub fn prints(self, out: &str) -> Self {
        assert_eq!(String::from_utf8_lossy(&self.out), out, "{}", self.err);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub fn ran(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

pub fn fed(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = piped(command).spawn().unwrap();
    // What refuses early does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap().into()
}

fn piped(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Flips a bit of the byte at `at`, counted from the end if negative.
pub fn flip(path: &Path, at: i64) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = if at < 0 { bytes.len() as i64 + at } else { at };
    bytes[at as usize] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Where `needle` lies last in a file.
pub fn find(path: &Path, needle: &[u8]) -> i64 {
    let bytes = std::fs::read(path).unwrap();
    bytes
        .windows(needle.len())
        .rposition(|window| window == needle)
        .unwrap() as i64
}
