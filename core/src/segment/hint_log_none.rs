//! Stands in for the hint that grows beside a segment in guests that write none: as after a first write that failed.

use crate::format::file::StoreId;
use crate::format::hint;
use crate::storage::Storage;
use core::marker::PhantomData;

/// No hint. One that an opener with hints left is kept; the next such opener scans what it does not cover.
pub(crate) struct HintLog<F>(PhantomData<F>);

impl<F> HintLog<F> {
    /// No hint beside a new segment.
    pub(crate) fn new<S: Storage<File = F>>(_: &S, _: StoreId, _: u64, _: u64, _: u64) -> Self {
        Self(PhantomData)
    }

    /// No hint beside a segment that is scanned.
    pub(crate) fn resume<S: Storage<File = F>>(
        _: &S,
        _: StoreId,
        _: u64,
        _: u64,
        _: Option<(u64, u64)>,
    ) -> Self {
        Self(PhantomData)
    }

    /// No hint.
    pub(crate) fn none(_: u64, _: u64) -> Self {
        Self(PhantomData)
    }

    /// Notes nothing.
    pub(crate) fn push(&mut self, _: &hint::Entry) {}

    /// Nothing is left to write.
    pub(crate) fn finish(&mut self) -> Option<&F> {
        None
    }

    /// Nothing was torn.
    pub(crate) fn cut_again(&mut self) -> bool {
        true
    }

    /// There is no file.
    pub(crate) fn file(&self) -> Option<&F> {
        None
    }
}
