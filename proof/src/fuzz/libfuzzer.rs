//! libFuzzer by way of cargo-fuzz: whether it is there, started, and understood.

use super::folder;
use crate::targets::Target;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{fmt, io};

/// One input may hold so much memory: far more than any case needs.
const RSS_LIMIT_MB: u64 = 1024;
/// One input may take so long before it counts as a hang; the slowest case takes some 50 ms.
const TIMEOUT_SECONDS: u64 = 10;
/// Lines of libFuzzer's that tell of a finding.
const LAST_LINES: usize = 60;

/// Why a search ended early, in words for the person who started it.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Refuses, with what to type, where a search cannot be made.
pub fn is_there() -> Result<(), Failure> {
    let answers = |words: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(words).stdout(Stdio::null());
        command.stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !answers(&["+nightly", "--version"]) {
        return Err(Failure::new(
            "libFuzzer needs a nightly compiler: rustup toolchain install nightly",
        ));
    }
    if !answers(&["+nightly", "fuzz", "--version"]) {
        return Err(Failure::new(
            "libFuzzer is started by cargo-fuzz: cargo install cargo-fuzz --locked",
        ));
    }
    Ok(())
}

/// Builds every target.
pub fn build(sanitizer: &str) -> Result<(), Failure> {
    let status = cargo_fuzz("build", sanitizer).status()?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new("the targets do not build")),
    }
}

/// One target's search.
pub struct Search<'a> {
    target: &'a Target,
    sanitizer: &'a str,
    committed: PathBuf,
    found: PathBuf,
    log: PathBuf,
}

/// What libFuzzer counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    executions: u64,
    corpus: u64,
    edges: u64,
    features: u64,
}

impl Counts {
    /// Each with its name, in the order of the ledger.
    pub fn all(self) -> [(&'static str, u64); 4] {
        [
            ("executions", self.executions),
            ("corpus inputs", self.corpus),
            ("edges", self.edges),
            ("features", self.features),
        ]
    }

    /// Takes in a line: `#256 NEW cov: 34 ft: 57 corp: 9/30b ...` or `stat::...: 256`.
    fn read(&mut self, line: &str) {
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = count.trim().parse().unwrap_or(self.executions);
        }
        if !line.starts_with('#') {
            return;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let digits = pair[1].split('/').next().unwrap_or_default();
            let Ok(count) = digits.parse() else { continue };
            match pair[0] {
                "cov:" => self.edges = count,
                "ft:" => self.features = count,
                "corp:" => self.corpus = count,
                _ => {}
            }
        }
    }
}

impl<'a> Search<'a> {
    /// Makes the folders it needs.
    pub fn new(target: &'a Target, sanitizer: &'a str) -> Result<Self, Failure> {
        let beside = std::env::current_exe()?;
        let work = beside.ancestors().nth(2).map_or_else(folder, PathBuf::from);
        let work = work.join("fuzz").join(target.name);
        let search = Self {
            target,
            sanitizer,
            committed: folder().join("corpus").join(target.name),
            found: work.join("corpus"),
            log: work.join("log"),
        };
        fs::create_dir_all(&search.committed)?;
        fs::create_dir_all(&search.found)?;
        Ok(search)
    }

    /// Searches for so many seconds. A finding is a failure that tells where its input lies.
    pub fn run(&self, seconds: u64) -> Result<Counts, Failure> {
        let mut command = cargo_fuzz("run", self.sanitizer);
        command.arg(self.target.name);
        // What is found goes to the first folder, away from what is committed.
        command.args([&self.found, &self.committed]).arg("--");
        command.args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={}", self.target.input_bytes_max),
            format!("-rss_limit_mb={RSS_LIMIT_MB}"),
            format!("-timeout={TIMEOUT_SECONDS}"),
            format!("-dict={}", folder().join("words.dict").display()),
            "-print_final_stats=1".to_owned(),
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut log = File::create(&self.log)?;
        let (mut counts, mut last) = (Counts::default(), Vec::new());
        for line in child.stderr.take().into_iter().flat_map(lines) {
            writeln!(log, "{line}")?;
            counts.read(&line);
            if last.len() == LAST_LINES {
                last.remove(0);
            }
            last.push(line);
        }
        if child.wait()?.success() {
            return Ok(counts);
        }
        Err(Failure::new(format!(
            "{}\n\n{} has a finding; again: cargo run -p portcask-proof -- fuzz-replay {0} FILE\n\
             everything it said: {}",
            last.join("\n"),
            self.target.name,
            self.log.display()
        )))
    }

    /// The fewest inputs, committed or found, that reach every edge that any of them reaches, become the
    /// committed ones. Says how many they are, and their bytes.
    pub fn keep(&self) -> Result<(usize, u64), Failure> {
        let kept = self.found.with_file_name("kept");
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        fs::create_dir_all(&kept)?;
        let mut command = cargo_fuzz("run", self.sanitizer);
        command.arg(self.target.name);
        command.args([&kept, &self.committed, &self.found]);
        // Every edge once: how often each is taken would keep ten times as many inputs, too many
        // for a test that people run often.
        command.args(["--", "-set_cover_merge=1", "-use_counters=0"]);
        command.arg(format!("-max_len={}", self.target.input_bytes_max));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status()?.success() {
            return Err(Failure::new("the corpora could not be merged"));
        }
        fs::remove_dir_all(&self.committed)?;
        fs::create_dir_all(&self.committed)?;
        let (mut inputs, mut bytes) = (0, 0);
        for entry in fs::read_dir(&kept)? {
            let entry = entry?;
            bytes += fs::copy(entry.path(), self.committed.join(entry.file_name()))?;
            inputs += 1;
        }
        Ok((inputs, bytes))
    }
}

fn lines(from: impl io::Read) -> impl Iterator<Item = String> {
    // Not every byte that a panic prints is text.
    BufReader::new(from)
        .split(b'\n')
        .map_while(Result::ok)
        .map(|line| String::from_utf8_lossy(&line).into_owned())
}

fn cargo_fuzz(deed: &str, sanitizer: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", deed, "--sanitizer", sanitizer]);
    command.current_dir(folder()).stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_libfuzzer_says() {
        let mut counts = Counts::default();
        for line in [
            "INFO: Seed: 876240896",
            "#2\tINITED cov: 4 ft: 5 corp: 1/1b exec/s: 0 rss: 28Mb",
            "#167705\tDONE   cov: 431 ft: 1500 corp: 640/41Kb lim: 160 exec/s: 12900 rss: 28Mb",
            "stat::number_of_executed_units: 167705",
        ] {
            counts.read(line);
        }
        let told: Vec<_> = counts.all().into_iter().map(|(_, count)| count).collect();
        assert_eq!(told, [167_705, 640, 431, 1_500]);
    }
}
