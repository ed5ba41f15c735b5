//! The search for bugs, searched: plants a bug, lets the harness look for a broken promise, and says
//! which of its checks found one and after how many runs.
//!
//! ```
//! use portcask_core::testing::planted::{Bug, catch};
//!
//! let caught = catch(Bug::AckBeforeSync).expect("the harness is blind");
//! println!("{}: found in {} after {} runs", Bug::AckBeforeSync.deed(), caught.check, caught.runs);
//! ```

pub use crate::planted::{Bug, with};

use super::history::History;
use super::rot::{exchange, flip, lost_overwrite, rot};
use super::sim::{Laws, SimDisk};
use super::world::{KEYS, name};
use crate::format::Space;
use crate::keydir::HashKey;
use crate::prelude::*;
use crate::storage::Host;

/// One way of looking for a broken promise. A run follows from its number alone, from 1 on.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What is looked at, as a heading.
    pub name: &'static str,
    /// How many runs are made before the bug counts as not caught.
    pub runs: u64,
    /// How many runs are made in a row before the other checks get their turn.
    turn: u64,
    run: fn(u64) -> Result<(), String>,
}

/// What found a bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// Which check.
    pub check: &'static str,
    /// How many of its runs that took.
    pub runs: u64,
    /// Which promise was broken, and where; for a history the least one that shows it, too.
    pub problem: String,
}

/// The harness, as far as a bug is given time.
pub const CHECKS: [Check; 8] = [
    Check {
        name: "histories on a disk",
        runs: 80,
        turn: 1,
        run: |seed| outcome(&History::random(seed, Laws::DISK, 60)),
    },
    Check {
        name: "histories in a guest",
        runs: 40,
        turn: 1,
        run: |seed| outcome(&History::random(seed, Laws::GUEST, 60)),
    },
    Check {
        name: "histories of merges",
        runs: 240,
        turn: 2,
        run: |seed| outcome(&History::merging(seed, Laws::DISK, 40)),
    },
    Check {
        name: "histories of keys that collide",
        runs: 10,
        turn: 1,
        run: colliding,
    },
    Check {
        name: "rotten files",
        runs: 100,
        turn: 1,
        run: |seed| rot(seed).map(|_| ()),
    },
    Check {
        name: "lost overwrites",
        runs: 200,
        turn: 2,
        run: |seed| lost_overwrite(seed).map(|_| ()),
    },
    Check {
        name: "exchanged files",
        runs: 30,
        turn: 2,
        run: exchange,
    },
    Check {
        name: "flipped bits",
        runs: 600,
        turn: 10,
        run: flip,
    },
];

/// Plants a bug and looks for it with every check in turn. `None` if nothing was found: the harness
/// has a hole.
pub fn catch(bug: Bug) -> Option<Caught> {
    with(bug, look)
}

/// Looks with every check in turn, in whatever bug is in force, until something is found.
pub fn look() -> Option<Caught> {
    let turns = CHECKS.iter().map(|check| check.runs.div_ceil(check.turn));
    (0..turns.max().unwrap_or(0)).find_map(|turn| {
        CHECKS.iter().find_map(|check| {
            let first = 1 + turn * check.turn;
            (first..first + check.turn).find_map(|nth| check.look(nth))
        })
    })
}

impl Check {
    /// Makes the `nth` run, unless there are fewer.
    fn look(&self, nth: u64) -> Option<Caught> {
        if nth > self.runs {
            return None;
        }
        let problem = (self.run)(nth).err()?;
        Some(Caught {
            check: self.name,
            runs: nth,
            problem,
        })
    }
}

fn outcome(history: &History) -> Result<(), String> {
    let done = history.run(&mut ());
    done.map_err(|violation| history.minimal(violation))
}

/// A history on a disk whose store gives two keys one hash. With whole hashes no such disk is found,
/// and nothing is tried; the feature `short-hash` cuts them.
fn colliding(nth: u64) -> Result<(), String> {
    /// One disk in a thousand is one.
    const DISKS: u64 = 8_000;
    let found = (nth * DISKS..(nth + 1) * DISKS).find(|seed| keys_collide(*seed));
    found.map_or(Ok(()), |seed| {
        outcome(&History::random(seed, Laws::DISK, 60))
    })
}

/// Whether two keys of a world have one hash on the disk of this seed. A new store draws its hash key
/// first of all.
fn keys_collide(seed: u64) -> bool {
    let Ok(secret) = SimDisk::new(seed).entropy() else {
        return false;
    };
    let hash_key = HashKey::new(secret);
    let mut hashes: Vec<_> = (0..KEYS)
        .map(|key| hash_key.hash(Space::User, &name(key)))
        .collect();
    hashes.sort_unstable();
    hashes.windows(2).any(|pair| pair[0] == pair[1])
}
