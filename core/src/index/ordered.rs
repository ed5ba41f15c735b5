//! The ordered index, for those who ask for it.

use crate::prelude::*;
use crate::sorted::Sorted;

/// Keys in order.
pub(crate) type Ordered = Sorted<Vec<u8>>;

/// None of them yet, or no index where none is wanted.
pub(super) fn new(wanted: bool) -> Option<Ordered> {
    wanted.then(Sorted::new)
}
