//! What campaigns counted: one JSON line each, appended to `ledger.jsonl` and committed.

use serde_json::{Map, Value, json};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which campaign.
    pub campaign: String,
    /// The day it ran, as 2026-11-21.
    pub date: String,
    /// What was tried.
    pub commit: String,
    /// What a reader types to do the same again.
    pub command: String,
    /// How long it took.
    pub seconds: u64,
    /// What it counted, in its order.
    pub counts: Vec<(String, u64)>,
}

/// Every line of the ledger, oldest first. A line that is none is an error.
pub fn read() -> io::Result<Vec<Line>> {
    let text = match fs::read_to_string(path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let parse = |(number, line): (usize, &str)| {
        parse(line).ok_or_else(|| {
            let words = format!("line {} is no line of a ledger", number + 1);
            io::Error::new(io::ErrorKind::InvalidData, words)
        })
    };
    text.lines().enumerate().map(parse).collect()
}

fn parse(line: &str) -> Option<Line> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |field: &str| Some(line.get(field)?.as_str()?.to_owned());
    let counts = line.get("counts")?.as_object()?;
    let count = |(what, count): (&String, &Value)| Some((what.clone(), count.as_u64()?));
    Some(Line {
        campaign: text("campaign")?,
        date: text("date")?,
        commit: text("commit")?,
        command: text("command")?,
        seconds: line.get("seconds")?.as_u64()?,
        counts: counts.iter().map(count).collect::<Option<_>>()?,
    })
}

/// What one run of a campaign tried and found. Counts keep the order in which they were first told.
#[derive(Debug)]
pub struct Tally {
    campaign: &'static str,
    command: String,
    commit: String,
    began: Instant,
    counts: Map<String, Value>,
}

impl Tally {
    /// Nothing was counted yet. `command` is what a reader types to do the same again.
    pub fn new(campaign: &'static str, command: impl Into<String>) -> Self {
        Self {
            campaign,
            command: command.into(),
            // Now: while a long campaign runs, the tree goes on.
            commit: commit(),
            began: Instant::now(),
            counts: Map::new(),
        }
    }

    /// Adds to a count.
    pub fn add(&mut self, what: &str, more: u64) {
        let sum = self.count(what) + more;
        self.counts.insert(what.to_owned(), sum.into());
    }

    /// A count so far.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Whether anything was counted.
    pub fn has_counts(&self) -> bool {
        !self.counts.is_empty()
    }

    /// How long the campaign has been running.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The line of the ledger.
    pub fn line(&self) -> Value {
        json!({
            "campaign": self.campaign,
            "date": today(),
            "commit": self.commit,
            "command": self.command,
            "seconds": self.elapsed().as_secs(),
            "counts": self.counts,
        })
    }

    /// Appends the line to the ledger of this repository.
    pub fn record(&self) -> io::Result<()> {
        let append = || {
            let mut ledger = OpenOptions::new().create(true).append(true).open(path())?;
            writeln!(ledger, "{}", self.line())
        };
        append().map_err(|error| {
            let words = format!("proof/ledger.jsonl takes no line: {error}");
            io::Error::new(error.kind(), words)
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed().as_secs();
        writeln!(f, "{} in {seconds} s, {}", self.campaign, self.command)?;
        for (what, count) in &self.counts {
            writeln!(f, "  {:>13} {what}", grouped(count.as_u64().unwrap_or(0)))?;
        }
        Ok(())
    }
}

/// A number with a comma before every third digit from the right.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Where the ledger is kept.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ledger.jsonl")
}

/// The commit that was tried, marked with `+` when the tree holds more than it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "unknown".to_owned();
    };
    // What does not reach the engine does not matter to what was tried.
    let changed = git(&[
        "status",
        "--porcelain",
        "--",
        "../core",
        "../backends",
        "src",
    ]);
    let mark = if changed.is_some_and(|changed| changed.is_empty()) {
        ""
    } else {
        "+"
    };
    commit + mark
}

/// The date, as 2026-11-21.
fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let (year, month, day) = civil(since.map_or(0, |since| since.as_secs() / 86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The civil date of a day since 1970, after Hinnant's "chrono-compatible low-level date algorithms".
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }

    #[test]
    fn a_line_reads_back() {
        let mut tally = Tally::new("test", "cargo test");
        tally.add("images", 2);
        let line = parse(&tally.line().to_string()).unwrap();
        assert_eq!(line.campaign, "test");
        assert_eq!(line.counts, [("images".to_owned(), 2)]);
        assert_eq!(parse("{}"), None);
    }

    #[test]
    fn counts_add_up_and_keep_their_order() {
        let mut tally = Tally::new("test", "cargo test");
        tally.add("images", 2);
        tally.add("faults", 1);
        tally.add("images", 3);
        let line = tally.line();
        assert_eq!(line["counts"].to_string(), r#"{"images":5,"faults":1}"#);
        assert_eq!(line["command"], "cargo test");
    }
}
