//! No short way, where the size of the program counts more than the time.

use super::Reader;
use crate::fallible::OutOfMemory;
use crate::index::{Index, IndexCell};
use crate::prelude::*;
use crate::segment::read::Spot;
use crate::storage::{File, Host};
use core::marker::PhantomData;
use core::ops::Range;

/// Tells nothing of a key.
pub(super) struct Sight<P>(PhantomData<P>);

/// Tells nothing of several keys.
pub(super) struct Sights<F>(PhantomData<F>);

/// What the short way found.
pub(super) enum Seen {
    /// Not here.
    #[expect(dead_code, reason = "what the short way answers elsewhere")]
    Absent,
    /// Not here.
    #[expect(dead_code, reason = "what the short way answers elsewhere")]
    At(Range<usize>),
    /// Ask the careful way.
    Unsure,
}

impl<F> Sights<F> {
    /// Of any keys.
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }

    /// Looks for nothing.
    #[inline]
    pub(super) fn look(&mut self, _: &Index<F>, _: &[&[u8]]) -> Result<(), OutOfMemory> {
        Ok(())
    }

    /// Nothing is known to be read.
    pub(super) fn approach(&self, _: usize) {}

    /// Nothing was seen.
    #[inline]
    pub(super) fn at(&mut self, _: usize) -> Sight<&Spot<F>> {
        Sight(PhantomData)
    }
}

impl<H: Host, C> Reader<'_, H, C> {
    /// Asks the careful way.
    #[inline]
    pub(super) fn ordinary<F: File + Clone>(
        &self,
        _: &[u8],
        _: Option<Sight<&Spot<F>>>,
        _: u64,
        _: &mut Vec<u8>,
    ) -> Seen
    where
        C: IndexCell<F>,
    {
        Seen::Unsure
    }
}
