//! Calls that fail, and what they leave behind.

use crate::prelude::*;
use crate::storage::{ErrorKind, StorageError};

/// One call of the storage contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Storage::create`](crate::storage::Storage::create).
    Create,
    /// [`Storage::open`](crate::storage::Storage::open).
    Open,
    /// [`Storage::exists`](crate::storage::Storage::exists).
    Exists,
    /// [`Storage::list`](crate::storage::Storage::list).
    List,
    /// [`Storage::rename`](crate::storage::Storage::rename).
    Rename,
    /// [`Storage::remove`](crate::storage::Storage::remove).
    Remove,
    /// [`Storage::sync_namespace`](crate::storage::Storage::sync_namespace).
    SyncNamespace,
    /// [`Storage::lock`](crate::storage::Storage::lock).
    Lock,
    /// [`File::append`](crate::storage::File::append).
    Append,
    /// [`File::pread`](crate::storage::File::pread).
    Read,
    /// [`File::sync`](crate::storage::File::sync).
    Sync,
    /// [`File::len`](crate::storage::File::len).
    Len,
    /// [`File::truncate`](crate::storage::File::truncate).
    Truncate,
    /// [`File::lengthen`](crate::storage::File::lengthen).
    Lengthen,
    /// [`File::preallocate`](crate::storage::File::preallocate).
    Preallocate,
    /// [`Host::entropy`](crate::storage::Host::entropy).
    Entropy,
}

impl Call {
    /// Those whose failing a store must survive wherever it comes. Not among them: what only spares
    /// time or space (`Lengthen`, `Preallocate`), what a store never asks for (`Rename`), and `Lock`, whose refusal
    /// is an answer.
    pub const FALLIBLE: [Self; 12] = [
        Self::Append,
        Self::Sync,
        Self::SyncNamespace,
        Self::Create,
        Self::Remove,
        Self::Read,
        Self::Open,
        Self::List,
        Self::Len,
        Self::Entropy,
        Self::Exists,
        Self::Truncate,
    ];
}

/// What a failed append leaves in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leaves {
    /// Nothing.
    #[default]
    Nothing,
    /// The first so many bytes.
    Prefix(usize),
    /// As many zeros as there were bytes.
    Zeros,
    /// All bytes: the platform failed after it had done the work.
    All,
}

/// A call that is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Only calls of this kind are counted and fail; any call if `None`.
    pub call: Option<Call>,
    /// Which of them, counted from now; 1 is the next.
    pub nth: u64,
    /// That one and every later one, until [`SimDisk::heal`](super::SimDisk::heal).
    pub forever: bool,
    /// How it is refused.
    pub kind: ErrorKind,
    /// What a failed append leaves behind.
    pub leaves: Leaves,
}

impl Fault {
    /// The `nth` call from now fails once.
    pub fn once(nth: u64, kind: ErrorKind) -> Self {
        Self {
            call: None,
            nth,
            forever: false,
            kind,
            leaves: Leaves::Nothing,
        }
    }

    /// The `nth` call from now and every later one fail.
    pub fn from(nth: u64, kind: ErrorKind) -> Self {
        Self {
            forever: true,
            ..Self::once(nth, kind)
        }
    }

    /// The same fault, counting and failing only calls of this kind.
    #[must_use]
    pub fn on(self, call: Call) -> Self {
        Self {
            call: Some(call),
            ..self
        }
    }

    /// The same fault, whose failed append leaves this behind.
    #[must_use]
    pub fn leaving(self, leaves: Leaves) -> Self {
        Self { leaves, ..self }
    }
}

/// A disk's faults, each with the calls it has still to let pass.
#[derive(Debug, Default)]
pub(super) struct Plan {
    faults: Vec<Fault>,
}

impl Plan {
    pub fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// Counts a call, and says how it fails if it does.
    pub fn meet(&mut self, call: Call) -> Option<(StorageError, Leaves)> {
        let mut met = None;
        self.faults.retain_mut(|fault| {
            if fault.call.is_some_and(|only| only != call) {
                return true;
            }
            fault.nth = fault.nth.saturating_sub(1);
            if fault.nth > 0 {
                return true;
            }
            let error = StorageError::with_detail(fault.kind, "injected");
            met = Some((error, fault.leaves));
            fault.forever
        });
        met
    }
}
