//! What the guest is told to do, line by line, and what each answered line promises.

use portcask::testing::oracle::{Contents, Edit, Oracle, Write};
use std::collections::BTreeSet;
use std::path::Path;

/// Ends of lives that no run will see: years away, in milliseconds since 1970.
const FAR_MS: u64 = 4_102_444_800_000;
const FARTHER_MS: u64 = 4_133_980_800_000;
/// An end of life that has long passed.
pub(super) const PAST_MS: u64 = 1_000;

/// What the guest knows the directory of [`put_inputs`] by.
pub(super) const INPUTS: &str = "in";

/// Several pages of a file, so that a torn write may end in any of them.
const BIG_BYTES: usize = 20_000;

/// Lines for the REPL, each answered with one line of JSON.
pub(super) struct Script(Vec<Line>);

struct Line {
    text: String,
    /// What it changes, in the order of the log.
    writes: Vec<Write>,
    /// Once it is answered, everything up to it survives the guest's death.
    promises: bool,
}

impl Script {
    /// The fixed workload: a store made, written at every level of acknowledgement, merged twice,
    /// cleared, and closed at the end of the input.
    pub(super) fn workload() -> Self {
        let long = "y".repeat(300);
        let big = String::from_utf8(big()).expect("letters");
        Self(vec![
            put("alpha", "1"),
            put("beta", &long),
            put_until("gamma", "3", FAR_MS),
            delete(&["alpha"]),
            put("alpha", "2").with("--sync"),
            put("alpha", "3").buffered(),
            delete(&["beta"]).buffered(),
            put("delta", "4"),
            import("pairs.jsonl", 3, 7),
            rotate(),
            put("epsilon", "5"),
            put_until("old", "x", PAST_MS),
            expire("delta", "4", FARTHER_MS),
            persist("gamma", "3"),
            Line::new(
                format!("put big --file {INPUTS}/big"),
                [Write::Keys(vec![edit("big", &big, None)])],
            ),
            rotate(),
            delete(&["epsilon", "pair-1"]),
            put("alpha", "4").with("--if-present"),
            Line::new("merge", []),
            put("zeta", &long),
            Line::new("get alpha", []),
            Line::new("verify", []),
            Line::new("clear", [Write::Clear]),
            put("alpha", "5").buffered(),
            put("beta", "6").with("--if-absent"),
            import("pairs.jsonl", 100, 7),
            delete(&["pair-2"]).with("--sync"),
            rotate(),
            put("pair-3", "newer"),
            Line::new("merge", []),
            put("gamma", "7").with("--sync"),
            put("eta", "8").buffered(),
            delete(&["alpha"]).buffered(),
        ])
    }

    /// What a guest does that finds a store, or the ruins of one.
    pub(super) fn revisit() -> Self {
        Self(vec![
            put("again", "1"),
            put("again", "2").buffered(),
            rotate(),
            put("once-more", "3"),
        ])
    }

    /// The script as the guest's standard input.
    pub(super) fn stdin(&self) -> String {
        let lines = self.0.iter().map(|line| line.text.as_str());
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    /// How many answers a run to the end gives.
    pub(super) fn lines(&self) -> usize {
        self.0.len()
    }

    /// What a store that held `floor` may show after so many answers. The line after the last
    /// answer may have begun; those behind it have not.
    pub(super) fn oracle(&self, floor: &Contents, answered: usize) -> Oracle {
        let mut oracle = Oracle::new();
        oracle.settle(floor.clone());
        for (at, line) in self.0.iter().enumerate().take(answered + 1) {
            for write in &line.writes {
                oracle.attempt(0, write.clone());
            }
            if at < answered && line.promises {
                oracle.promise(0);
            }
        }
        oracle
    }

    /// Every key that this script names.
    pub(super) fn keys(&self) -> BTreeSet<Vec<u8>> {
        let writes = self.0.iter().flat_map(|line| &line.writes);
        let edits = writes.flat_map(|write| match write {
            Write::Keys(edits) => edits.as_slice(),
            Write::Clear => &[],
        });
        edits.map(|(key, _)| key.clone()).collect()
    }
}

/// Writes the files that the workload reads.
pub(super) fn put_inputs(dir: &Path) -> std::io::Result<()> {
    std::fs::write(dir.join("big"), big())?;
    let lines = (0..7).map(|at| format!("{{\"key\":\"pair-{at}\",\"value\":\"{at}\"}}\n"));
    std::fs::write(dir.join("pairs.jsonl"), lines.collect::<String>())
}

fn big() -> Vec<u8> {
    (0..BIG_BYTES).map(|at| b'a' + (at % 23) as u8).collect()
}

impl Line {
    /// At the level `written`, which survives the guest.
    fn new(text: impl Into<String>, writes: impl IntoIterator<Item = Write>) -> Self {
        Self {
            text: text.into(),
            writes: writes.into_iter().collect(),
            promises: true,
        }
    }

    fn with(mut self, option: &str) -> Self {
        self.text += " ";
        self.text += option;
        self
    }

    /// Answered before anything reaches the host.
    fn buffered(mut self) -> Self {
        self.promises = false;
        self.with("--ack buffered")
    }
}

fn edit(key: &str, value: &str, expiry: Option<u64>) -> Edit {
    (key.into(), Some((value.into(), expiry)))
}

fn put(key: &str, value: &str) -> Line {
    let write = Write::Keys(vec![edit(key, value, None)]);
    Line::new(format!("put {key} {value}"), [write])
}

fn put_until(key: &str, value: &str, ms: u64) -> Line {
    let write = Write::Keys(vec![edit(key, value, Some(ms))]);
    Line::new(format!("put {key} {value} --expires-at {ms}"), [write])
}

fn expire(key: &str, value: &str, ms: u64) -> Line {
    let write = Write::Keys(vec![edit(key, value, Some(ms))]);
    Line::new(format!("expire {key} --at {ms}"), [write])
}

fn persist(key: &str, value: &str) -> Line {
    let write = Write::Keys(vec![edit(key, value, None)]);
    Line::new(format!("persist {key}"), [write])
}

/// One write for each key.
fn delete(keys: &[&str]) -> Line {
    let write = |key: &&str| Write::Keys(vec![(key.as_bytes().into(), None)]);
    Line::new(format!("delete {}", keys.join(" ")), keys.iter().map(write))
}

/// One write for each batch of so many of the file's pairs.
fn import(file: &str, batch: usize, pairs: usize) -> Line {
    let pairs: Vec<Edit> = (0..pairs)
        .map(|at| edit(&format!("pair-{at}"), &at.to_string(), None))
        .collect();
    let writes = pairs.chunks(batch).map(|pairs| Write::Keys(pairs.to_vec()));
    Line::new(
        format!("import {INPUTS}/{file} --batch {batch}"),
        writes.collect::<Vec<_>>(),
    )
}

fn rotate() -> Line {
    Line::new("rotate", [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answered_write_must_be_there_and_the_next_line_may_be() {
        let script = Script(vec![put("a", "1"), put("b", "2"), put("c", "3")]);
        let judged = |answered, found: &[(&str, &str)]| {
            let found = found.iter().map(|(key, value)| {
                let value = (value.as_bytes().to_vec(), None);
                (key.as_bytes().to_vec(), value)
            });
            let oracle = script.oracle(&Contents::new(), answered);
            oracle.judge(0, &found.collect(), 0).is_ok()
        };
        assert!(judged(1, &[("a", "1")]));
        assert!(judged(1, &[("a", "1"), ("b", "2")]));
        assert!(!judged(1, &[]));
        assert!(!judged(1, &[("b", "2")]));
        assert!(!judged(1, &[("a", "1"), ("b", "2"), ("c", "3")]));
    }

    #[test]
    fn a_buffered_answer_promises_nothing_until_a_later_one_does() {
        let script = Script(vec![put("a", "1").buffered(), put("b", "2")]);
        let empty = Contents::new();
        assert!(script.oracle(&empty, 1).judge(0, &empty, 0).is_ok());
        assert!(script.oracle(&empty, 2).judge(0, &empty, 0).is_err());
    }
}
