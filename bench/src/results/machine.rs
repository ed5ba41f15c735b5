//! What was measured on, and which commit.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// A machine on a day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// The processor's name for itself.
    pub processor: String,
    /// Processors.
    pub processors: u64,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// The kernel.
    pub system: String,
    /// What the stores were on.
    pub file_system: String,
    /// As 2026-11-21.
    pub date: String,
    /// The commit, with a `+` if something was not committed.
    pub commit: String,
}

impl Machine {
    /// This one, now; stores are put below `dir`.
    pub fn here(dir: &Path) -> Self {
        let kernel = rustix::system::uname();
        let [name, release] =
            [kernel.sysname(), kernel.release()].map(|words| words.to_string_lossy());
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let memory_kib = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            processors: std::thread::available_parallelism().map_or(0, |n| n.get() as u64),
            memory_gib: (memory_kib + (1 << 19)) >> 20,
            system: format!("{name} {release}"),
            file_system: file_system(dir).unwrap_or_default(),
            date: today(),
            commit: commit(),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "processor": self.processor,
            "processors": self.processors,
            "memory_gib": self.memory_gib,
            "system": self.system,
            "file_system": self.file_system,
            "date": self.date,
            "commit": self.commit,
        })
    }

    /// From JSON; what is missing is empty.
    pub fn from_json(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let count = |name: &str| json[name].as_u64().unwrap_or_default();
        Self {
            processor: text("processor"),
            processors: count("processors"),
            memory_gib: count("memory_gib"),
            system: text("system"),
            file_system: text("file_system"),
            date: text("date"),
            commit: text("commit"),
        }
    }

    /// In a sentence.
    pub fn sentence(&self) -> String {
        format!(
            "{}, {} processors, {} GiB, {}, {}; commit {} of {}",
            self.processor,
            self.processors,
            self.memory_gib,
            self.system,
            self.file_system,
            self.commit,
            self.date
        )
    }
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':')
        .map(|(_, value)| value.trim().to_owned())
}

/// The type of the file system that `dir` is on.
fn file_system(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let holding = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = words.next().zip(words.next())?;
        dir.starts_with(point)
            .then(|| (point.len(), kind.to_owned()))
    });
    holding.max().map(|(_, kind)| kind)
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
        let output = git.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "unknown".into();
    };
    // The results themselves and the page made of them are committed after the run.
    let code = ["status", "--porcelain", "--", ".", ":!results", ":!../docs"];
    let is_changed = git(&code).is_none_or(|changes| !changes.is_empty());
    format!("{commit}{}", if is_changed { "+" } else { "" })
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let (year, month, day) = civil(since.map_or(0, |since| since.as_secs() / 86_400));
    format!("{year}-{month:02}-{day:02}")
}

/// The civil date of a day since 1970, after Hinnant's "chrono-compatible low-level date algorithms".
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
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
}
