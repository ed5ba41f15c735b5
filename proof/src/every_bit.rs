//! Every bit: each bit of two stores flips, one at a time, and the oracle for damage judges each.
//!
//! One store was closed, the other killed while it wrote. Both have several segments (merged, sealed
//! by rotation, sealed after a crash), hints, batches, expiries, tombstones, system keys and two
//! manifests. For each flip the store is opened in every mode, every key is read, everything is
//! iterated, verified and salvaged; every `--lives`-th flip also sees writes, a merge and another
//! opening.

use crate::ledger::Tally;
use indicatif::ProgressBar;
use portcask_core::testing::damage::Damaged;
use portcask_core::testing::oracle::damaged::{Depth, Findings, judge};
use portcask_core::testing::regions::{Region, Telling};
use portcask_core::testing::specimen::{Left, Specimen};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flips each bit of a store and judges what it answers.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Approximate size of the two stores together, in KiB; at least 16
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    pub kib: usize,
    /// Flip only every Nth bit; an odd number visits every position within a byte
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub stride: usize,
    /// After every Nth flip, continue with writes, a merge and another opening
    #[arg(long, default_value_t = 7, value_parser = at_least_one)]
    pub lives: usize,
    /// Number of threads
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    pub threads: usize,
    /// Print the counts as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Append the counts to the ledger
    #[arg(long)]
    pub record: bool,
}

/// Runs the campaign. The error is the first violation, with the bit that shows it.
pub fn run(arguments: &Arguments) -> Result<(), String> {
    let command = format!(
        "cargo xtask every-bit --kib {} --stride {} --lives {}",
        arguments.kib, arguments.stride, arguments.lives
    );
    let again = |problem| format!("{problem}\nagain: {command}");
    let mut tally = Tally::new("every-bit", command.clone());
    for left in [Left::Closed, Left::Killed] {
        flip_all(arguments, left, &mut tally)
            .map_err(|problem| again(format!("{left:?}: {problem}")))?;
    }
    match arguments.json {
        true => println!("{}", tally.line()),
        false => println!("{tally}"),
    }
    if arguments.record {
        tally.record().map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn flip_all(arguments: &Arguments, left: Left, tally: &mut Tally) -> Result<(), String> {
    let specimen = Specimen::rich(arguments.kib / 2, left).map_err(|error| error.to_string())?;
    judge(&specimen, &Damaged::none(&specimen), Depth::Lives)
        .map_err(|problem| format!("undamaged: {problem}"))?;
    tally.add("stores", 1);
    tally.add("bytes", specimen.bytes());
    let threads = arguments.threads;
    let turns = (specimen.bytes() * 8).div_ceil(arguments.stride as u64);
    let bar = crate::bar(
        turns,
        &format!(
            "a store that was {}",
            match left {
                Left::Closed => "closed",
                Left::Killed => "killed",
            }
        ),
    );
    let stop = AtomicBool::new(false);
    let parts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|which| {
                let (specimen, stop, bar) = (&specimen, &stop, &bar);
                scope.spawn(move || flip_share(arguments, specimen, which, stop, bar))
            })
            .collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| match worker.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    let mut sums = BTreeMap::new();
    for (what, more) in parts.into_iter().flatten() {
        *sums.entry(what).or_insert(0) += more;
    }
    for (what, more) in sums {
        tally.add(&what, more);
    }
    Ok(())
}

/// Every `threads`-th of the bits that are to be tried.
fn flip_share(
    arguments: &Arguments,
    specimen: &Specimen,
    which: usize,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<BTreeMap<String, u64>, String> {
    let mut counts = BTreeMap::new();
    let mut damaged = Damaged::none(specimen);
    let bits = specimen.map.stretches.iter().flat_map(|stretch| {
        let bytes = stretch.from..stretch.to;
        bytes.flat_map(move |at| (0..8).map(move |bit| (stretch, at, bit)))
    });
    let turns = bits
        .step_by(arguments.stride)
        .enumerate()
        .skip(which)
        .step_by(arguments.threads);
    for (turn, (stretch, at, bit)) in turns {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        damaged.flip(stretch.file, at, bit);
        let depth = match turn % arguments.lives {
            0 => Depth::Lives,
            _ => Depth::Reads,
        };
        match judge(specimen, &damaged, depth) {
            Ok(findings) => count(&mut counts, stretch.region, depth, &findings),
            Err(problem) => {
                stop.store(true, Ordering::Relaxed);
                return Err(format!("{}: {problem}", stretch.region.name()));
            }
        }
        bar.inc(1);
        // Back again.
        damaged.flip(stretch.file, at, bit);
    }
    Ok(counts)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number from 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn count(counts: &mut BTreeMap<String, u64>, region: Region, depth: Depth, findings: &Findings) {
    let mut add = |what: String, more: u64| *counts.entry(what).or_insert(0) += more;
    add("flips".into(), 1);
    add(format!("flips in {}", region.name()), 1);
    add(
        "flips that a store lived on after".into(),
        u64::from(depth == Depth::Lives),
    );
    add("reads".into(), findings.reads);
    let owed = region.verify_must();
    add(
        "flips that verify owes".into(),
        u64::from(owed == Telling::Name),
    );
    add("flips that verify names".into(), u64::from(findings.named));
    let doubted = findings.doubted && !findings.named;
    add("flips that verify doubts".into(), u64::from(doubted));
    add(
        "flips that opening tells".into(),
        u64::from(findings.told_at_open),
    );
    add(
        "flips that strict mode refuses".into(),
        u64::from(findings.strict_refused),
    );
    for (kind, times) in &findings.refused {
        add(format!("reads refused: {kind}"), *times);
    }
}
