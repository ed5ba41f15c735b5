//! A keydir that is filled all at once, where the size of the program counts more than the time: key by key.

use super::{Keydir, Slot};
use crate::fallible::OutOfMemory;
use crate::format::KeyHash;

/// Stands in for what sorts.
#[derive(Default)]
pub(crate) struct Load(Keydir);

impl Load {
    /// Makes room for `soon` further keys.
    pub(crate) fn reserve(&mut self, _: usize, soon: usize) -> Result<(), OutOfMemory> {
        self.0.reserve(soon)
    }

    /// Whether nothing was put in.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets the slot of a hash.
    pub(crate) fn insert(&mut self, hash: KeyHash, slot: Slot) -> Result<(), OutOfMemory> {
        self.0.insert(hash, slot).map(drop)
    }

    /// Forgets a hash.
    pub(crate) fn remove(&mut self, hash: KeyHash) -> Result<(), OutOfMemory> {
        self.0.remove(hash);
        Ok(())
    }

    /// The keydir; shows each slot of it.
    pub(crate) fn finish(mut self, show: impl FnMut(Slot)) -> Result<Keydir, OutOfMemory> {
        self.0.shrink();
        self.0.scan(0).map(|(_, slot)| slot).for_each(show);
        Ok(self.0)
    }
}
