//! Where no file system can be cut: the same names, and a reason.

use std::io;
use std::path::Path;

/// What a kernel writes back at a time.
pub const PAGE_BYTES: u64 = 4096;

/// Never made here.
#[derive(Debug)]
pub enum Disk {}

impl Disk {
    /// Always refuses.
    pub fn prepare(_: &'static str, _: &Path) -> Result<Self, String> {
        Err("power is cut on Linux only".into())
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        match *self {}
    }

    /// Mount options worth a try.
    pub fn options(&self) -> &'static [&'static str] {
        match *self {}
    }

    /// Cuts the power.
    pub fn cut(&self, _: u32) -> io::Result<()> {
        match *self {}
    }

    /// What a reboot does.
    pub fn again(&mut self, _: &str) -> Result<(), String> {
        match *self {}
    }
}

/// Starts the write-back of some pages of a file.
pub fn write_back(_: &Path, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// A neighbour's sync.
pub fn neighbour_syncs(_: &Path) -> io::Result<()> {
    Ok(())
}
