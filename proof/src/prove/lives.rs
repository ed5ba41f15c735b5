//! Whole histories from seeds, and what they met.

use super::image::{Distinct, fingerprint, kind_of};
use crate::threads::Worker;
use portcask_core::testing::history::{History, Witness};
use portcask_core::testing::sim::{Call, Fault, Laws, SimDisk};
use portcask_core::testing::steps::Step;
use portcask_core::{Error, RecoveryReport};
use std::collections::{BTreeMap, BTreeSet};

/// The longest life, in steps.
const STEPS: u64 = 60;

/// What a worker counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Histories that kept every promise.
    pub histories: u64,
    /// Images that their power cuts left.
    pub images: u64,
    /// Faults laid for calls of each class.
    pub faults: BTreeMap<&'static str, u64>,
    /// Steps that a failing call refused.
    pub refused: u64,
}

impl Counts {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.images += other.images;
        self.refused += other.refused;
        for (class, count) in &other.faults {
            *self.faults.entry(class).or_default() += count;
        }
    }
}

/// Runs histories.
pub struct Lives<'a> {
    /// The seed of history 0.
    seed: u64,
    distinct: &'a Distinct,
    reports: BTreeSet<String>,
    counts: Counts,
}

impl<'a> Lives<'a> {
    /// Nothing was run yet.
    pub fn new(seed: u64, distinct: &'a Distinct) -> Self {
        Self {
            seed,
            distinct,
            reports: BTreeSet::new(),
            counts: Counts::default(),
        }
    }
}

impl Worker for Lives<'_> {
    /// With the kinds of recovery reports met.
    type Sum = (Counts, BTreeSet<String>);

    /// Runs a history, every other one in a sandbox. An error is a broken promise with the least
    /// history that shows it.
    fn work(&mut self, number: u64) -> Result<(), String> {
        let seed = self.seed.wrapping_add(number);
        let laws = [Laws::DISK, Laws::GUEST][(seed % 2) as usize];
        let history = History::random(seed, laws, STEPS);
        history.run(self).map_err(|violation| {
            let minimal = history.minimal(violation);
            format!("seed {seed}: {minimal}\nagain: cargo xtask prove --history {seed}")
        })?;
        self.counts.histories += 1;
        let steps = history.lives.iter().flat_map(|life| &life.steps);
        for step in steps {
            if let Step::Fail(fault) = step {
                *self.counts.faults.entry(class_of(fault)).or_default() += 1;
            }
        }
        Ok(())
    }

    fn sum(self) -> Self::Sum {
        (self.counts, self.reports)
    }
}

impl Witness for Lives<'_> {
    fn image(&mut self, disk: &SimDisk) {
        self.counts.images += 1;
        self.distinct.insert(fingerprint(disk));
    }

    fn opened(&mut self, report: &RecoveryReport) {
        self.reports.insert(kind_of(report));
    }

    fn refused(&mut self, _: &Error) {
        self.counts.refused += 1;
    }
}

/// The class of a fault, in words.
fn class_of(fault: &Fault) -> &'static str {
    match (fault.call, fault.forever) {
        (Some(Call::Append), false) => "an append fails once",
        (Some(Call::Append), true) => "appends fail",
        (Some(Call::Sync), false) => "a sync fails once",
        (Some(Call::Sync), true) => "syncs fail",
        (Some(Call::SyncNamespace), false) => "a sync of names fails once",
        (Some(Call::SyncNamespace), true) => "syncs of names fail",
        (Some(Call::Read), _) => "reads fail",
        (Some(Call::Create | Call::Remove | Call::Rename), _) => "changes of names fail",
        _ => "other calls fail",
    }
}
