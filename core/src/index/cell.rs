//! What the writer and its readers share an [`Index`] through.

use super::Index;
use core::cell::RefCell;

/// Shares one [`Index`] between the writer and its readers.
///
/// The closures do no I/O and call nothing of the cell again, so a lock inside cannot deadlock.
pub trait IndexCell<F>: Sized {
    /// Takes the index in.
    fn new(index: Index<F>) -> Self;
    /// Lends the index for looking.
    fn read<R>(&self, look: impl FnOnce(&Index<F>) -> R) -> R;
    /// Lends the index for changing.
    fn write<R>(&self, change: impl FnOnce(&mut Index<F>) -> R) -> R;

    /// Has `what` loaded from memory without waiting for it, where a processor can be told so.
    #[inline]
    fn fetch<T>(what: &T) {
        let _ = what;
    }
}

/// The cell of a single-threaded host.
pub struct Local<F>(RefCell<Index<F>>);

impl<F> IndexCell<F> for Local<F> {
    fn new(index: Index<F>) -> Self {
        Self(RefCell::new(index))
    }

    fn read<R>(&self, look: impl FnOnce(&Index<F>) -> R) -> R {
        look(&self.0.borrow())
    }

    fn write<R>(&self, change: impl FnOnce(&mut Index<F>) -> R) -> R {
        change(&mut self.0.borrow_mut())
    }
}
