//! A store's whole life as data: what is done to it, where the power fails, what that spares, how
//! often recovery is cut short. It can be made from a seed or by a fuzzer, run, and made smaller
//! while it still fails.
//!
//! ```
//! use portcask_core::testing::history::History;
//! use portcask_core::testing::sim::Laws;
//!
//! let history = History::random(77, Laws::DISK, 40);
//! if let Err(violation) = history.run(&mut ()) {
//!     panic!("{}", history.minimal(violation));
//! }
//! ```

use super::sim::{Call, Dice, Fault, Laws, Leaves, NothingKept, SimDisk};
use super::steps::{Step, merging_step, random_step};
use super::world::World;
use crate::prelude::*;
use crate::storage::ErrorKind;
use crate::{Ack, Error, RecoveryReport};
use core::fmt;

/// A store's life from an empty disk on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What the disk's entropy follows from.
    pub seed: u64,
    /// What the disk is.
    pub laws: Laws,
    /// Each ends with a power cut.
    pub lives: Vec<Life>,
}

/// What happens between two power cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// What is done.
    pub steps: Vec<Step>,
    /// Where in the last step the power fails.
    pub end: Cut,
    /// Openings that are cut short before one succeeds.
    pub recoveries: Vec<Cut>,
    /// Whether the power fails once more while the recovered store is idle.
    pub cut_at_rest: bool,
}

/// A power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// After which part of the changes, in 256ths: 255 is after all of them.
    pub after: u8,
    /// What decides what the cut spares.
    pub luck: u64,
}

/// Sees what a history meets, to count it.
pub trait Witness {
    /// What a power cut left behind, before anybody opens it.
    fn image(&mut self, _disk: &SimDisk) {}
    /// What opening it found.
    fn opened(&mut self, _report: &RecoveryReport) {}
    /// A step was refused because of a fault.
    fn refused(&mut self, _error: &Error) {}
}

impl Witness for () {}

/// A broken promise, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which life.
    pub life: usize,
    /// Which of its steps; `None` is its end.
    pub step: Option<usize>,
    /// What the oracle, the store or the audit says.
    pub problem: String,
}

impl History {
    /// A history that follows from its seed: up to `steps` steps in each of four lives, one life in
    /// four with calls that fail.
    pub fn random(seed: u64, laws: Laws, steps: u64) -> Self {
        Self::of(random_step, seed, laws, steps)
    }

    /// As [`History::random`], with little but small segments and merges of them.
    pub fn merging(seed: u64, laws: Laws, steps: u64) -> Self {
        Self::of(merging_step, seed, laws, steps)
    }

    fn of(step: fn(&mut Dice) -> Step, seed: u64, laws: Laws, steps: u64) -> Self {
        let mut dice = Dice::new(seed);
        let lives = (0..4)
            .map(|_| Life::random(&mut dice, step, steps))
            .collect();
        Self { seed, laws, lives }
    }

    /// Runs it. After every power cut the oracle must be content, the store sound, and opening once
    /// more must change nothing.
    pub fn run(&self, witness: &mut dyn Witness) -> Result<(), Violation> {
        let mut world = World::new(self.seed, self.laws);
        // Half of all histories read what they wrote last from memory, and their other records from the disk.
        world.options.recent_bytes = [0, 150][usize::from(self.seed % 2 == 1)];
        for (life, lived) in self.lives.iter().enumerate() {
            let told = |(step, problem)| Violation {
                life,
                step,
                problem,
            };
            lived.run(&mut world, witness).map_err(told)?;
        }
        Ok(())
    }

    /// The smallest history found that still breaks a promise, as text for the person who has to
    /// find the bug. Drops lives, steps and cuts as long as a run fails.
    pub fn minimal(&self, violation: Violation) -> String {
        let (mut least, mut violation) = (self.clone(), violation);
        loop {
            let smaller = least.smaller().into_iter().find_map(|candidate| {
                let violation = candidate.run(&mut ()).err()?;
                Some((candidate, violation))
            });
            match smaller {
                Some(found) => (least, violation) = found,
                None => return format!("{violation}\nminimal history:\n{least}"),
            }
        }
    }

    /// Every history with one thing less.
    fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for life in 0..self.lives.len() {
            let mut with = |change: &mut dyn FnMut(&mut Vec<Life>)| {
                let mut candidate = self.clone();
                change(&mut candidate.lives);
                if candidate != *self {
                    all.push(candidate);
                }
            };
            with(&mut |lives| {
                lives.remove(life);
            });
            let Life {
                steps, recoveries, ..
            } = &self.lives[life];
            // Halves first: most of a long history has nothing to do with the bug.
            let (len, mut piece) = (steps.len(), steps.len() / 2);
            while piece > 0 {
                for from in (0..len).step_by(piece) {
                    let to = (from + piece).min(len);
                    with(&mut |lives| drop(lives[life].steps.drain(from..to)));
                }
                piece /= 2;
            }
            for cut in 0..recoveries.len() {
                with(&mut |lives| {
                    lives[life].recoveries.remove(cut);
                });
            }
            with(&mut |lives| lives[life].cut_at_rest = false);
            with(&mut |lives| lives[life].end.after = 255);
        }
        all
    }
}

impl Life {
    fn random(dice: &mut Dice, step: fn(&mut Dice) -> Step, steps: u64) -> Self {
        let faulty = dice.below(4) == 0;
        let steps = (0..dice.below(steps))
            .map(|_| match dice.below(12) {
                0 if faulty => Step::Fail(random_fault(dice)),
                1 if faulty => Step::Heal,
                _ => step(dice),
            })
            .collect();
        let cut = |dice: &mut Dice| Cut {
            after: if dice.below(2) == 0 {
                255
            } else {
                dice.below(255) as u8
            },
            luck: dice.below(u64::MAX),
        };
        Self {
            steps,
            end: cut(dice),
            recoveries: (0..dice.below(4)).map(|_| cut(dice)).collect(),
            cut_at_rest: dice.below(2) == 0,
        }
    }

    fn run(
        &self,
        world: &mut World,
        witness: &mut dyn Witness,
    ) -> Result<(), (Option<usize>, String)> {
        let mut faults = Faults::None;
        let mut before_last = world.disk.changes();
        for (number, step) in self.steps.iter().enumerate() {
            before_last = world.disk.changes();
            let settled = self.step(world, step, &mut faults, witness);
            match settled.map_err(|problem| (Some(number), problem))? {
                Settled::Yes => before_last = world.disk.changes(),
                Settled::No => {}
            }
            // What recovery gets wrong may be written over soon.
            if (number % 16 == 15 || opens(step)) && faults == Faults::None {
                world
                    .judge_running()
                    .map_err(|problem| (Some(number), problem))?;
            }
        }
        world.disk.heal();
        if faults == Faults::Injected {
            world.judge_healed().map_err(|problem| (None, problem))?;
        }
        self.die(world, before_last, witness)
            .map_err(|problem| (None, problem))
    }

    fn step(
        &self,
        world: &mut World,
        step: &Step,
        faults: &mut Faults,
        witness: &mut dyn Witness,
    ) -> Result<Settled, String> {
        if matches!(step, Step::Fail(_)) {
            *faults = Faults::Injected;
        }
        let done = world.apply(step);
        if *faults == Faults::None {
            return match done {
                Ok(()) => Ok(Settled::No),
                Err(error) => Err(format!("refused: {error}")),
            };
        }
        if let Err(error) = &done {
            witness.refused(error);
        }
        if *step == Step::Heal {
            world.judge_healed()?;
        }
        if opens(step) {
            // The process dies. What it held back is gone with it, and what was refused at last
            // may have reached the log.
            world.store = None;
            world.disk.heal();
            world.judge_opened(world.disk.changes())?;
            *faults = Faults::None;
            return Ok(Settled::Yes);
        }
        Ok(Settled::No)
    }

    /// The power fails somewhere in the last step, then while the store recovers, then perhaps
    /// once more. Each time it must show what the oracle allows.
    fn die(
        &self,
        world: &mut World,
        before_last: usize,
        witness: &mut dyn Witness,
    ) -> Result<(), String> {
        let at = self.end.between(before_last, world.disk.changes());
        world.store = None;
        world.disk = world.disk.crash_at(at, &mut Dice::new(self.end.luck));
        witness.image(&world.disk);
        for cut in &self.recoveries {
            let disk = world.disk.clone();
            world
                .open()
                .map_err(|error| format!("cannot open: {error}"))?;
            world.store = None;
            let at = cut.between(0, disk.changes());
            world.disk = disk.crash_at(at, &mut Dice::new(cut.luck));
            witness.image(&world.disk);
        }
        world.judge_opened(at)?;
        if let Some(store) = &world.store {
            witness.opened(store.report());
        }
        let at = world.disk.changes();
        world.store = None;
        if self.cut_at_rest {
            world.disk = world.disk.crash(&mut NothingKept);
            witness.image(&world.disk);
        }
        world
            .judge_opened(at)
            .map_err(|problem| format!("opened again: {problem}"))?;
        let durable = Step::Put {
            key: 0,
            bytes: 1,
            ack: Ack::Synced,
            life_ms: None,
        };
        world
            .apply(&durable)
            .map_err(|error| format!("then it takes no write: {error}"))
    }
}

/// Whether a step ends with a store that was just opened.
fn opens(step: &Step) -> bool {
    matches!(step, Step::Reopen | Step::Kill | Step::SecondOpener)
}

/// Whether calls fail, or failed since the store was last known to be well.
#[derive(PartialEq, Eq)]
enum Faults {
    None,
    Injected,
}

/// Whether the oracle forgot what was before a step, so that the power cannot fail there any more.
enum Settled {
    Yes,
    No,
}

impl Cut {
    fn between(self, from: usize, to: usize) -> usize {
        from + (to - from) * usize::from(self.after) / 255
    }
}

fn random_fault(dice: &mut Dice) -> Fault {
    // What a store does most is also what it may fail at most.
    let call = match dice.below(5) {
        0 => Call::Append,
        1 => Call::Sync,
        _ => Call::FALLIBLE[dice.below(Call::FALLIBLE.len() as u64) as usize],
    };
    let nth = 1 + dice.below(8);
    let kind = [ErrorKind::Io, ErrorKind::Full][dice.below(2) as usize];
    let fault = match dice.below(4) {
        0 => Fault::from(nth, kind),
        _ => Fault::once(nth, kind),
    };
    fault.on(call).leaving(match dice.below(4) {
        0 => Leaves::Zeros,
        1 => Leaves::All,
        2 => Leaves::Prefix(dice.below(60) as usize),
        _ => Leaves::Nothing,
    })
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "life {}, ", self.life)?;
        match self.step {
            Some(step) => write!(f, "step {step}: ")?,
            None => f.write_str("after the cut: ")?,
        }
        f.write_str(&self.problem)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  disk of seed {}, {:?}", self.seed, self.laws)?;
        for (number, life) in self.lives.iter().enumerate() {
            writeln!(f, "  life {number}:")?;
            for (number, step) in life.steps.iter().enumerate() {
                writeln!(f, "    {number}: {step:?}")?;
            }
            writeln!(f, "    the power fails: {:?}", life.end)?;
            for cut in &life.recoveries {
                writeln!(f, "    and during recovery: {cut:?}")?;
            }
            if life.cut_at_rest {
                writeln!(f, "    and once more at rest")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_follows_from_its_seed() {
        let one = History::random(5, Laws::DISK, 40);
        assert_eq!(one, History::random(5, Laws::DISK, 40));
        assert_ne!(one, History::random(6, Laws::DISK, 40));
    }

    #[test]
    fn a_violation_is_told_with_the_least_that_shows_it() {
        // A step that cannot be: nothing was injected, so a refusal is a violation.
        let mut history = History::random(5, Laws::DISK, 40);
        let impossible = Step::Put {
            key: 1,
            bytes: 2 << 20,
            ack: Ack::Written,
            life_ms: None,
        };
        history.lives.truncate(2);
        for life in &mut history.lives {
            life.steps.retain(|step| !matches!(step, Step::Fail(_)));
        }
        let middle = history.lives[1].steps.len() / 2;
        history.lives[1].steps.insert(middle, impossible);
        let violation = history.run(&mut ()).unwrap_err();
        let told = history.minimal(violation);
        assert!(told.starts_with("life 0, step 0: refused: "), "{told}");
        assert_eq!(told.matches("Put {").count(), 1, "{told}");
        assert!(!told.contains("1: "), "{told}");
    }
}
