//! Which record of a batch is the newest of its key so far.

use super::stage::Staged;
use crate::error::{Error, Result};
use crate::fallible;
use crate::format::KeyHash;
use crate::prelude::*;

/// A table of the puts among staged records: places, found by hashes that are keyed and so need no further mixing. At most
/// half full, four bytes a slot, and each key is looked up where it lies.
pub(super) struct Newest {
    /// One more than a place in the list of staged records, or 0 for none.
    slots: Vec<u32>,
}

impl Newest {
    /// With room for so many puts.
    pub fn with_room(puts: usize) -> Result<Self> {
        let slots = puts
            .checked_mul(2)
            .and_then(usize::checked_next_power_of_two);
        let mut newest = Self { slots: Vec::new() };
        fallible::fill(&mut newest.slots, slots.ok_or(Error::OutOfMemory)?, 0)?;
        Ok(newest)
    }

    /// The newest put of a key.
    pub fn of<'a, 'b>(&self, hash: KeyHash, staged: &'a [Staged<'b>]) -> Option<&'a Staged<'b>> {
        staged.get((self.slots[self.slot(hash, staged)] as usize).wrapping_sub(1))
    }

    /// Takes the last record in as a put.
    pub fn note(&mut self, staged: &[Staged<'_>]) -> Result<()> {
        if let Some(put) = staged.last() {
            let slot = self.slot(put.hash, staged);
            self.slots[slot] = u32::try_from(staged.len()).map_err(|_| Error::TooLarge)?;
        }
        Ok(())
    }

    /// Where a hash is, or would be.
    fn slot(&self, hash: KeyHash, staged: &[Staged<'_>]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash.hi as usize & mask;
        while let Some(known) = staged.get((self.slots[slot] as usize).wrapping_sub(1))
            && known.hash != hash
        {
            slot = (slot + 1) & mask;
        }
        slot
    }
}
