//! Puts, deletes and batches: judge, encode, append, publish, acknowledge, in this order.

use super::{Active, Engine};
use crate::error::{Error, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::hint;
use crate::format::record::{Batch as BatchRole, Head, Kind};
use crate::format::{KeyHash, Space};
use crate::index::{Change, Index, IndexCell, Mixed, Publication};
use crate::keydir::Place;
use crate::options::{Ack, Condition, Expiry, WriteOptions};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::storage::Storage;

/// The greatest offset at which a record may start.
const RECORD_OFFSET_MAX: u64 = u32::MAX as u64;

/// Writes that are taken together or not at all, also across a crash.
///
/// Operations apply in the order they were added; conditions are judged before any of them. A batch
/// that there was no memory to add to is refused as a whole, with [`Error::OutOfMemory`], when it
/// is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(crate) ops: Vec<BatchOp>,
    pub(crate) conditions: Vec<(Vec<u8>, Condition)>,
    /// Something that was added is not in it.
    incomplete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchOp {
    pub space: Space,
    pub key: Vec<u8>,
    pub deed: Deed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Put { value: Vec<u8>, expiry: Expiry },
    Delete,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a put.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.put_with(key, value, Expiry::Default)
    }

    /// Adds a put with an expiry.
    pub fn put_with(
        &mut self,
        key: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
        expiry: Expiry,
    ) -> &mut Self {
        let value = value.into();
        self.add(Space::User, key.into(), Deed::Put { value, expiry })
    }

    /// Adds a delete. Deleting an absent key is no error.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.add(Space::User, key.into(), Deed::Delete)
    }

    /// Adds a put into the system key space, which user keys cannot reach and scans never show:
    /// a request id, a replicated log's applied index.
    pub fn put_meta(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        let deed = Deed::Put {
            value: value.into(),
            expiry: Expiry::Never,
        };
        self.add(Space::Meta, key.into(), deed)
    }

    /// Adds a delete in the system key space.
    pub fn delete_meta(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.add(Space::Meta, key.into(), Deed::Delete)
    }

    /// Adds a precondition on a user key; it is judged before any operation of the batch.
    pub fn require(&mut self, key: impl Into<Vec<u8>>, condition: Condition) -> &mut Self {
        let condition = (key.into(), condition);
        self.incomplete |= fallible::push(&mut self.conditions, condition).is_err();
        self
    }

    /// How many operations it holds.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether it holds no operation.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.conditions.clear();
        self.incomplete = false;
    }

    fn add(&mut self, space: Space, key: Vec<u8>, deed: Deed) -> &mut Self {
        let op = BatchOp { space, key, deed };
        self.incomplete |= fallible::push(&mut self.ops, op).is_err();
        self
    }
}

/// The sequence numbers that a taken batch got; equal to one another for a batch of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The first operation's.
    pub first_seq: u64,
    /// The last operation's.
    pub last_seq: u64,
}

/// One record on its way into the log.
struct Staged<'a> {
    space: Space,
    hash: KeyHash,
    key: &'a [u8],
    value: &'a [u8],
    head: Head,
    old_expiry_ms: Option<u64>,
}

/// A delete that has something to write.
struct Deletion<'a> {
    tombstone: Staged<'a>,
    /// Whether the key was there, as far as the clock says.
    existed: bool,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Stores a value. Returns the sequence number of this version.
    ///
    /// Costs one append (none at [`Ack::Buffered`]) and no read, unless the old version has an
    /// expiry or `verify_overwrite` is on.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<u64> {
        self.put_with(key, value, &WriteOptions::default())
    }

    /// Stores a value with an expiry, a condition or an acknowledgement level of its own.
    pub fn put_with(&mut self, key: &[u8], value: &[u8], how: &WriteOptions) -> Result<u64> {
        self.writable()?;
        if let Some(condition) = how.condition {
            self.judge(&[(key, condition)], how.ack)?;
        }
        let staged = self.stage_put(Space::User, key, value, how.expiry)?;
        let committed = self.commit_staged(&mut [staged], how.ack)?;
        Ok(committed.last_seq)
    }

    /// Deletes a key. Returns whether it existed. Deleting an absent key writes nothing, unless keys
    /// have expired since the clock was last written down (at opening, rotation and close).
    pub fn delete(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.delete_with(key, &WriteOptions::default())?.is_some())
    }

    /// Deletes a key under a condition or at an acknowledgement level of its own. Returns the
    /// tombstone's sequence number, or `None` if the key did not exist.
    pub fn delete_with(&mut self, key: &[u8], how: &WriteOptions) -> Result<Option<u64>> {
        self.writable()?;
        if let Some(condition) = how.condition {
            self.judge(&[(key, condition)], how.ack)?;
        }
        let Some(Deletion { tombstone, existed }) = self.stage_delete(Space::User, key)? else {
            self.settle_answer(how.ack)?;
            return Ok(None);
        };
        let mut staged = [tombstone];
        let mut done = self.commit_staged(&mut staged, how.ack);
        if matches!(done, Err(Error::Full { .. })) && self.spend_reserve() {
            done = self.commit_staged(&mut staged, how.ack);
        }
        done.map(|committed| existed.then_some(committed.last_seq))
    }

    /// Takes all of a batch or nothing of it, at the store's acknowledgement level.
    pub fn write(&mut self, batch: &Batch) -> Result<Committed> {
        self.write_with(batch, None)
    }

    /// As [`Engine::write`], at a level of its own.
    ///
    /// The batch is one append into one segment file. Errors with [`Error::ConditionFailed`] if a
    /// precondition does not hold, with [`Error::BatchTooLarge`] if no file could hold it.
    pub fn write_with(&mut self, batch: &Batch, ack: Option<Ack>) -> Result<Committed> {
        self.writable()?;
        if batch.incomplete {
            return Err(Error::OutOfMemory);
        }
        self.judge(&batch.conditions, ack)?;
        let mut staged = Vec::new();
        fallible::reserve(&mut staged, batch.ops.len())?;
        // What an earlier operation of the batch puts is not in the index yet.
        let mut put_here = hashbrown::HashMap::<KeyHash, &BatchOp, Mixed>::default();
        fallible::reserve_map(&mut put_here, batch.ops.len())?;
        for op in &batch.ops {
            match &op.deed {
                Deed::Put { value, expiry } => {
                    let put = self.stage_put(op.space, &op.key, value, *expiry)?;
                    let earlier = fallible::insert(&mut put_here, put.hash, op)?;
                    self.refuse_collision(earlier, op)?;
                    fallible::push(&mut staged, put)?;
                }
                Deed::Delete => {
                    let put_here = put_here.get(&self.hash(op.space, &op.key)).copied();
                    self.refuse_collision(put_here, op)?;
                    match self.stage_delete(op.space, &op.key)? {
                        Some(deletion) => fallible::push(&mut staged, deletion.tombstone)?,
                        None if put_here.is_some() => {
                            fallible::push(&mut staged, self.tombstone(op.space, &op.key, None))?;
                        }
                        None => {}
                    }
                }
            }
        }
        if staged.is_empty() {
            self.settle_answer(ack)?;
            let seq = self.writer()?.seq;
            return Ok(Committed {
                first_seq: seq,
                last_seq: seq,
            });
        }
        self.commit_staged(&mut staged, ack)
    }

    /// Refuses to write a key over another one of the same batch that has its hash.
    fn refuse_collision(&self, earlier: Option<&BatchOp>, op: &BatchOp) -> Result<()> {
        if earlier.is_none_or(|earlier| (earlier.space, &earlier.key) == (op.space, &op.key)) {
            return Ok(());
        }
        let active = &self.writer()?.active;
        Err(Error::KeyCollision {
            file: names::segment(active.id),
            offset: active.end,
        })
    }

    /// Removes every key in one step: a single manifest record. Returns how many there were.
    pub fn clear(&mut self) -> Result<u64> {
        self.writable()?;
        self.sweep_expired();
        self.abandon_merge();
        self.flush_tail()?;
        // A number of its own: a follower that had seen everything before must meet a gap.
        let floor = self.issue_seqs(1)?;
        let fresh = self.index.read(Index::successor)?;
        self.start_segment(Vec::from([
            crate::format::manifest::Edit::Clear,
            crate::format::manifest::Edit::HistoryFloor(floor),
        ]))?;
        // Only now: had the clear been refused, keys would still need the copies of a committed merge.
        self.writer_mut()?.merge = None;
        let active = self.writer()?.active.slot;
        let old = self.index.write(|index| index.clear_but(active, fresh));
        let removed = old.len();
        drop(old);
        self.check_fence()?;
        self.remove_condemned();
        Ok(removed)
    }

    /// Judges conditions on the published state, on disk. A refusal is an answer too: at
    /// [`Ack::Synced`] it waits until what it was judged on is durable.
    fn judge<K: AsRef<[u8]>>(
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
                return Err(Error::ConditionFailed { index, found });
            }
        }
        Ok(())
    }

    /// Makes what an answer without a write was based on as safe as the answer claims: it may rest
    /// on records that are still in the buffer, and on a store that a newer writer has taken over.
    fn settle_answer(&mut self, ack: Option<Ack>) -> Result<()> {
        let ack = ack.unwrap_or(self.options.ack);
        if ack == Ack::Synced {
            self.sync()?;
        }
        if ack >= Ack::Written {
            self.flush()?;
        }
        Ok(())
    }

    fn stage_put<'a>(
        &self,
        space: Space,
        key: &'a [u8],
        value: &'a [u8],
        expiry: Expiry,
    ) -> Result<Staged<'a>> {
        let limit = self.options.key_bytes_max;
        if key.len() > limit {
            let bytes = key.len();
            return Err(Error::KeyTooLong { bytes, limit });
        }
        let (bytes, limit) = (value.len() as u64, self.options.value_bytes_max);
        if bytes > limit {
            return Err(Error::ValueTooLarge { bytes, limit });
        }
        let expiry_ms = self.resolve_expiry(expiry)?;
        let hash = self.hash(space, key);
        let old = self.index.read(|index| index.keydir.get(hash));
        let old_expiry_ms = match old {
            Some(slot) if slot.has_ttl || self.options.verify_overwrite => {
                match self.version_at(slot, key) {
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
    fn stage_delete<'a>(&self, space: Space, key: &'a [u8]) -> Result<Option<Deletion<'a>>> {
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

    fn tombstone<'a>(&self, space: Space, key: &'a [u8], old_expiry_ms: Option<u64>) -> Staged<'a> {
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

    /// Encodes, appends, publishes and acknowledges.
    fn commit_staged(&mut self, staged: &mut [Staged<'_>], ack: Option<Ack>) -> Result<Committed> {
        let ack = ack.unwrap_or(self.options.ack);
        // The numbers are settled before a rotation, which starts the new segment with them.
        let next_seq = self.writer()?.seq.saturating_add(1);
        for (seq, op) in (next_seq..).zip(staged.iter_mut()) {
            op.head.seq = seq;
        }
        self.make_room(staged)?;
        let first_seq = self.issue_seqs(staged.len() as u64)?;
        let due = self.sync_is_due();
        // What is to be synced at once is handed over first: refused there, it must not be shown already.
        let handed = if due { ack.max(Ack::Written) } else { ack };
        let mut bytes = core::mem::take(&mut self.writer_mut()?.scratch);
        bytes.clear();
        let done = self.encode_and_publish(staged, handed, &mut bytes);
        if let Ok(writer) = self.writer_mut() {
            bytes.truncate(0);
            bytes.shrink_to(1 << 20);
            writer.scratch = bytes;
        }
        done?;
        if (ack == Ack::Synced && !planted(Bug::AckBeforeSync)) || due {
            self.sync()?;
        } else if ack == Ack::Written {
            // Also under a kernel lock: a guest in a sandbox cannot see that lock.
            self.check_fence()?;
        }
        Ok(Committed {
            first_seq,
            last_seq: first_seq + (staged.len() as u64 - 1),
        })
    }

    fn encode_and_publish(
        &mut self,
        staged: &[Staged<'_>],
        ack: Ack,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let active = &self.writer()?.active;
        let (start, site, slot) = (active.end, active.site, active.slot);
        let mut published = Vec::new();
        fallible::reserve(&mut published, staged.len())?;
        for op in staged {
            let offset = start + bytes.len() as u64;
            op.head.encode(bytes, site, offset)?;
            fallible::extend(bytes, op.key)?;
            fallible::extend(bytes, op.value)?;
            let record_bytes = start + bytes.len() as u64 - offset;
            let publication = Publication {
                hash: op.hash,
                space: op.space,
                place: Place {
                    segment: slot,
                    offset: u32::try_from(offset).map_err(|_| Error::TooLarge)?,
                },
                record_bytes,
                change: if op.head.kind.is_tombstone() {
                    Change::Delete
                } else {
                    Change::Put {
                        expiry_ms: op.head.expiry_ms,
                    }
                },
                old_expiry_ms: op.old_expiry_ms,
            };
            fallible::push(&mut published, publication)?;
        }
        if let Err(refused) = self.hand_over(bytes, ack) {
            if planted(Bug::PublishedUnappended) {
                self.publish(&published, staged)?;
            }
            return Err(refused);
        }
        // The records are in the log but not all in the index: only a new opening can tell.
        let done = self.publish(&published, staged);
        done.inspect_err(|_| self.poison())?;
        let active = &mut self.writer_mut()?.active;
        active.records += staged.len() as u64;
        active.records_end = active.end;
        if let Some(durable) = staged.iter().find_map(|op| op.head.durable) {
            active.marked = durable;
        }
        for (it, op) in published.iter().zip(staged) {
            active.hint.push(&hint::Entry {
                kind: op.head.kind,
                record_bytes: it.record_bytes,
                hash: Some(it.hash),
                expiry_ms: op.head.expiry_ms,
            });
        }
        Ok(())
    }

    /// Takes bytes into the log, or for a while into memory.
    fn hand_over(&mut self, bytes: &[u8], ack: Ack) -> Result<()> {
        match ack {
            Ack::Buffered if bytes.len() <= self.options.buffer_bytes => {
                self.append_buffered(bytes)
            }
            Ack::Buffered | Ack::Written | Ack::Synced => {
                self.flush_tail()?;
                self.append_at_end(bytes)
            }
        }
    }

    fn publish(&self, published: &[Publication], staged: &[Staged<'_>]) -> Result<()> {
        self.index.write(|index| {
            for (it, op) in published.iter().zip(staged) {
                index.publish(it)?;
                if let (Some(ordered), Space::User) = (&mut index.ordered, it.space) {
                    match it.change {
                        Change::Put { .. } => {
                            fallible::insert_sorted(ordered, fallible::copy(op.key)?)?;
                        }
                        Change::Delete => {
                            ordered.remove(op.key);
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// Takes bytes into the tail; flushes it when it is full.
    fn append_buffered(&mut self, bytes: &[u8]) -> Result<()> {
        let held = self.index.read(|index| index.tail.bytes.len());
        if held > 0 && held + bytes.len() > self.options.buffer_bytes {
            self.flush_tail()?;
        }
        let active = &mut self.writer_mut()?.active;
        let (slot, end) = (active.slot, active.end);
        self.index.write(|index| {
            let tail = &mut index.tail;
            if tail.bytes.is_empty() {
                tail.segment = slot;
                tail.start = end;
            }
            fallible::extend(&mut tail.bytes, bytes)?;
            if let Some(segment) = index.segment_mut(slot) {
                segment.end = end + bytes.len() as u64;
            }
            Ok::<_, Error>(())
        })?;
        self.writer_mut()?.active.end = end + bytes.len() as u64;
        Ok(())
    }

    /// Rotates if the records would not fit, and gives the first one the durable marker and the
    /// batch its extent. Lengths depend on the segment's base seq, so this is done twice at most.
    fn make_room(&mut self, staged: &mut [Staged<'_>]) -> Result<()> {
        let total = shape(staged, &self.writer()?.active);
        let active = &self.writer()?.active;
        let fits = active.end.saturating_add(total) <= self.options.segment_bytes;
        if (!fits && active.records > 0) || active.suspect {
            self.seal_and_continue()?;
        }
        let active = &self.writer()?.active;
        let total = shape(staged, active);
        if staged.len() > 1 && active.end + total > RECORD_OFFSET_MAX {
            return Err(Error::BatchTooLarge {
                bytes: total,
                limit: RECORD_OFFSET_MAX - active.end,
            });
        }
        Ok(())
    }

    /// Whether the interval has passed since the last sync. A clock that was set back cannot tell, and
    /// waiting until it has caught up would be far longer than was asked for.
    pub(super) fn sync_is_due(&self) -> bool {
        let Some(every) = self.options.sync_every_ms else {
            return false;
        };
        let Some(now) = self.storage.now_ms() else {
            return false;
        };
        let last = self.writer().ok().and_then(|writer| writer.synced_ms);
        let passed = last.and_then(|last| now.checked_sub(last));
        passed.is_none_or(|passed| passed >= every)
    }
}

/// Settles the heads for this segment and returns the bytes they need together.
fn shape<F>(staged: &mut [Staged<'_>], active: &Active<F>) -> u64 {
    let base = active.site.base_seq;
    let many = staged.len() > 1;
    let mut rest_bytes = 0;
    for op in staged.iter_mut().skip(1) {
        op.head.batch = BatchRole::Member;
        rest_bytes += op.head.record_bytes(base);
    }
    let rest_records = staged.len() as u64 - 1;
    let Some(first) = staged.first_mut() else {
        return 0;
    };
    first.head.durable = (active.marked < active.durable).then_some(active.durable);
    if planted(Bug::MarkedTooMuch) {
        first.head.durable = Some(active.end);
    }
    first.head.batch = if many {
        BatchRole::First {
            rest_bytes,
            rest_records,
        }
    } else {
        BatchRole::None
    };
    first.head.record_bytes(base) + rest_bytes
}
