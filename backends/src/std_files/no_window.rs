//! No append is made through a window on this platform.

use std::fs::File;
use std::io;

/// Never made.
#[derive(Debug)]
pub(super) enum End {}

impl End {
    pub(super) fn of(_: u64) -> Option<Self> {
        None
    }

    pub(super) fn append(&mut self, _: &File, _: u64, _: &[u8]) -> bool {
        match *self {}
    }

    pub(super) fn reached(&mut self, _: u64) {
        match *self {}
    }

    pub(super) fn retire(&mut self) {
        match *self {}
    }

    pub(super) fn settle(&mut self, _: &File) -> io::Result<()> {
        match *self {}
    }

    pub(super) fn start_over(&mut self) {
        match *self {}
    }

    pub(super) fn cut(&mut self, _: u64) {
        match *self {}
    }

    pub(super) fn told(&self) -> Option<u64> {
        match *self {}
    }
}
