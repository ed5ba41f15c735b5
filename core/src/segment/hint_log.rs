//! The hint that grows beside a segment.

use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, StoreId};
use crate::format::hint::{self, BlockBuilder};
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// A segment's hint, written block by block as its records are. A cache: after the first failure
/// it is given up, and the next opening scans what it does not cover.
pub(crate) struct HintLog<F> {
    file: Option<F>,
    salt: u64,
    end: u64,
    block: BlockBuilder,
}

impl<F: File> HintLog<F> {
    /// A new hint beside a new segment.
    pub(crate) fn new<S: Storage<File = F>>(
        storage: &S,
        store: StoreId,
        segment: u64,
        salt: u64,
        now_ms: u64,
    ) -> Self {
        let name = names::hint(segment);
        let header = FileHeader {
            kind: FileKind::Hint,
            required: 0,
            optional: 0,
            id: segment,
            salt,
            store,
            created_ms: now_ms,
            base_seq: 0,
        };
        let file =
            create_or_empty(storage, &name).filter(|file| write_or_cut(file, 0, &header.encode()));
        Self::at(
            file,
            salt,
            FILE_HEADER_BYTES as u64,
            FILE_HEADER_BYTES as u64,
        )
    }

    /// A hint that continues where reading it stopped: `at` is where its valid blocks end and how far
    /// they cover the segment. A new one where there is none to continue.
    pub(crate) fn resume<S: Storage<File = F>>(
        storage: &S,
        store: StoreId,
        segment: u64,
        salt: u64,
        at: Option<(u64, u64)>,
    ) -> Self {
        let Some((end, covered)) = at else {
            return Self::new(storage, store, segment, salt, storage.now_ms().unwrap_or(0));
        };
        let file = storage.open(&names::hint(segment), Access::Write).ok();
        // A torn block must not be taken for damage of what is written over it.
        let file = file.filter(|file| file.truncate(end).is_ok());
        Self::at(file, salt, end, covered)
    }

    /// A hint that continues after blocks that cover the segment up to `covered`.
    pub(crate) fn at(file: Option<F>, salt: u64, end: u64, covered: u64) -> Self {
        Self {
            file,
            salt,
            end,
            block: BlockBuilder::new(covered),
        }
    }

    /// Notes one record, in file order.
    pub(crate) fn push(&mut self, entry: &hint::Entry) {
        if self.file.is_none() {
            return;
        }
        if self.block.push(entry).is_err() {
            self.file = None;
        } else if self.block.is_full() {
            self.write_block();
        }
    }

    /// Writes what is left, so that the hint covers every record pushed.
    pub(crate) fn finish(&mut self) -> Option<&F> {
        if !self.block.is_empty() {
            self.write_block();
        }
        self.file.as_ref()
    }

    /// The file, while it is written.
    pub(crate) fn file(&self) -> Option<&F> {
        self.file.as_ref()
    }

    fn write_block(&mut self) {
        let Some(file) = &self.file else { return };
        let bytes = match self.block.encode(self.salt, self.end) {
            Ok(bytes) if write_or_cut(file, self.end, &bytes) => bytes,
            _ => {
                self.file = None;
                return;
            }
        };
        self.end += bytes.len() as u64;
        let covered = self.block.to();
        self.block.reset(covered);
    }
}

/// Appends; what a failed append leaves is cut off, so that it does not look like damage.
fn write_or_cut<F: File>(file: &F, end: u64, bytes: &[u8]) -> bool {
    let written = file.append(end, bytes).is_ok();
    if !written {
        let _ = file.truncate(end);
    }
    written
}

/// The file of this name, empty.
fn create_or_empty<S: Storage>(storage: &S, name: &FileName) -> Option<S::File> {
    match storage.create(name) {
        Ok(file) => Some(file),
        Err(error) if error.kind == ErrorKind::Exists => {
            let file = storage.open(name, Access::Write).ok()?;
            file.truncate(0).ok()?;
            Some(file)
        }
        Err(_) => None,
    }
}
