//! Commands that one client sent in one go, committed as one batch: one append for all of them.
//!
//! Nobody sees, and no crash leaves, a part of a group. Where the store refuses it (a full disk, one value that is
//! too long), nothing of it was done, and its commands are run again one by one: so an error is the answer to those
//! that are not kept, and to no others.

use super::{Keyspace, Store};
use portcask::Error;
use std::sync::MutexGuard;

/// A group that is being gathered. It has the writers' turn.
pub(crate) struct Group<'a> {
    keys: Keyspace<'a>,
    /// A command failed half-way.
    is_spoilt: bool,
    _turn: MutexGuard<'a, ()>,
}

impl Store {
    /// Begins a group, unless somebody wants to hear of what each command does: the news of a command come
    /// before its reply.
    pub(crate) fn group(&self) -> Option<Group<'_>> {
        let turn = self.turn();
        let keys = Keyspace::reading(self);
        keys.is_untold().then_some(Group {
            keys,
            is_spoilt: false,
            _turn: turn,
        })
    }
}

impl<'a> Group<'a> {
    /// Runs a command that sees what those before it did. `deed` answers whether what it did is wanted.
    pub(crate) fn run<T>(&mut self, deed: impl FnOnce(&mut Keyspace<'a>) -> (T, bool)) -> T {
        self.keys.next_command();
        let before = self.keys.changes();
        let (answer, wanted) = deed(&mut self.keys);
        self.is_spoilt |= !wanted && self.keys.changes() > before;
        answer
    }

    /// Commits all of it. After an error nothing of it was done.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        if self.is_spoilt {
            // Any error does: its commands are run again, and then each has its own answer.
            return Err(Error::OutOfMemory);
        }
        let done = self.keys.commit();
        self.keys.store().committed.notify_waiters();
        done
    }
}
