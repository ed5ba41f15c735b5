//! Any file of a store as annotated text, wherever the store is.

use crate::dump::{self, DumpError};
use crate::error::{Error, Op, Result};
use crate::storage::{Access, File, FileName, Storage};

/// Writes a file as annotated text, one line per call of `out`. Needs no opened store and trusts
/// nothing: damage is shown where it is. Memory does not grow with the file.
pub fn dump<S: Storage>(
    storage: &S,
    name: &FileName,
    out: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let refused = |op| move |source| Error::storage(op, Some(*name), source);
    let file = storage
        .open(name, Access::Read)
        .map_err(refused(Op::Open))?;
    let read = |offset, into: &mut [u8]| file.pread(offset, into).map_err(refused(Op::Read));
    dump::dump(read, out).map_err(|error| match error {
        DumpError::Read(error) | DumpError::Write(error) => error,
        DumpError::OutOfMemory => Error::OutOfMemory,
    })
}
