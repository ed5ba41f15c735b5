//! The hint that grows beside a segment.

use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, StoreId};
use crate::format::hint::{self, BlockBuilder};
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// A segment's hint, written block by block as its records are. A cache: after the first failure
/// it is given up, and the next opening scans what it does not cover.
pub(crate) struct HintLog<F> {
    state: State<F>,
    salt: u64,
    /// Where its valid blocks end.
    end: u64,
    block: BlockBuilder,
}

enum State<F> {
    Growing(F),
    /// Given up while bytes of no meaning lie behind the end: they would look like damage.
    Torn(F),
    /// Given up.
    Ended,
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
        let start = FILE_HEADER_BYTES as u64;
        let mut log = Self::none(salt, start);
        if let Some(file) = create_or_empty(storage, &name) {
            log.state = State::Growing(file);
            log.write(&header.encode());
        }
        log
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
        let mut log = Self::none(salt, covered);
        log.end = end;
        if let Ok(file) = storage.open(&names::hint(segment), Access::Write) {
            // A torn block must not be taken for damage of what is written over it.
            log.state = match file.truncate(end) {
                Ok(()) => State::Growing(file),
                Err(_) => State::Torn(file),
            };
        }
        log
    }

    /// No hint, of a segment that is covered up to `covered`.
    pub(crate) fn none(salt: u64, covered: u64) -> Self {
        Self {
            state: State::Ended,
            salt,
            end: 0,
            block: BlockBuilder::new(covered),
        }
    }

    /// Notes one record, in file order.
    pub(crate) fn push(&mut self, entry: &hint::Entry) {
        if self.file().is_none() {
            return;
        }
        if self.block.push(entry).is_err() {
            self.state = State::Ended;
        } else if self.block.is_full() {
            self.write_block();
        }
    }

    /// Writes what is left, so that the hint covers every record pushed.
    pub(crate) fn finish(&mut self) -> Option<&F> {
        if !self.block.is_empty() {
            self.write_block();
        }
        self.file()
    }

    /// Tries once more to cut off what a failed append left. Answers whether nothing of it is there.
    pub(crate) fn cut_again(&mut self) -> bool {
        if let State::Torn(file) = &self.state
            && file.truncate(self.end).is_ok()
        {
            self.state = State::Ended;
        }
        !matches!(self.state, State::Torn(_))
    }

    /// The file, while it is written.
    pub(crate) fn file(&self) -> Option<&F> {
        match &self.state {
            State::Growing(file) => Some(file),
            State::Torn(_) | State::Ended => None,
        }
    }

    fn write_block(&mut self) {
        if self.file().is_none() {
            return;
        }
        match self.block.encode(self.salt, self.end) {
            Ok(bytes) => self.write(&bytes),
            Err(_) => self.state = State::Ended,
        }
        let covered = self.block.to();
        self.block.reset(covered);
    }

    /// Appends; what a failed append leaves is cut off, and the hint is given up.
    fn write(&mut self, bytes: &[u8]) {
        let State::Growing(file) = &self.state else {
            return;
        };
        if file.append(self.end, bytes).is_ok() {
            self.end += bytes.len() as u64;
            return;
        }
        let cut = file.truncate(self.end).is_ok();
        self.state = match core::mem::replace(&mut self.state, State::Ended) {
            State::Growing(file) if !cut => State::Torn(file),
            _ => State::Ended,
        };
    }
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
