//! `docs/RELIABILITY.md`, written from the ledger alone.
//!
//! The words are here, the numbers are not: each comes from a line that a campaign appended. A
//! campaign that was never run says so.

use crate::ledger::{self, Line, grouped};
use clap::Args;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the page, or checks it.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Write nothing; fail if the committed page does not match the ledger
    #[arg(long)]
    check: bool,
}

/// Writes the page, or says how it differs from the ledger.
pub fn run(arguments: &Arguments) -> Result<(), String> {
    let lines = ledger::read().map_err(|error| format!("the ledger cannot be read: {error}"))?;
    let page = render(&lines);
    if !arguments.check {
        return fs::write(path(), page).map_err(|error| format!("cannot write the page: {error}"));
    }
    let committed = fs::read_to_string(path()).unwrap_or_default();
    if committed == page {
        return Ok(());
    }
    let differs = committed
        .lines()
        .zip(page.lines())
        .find(|(is, should)| is != should);
    let (is, should) = differs.unwrap_or(("", "another length"));
    Err(format!(
        "docs/RELIABILITY.md is not what the ledger says; run `cargo xtask reliability`\n  is:     {is}\n  should: {should}"
    ))
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/RELIABILITY.md")
}

/// How the runs of a campaign make one column of numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// Each run tries other things, so counts add up.
    AddUp,
    /// Each run tries the same again, so the newest one counts.
    Newest,
    /// A run is of one target, named behind the campaign; executions add up.
    PerTarget,
}

struct Chapter {
    campaign: &'static str,
    title: &'static str,
    runs: Runs,
    text: &'static str,
}

impl Chapter {
    fn is_of(&self, line: &Line) -> bool {
        let target = line.campaign.strip_prefix(self.campaign);
        target.is_some_and(|target| target.is_empty() || target.starts_with(' '))
    }
}

const INTRODUCTION: &str = "\
# What was tried to make Portcask lose a write

Campaigns try to make Portcask lose a write, and count what they tried. Every count on this page comes from
[the ledger](../proof/ledger.jsonl), to which each campaign appends its counts with their date, commit and
command. `cargo xtask reliability` generates the page from it, and `cargo xtask test` fails if the two differ.
A `+` after a commit means that the run included uncommitted changes.

One oracle ([`core/src/testing`](../core/src/testing/oracle.rs)) judges whatever a crash leaves, on a simulated disk or
a real one. It knows every write that was begun and every promise that was made. After a crash:

* the store must show the state after some *prefix* of the writes, and that prefix must contain every write that was
  promised to be durable;
* each batch must be there whole or not at all, and nothing may appear that was never written;
* opening the store again must show the same, and it must accept new writes.
";

const CHAPTERS: &[Chapter] = &[
    Chapter {
        campaign: "prove",
        title: "Crash images",
        runs: Runs::Newest,
        text: "\
A crash image is what a simulated disk holds after a power cut. The campaign runs every sequence of
up to 4 operations out of 13 (puts and a delete over two keys, batches, an expiry, sync, rotation, merge in steps and
whole, close and reopen, a killed process, a second opener), with 3 records to a segment, and cuts the power after
**every** storage call that changes anything. A cut may keep any subset of the changes that were pending. Where that is at most 10 changes, every subset is
tried; the columns \"every subset\" and \"sampled\" show how often. Torn writes, lengths without data and stale blocks are
sampled at every cut.

Recovery itself is cut in the same way. For sequences of up to 2, recovery is cut after every such call, with every subset up
to 1,024 of them; for one image in 97 of the longer ones, with a few. Then come whole histories of four lives each,
with failing calls, wrong clocks and cuts within recovery.

Each image is judged once for every cut that leaves it, so the columns count repetitions. \"Distinct\" counts each image
once, by a hash of all names and bytes, with salt, seed and clock fixed.",
    },
    Chapter {
        campaign: "powercut",
        title: "Real power cuts",
        runs: Runs::AddUp,
        text: "\
Writers and merges run on a real file system on a loop device. At a random moment, the ioctl that the file system's own
crash tests use shuts it down, so nothing more reaches the device. Then the file system is mounted again, the store
recovers, and the same oracle judges it. Seven cuts in ten lose everything the kernel had not yet written, two write
back the journal first, one writes back everything. The loop device keeps what it was given; a device whose own cache
loses or reorders writes is tried only on the simulated disk. The seed fixes what is written but not the instant of the
cut, so a repeated run is of the same kind, with different counts.",
    },
    Chapter {
        campaign: "wasi-traps",
        title: "A sandbox killed at every host call",
        runs: Runs::Newest,
        text: "\
The command runs as a guest in an embedded wasmtime and is stopped at its k-th WASI call, for every k of a
fixed workload: before the call, after it, and in the middle of a write. What it left behind is judged natively and
on Node.",
    },
    Chapter {
        campaign: "every-bit",
        title: "Every bit",
        runs: Runs::Newest,
        text: "\
Every bit of a store with several segments, hints, batches, expiries and tombstones is flipped, one at a time.
Every read must then be right or a typed error, no other key may suffer more than the format allows, and `verify`
must name every flip in live bytes. One store was closed, the other killed while it was writing. \"Owes\" counts the
flips that `verify` must name, and \"doubts\" those it lists as undecided. \"Lived on\" counts the stores that then went
through writes, a merge and another opening; `--lives` sets after how many flips that happens.",
    },
    Chapter {
        campaign: "fuzz",
        title: "Fuzzing",
        runs: Runs::PerTarget,
        text: "\
libFuzzer searches, guided by coverage. The targets are plain functions whose corpus also runs in `cargo test`. A
search stops at its first finding and is then not recorded, so the searches below found nothing. Every finding there
ever was is kept in [`fuzz/crashes`](../fuzz/crashes), and the tests repeat it.",
    },
    Chapter {
        campaign: "planted",
        title: "Planted bugs",
        runs: Runs::Newest,
        text: "\
A check that never fails proves nothing. So each of these bugs is built into the engine, one at a time and behind a
test-only feature, and the harness must find it. The number says how many runs of the successful check it
took.",
    },
    Chapter {
        campaign: "mutants",
        title: "Mutation testing",
        runs: Runs::AddUp,
        text: "\
`cargo mutants` changes the engine one expression at a time and runs its tests. Each run takes an even
share of all mutants.",
    },
    Chapter {
        campaign: "coverage",
        title: "Coverage",
        runs: Runs::Newest,
        text: "How much of the core its own tests reach, measured by `cargo llvm-cov`.",
    },
];

fn render(lines: &[Line]) -> String {
    let mut page = String::from(INTRODUCTION);
    for chapter in CHAPTERS {
        let runs: Vec<&Line> = lines.iter().filter(|line| chapter.is_of(line)).collect();
        let _ = write!(page, "\n## {}\n\n{}\n\n", chapter.title, chapter.text);
        let Some(newest) = runs.last() else {
            page.push_str("Not run yet.\n");
            continue;
        };
        let counted = match chapter.runs {
            Runs::AddUp | Runs::PerTarget => runs.as_slice(),
            Runs::Newest => &runs[runs.len() - 1..],
        };
        match chapter.runs {
            Runs::PerTarget => table_of_targets(&mut page, counted),
            Runs::AddUp | Runs::Newest => {
                let rows = rows(counted);
                table_of_worlds(&mut page, &rows);
                plain_table(&mut page, &rows);
            }
        }
        let seconds: u64 = counted.iter().map(|line| line.seconds).sum();
        let when = match counted {
            [first, .., last] => format!(
                "{} runs from {} (`{}`) to {} (`{}`)",
                counted.len(),
                first.date,
                first.commit,
                last.date,
                last.commit
            ),
            _ => format!("Run on {} (`{}`)", newest.date, newest.commit),
        };
        let _ = write!(
            page,
            "\n{when}, {} s. Again: `{}`\n",
            grouped(seconds),
            newest.command
        );
    }
    page
}

/// A line for each target: all its executions, and what its newest run reached.
fn table_of_targets(page: &mut String, runs: &[&Line]) {
    page.push_str("| target | seconds | executions | edges reached |\n|---|---:|---:|---:|\n");
    let mut targets: Vec<&str> = runs.iter().map(|line| line.campaign.as_str()).collect();
    targets.sort_unstable();
    targets.dedup();
    for target in targets {
        let of_target = runs.iter().filter(|line| line.campaign == target);
        let (mut seconds, mut executions, mut edges) = (0, 0, 0);
        for line in of_target {
            let count = |name: &str| {
                let found = line.counts.iter().find(|(what, _)| what == name);
                found.map_or(0, |(_, count)| *count)
            };
            seconds += line.seconds;
            executions += count("executions");
            edges = edges.max(count("edges"));
        }
        let name = target.split_once(' ').map_or(target, |(_, name)| name);
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} |",
            grouped(seconds),
            grouped(executions),
            grouped(edges)
        );
    }
}

/// What was counted, in the order of its first telling, added up over the runs.
fn rows(runs: &[&Line]) -> Vec<(String, u64)> {
    let mut rows: Vec<(String, u64)> = Vec::new();
    for (what, count) in runs.iter().flat_map(|line| &line.counts) {
        match rows.iter_mut().find(|(known, _)| known == what) {
            // Two runs may meet the same kinds.
            Some((_, sum)) if what.contains("kinds of") => *sum = (*sum).max(*count),
            Some((_, sum)) => *sum += count,
            None => rows.push((what.clone(), *count)),
        }
    }
    rows
}

/// Counts that are named "disk, length n: what" or "file system: what" as one table, a line for each
/// disk and length, or file system.
fn table_of_worlds(page: &mut String, rows: &[(String, u64)]) {
    let mut worlds: Vec<(&str, Vec<(&str, u64)>)> = Vec::new();
    for (what, count) in rows {
        let Some((world, what)) = world_of(what) else {
            continue;
        };
        match worlds.last_mut().filter(|(known, _)| *known == world) {
            Some((_, counts)) => counts.push((what, *count)),
            None => worlds.push((world, vec![(what, *count)])),
        }
    }
    let Some((_, columns)) = worlds.first() else {
        return;
    };
    page.push_str("| world |");
    columns.iter().for_each(|(what, _)| {
        let _ = write!(page, " {what} |");
    });
    page.push_str("\n|---|");
    columns.iter().for_each(|_| page.push_str("---:|"));
    page.push('\n');
    for (world, counts) in &worlds {
        let _ = write!(page, "| {world} |");
        for (column, _) in columns {
            let found = counts.iter().find(|(what, _)| what == column);
            let _ = write!(page, " {} |", grouped(found.map_or(0, |(_, count)| *count)));
        }
        page.push('\n');
    }
    page.push('\n');
}

fn plain_table(page: &mut String, rows: &[(String, u64)]) {
    let plain = || rows.iter().filter(|(what, _)| world_of(what).is_none());
    if plain().next().is_none() {
        return;
    }
    page.push_str("| counted | |\n|---|---:|\n");
    for (what, count) in plain() {
        let _ = writeln!(page, "| {what} | {} |", grouped(*count));
    }
}

fn world_of(what: &str) -> Option<(&str, &str)> {
    let (world, what) = what.split_once(": ")?;
    let is_world = world.contains(", length ") || ["ext4", "xfs"].contains(&world);
    is_world.then_some((world, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bounds that the words of a chapter name.
    #[test]
    fn the_words_say_what_the_campaign_does() {
        let words = CHAPTERS[0].text;
        for bound in crate::prove::bounds() {
            assert!(words.contains(&bound), "{bound:?} is not in:\n{words}");
        }
    }

    fn line(campaign: &str, counts: &[(&str, u64)]) -> Line {
        Line {
            campaign: campaign.to_owned(),
            date: "2026-11-21".to_owned(),
            commit: "0123456789".to_owned(),
            command: format!("cargo xtask {campaign}"),
            seconds: 1_000,
            counts: counts.iter().map(|(w, c)| ((*w).to_owned(), *c)).collect(),
        }
    }

    #[test]
    fn what_was_never_run_says_so() {
        assert_eq!(render(&[]).matches("Not run yet.").count(), CHAPTERS.len());
    }

    #[test]
    fn cuts_add_up_and_images_are_the_newest_run_s() {
        let runs = [
            line("powercut", &[("ext4: cuts", 200)]),
            line("prove", &[("distinct crash images", 5)]),
            line("powercut", &[("ext4: cuts", 50), ("xfs: cuts", 200)]),
            line("prove", &[("distinct crash images", 1_234_567)]),
        ];
        let page = render(&runs);
        assert!(page.contains("| ext4 | 250 |\n| xfs | 200 |\n"), "{page}");
        assert!(
            page.contains("| distinct crash images | 1,234,567 |"),
            "{page}"
        );
        assert!(page.contains("Again: `cargo xtask prove`"), "{page}");
    }

    #[test]
    fn executions_of_a_target_add_up() {
        let runs = [
            line("fuzz record_decode", &[("executions", 100), ("edges", 7)]),
            line("fuzz hint_decode", &[("executions", 5), ("edges", 3)]),
            line("fuzz record_decode", &[("executions", 1_000), ("edges", 6)]),
        ];
        let page = render(&runs);
        assert!(page.contains("| hint_decode | 1,000 | 5 | 3 |"), "{page}");
        assert!(
            page.contains("| record_decode | 2,000 | 1,100 | 7 |"),
            "{page}"
        );
    }

    #[test]
    fn lengths_are_lines_of_one_table() {
        let counts = [
            ("local disk, length 1: sequences", 13),
            ("local disk, length 1: images judged", 3_005),
            ("local disk, length 2: sequences", 169),
            ("local disk, length 2: images judged", 29_465),
        ];
        let page = render(&[line("prove", &counts)]);
        let table = "| world | sequences | images judged |\n|---|---:|---:|\n\
                     | local disk, length 1 | 13 | 3,005 |\n\
                     | local disk, length 2 | 169 | 29,465 |\n";
        assert!(page.contains(table), "{page}");
    }
}
