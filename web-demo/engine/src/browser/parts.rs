//! Taking bytes from JavaScript apart, and putting answers together.

use alloc::vec::Vec;
use portcask::{Error, fallible};

/// What is left of the bytes that a call is about.
pub(super) struct Parts<'a>(pub &'a [u8]);

impl<'a> Parts<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `bytes` bytes. Lengths come from our own JavaScript; a wrong one is a mistake there.
    pub fn take(&mut self, bytes: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Error::TooLarge)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Error::TooLarge)
    }

    pub fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// A whole number in a double, as JavaScript keeps sizes and times.
    pub fn whole(&mut self) -> Result<u64, Error> {
        self.array().map(|bytes| f64::from_le_bytes(bytes) as u64)
    }
}

pub(super) fn push_u32(into: &mut Vec<u8>, number: usize) -> Result<(), Error> {
    let number = u32::try_from(number).map_err(|_| Error::TooLarge)?;
    Ok(fallible::extend(into, &number.to_le_bytes())?)
}

pub(super) fn push_whole(into: &mut Vec<u8>, number: u64) -> Result<(), Error> {
    Ok(fallible::extend(into, &(number as f64).to_le_bytes())?)
}
