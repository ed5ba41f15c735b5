//! No short way, where the size of the program counts more than the time.

use super::Reader;
use crate::format::KeyHash;
use crate::index::{Index, IndexCell};
use crate::prelude::*;
use crate::storage::{File, Host};
use core::marker::PhantomData;
use core::ops::Range;

/// Tells nothing of a key.
pub(super) struct Sight<F>(PhantomData<F>);

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

impl<F> Sight<F> {
    /// Tells nothing.
    #[inline]
    pub(super) fn of(_: &Index<F>, _: KeyHash) -> Self {
        Self(PhantomData)
    }

    /// Nothing is known to be read.
    pub(super) fn approach(&self) {}
}

impl<H: Host, C> Reader<'_, H, C> {
    /// Asks the careful way.
    #[inline]
    pub(super) fn ordinary<F: File + Clone>(
        &self,
        _: &[u8],
        _: Option<Sight<F>>,
        _: u64,
        _: &mut Vec<u8>,
    ) -> Seen
    where
        C: IndexCell<F>,
    {
        Seen::Unsure
    }
}
