//! Details that are kept.

use crate::fallible::{self, OutOfMemory};
use crate::prelude::*;
use core::fmt;
use core::ops::Deref;

/// What an error tells, read as if it were the `T` itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Details<T>(Box<[T; 1]>);

impl<T> Details<T> {
    /// Whether details are kept.
    pub(crate) const TOLD: bool = true;

    /// Puts the details out of line.
    pub fn new(details: T) -> Result<Self, OutOfMemory> {
        fallible::boxed(details).map(Self)
    }
}

impl<T> Deref for Details<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let [details] = &*self.0;
        details
    }
}

impl<T: fmt::Debug> fmt::Debug for Details<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Details<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
