//! What a power cut spares: chosen by a seed, or every possibility in turn.

use crate::prelude::*;

/// What reached the medium of one unsynced write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// None of it, not even the length.
    Nothing,
    /// All of it.
    All,
    /// The length, but no data: zeros where the file had nothing.
    Zeros,
    /// The length, and whatever those blocks held before: bytes once written to another file.
    Stale,
    /// The first so many bytes, and no length beyond them.
    Prefix(usize),
    /// The bytes from here on; before them what was there, or zeros.
    Suffix(usize),
    /// All but the bytes from `from` to `to`, which are what was there, or zeros.
    Hole {
        /// The first byte that is missing.
        from: usize,
        /// The first byte that is there again.
        to: usize,
    },
}

/// Decides what a power cut keeps of everything that was not synced. Asked in the order in which
/// the changes were made, file by file, so the same answers make the same image.
pub trait Luck {
    /// What is left of an unsynced write of `bytes` bytes.
    fn write(&mut self, bytes: usize) -> Kept;
    /// Which of `states` states something is in; 0 is the oldest, the last the newest. Asked for
    /// names and for truncations.
    fn state(&mut self, states: usize) -> usize;
}

/// Everything unsynced is lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingKept;

impl Luck for NothingKept {
    fn write(&mut self, _: usize) -> Kept {
        Kept::Nothing
    }

    fn state(&mut self, _: usize) -> usize {
        0
    }
}

/// Everything reached the medium, as if it had been synced.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllKept;

impl Luck for AllKept {
    fn write(&mut self, _: usize) -> Kept {
        Kept::All
    }

    fn state(&mut self, states: usize) -> usize {
        states - 1
    }
}

/// Every unsynced write is torn after so many bytes; names and truncations happened.
#[derive(Clone, Copy, Debug)]
pub struct Torn(pub usize);

impl Luck for Torn {
    fn write(&mut self, bytes: usize) -> Kept {
        Kept::Prefix(self.0.min(bytes))
    }

    fn state(&mut self, states: usize) -> usize {
        states - 1
    }
}

/// Luck that follows from a seed. One seed in four is tame (all, nothing, whole writes only, or
/// everything up to some point), because those images are likely in life and rare by chance.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
    mood: u64,
    cut: bool,
}

impl Dice {
    /// The luck of this seed.
    pub fn new(seed: u64) -> Self {
        let mut dice = Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            mood: 0,
            cut: false,
        };
        dice.mood = dice.below(16);
        dice
    }

    /// A number below `limit`, which is not 0 (xorshift64*, Vigna 2016).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % limit
    }

    fn index(&mut self, limit: usize) -> usize {
        self.below(limit.max(1) as u64) as usize
    }
}

impl Luck for Dice {
    fn write(&mut self, bytes: usize) -> Kept {
        match self.mood {
            0 => return Kept::Nothing,
            1 => return Kept::All,
            2 => return [Kept::Nothing, Kept::All][self.index(2)],
            3 => {
                if !self.cut && self.below(4) > 0 {
                    return Kept::All;
                }
                let torn = !core::mem::replace(&mut self.cut, true);
                return if torn {
                    Kept::Prefix(self.index(bytes))
                } else {
                    Kept::Nothing
                };
            }
            _ => {}
        }
        let from = self.index(bytes);
        match self.below(13) {
            12 => Kept::Stale,
            0..3 => Kept::Nothing,
            3..7 => Kept::All,
            7 => Kept::Zeros,
            8..10 => Kept::Prefix(from),
            10 => Kept::Suffix(from),
            _ => Kept::Hole {
                from,
                to: (from + 1 + self.index(512)).min(bytes),
            },
        }
    }

    fn state(&mut self, states: usize) -> usize {
        match self.mood {
            0 => 0,
            1 => states - 1,
            _ => self.index(states),
        }
    }
}

/// Every subset of whole writes and every state of every name, one image after another.
///
/// ```
/// use portcask_core::testing::sim::{EveryChoice, Luck};
///
/// let mut luck = EveryChoice::new();
/// let mut images = 0;
/// while luck.begin() {
///     luck.write(100);
///     luck.state(3);
///     images += 1;
/// }
/// assert_eq!(images, 2 * 3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct EveryChoice {
    /// The choices of this round, each with the number there was to choose from.
    path: Vec<(usize, usize)>,
    at: usize,
    begun: bool,
}

impl EveryChoice {
    /// Before the first image.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the next image; `false` when all were made.
    pub fn begin(&mut self) -> bool {
        self.at = 0;
        if !self.begun {
            self.begun = true;
            return true;
        }
        while let Some((choice, limit)) = self.path.pop() {
            if choice + 1 < limit {
                self.path.push((choice + 1, limit));
                return true;
            }
        }
        false
    }

    /// How many changes were pending in this round: after the first round, what there is to
    /// choose from.
    pub fn pending(&self) -> usize {
        self.at
    }

    fn choose(&mut self, limit: usize) -> usize {
        if self.at == self.path.len() {
            self.path.push((0, limit));
        }
        self.at += 1;
        self.path[self.at - 1].0
    }
}

impl Luck for EveryChoice {
    fn write(&mut self, _: usize) -> Kept {
        [Kept::Nothing, Kept::All][self.choose(2)]
    }

    fn state(&mut self, states: usize) -> usize {
        self.choose(states)
    }
}
