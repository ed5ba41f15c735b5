//! What a platform says, where errors tell nothing but their class (the feature `terse`): no words, and no memory
//! for them.

use crate::prelude::*;
use core::fmt;
use core::ops::Deref;

/// Words that were left out; reads as the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words;

impl Words {
    /// No words.
    pub const fn new() -> Self {
        Self
    }
}

/// Says nothing, and does not even look at the pieces.
pub(super) fn said<'a>(_: impl IntoIterator<Item = &'a str>) -> Words {
    Words
}

impl Deref for Words {
    type Target = str;

    fn deref(&self) -> &str {
        ""
    }
}

impl From<String> for Words {
    fn from(_: String) -> Self {
        Self
    }
}

impl fmt::Display for Words {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
