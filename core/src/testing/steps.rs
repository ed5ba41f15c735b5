//! What can be done to a store in one step, and steps at random.

use super::sim::{Dice, Fault};
use crate::Ack;
use crate::memory::CLOCK_START_MS;
use crate::prelude::*;

/// Worlds use the keys below this number.
pub const KEYS: u8 = 12;

/// What a wrong clock says: 1970, some hours early, a hundred years late.
const CLOCKS_MS: [u64; 3] = [
    0,
    CLOCK_START_MS - 10_000_000,
    CLOCK_START_MS + 3_155_760_000_000,
];

/// One step of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Stores a value of `bytes` bytes, made from the number of the step.
    Put {
        /// Which key.
        key: u8,
        /// How long the value is.
        bytes: usize,
        /// When it is acknowledged.
        ack: Ack,
        /// Life in milliseconds.
        life_ms: Option<u64>,
    },
    /// Deletes a key.
    Delete(u8),
    /// Puts the first keys and deletes the others, together with a meta key.
    Batch(Vec<u8>, Vec<u8>),
    /// Makes everything durable.
    Sync,
    /// Hands the buffer over.
    Flush,
    /// Seals the active segment.
    Rotate,
    /// So many bytes of merging.
    MergeStep(u64),
    /// Merges everything.
    MergeAll,
    /// Background work.
    Tick,
    /// Removes every key.
    Clear,
    /// Closes and opens.
    Reopen,
    /// The process dies and the store is opened again: what the platform has stays.
    Kill,
    /// Time passes.
    Wait(u64),
    /// Gives a key another life, in milliseconds.
    Expire(u8, u64),
    /// Another process opens the store: refused where there is a lock, else it takes over.
    SecondOpener,
    /// The wall clock is set by somebody.
    SetClock(u64),
    /// From now on a call fails, and the writes that meet it may be refused.
    Fail(Fault),
    /// Nothing fails any more.
    Heal,
}

/// The key of a number.
pub fn name(key: u8) -> Vec<u8> {
    format!("key-{key}").into_bytes()
}

/// A random step.
pub fn random_step(dice: &mut Dice) -> Step {
    let key = |dice: &mut Dice| dice.below(KEYS.into()) as u8;
    let keys = |dice: &mut Dice, most: u64| {
        let count = dice.below(most);
        (0..count).map(|_| key(dice)).collect()
    };
    match dice.below(100) {
        0..38 => Step::Put {
            key: key(dice),
            bytes: match dice.below(12) {
                0 => 0,
                1 => 3_000,
                _ => dice.below(40) as usize,
            },
            ack: match dice.below(6) {
                0 => Ack::Buffered,
                1 => Ack::Synced,
                _ => Ack::Written,
            },
            life_ms: (dice.below(6) == 0).then(|| 1 + dice.below(50)),
        },
        38..52 => Step::Delete(key(dice)),
        52..62 => Step::Batch(keys(dice, 4), keys(dice, 3)),
        62..68 => Step::Sync,
        68..71 => Step::Flush,
        71..79 => Step::Rotate,
        79..87 => Step::MergeStep(1 + dice.below(600)),
        87 => Step::MergeAll,
        88..91 => Step::Tick,
        91 => Step::Clear,
        92..94 => Step::Reopen,
        94..96 => Step::Kill,
        96 => Step::Expire(key(dice), 1 + dice.below(50)),
        97 => match dice.below(3) {
            0 => Step::SetClock(CLOCKS_MS[dice.below(CLOCKS_MS.len() as u64) as usize]),
            _ => Step::SecondOpener,
        },
        _ => Step::Wait(dice.below(15)),
    }
}

/// A random step of a life full of merges. Segments that hold one of the large values, which are
/// seldom replaced, are left alone by the merges of those that hold only small ones.
pub fn merging_step(dice: &mut Dice) -> Step {
    let small = |dice: &mut Dice| dice.below(4) as u8;
    match dice.below(100) {
        0..26 => Step::Put {
            key: small(dice),
            bytes: 10,
            ack: Ack::Written,
            life_ms: (dice.below(3) == 0).then(|| 1 + dice.below(10)),
        },
        26..32 => Step::Put {
            key: 4 + dice.below(8) as u8,
            bytes: 3_000,
            ack: Ack::Written,
            life_ms: None,
        },
        32..40 => Step::Delete(small(dice)),
        40..58 => Step::Rotate,
        58..86 => Step::MergeStep(1 + dice.below(4_000)),
        86 => Step::MergeAll,
        87..93 => Step::Wait(dice.below(15)),
        93..97 => Step::Kill,
        _ => Step::Reopen,
    }
}
