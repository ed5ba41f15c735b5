//! What campaigns counted: one JSON line each, appended to `ledger.jsonl` and committed.

use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What one run of a campaign tried and found. Counts keep the order in which they were first told.
#[derive(Debug)]
pub struct Tally {
    campaign: &'static str,
    command: String,
    began: Instant,
    counts: Map<String, Value>,
}

impl Tally {
    /// Nothing was counted yet. `command` is what a reader types to do the same again.
    pub fn new(campaign: &'static str, command: impl Into<String>) -> Self {
        Self {
            campaign,
            command: command.into(),
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
            "commit": commit(),
            "command": self.command,
            "seconds": self.elapsed().as_secs(),
            "counts": self.counts,
        })
    }

    /// Appends the line to the ledger of this repository.
    pub fn record(&self) -> io::Result<()> {
        let mut ledger = OpenOptions::new().create(true).append(true).open(path())?;
        writeln!(ledger, "{}", self.line())
    }
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
