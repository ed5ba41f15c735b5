//! No sieve, where the size of the program counts more than the time.

use super::slot::Entry;
use crate::fallible::OutOfMemory;

/// Lets everything through.
pub(super) struct Sieve;

impl Sieve {
    /// Lets everything through.
    pub(super) const NONE: Self = Self;

    /// Of any table.
    pub(super) fn new(_: u32, _: u8) -> Result<Self, OutOfMemory> {
        Ok(Self)
    }

    /// None.
    pub(super) fn memory_bytes(&self) -> usize {
        0
    }

    /// Always.
    #[inline]
    pub(super) fn lets_through(&self, _: u64) -> bool {
        true
    }

    /// None.
    #[inline]
    pub(super) fn word(&self, _: u64) -> Option<&impl Sized> {
        None::<&Self>
    }

    /// Nothing to do.
    #[inline]
    pub(super) fn note(&mut self, _: u64, _: bool) {}

    /// Nothing to do.
    #[inline]
    pub(super) fn clear(&mut self, _: u64, _: [Option<&Entry>; 2]) {}
}
