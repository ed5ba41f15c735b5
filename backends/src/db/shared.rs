//! The index behind a read-write lock, shared by the writer and every reader.

use portcask_core::{Index, IndexCell};
use std::sync::{Arc, PoisonError, RwLock};

/// An [`IndexCell`] for threads. Clones share one index.
///
/// A panic inside a change may leave the index half changed; reading goes on all the same, because
/// every record that is found proves itself, and the writer's own lock refuses further writes.
pub(super) struct Shared<F>(Arc<RwLock<Index<F>>>);

impl<F> IndexCell<F> for Shared<F> {
    fn new(index: Index<F>) -> Self {
        Self(Arc::new(RwLock::new(index)))
    }

    fn read<R>(&self, look: impl FnOnce(&Index<F>) -> R) -> R {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, change: impl FnOnce(&mut Index<F>) -> R) -> R {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
