//! The calls that the page provides, under the module name `opfs`. The only room of this backend with `unsafe` in it.
//!
//! Numbers below zero are refusals; [`kind_of`] says which. Offsets cross as doubles, which hold every
//! offset up to 2^53.

use super::pool::Calls;
use portcask_core::storage::{ErrorKind, StorageError};

#[link(wasm_import_module = "opfs")]
unsafe extern "C" {
    fn pread(handle: u32, into: *mut u8, bytes: usize, offset: f64) -> f64;
    fn pwrite(handle: u32, from: *const u8, bytes: usize, offset: f64) -> f64;
    fn flush(handle: u32) -> f64;
    fn size(handle: u32) -> f64;
    fn truncate(handle: u32, bytes: f64) -> f64;
    fn now() -> f64;
    fn entropy(into: *mut u8, bytes: usize) -> f64;
}

/// The page's access handles, by the numbers that the page gave them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Imports;

impl Calls for Imports {
    fn read(&self, handle: u32, into: &mut [u8], offset: f64) -> Result<usize, StorageError> {
        // SAFETY: the page writes at most `into.len()` bytes from the address on, which is `into`'s, borrowed
        // for writing over the call.
        let read = answer(unsafe { pread(handle, into.as_mut_ptr(), into.len(), offset) })?;
        Ok((read as usize).min(into.len()))
    }

    fn write(&self, handle: u32, bytes: &[u8], offset: f64) -> Result<usize, StorageError> {
        // SAFETY: the page reads `bytes.len()` bytes from the address on, which is that of `bytes`, borrowed
        // over the call.
        let written = answer(unsafe { pwrite(handle, bytes.as_ptr(), bytes.len(), offset) })?;
        Ok((written as usize).min(bytes.len()))
    }

    fn flush(&self, handle: u32) -> Result<(), StorageError> {
        // SAFETY: only numbers cross.
        answer(unsafe { flush(handle) }).map(|_| ())
    }

    fn size(&self, handle: u32) -> Result<u64, StorageError> {
        // SAFETY: only numbers cross.
        answer(unsafe { size(handle) }).map(|bytes| bytes as u64)
    }

    fn truncate(&self, handle: u32, bytes: f64) -> Result<(), StorageError> {
        // SAFETY: only numbers cross.
        answer(unsafe { truncate(handle, bytes) }).map(|_| ())
    }

    fn now_ms(&self) -> Option<u64> {
        // SAFETY: only a number crosses.
        let now = unsafe { now() };
        (now > 0.0).then_some(now as u64)
    }

    fn random(&self, into: &mut [u8]) -> Result<(), StorageError> {
        // SAFETY: the page fills `into.len()` bytes from the address on, borrowed for writing over the call.
        answer(unsafe { entropy(into.as_mut_ptr(), into.len()) }).map(|_| ())
    }
}

fn answer(number: f64) -> Result<f64, StorageError> {
    if number >= 0.0 {
        return Ok(number);
    }
    Err(StorageError::new(kind_of(number)))
}

/// The class of a refusal.
fn kind_of(number: f64) -> ErrorKind {
    match -number as u32 {
        1 => ErrorKind::NotFound,
        3 => ErrorKind::Full,
        5 => ErrorKind::Locked,
        6 => ErrorKind::Denied,
        9 => ErrorKind::Closed,
        _ => ErrorKind::Io,
    }
}
