//! The conformance suite: every clause of [`Storage`] that can be seen without a crash.
//!
//! ```
//! use portcask_core::memory::MemoryStorage;
//! use portcask_core::testing::contract;
//!
//! let promises = contract::check(MemoryStorage::new);
//! print!("{}", contract::text_table(&promises));
//! assert_eq!(contract::broken(&promises).count(), 0);
//! ```
//!
//! A backend may decline a promise only through its [`Capabilities`](crate::storage::Capabilities);
//! declining in words and keeping in fact, or the other way round, is a broken promise.

use super::{files, names, openers};
use crate::prelude::*;
use crate::storage::{FileName, Storage, StorageError};
use core::fmt;

pub use super::table::{lines, markdown_table, parse_lines, text_table};

/// One sentence of the contract, and what a backend made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// What a backend that keeps the contract does.
    pub sentence: String,
    /// What this one did.
    pub outcome: Outcome,
}

/// What a backend made of a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Tried, and seen.
    Kept,
    /// The capabilities claim it; only a crash or a power loss could show it.
    Claimed,
    /// The capabilities decline it, and the calls agree; the words say what that means.
    Declined(String),
    /// Not required by the contract: what this platform does.
    Observed(String),
    /// Required and not done; the words say what was seen instead.
    Broken(String),
}

/// Runs the suite. `fresh` opens a new, empty directory each time it is called, for writing.
///
/// Costs one directory per promise, under a thousand files and about 20 MB of writes in all. The
/// files are left behind.
pub fn check<S: Storage>(mut fresh: impl FnMut() -> S) -> Vec<Promise> {
    let mut promises = Vec::new();
    for (sentence, trial) in files::trials::<S>().into_iter().chain(names::trials::<S>()) {
        promises.push(Promise::new(sentence, trial(&fresh())));
    }
    promises
}

/// How many promises [`check_shared`] tries.
pub fn count<S: Storage>() -> usize {
    files::trials::<S>().len() + names::trials::<S>().len() + openers::trials::<S>().len()
}

/// Tries one promise, by its number below [`count`], for a platform that has to make every file ready before it is
/// used: a promise that was broken for want of one may be tried again. `one` is an empty directory, and `again` opens
/// it once more. Panics if there is no such promise.
pub fn try_one<S: Storage>(which: usize, one: S, again: impl FnOnce(&S) -> S) -> Promise {
    let mut alone = files::trials::<S>().into_iter().chain(names::trials::<S>());
    if let Some((sentence, trial)) = alone.nth(which) {
        return Promise::new(sentence, trial(&one));
    }
    let shared = which - files::trials::<S>().len() - names::trials::<S>().len();
    let (sentence, trial) = openers::trials::<S>()[shared];
    let other = again(&one);
    Promise::new(sentence, trial(one, other))
}

/// Runs the suite, and then what only shows when two openers share a directory: `again` opens
/// the directory of an opener that is still there once more, for writing.
pub fn check_shared<S: Storage>(
    mut fresh: impl FnMut() -> S,
    mut again: impl FnMut(&S) -> S,
) -> Vec<Promise> {
    let mut promises = check(&mut fresh);
    for (sentence, trial) in openers::trials::<S>() {
        let one = fresh();
        let other = again(&one);
        promises.push(Promise::new(sentence, trial(one, other)));
    }
    promises
}

/// The promises that were broken; a backend is done when there are none.
pub fn broken(promises: &[Promise]) -> impl Iterator<Item = &Promise> {
    promises
        .iter()
        .filter(|promise| matches!(promise.outcome, Outcome::Broken(_)))
}

impl Promise {
    fn new(sentence: &str, verdict: Verdict) -> Self {
        Self {
            sentence: sentence.into(),
            outcome: verdict.unwrap_or_else(|seen| Outcome::Broken(seen.0)),
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.sentence, self.outcome)
    }
}

impl Outcome {
    /// The outcome in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Claimed => "claimed",
            Self::Declined(_) => "declined",
            Self::Observed(_) => "observed",
            Self::Broken(_) => "BROKEN",
        }
    }

    /// What is to be said beyond the word; empty for a kept promise.
    pub fn detail(&self) -> &str {
        match self {
            Self::Kept | Self::Claimed => "",
            Self::Declined(words) | Self::Observed(words) | Self::Broken(words) => words,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        if self.detail().is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.detail())
    }
}

/// What a trial saw: an outcome, or the first thing that broke the promise.
pub(super) type Verdict = Result<Outcome, Seen>;

/// One promise about one opener: its sentence and how it is tried in an empty directory.
pub(super) type Trial<S> = (&'static str, fn(&S) -> Verdict);

/// What was seen instead of what was promised.
#[derive(Debug)]
pub(super) struct Seen(pub String);

impl From<StorageError> for Seen {
    fn from(refusal: StorageError) -> Self {
        Self(format!("refused: {refusal}"))
    }
}

/// Breaks the promise with these words unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err($crate::testing::contract::Seen(format!($($words)+)));
        }
    };
}
pub(super) use ensure;

/// A legal name, from a literal that is one.
pub(super) fn name(text: &str) -> FileName {
    FileName::new(text).expect("the suite uses legal names")
}

/// `bytes` bytes in which every run of a few tells where it stands, different for each `salt`.
pub(super) fn pattern(salt: u8, bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8 ^ salt)
        .collect()
}

/// Reads exactly `bytes` bytes from `offset`, or breaks the promise.
pub(super) fn read<F: crate::storage::File>(
    file: &F,
    offset: u64,
    bytes: usize,
) -> Result<Vec<u8>, Seen> {
    let mut into = vec![0xa5; bytes];
    let count = file.pread(offset, &mut into)?;
    ensure!(
        count == bytes,
        "pread of {bytes} bytes at {offset} gave {count}"
    );
    Ok(into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStorage;
    use crate::storage::Capabilities;

    #[test]
    fn memory_keeps_the_storage_contract() {
        let promises = check_shared(MemoryStorage::new, Clone::clone);
        let broken: Vec<_> = broken(&promises).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn promises_tried_one_by_one_are_those_of_the_whole_suite() {
        let one_by_one: Vec<_> = (0..count::<MemoryStorage>())
            .map(|which| try_one(which, MemoryStorage::new(), Clone::clone))
            .collect();
        assert_eq!(one_by_one, check_shared(MemoryStorage::new, Clone::clone));
    }

    #[test]
    fn a_backend_that_declines_everything_it_may_keeps_the_contract() {
        let nothing = Capabilities {
            namespace_sync: false,
            atomic_rename: false,
            kernel_lock: false,
            preallocate: false,
            data_sync: false,
        };
        let promises = check_shared(
            || MemoryStorage::new().with_capabilities(nothing),
            Clone::clone,
        );
        let broken: Vec<_> = broken(&promises).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        let declined = promises
            .iter()
            .filter(|promise| matches!(promise.outcome, Outcome::Declined(_)));
        assert_eq!(declined.count(), 8, "{}", text_table(&promises));
    }

    #[test]
    fn a_full_directory_breaks_promises_in_words_and_not_by_a_panic() {
        let promises = check_shared(
            || {
                let storage = MemoryStorage::new();
                storage.set_capacity(Some(3));
                storage
            },
            Clone::clone,
        );
        let words = broken(&promises)
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        assert!(words.len() > 5, "{words:#?}");
        assert!(words.iter().all(|words| words.contains("no space left")));
    }
}
