//! `prove`: crash images by the million, every one of them opened and judged.
//!
//! First the small worlds: every sequence of up to four letters, on a local disk and on a
//! sandbox's directory. Then whole [histories](portcask_core::testing::history), at random and with
//! failing calls, until there are as many distinct images as were asked for.

mod image;
mod lives;
mod small;

use crate::bar;
use crate::ledger::Tally;
use crate::threads::{self, Worker};
use clap::{Args, value_parser};
use image::Distinct;
use lives::Lives;
use portcask_core::testing::sim::Laws;
use small::SmallWorlds;
use std::collections::BTreeSet;

/// From this many images on, nothing of the small worlds is left out.
const EXHAUSTIVE_IMAGES: u64 = 1_000_000;
/// About as many distinct images as all small worlds have.
const SMALL_WORLDS_IMAGES: u64 = 5_000_000;
/// Where histories begin unless another seed is given.
const FIRST_SEED: u64 = 1;
/// The longest sequences of the small worlds.
const LENGTH_MAX: usize = 4;
/// What the disk may be, and what that is called.
const DISKS: [(&str, Laws); 2] = [("local disk", Laws::DISK), ("sandbox", Laws::GUEST)];

/// How much is tried, and what is done with the count.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Judge at least this many distinct crash images. Below a million, only an even share of the
    /// small worlds is tried
    #[arg(long, default_value_t = EXHAUSTIVE_IMAGES, value_parser = value_parser!(u64).range(1..))]
    images: u64,
    /// Seed of the first history
    #[arg(long, default_value_t = FIRST_SEED)]
    seed: u64,
    /// Run only the history of this seed; a violation prints the seed to repeat it
    #[arg(long, conflicts_with_all = ["images", "seed", "record", "json"])]
    history: Option<u64>,
    /// Print the count as one line of JSON
    #[arg(long)]
    json: bool,
    /// Append the count to the ledger
    #[arg(long)]
    record: bool,
}

impl Arguments {
    /// What a reader types to do the same again.
    fn command(&self) -> String {
        let seed = match self.seed {
            FIRST_SEED => String::new(),
            other => format!(" --seed {other}"),
        };
        format!("cargo xtask prove --images {}{seed}", self.images)
    }
}

/// Runs the campaign. An error is a broken promise, in words.
pub fn run(arguments: &Arguments) -> Result<(), String> {
    if let Some(seed) = arguments.history {
        broken(Lives::new(seed, &Distinct::new()).work(0))?;
        println!("history {seed} keeps every promise");
        return Ok(());
    }
    let done = search(arguments);
    done.map_err(|problem| format!("{problem}\nall of it again: {}", arguments.command()))
}

/// The whole campaign.
fn search(arguments: &Arguments) -> Result<(), String> {
    let mut tally = Tally::new("prove", arguments.command());
    let mut campaign = Campaign {
        images: arguments.images,
        seed: arguments.seed,
        distinct: Distinct::new(),
        reports: BTreeSet::new(),
    };
    for (disk, laws) in DISKS {
        for length in 1..=LENGTH_MAX {
            campaign.small_worlds(disk, laws, length, &mut tally)?;
        }
    }
    campaign.histories(&mut tally)?;
    tally.add("distinct crash images", campaign.distinct.count());
    tally.add("kinds of recovery reports", campaign.reports.len() as u64);
    tally.add("violations", 0);
    if arguments.json {
        println!("{}", tally.line());
    } else {
        println!("{tally}  the kinds of recovery reports:");
        for report in &campaign.reports {
            println!("    {report}");
        }
    }
    if arguments.record {
        tally.record().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The bounds of the small worlds, in the words of the page.
#[cfg(test)]
pub(crate) fn bounds() -> [String; 5] {
    [
        format!(
            "up to {LENGTH_MAX} operations out of {}",
            small::sequences(1)
        ),
        format!("{} records to a segment", small::RECORDS_PER_SEGMENT),
        format!("at most {} changes", small::PENDING_MAX),
        format!("sequences of up to {}, recovery", small::NESTED_LENGTH),
        format!("one image in {} of", small::NESTED_SHARE),
    ]
}

struct Campaign {
    images: u64,
    seed: u64,
    distinct: Distinct,
    reports: BTreeSet<String>,
}

impl Campaign {
    /// Every sequence of one length on one kind of disk, or an even share of them.
    fn small_worlds(
        &mut self,
        disk: &str,
        laws: Laws,
        length: usize,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let every = match self.images {
            EXHAUSTIVE_IMAGES.. => 1,
            // Odd, so that every letter gets its turn at every place.
            fewer => (SMALL_WORLDS_IMAGES / fewer.max(1)) | 1,
        };
        let count = small::sequences(length).div_ceil(every);
        let bar = bar(count, &format!("{disk}, sequences of {length}"));
        let more = |turn| {
            bar.inc(1);
            turn < count
        };
        let worlds = || SmallWorlds::new(laws, length, every, &self.distinct);
        let mut counts = small::Counts::default();
        for (counted, reports) in broken(threads::share(more, worlds))? {
            counts.add(&counted);
            self.reports.extend(reports);
        }
        let mut add = |what: &str, count| {
            tally.add(&format!("{disk}, length {length}: {what}"), count);
        };
        add("sequences", count);
        add("sequences there are", small::sequences(length));
        add("cuts with every subset", counts.whole);
        add("cuts with sampled subsets", counts.sampled);
        add("images judged", counts.images);
        add("images of cut recoveries judged", counts.nested);
        Ok(())
    }

    /// Histories until there are enough images, and a few in any case: they meet faults, which the
    /// small worlds do not.
    fn histories(&mut self, tally: &mut Tally) -> Result<(), String> {
        let bar = bar(self.images, "distinct images, by whole histories");
        let more = |turn| {
            let distinct = self.distinct.count();
            bar.set_position(distinct.min(self.images));
            distinct < self.images || turn < self.images / 500
        };
        let lives = || Lives::new(self.seed, &self.distinct);
        let mut counts = lives::Counts::default();
        for (counted, reports) in broken(threads::share(more, lives))? {
            counts.add(&counted);
            self.reports.extend(reports);
        }
        tally.add("histories", counts.histories);
        tally.add("histories: power cuts", counts.images);
        tally.add(
            "histories: steps refused because of a fault",
            counts.refused,
        );
        for (class, count) in counts.faults {
            tally.add(&format!("histories: faults: {class}"), count);
        }
        Ok(())
    }
}

/// Whatever stops a worker is a broken promise.
fn broken<T>(done: Result<T, String>) -> Result<T, String> {
    done.map_err(|problem| format!("A PROMISE IS BROKEN: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_the_ledger_runs_the_same_histories_again() {
        let command = |seed| {
            let (json, record) = (false, true);
            let arguments = Arguments {
                images: 500,
                seed,
                history: None,
                json,
                record,
            };
            arguments.command()
        };
        assert_eq!(command(FIRST_SEED), "cargo xtask prove --images 500");
        assert_eq!(command(7), "cargo xtask prove --images 500 --seed 7");
    }
}
