//! The one door for allocation that is sized by data: it may be refused, and then says so.

use crate::prelude::*;
use core::fmt;

/// The allocator refused; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

/// Makes room for `more` further items without growing past what they need.
pub fn reserve<T>(vec: &mut Vec<T>, more: usize) -> Result<(), OutOfMemory> {
    if vec.capacity() - vec.len() >= more {
        return Ok(());
    }
    #[cfg(test)]
    refusal::ask()?;
    vec.try_reserve_exact(more).map_err(|_| OutOfMemory)
}

/// Appends one item, growing by half so that repeated calls stay linear.
pub fn push<T>(vec: &mut Vec<T>, item: T) -> Result<(), OutOfMemory> {
    if vec.len() == vec.capacity() {
        let half = (vec.capacity() / 2).max(4);
        reserve(vec, half).or_else(|_| reserve(vec, 1))?;
    }
    vec.push(item);
    Ok(())
}

/// `bytes` zero bytes.
pub fn zeroed(bytes: usize) -> Result<Vec<u8>, OutOfMemory> {
    let mut vec = Vec::new();
    resize(&mut vec, bytes)?;
    Ok(vec)
}

/// Sets the length, filling with zeros; keeps the capacity when it shrinks.
pub fn resize(vec: &mut Vec<u8>, bytes: usize) -> Result<(), OutOfMemory> {
    /// Copied piece by piece: an unoptimised build fills byte by byte otherwise.
    const ZEROS: [u8; 4096] = [0; 4096];
    reserve(vec, bytes.saturating_sub(vec.len()))?;
    vec.truncate(bytes);
    while vec.len() < bytes {
        let more = ZEROS.len().min(bytes - vec.len());
        vec.extend_from_slice(&ZEROS[..more]);
    }
    Ok(())
}

/// A copy of `bytes`.
pub fn copy(bytes: &[u8]) -> Result<Vec<u8>, OutOfMemory> {
    let mut vec = Vec::new();
    extend(&mut vec, bytes)?;
    Ok(vec)
}

/// Appends `bytes`, growing by half so that repeated calls stay linear.
pub fn extend(vec: &mut Vec<u8>, bytes: &[u8]) -> Result<(), OutOfMemory> {
    if vec.capacity() - vec.len() < bytes.len() {
        let half = vec.capacity() / 2;
        vec.try_reserve_exact(bytes.len().max(half))
            .or_else(|_| vec.try_reserve_exact(bytes.len()))
            .map_err(|_| OutOfMemory)?;
    }
    vec.extend_from_slice(bytes);
    Ok(())
}

/// Lets a test have an allocation of its thread refused.
#[cfg(test)]
pub(crate) mod refusal {
    use super::OutOfMemory;
    use core::cell::Cell;

    std::thread_local! {
        /// Allocations by [`super::reserve`] that are still granted; then all are refused.
        static GRANTED: Cell<u64> = const { Cell::new(u64::MAX) };
    }

    /// Runs `act` with `granted` allocations and none after them.
    pub(crate) fn after<R>(granted: u64, act: impl FnOnce() -> R) -> R {
        GRANTED.set(granted);
        let result = act();
        GRANTED.set(u64::MAX);
        result
    }

    pub(super) fn ask() -> Result<(), OutOfMemory> {
        let left = GRANTED.get().checked_sub(1).ok_or(OutOfMemory)?;
        GRANTED.set(left);
        Ok(())
    }
}
