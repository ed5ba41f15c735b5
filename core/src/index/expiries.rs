//! When live keys end: a table in the order of time, and what it comes to in all.

use crate::fallible::{self, OutOfMemory};
use crate::prelude::*;
use crate::sorted::Sorted;

/// An expiry in milliseconds since 1970, and `hash.hi` of the live key that has it.
pub(crate) type Due = (u64, u64);

/// The expiries of live keys.
#[derive(Default)]
pub(crate) struct Expiries {
    by_time: Sorted<Due>,
    /// All their times together, so that nobody has to walk over them for the mean.
    sum_ms: u128,
}

impl Expiries {
    /// Takes one in, once.
    pub(crate) fn insert(&mut self, due: Due) -> Result<(), OutOfMemory> {
        if self.by_time.insert(due)? {
            self.sum_ms += u128::from(due.0);
        }
        Ok(())
    }

    /// Takes one out, if it is there.
    pub(crate) fn remove(&mut self, due: Due) {
        if self.by_time.remove(&due) {
            self.sum_ms -= u128::from(due.0);
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub(crate) fn len(&self) -> u64 {
        self.by_time.len() as u64
    }

    /// The mean of all times; `None` where there is none.
    pub(crate) fn mean_ms(&self) -> Option<u64> {
        let mean = self.sum_ms.checked_div(u128::from(self.len()))?;
        u64::try_from(mean).ok()
    }

    /// Those whose time is up at `now_ms`, at most `limit`, the oldest first.
    pub(crate) fn until(&self, now_ms: u64, limit: usize) -> Result<Vec<Due>, OutOfMemory> {
        let due = self
            .by_time
            .from(|_| false)
            .take_while(|(at, _)| *at <= now_ms);
        fallible::collect(due.take(limit).copied())
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.len() * size_of::<Due>() as u64
    }
}
