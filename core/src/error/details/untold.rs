//! Details that are dropped, for guests that report only a code (the feature `terse`): an error is then one 32-bit
//! word and needs no memory of its own. A reader of the details finds the same empty ones in every error.

use super::{Excess, Finding, Lacking, Location, Missed, Newer, Refusal, Unmet};
use crate::error::{Damage, Op};
use crate::fallible::OutOfMemory;
use crate::prelude::*;
use crate::storage::{ErrorKind, FileName, StorageError};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

/// The details an error would have. They take no memory: a reader finds [`Untold::UNTOLD`] instead.
#[derive(Clone, PartialEq, Eq)]
pub struct Details<T>(PhantomData<T>);

impl<T> Details<T> {
    /// Whether details are kept.
    pub(crate) const TOLD: bool = false;

    /// Drops the details.
    pub fn new(_: T) -> Result<Self, OutOfMemory> {
        Ok(Self(PhantomData))
    }
}

/// What can be left out.
pub trait Untold: 'static {
    /// What is read where it was: the least there is of it, and a file of the name "-".
    const UNTOLD: &'static Self;
}

impl<T: Untold> Deref for Details<T> {
    type Target = T;

    fn deref(&self) -> &T {
        T::UNTOLD
    }
}

impl<T> fmt::Debug for Details<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("-")
    }
}

impl<T> fmt::Display for Details<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("-")
    }
}

const NOWHERE: Location = Location {
    file: FileName::UNTOLD,
    offset: 0,
};

impl Untold for FileName {
    const UNTOLD: &'static Self = &Self::UNTOLD;
}

impl Untold for String {
    const UNTOLD: &'static Self = &Self::new();
}

#[cfg(not(test))]
impl Untold for crate::storage::Words {
    const UNTOLD: &'static Self = &Self::new();
}

impl Untold for &'static str {
    const UNTOLD: &'static Self = &"-";
}

impl Untold for u64 {
    const UNTOLD: &'static Self = &0;
}

impl Untold for usize {
    const UNTOLD: &'static Self = &0;
}

impl Untold for Location {
    const UNTOLD: &'static Self = &NOWHERE;
}

impl Untold for Finding {
    const UNTOLD: &'static Self = &Self {
        at: NOWHERE,
        damage: Damage::Unreadable,
    };
}

impl Untold for Refusal {
    const UNTOLD: &'static Self = &Self {
        op: Op::Open,
        file: None,
        source: StorageError::new(ErrorKind::Io),
    };
}

impl Untold for Newer {
    const UNTOLD: &'static Self = &Self {
        file: FileName::UNTOLD,
        found: 0,
        known: 0,
    };
}

impl Untold for Lacking {
    const UNTOLD: &'static Self = &Self {
        file: FileName::UNTOLD,
        flags: 0,
    };
}

impl Untold for Excess {
    const UNTOLD: &'static Self = &Self { bytes: 0, limit: 0 };
}

impl Untold for Unmet {
    const UNTOLD: &'static Self = &Self {
        index: 0,
        found: None,
    };
}

impl Untold for Missed {
    const UNTOLD: &'static Self = &Self { from: 0, oldest: 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_that_are_dropped_cost_nothing_and_read_as_nothing() {
        const { assert!(size_of::<Details<Refusal>>() == 0) };
        let refusal = Details::new(Refusal {
            op: Op::Sync,
            file: None,
            source: StorageError::with_detail(ErrorKind::Full, "words"),
        })
        .unwrap();
        assert_eq!(refusal.source.detail, "");
        let holder = Details::new(String::from("somebody")).unwrap();
        assert_eq!((&**holder, format!("{holder}").as_str()), ("", "-"));
        assert_eq!(Details::new(NOWHERE).unwrap().file.as_str(), "-");
    }
}
