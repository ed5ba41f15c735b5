//! Any storage, with files whose syncs never contradict one another.
//!
//! Systems report a failed write-back to one of two overlapping syncs of a descriptor, or to the
//! first of two in a row, and tell the other one that all is well. With syncs outside the writer's
//! lock that other one could acknowledge bytes that are gone. So a file's syncs are done one at a
//! time here, and once one has failed all later ones fail.

use super::stripes::{self, Alone};
use portcask_core::storage::{
    Access, Capabilities, ErrorKind, File, FileName, Host, Storage, StorageError,
};
use std::sync::{Arc, Mutex};

/// A storage whose files are [`SteadyFile`]s.
#[derive(Clone)]
pub(super) struct Steady<S>(pub S);

/// A file whose first failed sync stands for all later ones. Clones share that memory.
pub(super) enum SteadyFile<F> {
    /// What the engine keeps: a share for each stripe of threads.
    Kept(Arc<[Share<F>]>),
    /// What a reader has for one read. It counts clones on its stripe's own cache line.
    Lent(Share<F>),
}

type Share<F> = Arc<Alone<Arc<Inner<F>>>>;

pub(super) struct Inner<F> {
    file: F,
    /// Held during a sync.
    failed: Mutex<Option<StorageError>>,
}

impl<F> SteadyFile<F> {
    fn new(file: F) -> Self {
        let inner = Arc::new(Inner {
            file,
            failed: Mutex::new(None),
        });
        let share = |_| Arc::new(Alone(Arc::clone(&inner)));
        Self::Kept((0..stripes::count()).map(share).collect())
    }

    fn inner(&self) -> &Inner<F> {
        match self {
            Self::Kept(shares) => &shares[0].0,
            Self::Lent(share) => &share.0,
        }
    }
}

impl<F> Clone for SteadyFile<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Kept(shares) => Self::Kept(Arc::clone(shares)),
            Self::Lent(share) => Self::Lent(Arc::clone(share)),
        }
    }
}

impl<F: File> File for SteadyFile<F> {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.inner().file.append(offset, bytes)
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        self.inner().file.pread(offset, into)
    }

    fn sync(&self) -> Result<(), StorageError> {
        let Ok(mut failed) = self.inner().failed.lock() else {
            let words = "an earlier sync of this file panicked";
            return Err(StorageError::with_detail(ErrorKind::Io, words));
        };
        if let Some(error) = &*failed {
            return Err(error.clone());
        }
        let done = self.inner().file.sync();
        *failed = done.clone().err();
        done
    }

    fn len(&self) -> Result<u64, StorageError> {
        self.inner().file.len()
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        self.inner().file.truncate(len)
    }

    fn lengthen(&self, end: u64, bytes: u64) -> Result<u64, StorageError> {
        self.inner().file.lengthen(end, bytes)
    }

    fn preallocate(&self, len: u64) -> Result<(), StorageError> {
        self.inner().file.preallocate(len)
    }

    fn pread_into(
        &self,
        offset: u64,
        bytes: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        self.inner().file.pread_into(offset, bytes, into)
    }

    fn approach(&self, offset: u64, bytes: u64) {
        self.inner().file.approach(offset, bytes);
    }

    fn lend(&self) -> Self {
        match self {
            Self::Kept(shares) => {
                let mine = stripes::of_this_thread(shares.len());
                Self::Lent(Arc::clone(&shares[mine]))
            }
            Self::Lent(share) => Self::Lent(Arc::clone(share)),
        }
    }
}

impl<S: Storage> Storage for Steady<S> {
    type File = SteadyFile<S::File>;
    type Lock = S::Lock;

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn create(&self, name: &FileName) -> Result<Self::File, StorageError> {
        self.0.create(name).map(SteadyFile::new)
    }

    fn open(&self, name: &FileName, access: Access) -> Result<Self::File, StorageError> {
        self.0.open(name, access).map(SteadyFile::new)
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        self.0.exists(name)
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        self.0.list()
    }

    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &FileName) -> Result<(), StorageError> {
        self.0.remove(name)
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        self.0.sync_namespace()
    }

    fn lock(&self) -> Result<Self::Lock, StorageError> {
        self.0.lock()
    }
}

impl<S: Host> Host for Steady<S> {
    fn now_ms(&self) -> Option<u64> {
        self.0.now_ms()
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        self.0.entropy()
    }
}
