//! Small worlds, exhaustively: every sequence of a few letters, cut after every storage call of its
//! last letter, with every subset of what was pending.
//!
//! A cut within an earlier letter is a cut within the last letter of a shorter sequence, so taking
//! the lengths in turn leaves nothing out.

use super::image::{Distinct, Openings, Recovered, fingerprint, next_life};
use crate::threads::Worker;
use portcask_core::Ack::Written;
use portcask_core::testing::sim::{
    AllKept, Dice, EveryChoice, Laws, Luck, NothingKept, SimDisk, Torn,
};
use portcask_core::testing::steps::Step;
use portcask_core::testing::world::World;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// A segment is sealed before it would get more.
pub const RECORDS_PER_SEGMENT: u64 = 3;
/// Subsets are taken one by one up to this many pending changes.
pub const PENDING_MAX: usize = 10;
/// Where more is pending, this many images stand for all.
const SAMPLES: u64 = 48;
/// Sequences up to this length have every recovery cut everywhere as well.
pub const NESTED_LENGTH: usize = 2;
/// Of the images of longer ones, one in so many.
pub const NESTED_SHARE: u64 = 97;
/// Milliseconds between two letters, so that a key given [`LIFE_MS`] expires two letters later.
const TICK_MS: u64 = 4;
const LIFE_MS: u64 = 7;

/// What sequences are made of, over two keys.
fn alphabet() -> Vec<Step> {
    let put = |key| Step::Put {
        key,
        bytes: 3,
        ack: Written,
        life_ms: None,
    };
    vec![
        put(0),
        put(1),
        Step::Delete(0),
        Step::Batch(vec![0, 1], vec![]),
        Step::Batch(vec![1], vec![0]),
        Step::Expire(0, LIFE_MS),
        Step::Sync,
        Step::Rotate,
        Step::MergeStep(40),
        Step::MergeStep(1 << 20),
        Step::Reopen,
        Step::Kill,
        Step::SecondOpener,
    ]
}

/// How many sequences of this length there are.
pub fn sequences(length: usize) -> u64 {
    (alphabet().len() as u64).pow(length as u32)
}

/// What a worker counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Places of a cut at which every subset was tried.
    pub whole: u64,
    /// Places of a cut at which more was pending, and some were tried.
    pub sampled: u64,
    /// Images judged, repetitions included.
    pub images: u64,
    /// Images of cuts within recovery, judged.
    pub nested: u64,
}

impl Counts {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        self.whole += other.whole;
        self.sampled += other.sampled;
        self.images += other.images;
        self.nested += other.nested;
    }
}

/// Runs sequences under one set of laws.
pub struct SmallWorlds<'a> {
    laws: Laws,
    length: usize,
    /// One sequence in so many is run.
    every: u64,
    distinct: &'a Distinct,
    alphabet: Vec<Step>,
    openings: Openings,
    /// What cuts within the recovery of an image led to.
    nested: HashMap<u64, Result<Rc<Vec<Recovered>>, String>>,
    counts: Counts,
}

impl<'a> SmallWorlds<'a> {
    /// Nothing was run yet.
    pub fn new(laws: Laws, length: usize, every: u64, distinct: &'a Distinct) -> Self {
        Self {
            laws,
            length,
            every,
            distinct,
            alphabet: alphabet(),
            openings: Openings::new(laws),
            nested: HashMap::new(),
            counts: Counts::default(),
        }
    }

    /// Runs the sequence of this number and judges every image of its last letter.
    fn run(&mut self, number: u64) -> Result<(), String> {
        let steps = self.spell(number);
        let mut world = World::new(1, self.laws);
        world.records_per_segment = Some(RECORDS_PER_SEGMENT);
        let mut from = 0;
        for step in &steps {
            from = world.disk.changes() + usize::from(world.disk.changes() > 0);
            world
                .apply(step)
                .and_then(|()| world.apply(&Step::Wait(TICK_MS)))
                .map_err(|error| format!("{steps:?}: {step:?} refused: {error}"))?;
        }
        world
            .judge_running()
            .map_err(|problem| format!("{steps:?}, still running: {problem}"))?;
        world.store = None;
        for at in from..=world.disk.changes() {
            self.cut(&world, at).map_err(|problem| {
                let told = world.disk.told();
                let changes = told[..at].join("\n  ");
                format!("{steps:?}, cut after {at} changes:\n  {changes}\n{problem}")
            })?;
        }
        Ok(())
    }

    fn spell(&self, mut number: u64) -> Vec<Step> {
        let letters = self.alphabet.len() as u64;
        let mut steps = Vec::new();
        for _ in 0..self.length {
            steps.push(self.alphabet[(number % letters) as usize].clone());
            number /= letters;
        }
        steps
    }

    fn cut(&mut self, world: &World, at: usize) -> Result<(), String> {
        let mut every = EveryChoice::new();
        while every.begin() {
            let disk = world.disk.crash_at(at, &mut every);
            if every.pending() > PENDING_MAX {
                self.counts.sampled += 1;
                for seed in 0..SAMPLES {
                    let disk = world.disk.crash_at(at, &mut Dice::new(seed));
                    self.judge(world, at, &disk)?;
                }
                return Ok(());
            }
            self.judge(world, at, &disk)?;
        }
        self.counts.whole += 1;
        // Whole writes, kept or not, were all of it; torn ones are a sample.
        for bytes in [1, 15, 40, 90] {
            let disk = world.disk.crash_at(at, &mut Torn(bytes));
            self.judge(world, at, &disk)?;
        }
        for seed in 0..4 {
            let disk = world
                .disk
                .crash_at(at, &mut Dice::new(seed * 31 + at as u64));
            self.judge(world, at, &disk)?;
        }
        Ok(())
    }

    fn judge(&mut self, world: &World, at: usize, disk: &SimDisk) -> Result<(), String> {
        let image = fingerprint(disk);
        self.counts.images += 1;
        self.distinct.insert(image);
        let told = |problem: String| format!("image {image:016x}: {problem}");
        let allowed = |found: &Recovered| {
            let judged = world.oracle.judge(at, &found.contents, found.now_ms);
            judged.map(|_| ())
        };
        let found = self.openings.open(image, disk).map_err(told)?;
        allowed(&found).map_err(told)?;
        let every = self.length <= NESTED_LENGTH;
        if every || image.is_multiple_of(NESTED_SHARE) {
            let nested = self.nested(image, disk, every);
            for found in nested.map_err(told)?.iter() {
                allowed(found).map_err(told)?;
            }
        }
        Ok(())
    }

    /// What is found after every cut within the recovery of an image; the same for whoever asks, so
    /// it is found out once.
    fn nested(
        &mut self,
        image: u64,
        disk: &SimDisk,
        every: bool,
    ) -> Result<Rc<Vec<Recovered>>, String> {
        if let Some(known) = self.nested.get(&image) {
            return known.clone();
        }
        let found = self.cut_recovery(image, disk, every).map(Rc::new);
        self.nested.insert(image, found.clone());
        found
    }

    fn cut_recovery(
        &mut self,
        image: u64,
        disk: &SimDisk,
        every: bool,
    ) -> Result<Vec<Recovered>, String> {
        let mut world = World::on(next_life(image, disk, self.laws));
        let (settled, _) = world.find()?;
        world.store = None;
        let mut all: Vec<Recovered> = Vec::new();
        let changes = world.disk.changes();
        for at in 0..=changes {
            let mut see = |this: &mut Self, luck: &mut dyn Luck| {
                let again = world.disk.crash_at(at, luck);
                let told = |problem| {
                    let told = world.disk.told();
                    let changes = told[..at].join("\n  ");
                    format!("recovery cut after {at} changes:\n  {changes}\n{problem}")
                };
                let inner = fingerprint(&again);
                this.counts.nested += 1;
                this.distinct.insert(inner);
                let found = this.openings.open(inner, &again).map_err(told)?;
                if at == changes && *found.contents != settled {
                    let holds = format!("opened, it held {settled:?}, then {:?}", found.contents);
                    return Err(told(holds));
                }
                if !all.iter().any(|known| known.contents == found.contents) {
                    all.push(found);
                }
                Ok(())
            };
            let mut choice = EveryChoice::new();
            let mut left = if every { 1 << PENDING_MAX } else { 4 };
            while left > 0 && choice.begin() {
                see(self, &mut choice)?;
                left -= 1;
            }
            see(self, &mut NothingKept)?;
            see(self, &mut AllKept)?;
            see(self, &mut Dice::new(image ^ at as u64))?;
        }
        Ok(all)
    }
}

impl Worker for SmallWorlds<'_> {
    /// With the kinds of recovery reports met.
    type Sum = (Counts, BTreeSet<String>);

    fn work(&mut self, number: u64) -> Result<(), String> {
        // Spread over the whole alphabet, whatever the share.
        self.run(number * self.every)
    }

    fn sum(self) -> Self::Sum {
        (self.counts, self.openings.reports)
    }
}
