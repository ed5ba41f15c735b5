//! When each key ends that has an end.

use crate::fallible::{self, OutOfMemory};
use crate::index::Mixed;

/// A time by a key's `hash.hi`.
#[derive(Default)]
pub(super) struct Expiries(hashbrown::HashMap<u64, u64, Mixed>);

impl Expiries {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key that has none yet ends then.
    pub(super) fn insert(&mut self, hi: u64, expiry_ms: u64) -> Result<(), OutOfMemory> {
        fallible::insert(&mut self.0, hi, expiry_ms).map(drop)
    }

    pub(super) fn remove(&mut self, hi: u64) -> Option<u64> {
        self.0.remove(&hi)
    }
}
