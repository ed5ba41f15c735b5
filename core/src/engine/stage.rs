//! Before anything is written: judging conditions, and making records of what is asked for.

use super::Engine;
use super::batch::BatchOp;
use crate::error::{Error, Result};
use crate::format::record::{Head, Kind};
use crate::format::{KeyHash, Space};
use crate::index::{Index, IndexCell};
use crate::keydir::{AHEAD, Slot};
use crate::options::{Ack, Condition, Expiry};
use crate::prelude::*;
use crate::storage::Storage;

/// One record on its way into the log.
pub(super) struct Staged<'a> {
    pub space: Space,
    pub hash: KeyHash,
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub head: Head,
    pub old_expiry_ms: Option<u64>,
}

/// A key's hash, and what the keydir says of it before the write: nothing, where no write asks.
pub(super) type Keyed = (KeyHash, Option<Slot>);

/// A delete that has something to write.
pub(super) struct Deletion<'a> {
    pub tombstone: Staged<'a>,
    /// Whether the key was there, as far as the clock says.
    pub existed: bool,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Judges conditions on the published state, on disk. A refusal is an answer too: at
    /// [`Ack::Synced`] it waits until what it was judged on is durable.
    pub(super) fn judge<K: AsRef<[u8]>>(
        &mut self,
        conditions: &[(K, Condition)],
        ack: Option<Ack>,
    ) -> Result<()> {
        for (index, (key, condition)) in conditions.iter().enumerate() {
            let version = self.version_of(Space::User, key.as_ref())?;
            let found = version.map(|(seq, _)| seq);
            let holds = match *condition {
                Condition::Absent => found.is_none(),
                Condition::Present => found.is_some(),
                Condition::Seq(seq) => found == Some(seq),
            };
            if !holds {
                self.settle_answer(ack)?;
                return Err(Error::condition_failed(index, found));
            }
        }
        Ok(())
    }

    /// What a put has to know of its key before it is staged.
    ///
    /// Where no key has an expiry, that is nothing. The keydir is not looked at then until the record is
    /// in the log, but where it will be looked at is on its way from memory meanwhile.
    pub(super) fn look_up(&self, space: Space, key: &[u8]) -> Keyed {
        let hash = self.hash(space, key);
        let verifies = self.options.verify_overwrite;
        let slot = self.index.read(|index| {
            if verifies || !index.expiries.is_empty() {
                return index.keydir.get(hash);
            }
            let (run, word) = index.keydir.around(hash);
            run.for_each(C::fetch);
            word.into_iter().for_each(C::fetch);
            None
        });
        (hash, slot)
    }

    /// As [`Engine::look_up`] of each key of a part of a batch, [`AHEAD`] at most: the index is waited for once.
    pub(super) fn look_up_some<B: AsRef<[u8]>>(&self, ops: &[BatchOp<B>]) -> [Keyed; AHEAD] {
        let mut known = [(KeyHash::default(), None); AHEAD];
        for ((hash, _), op) in known.iter_mut().zip(ops) {
            *hash = self.hash(op.space, op.key.as_ref());
        }
        let keyed = &mut known[..ops.len().min(AHEAD)];
        let verifies = self.options.verify_overwrite;
        self.index.read(|index| {
            if verifies || !index.expiries.is_empty() {
                index.keydir.approach(keyed.iter().map(|(hash, _)| *hash));
                for (hash, slot) in keyed {
                    *slot = index.keydir.get(*hash);
                }
            }
        });
        known
    }

    pub(super) fn stage_put<'a>(
        &self,
        space: Space,
        key: &'a [u8],
        value: &'a [u8],
        expiry: Expiry,
        (hash, old): Keyed,
    ) -> Result<Staged<'a>> {
        let limit = self.options.key_bytes_max;
        if key.len() > limit {
            let bytes = key.len();
            return Err(Error::key_too_long(bytes as u64, limit as u64));
        }
        let (bytes, limit) = (value.len() as u64, self.options.value_bytes_max);
        if bytes > limit {
            return Err(Error::value_too_large(bytes, limit));
        }
        let expiry_ms = self.resolve_expiry(expiry)?;
        let old_expiry_ms = match old {
            Some(slot) if slot.has_ttl || self.options.verify_overwrite => {
                match self.version_at(slot, (space, key)) {
                    Ok((_, expiry_ms)) => expiry_ms,
                    // A damaged version may be replaced: that is how a person repairs it.
                    Err(Error::Corrupt { .. }) => None,
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        let kind = match space {
            Space::User => Kind::Put,
            Space::Meta => Kind::MetaPut,
        };
        let mut head = Head::new(kind, 0, key, value);
        head.expiry_ms = expiry_ms;
        Ok(Staged {
            space,
            hash,
            key,
            value,
            head,
            old_expiry_ms,
        })
    }

    /// A tombstone for a key that exists (verified on disk), or `None`.
    ///
    /// Absence may be the clock's word alone, and after a crash a clock that was set back would take
    /// it back: where an expiry is not yet on record, a tombstone is written for an absent key too.
    pub(super) fn stage_delete<'a>(
        &self,
        space: Space,
        key: &'a [u8],
    ) -> Result<Option<Deletion<'a>>> {
        if key.len() > self.options.key_bytes_max {
            return Ok(None);
        }
        let (existed, expiry_ms) = match self.version_of(space, key) {
            Ok(Some((_, expiry_ms))) => (true, expiry_ms),
            Ok(None) => {
                let hash = self.hash(space, key);
                let by_clock = |index: &Index<S::File>| index.hides_by_clock(hash);
                if !self.index.read(by_clock) {
                    return Ok(None);
                }
                (false, None)
            }
            // A damaged version may be deleted: that is how a person gets rid of it.
            Err(Error::Corrupt { .. }) => (true, None),
            Err(error) => return Err(error),
        };
        Ok(Some(Deletion {
            tombstone: self.tombstone(space, key, expiry_ms),
            existed,
        }))
    }

    pub(super) fn tombstone<'a>(
        &self,
        space: Space,
        key: &'a [u8],
        old_expiry_ms: Option<u64>,
    ) -> Staged<'a> {
        let kind = match space {
            Space::User => Kind::Tombstone,
            Space::Meta => Kind::MetaTombstone,
        };
        Staged {
            space,
            hash: self.hash(space, key),
            key,
            value: b"",
            head: Head::new(kind, 0, key, b""),
            old_expiry_ms,
        }
    }
}
