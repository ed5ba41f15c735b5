//! Stands in for what a hint tells in guests that read none: nothing, as where there is no hint. Their openings scan
//! every record, and their merges check each one whole.

use crate::error::Result;
use crate::format::file::StoreId;
use crate::format::hint::Entry;
use crate::storage::Storage;
use core::marker::PhantomData;

/// Tells nothing.
pub(crate) struct Told<F>(PhantomData<F>);

impl<F> Told<F> {
    /// Of no segment.
    pub(crate) fn open<S: Storage<File = F>>(_: &S, _: StoreId, _: (u64, u64), _: u64) -> Self {
        Self(PhantomData)
    }

    /// Nothing more is told.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Entry)>> {
        Ok(None)
    }
}

/// No hint is opened.
pub(crate) fn open_hint<S: Storage>(_: &S, _: StoreId, _: (u64, u64)) -> Option<(S::File, u64)> {
    None
}
