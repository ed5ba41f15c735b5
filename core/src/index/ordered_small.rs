//! No ordered index, where the size of the program counts more than the time of a scan: scans that are asked for in order
//! sort what they return.

use crate::fallible::OutOfMemory;
use crate::prelude::*;

/// There is none.
pub(crate) enum Ordered {}

/// None, wanted or not.
pub(super) fn new(_: bool) -> Option<Ordered> {
    None
}

impl Ordered {
    pub(crate) fn insert(&mut self, _: Vec<u8>) -> Result<bool, OutOfMemory> {
        match *self {}
    }

    pub(crate) fn remove(&mut self, _: &[u8]) -> bool {
        match *self {}
    }

    pub(crate) fn from(&self, _: impl Fn(&Vec<u8>) -> bool) -> impl Iterator<Item = &Vec<u8>> {
        [].iter()
    }
}
