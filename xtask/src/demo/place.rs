//! The folder of the demo, and the `portcask` command on each host.
//!
//! Every host sees the same two names: `store`, the directory of the store, and `files`, what goes in and out. Natively
//! they are folders of the current directory, under WASI preopened directories, so the command lines are the same.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::model::{self, Records};
use crate::hosts::{Node, Wasmtime};
use crate::shell::{self, Context, Failure, Result};

const STORE: &str = "store";
const FILES: &str = "files";
/// Small segments, so that this little data fills several and merge has something to do.
const SEGMENTS: [&str; 2] = ["--segment-size", "1MiB"];
/// Keys per delete command: a command line holds a limited number of bytes (32 KiB on the strictest system).
const KEYS_PER_DELETE: usize = 2_000;
/// So that the log of the killed run grows by what it writes alone.
const NO_MERGE: [&str; 6] = [
    "--fragmentation-trigger",
    "100",
    "--dead-bytes-trigger",
    "1TiB",
    "--small-file",
    "0",
];
/// The killed run must have put this much into the log, so that it dies in the middle.
const BYTES_BEFORE_DEATH: u64 = 16 * 1024;
/// How long that may take; it takes well under a second.
const DEATH_LIMIT: Duration = Duration::from_secs(60);

/// A way to run `portcask`.
pub struct Host<'a> {
    name: &'static str,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Native(PathBuf),
    Wasmtime(&'a Wasmtime, &'a Path),
    Node(Node, &'a Path),
}

impl<'a> Host<'a> {
    /// The command built for this machine.
    pub fn native(program: PathBuf) -> Self {
        Self {
            name: "native",
            kind: Kind::Native(program),
        }
    }

    /// The module under wasmtime.
    pub fn wasmtime(wasmtime: &'a Wasmtime, module: &'a Path) -> Self {
        Self {
            name: "wasmtime",
            kind: Kind::Wasmtime(wasmtime, module),
        }
    }

    /// The module under Node.
    pub fn node(node: Node, module: &'a Path) -> Self {
        Self {
            name: "Node",
            kind: Kind::Node(node, module),
        }
    }

    /// What it is called in the story.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// `portcask --dir store`, ready for a verb.
    fn portcask(&self, place: &Place) -> Command {
        let folders = [STORE, FILES].map(|name| (place.root.join(name), name));
        let mut command = match &self.kind {
            Kind::Native(program) => Command::new(program),
            Kind::Wasmtime(wasmtime, module) => wasmtime.run(&folders, module),
            Kind::Node(node, module) => node.run(&folders, module),
        };
        command
            .current_dir(&place.root)
            .args(["--dir", STORE])
            .args(SEGMENTS);
        // A directory named by the environment must not get into the story.
        command.env_remove("PORTCASK_DIR");
        command
    }
}

/// What is known of a killed run.
pub struct Death {
    /// The operating system's number of the process.
    pub process: u32,
    /// How much the log had grown when it died.
    pub written_bytes: u64,
}

/// The folder of one demo.
pub struct Place {
    root: PathBuf,
}

impl Place {
    /// Makes the two folders in an empty one.
    pub fn new(root: PathBuf) -> Result<Self> {
        for folder in [STORE, FILES] {
            fs::create_dir(root.join(folder)).doing(format_args!("cannot make {folder}"))?;
        }
        Ok(Self { root })
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.root.join(STORE)
    }

    /// Bytes of the segments: the log itself, without hints, manifests and the reserve.
    pub fn log_bytes(&self) -> Result<u64> {
        let entries = fs::read_dir(self.store()).doing("cannot list the store")?;
        let segments = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("segment-"));
        // A file may be removed between the listing and the question for its length.
        let lengths = segments.filter_map(|entry| entry.metadata().ok());
        Ok(lengths.map(|metadata| metadata.len()).sum())
    }

    /// Writes the rows to a file and has it imported.
    pub fn import(&self, host: &Host, file: &str, rows: &[(String, String)]) -> Result<()> {
        fs::write(self.root.join(FILES).join(file), model::to_tsv(rows))
            .doing(format_args!("cannot write {file}"))?;
        let mut command = host.portcask(self);
        command
            .arg("import")
            .arg(format!("{FILES}/{file}"))
            .args(Self::SHAPE);
        quietly(&mut command)
    }

    const SHAPE: [&str; 6] = [
        "--format",
        "tsv",
        "--key-column",
        "1",
        "--value-column",
        "2",
    ];

    /// Deletes keys that are there.
    pub fn delete(&self, host: &Host, keys: &[String]) -> Result<()> {
        for keys in keys.chunks(KEYS_PER_DELETE) {
            quietly(host.portcask(self).arg("delete").args(keys))?;
        }
        Ok(())
    }

    /// Fails unless the store holds exactly these, by its own count and by reading all of it.
    pub fn holds(&self, host: &Host, expected: &Records) -> Result<()> {
        let counted = shell::read(host.portcask(self).arg("count"))?;
        if counted.trim() != expected.len().to_string() {
            return Err(Failure::new(format!(
                "{} counts {} keys, but {} were written",
                host.name,
                counted.trim(),
                expected.len()
            )));
        }
        model::compare(&self.records(host)?, expected)
    }

    /// Everything the store holds.
    pub fn records(&self, host: &Host) -> Result<Records> {
        model::from_tsv(&self.export(host)?)
    }

    /// The store's export, sorted by key.
    pub fn export(&self, host: &Host) -> Result<String> {
        shell::read(host.portcask(self).args(["export", "--format", "tsv"]))
    }

    /// Reads and checks every byte; answers the last line of the report.
    pub fn verify(&self, host: &Host) -> Result<String> {
        let report = shell::read(host.portcask(self).arg("verify"))?;
        let last = report.lines().rev().find(|line| !line.trim().is_empty());
        Ok(last.unwrap_or("nothing to say").trim().to_owned())
    }

    /// Gives dead space back.
    pub fn merge(&self, host: &Host) -> Result<()> {
        quietly(host.portcask(self).arg("merge"))
    }

    /// Has rows imported from a pipe that is never closed, and kills the process while it writes. Since its input has
    /// not ended it cannot have finished, so this needs no luck with timing.
    pub fn kill_while_importing(
        &self,
        host: &Host,
        rows: &[(String, String)],
        batch: usize,
    ) -> Result<Death> {
        let before = self.log_bytes()?;
        let mut command = host.portcask(self);
        command
            .arg("import")
            .args(Self::SHAPE)
            .args(["--batch", &batch.to_string()])
            .args(NO_MERGE);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .doing("cannot start the run that is to be killed")?;
        let process = child.id();
        let mut input = child.stdin.take().expect("standard input is piped");
        let text = model::to_tsv(rows);
        let feeder = thread::spawn(move || {
            // An error here is the death of the reader, which is what we are here for.
            let _ = input.write_all(text.as_bytes());
            input
        });
        let grown = self.wait_for_growth(&mut child, before);
        child.kill().doing("cannot kill the run")?;
        child.wait().doing("cannot wait for the killed run")?;
        // The pipe is closed only now, when nobody can read its end any more.
        drop(feeder.join());
        grown.map(|written_bytes| Death {
            process,
            written_bytes,
        })
    }

    fn wait_for_growth(&self, child: &mut Child, before: u64) -> Result<u64> {
        let start = Instant::now();
        loop {
            let grown = self.log_bytes()?.saturating_sub(before);
            if grown >= BYTES_BEFORE_DEATH {
                return Ok(grown);
            }
            if let Some(status) = child.try_wait().doing("cannot look at the run")? {
                let said = child.stderr.take().map(std::io::read_to_string);
                let said = said.and_then(std::io::Result::ok).unwrap_or_default();
                return Err(Failure::new(format!(
                    "the run ended by itself with {status}: {}",
                    said.trim()
                )));
            }
            if start.elapsed() > DEATH_LIMIT {
                return Err(Failure::new(format!(
                    "the run wrote only {grown} bytes in {} seconds",
                    DEATH_LIMIT.as_secs()
                )));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Runs without showing anything; a failure tells what the command said.
fn quietly(command: &mut Command) -> Result<()> {
    let output = shell::capture(command)?;
    if output.success {
        return Ok(());
    }
    Err(Failure::new(format!("portcask: {}", output.last_words())))
}
