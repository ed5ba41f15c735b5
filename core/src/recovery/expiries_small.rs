//! When each key ends that has an end, where the size of the program counts more than the time.

use crate::fallible::OutOfMemory;
use crate::sorted::Sorted;

/// A time by a key's `hash.hi`.
#[derive(Default)]
pub(super) struct Expiries(Sorted<(u64, u64)>);

impl Expiries {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key that has none yet ends then.
    pub(super) fn insert(&mut self, hi: u64, expiry_ms: u64) -> Result<(), OutOfMemory> {
        self.0.insert((hi, expiry_ms)).map(drop)
    }

    pub(super) fn remove(&mut self, hi: u64) -> Option<u64> {
        let known = *self.0.from(|(other, _)| *other < hi).next()?;
        let own = known.0 == hi && self.0.remove(&known);
        own.then_some(known.1)
    }
}
