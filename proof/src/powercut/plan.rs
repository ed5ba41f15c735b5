//! What a life of the store consists of, from a seed alone: the writer does it, the judge knows it.
//!
//! The deeds are the steps of the simulated world ([`random_step`]) with longer values, so that
//! segments fill and merges have work within a few hundred milliseconds.

use portcask::{Ack, MergePolicy, Options, SEGMENT_BYTES_MIN};
use portcask_core::testing::oracle::{Contents, Edit, Write, meta_key};
use portcask_core::testing::sim::Dice;
use portcask_core::testing::world::{APPLIED, Step, World, name, random_step};

/// A short expiry is over this many milliseconds after the life began; a long one is an hour away.
/// So the clock decides nothing between two looks at what a cut left.
pub const SHORT_LIFE_MS: u64 = 200;
const LONG_LIFE_MS: u64 = 3_600_000;

/// Values repeat a mark, life.thread.step; which is no longer than this.
const MARK_BYTES_MAX: usize = 32;

/// One process's time with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Of the whole campaign.
    pub seed: u64,
    /// Counted over the campaign, so that no two lives write the same value.
    pub number: u64,
    /// 1: one engine with all its verbs. More: that many writers on one `Db`, with keys of their
    /// own, under group commit and background merge.
    pub threads: u64,
    /// When it began, in milliseconds since 1970; expiries count from here.
    pub began_ms: u64,
    /// Of short values and few syncs, as appends through a window are.
    pub terse: bool,
}

/// What a writer does in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Stores a value.
    Put {
        /// Under this key.
        key: Vec<u8>,
        /// This value.
        value: Vec<u8>,
        /// Acknowledged then.
        ack: Ack,
        /// Until then.
        expiry_ms: Option<u64>,
    },
    /// Deletes a key.
    Delete(Vec<u8>),
    /// Stores and deletes together, with a meta key if there is one.
    Batch {
        /// Keys that get this value.
        puts: Vec<Vec<u8>>,
        /// The value.
        value: Vec<u8>,
        /// Keys that go.
        deletes: Vec<Vec<u8>>,
        /// The value of the meta key.
        applied: Option<Vec<u8>>,
    },
    /// Any step of the world that stores nothing.
    Upkeep(Step),
    /// A step that this life leaves out.
    Nothing,
}

impl Life {
    /// How a store is opened: merges are due early and segments are small.
    pub fn options(&self) -> Options {
        let mut dice = self.dice(u64::MAX);
        Options {
            sync_every_ms: (dice.below(4) == 0).then_some(15),
            reserve_bytes: [0, 1 << 20][dice.below(2) as usize],
            buffer_bytes: [4 << 10, 64 << 10][dice.below(2) as usize],
            recent_bytes: [0, 4 << 10][dice.below(2) as usize],
            ..options()
        }
    }

    /// What this thread does, step by step.
    pub fn plan(&self, thread: u64) -> Plan {
        // The whole life is of one mood: how long its values are, how seldom it syncs.
        let mut mood = self.dice(u64::MAX - 1);
        let (shorter, seldomer) = if self.terse { (20, 64) } else { (1, 1) };
        Plan {
            life: *self,
            thread,
            step: 0,
            value_scale: [20, 100, 400][mood.below(3) as usize] / shorter,
            sync_one_in: [1, 8, 64][mood.below(3) as usize] * seldomer,
            dice: self.dice(thread),
        }
    }

    /// Whose key this is; `None` for what no thread of this life touches.
    pub fn owner(&self, key: &[u8]) -> Option<u64> {
        let of = |thread: u64| {
            let prefix = key_of(thread, 0);
            key.starts_with(&prefix[..prefix.len() - 1])
        };
        match self.threads {
            // It may clear the store, so everything is its.
            1 => Some(0),
            _ if key == meta_key(APPLIED) => Some(0),
            threads => (0..threads).find(|thread| of(*thread)),
        }
    }

    fn dice(&self, what: u64) -> Dice {
        let mixed = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.number;
        Dice::new(mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ what)
    }
}

/// The options under which a store of this campaign is looked at.
pub fn options() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        merge: MergePolicy {
            max_files: 8,
            ..World::options().merge
        },
        ..World::options()
    }
}

/// The deeds of one thread.
#[derive(Clone, Debug)]
pub struct Plan {
    life: Life,
    thread: u64,
    step: u64,
    value_scale: usize,
    sync_one_in: u64,
    dice: Dice,
}

impl Iterator for Plan {
    type Item = Deed;

    fn next(&mut self) -> Option<Deed> {
        self.step += 1;
        let step = random_step(&mut self.dice);
        Some(self.deed(step))
    }
}

impl Plan {
    fn deed(&mut self, step: Step) -> Deed {
        let seldom = self.sync_one_in;
        let alone = self.life.threads == 1;
        let upkeep = if self.life.terse { 64 } else { 8 };
        match step {
            Step::Put {
                key,
                bytes,
                ack,
                life_ms,
            } => Deed::Put {
                key: key_of(self.thread, key),
                value: self.value(bytes.min(600) * self.value_scale),
                ack: match ack {
                    Ack::Synced if self.dice.below(seldom) > 0 => Ack::Written,
                    ack => ack,
                },
                expiry_ms: life_ms.map(|life| {
                    let short = life * SHORT_LIFE_MS / 50;
                    let long = life % 3 == 0;
                    self.life.began_ms + if long { LONG_LIFE_MS + life } else { short }
                }),
            },
            Step::Delete(key) => Deed::Delete(key_of(self.thread, key)),
            Step::Batch(puts, deletes) => self.batch(puts, deletes),
            Step::Sync | Step::Rotate | Step::MergeStep(_)
                if self.dice.below(seldom.min(upkeep)) > 0 =>
            {
                Deed::Nothing
            }
            // A hundred times the simulated world's budget, as its values are.
            Step::MergeStep(bytes) => Deed::Upkeep(Step::MergeStep(bytes * 100)),
            Step::MergeAll | Step::Clear if self.dice.below(4) > 0 => Deed::Nothing,
            // These concern everybody's keys, or everybody's handle.
            Step::Clear | Step::Reopen | Step::Kill if !alone => Deed::Nothing,
            // Real time passes by itself, and real calls fail when the power does.
            Step::Wait(_) | Step::SetClock(_) | Step::Fail(_) | Step::Heal => Deed::Nothing,
            Step::Expire(..) | Step::SecondOpener => Deed::Nothing,
            step => Deed::Upkeep(step),
        }
    }

    fn batch(&mut self, mut puts: Vec<u8>, deletes: Vec<u8>) -> Deed {
        // A batch that stores nothing has no sequence number of its own to be ordered by.
        if puts.is_empty() && self.thread > 0 {
            puts.push(0);
        }
        let name = |keys: Vec<u8>| keys.iter().map(|key| key_of(self.thread, *key)).collect();
        Deed::Batch {
            puts: name(puts),
            deletes: name(deletes),
            value: self.value(20 * self.value_scale),
            applied: (self.thread == 0).then(|| self.value(12)),
        }
    }

    /// So many bytes that no other step of the campaign writes, if there is room for its mark.
    fn value(&self, bytes: usize) -> Vec<u8> {
        let (life, thread, step) = (self.life.number, self.thread, self.step - 1);
        value(&format!("{life}.{thread}.{step};"), bytes)
    }
}

impl Deed {
    /// What it writes, for the oracle, with [names](named) for values.
    pub fn write(&self) -> Option<Write> {
        let put = |key: &Vec<u8>, value: &[u8], expiry_ms| -> Edit {
            (key.clone(), Some((named(value), expiry_ms)))
        };
        match self {
            Self::Put {
                key,
                value,
                expiry_ms,
                ..
            } => Some(Write::Keys(vec![put(key, value, *expiry_ms)])),
            Self::Delete(key) => Some(Write::Keys(vec![(key.clone(), None)])),
            Self::Batch {
                puts,
                value,
                deletes,
                applied,
            } => {
                let mut edits: Vec<Edit> = puts.iter().map(|key| put(key, value, None)).collect();
                edits.extend(deletes.iter().map(|key| (key.clone(), None)));
                let applied = applied.as_ref();
                edits.extend(applied.map(|value| put(&meta_key(APPLIED), value, None)));
                Some(Write::Keys(edits))
            }
            Self::Upkeep(Step::Clear) => Some(Write::Clear),
            Self::Upkeep(_) | Self::Nothing => None,
        }
    }

    /// Up to which level everything that its thread did before is safe once it is done.
    pub fn promises(&self) -> Ack {
        match self {
            Self::Put { ack, .. } => *ack,
            // At the store's own level.
            Self::Delete(_) | Self::Batch { .. } | Self::Upkeep(Step::Flush) => Ack::Written,
            Self::Upkeep(Step::Sync | Step::Rotate | Step::Clear | Step::Reopen | Step::Kill) => {
                Ack::Synced
            }
            Self::Upkeep(_) | Self::Nothing => Ack::Buffered,
        }
    }

    /// Whether its promise holds for every write of any thread that was done when it began.
    pub fn is_barrier(&self) -> bool {
        matches!(self, Self::Upkeep(Step::Sync | Step::Flush | Step::Rotate))
    }

    /// Whether it works at a merge.
    pub fn merges(&self) -> bool {
        matches!(self, Self::Upkeep(Step::MergeStep(_) | Step::MergeAll))
    }
}

/// The contents with the [names](named) of their values.
pub fn with_names(contents: Contents) -> Contents {
    let name =
        |(key, (value, expiry_ms)): (Vec<u8>, (Vec<u8>, _))| (key, (named(&value), expiry_ms));
    contents.into_iter().map(name).collect()
}

/// A value in few bytes, so that thousands of states can be compared: who wrote it and its length
/// if it is exactly what that step makes, else the value itself.
pub fn named(bytes: &[u8]) -> Vec<u8> {
    let head = bytes.split_inclusive(|byte| *byte == b';').next();
    let head = head.filter(|head| head.len() <= MARK_BYTES_MAX && head.ends_with(b";"));
    match head.and_then(|head| std::str::from_utf8(head).ok()) {
        Some(mark) if value(mark, bytes.len()) == bytes => {
            format!("{mark} {} bytes", bytes.len()).into_bytes()
        }
        _ => bytes.to_vec(),
    }
}

fn key_of(thread: u64, key: u8) -> Vec<u8> {
    match thread {
        0 => name(key),
        thread => [format!("thread-{thread}-").as_bytes(), &name(key)].concat(),
    }
}

fn value(mark: &str, bytes: usize) -> Vec<u8> {
    let mut value = mark.repeat(bytes.div_ceil(mark.len()));
    value.truncate(bytes);
    value.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Life = Life {
        seed: 1,
        number: 7,
        threads: 3,
        began_ms: 1_000_000,
        terse: false,
    };

    #[test]
    fn a_plan_follows_from_its_life_alone_and_differs_between_threads() {
        let deeds = |thread| LIFE.plan(thread).take(500).collect::<Vec<_>>();
        assert_eq!(deeds(0), deeds(0));
        assert_ne!(deeds(0), deeds(1));
    }

    #[test]
    fn threads_write_keys_and_values_of_their_own() {
        for thread in 0..3 {
            for deed in LIFE.plan(thread).take(500) {
                let Some(Write::Keys(edits)) = deed.write() else {
                    assert_eq!(deed.write(), None, "only a lone writer may clear");
                    continue;
                };
                for (key, _) in edits {
                    assert_eq!(LIFE.owner(&key), Some(thread), "{key:?}");
                }
            }
        }
        assert_eq!(LIFE.owner(b"something else"), None);
    }

    #[test]
    fn a_name_stands_for_exactly_one_value() {
        let good = value("12.3.456;", 40);
        assert_eq!(named(&good), b"12.3.456; 40 bytes");
        let mut torn = good.clone();
        torn[20] = 0;
        assert_eq!(named(&torn), torn);
        assert_ne!(named(&good[..39]), named(&good));
        assert_eq!(named(b"12.3"), b"12.3");
        assert_eq!(named(b""), b"");
    }
}
