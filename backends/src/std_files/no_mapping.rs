//! No file is mapped on this platform: each read is a system call.

use std::fs::File;
use std::path::Path;

/// Never made.
#[derive(Debug)]
pub(super) enum Mapping {}

/// What files of a directory may be mapped for: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suits {
    pub reads: bool,
    pub appends: bool,
}

impl Suits {
    pub(super) fn found_out(_: Option<&File>, _: &Path, _: bool) -> Self {
        Self::default()
    }
}

impl Mapping {
    pub(super) fn of(_: &File, _: u64, _: bool) -> Option<Self> {
        None
    }

    pub(super) fn read(&self, _: u64, _: &mut [u8]) -> bool {
        match *self {}
    }

    pub(super) fn read_into(&self, _: u64, _: usize, _: &mut Vec<u8>) -> bool {
        match *self {}
    }

    pub(super) fn approach(&self, _: u64, _: u64) {
        match *self {}
    }

    pub(super) fn appended(&self, _: u64) {
        match *self {}
    }

    pub(super) fn cut(&self, _: u64) -> bool {
        match *self {}
    }
}
