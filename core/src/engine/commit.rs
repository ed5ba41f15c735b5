//! Taking staged records: encode, append, publish, acknowledge, in this order.

use super::Engine;
use super::stage::Staged;
use super::write::Committed;
use crate::error::{Error, Result};
use crate::fallible;
use crate::format::Space;
use crate::format::hint;
use crate::format::record::Batch;
use crate::index::{Change, Index, IndexCell, Publication};
use crate::keydir::{AHEAD, Place};
use crate::options::Ack;
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::active::Active;
use crate::storage::{File, Storage};

/// The greatest offset at which a record may start.
const RECORD_OFFSET_MAX: u64 = u32::MAX as u64;

/// Most that is kept of the room for records from one write to the next.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Encodes, appends, publishes and acknowledges.
    pub(super) fn commit_staged(
        &mut self,
        staged: &mut [Staged<'_>],
        ack: Option<Ack>,
    ) -> Result<Committed> {
        let ack = ack.unwrap_or(self.options.ack);
        // The numbers are settled before a rotation, which starts the new segment with them.
        let next_seq = self.writer()?.seq.saturating_add(1);
        for (seq, op) in (next_seq..).zip(staged.iter_mut()) {
            op.head.seq = seq;
        }
        let total = self.make_room(staged)?;
        let first_seq = self.issue_seqs(staged.len() as u64)?;
        let due = self.sync_is_due();
        // What is to be synced at once is handed over first: refused there, it must not be shown already.
        let handed = if due { ack.max(Ack::Written) } else { ack };
        let mut bytes = core::mem::take(&mut self.writer_mut()?.scratch);
        fallible::reserve(&mut bytes, usize::try_from(total).unwrap_or(usize::MAX))?;
        let done = self.encode_and_publish(staged, handed, &mut bytes);
        if let Ok(writer) = self.writer_mut() {
            bytes.clear();
            bytes.shrink_to(SCRATCH_BYTES_MAX);
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

    /// Rotates if the records would not fit, and gives the first one the durable marker and the
    /// batch its extent. Lengths depend on the segment's base seq, so this is done twice at most.
    /// Returns the bytes of all.
    fn make_room(&mut self, staged: &mut [Staged<'_>]) -> Result<u64> {
        let total = shape(staged, &self.writer()?.active);
        let active = &self.writer()?.active;
        let fits = active.end.saturating_add(total) <= self.options.segment_bytes;
        if (!fits && active.records > 0) || active.suspect {
            self.seal_and_continue()?;
        }
        let active = &self.writer()?.active;
        let total = shape(staged, active);
        if staged.len() > 1 && active.end + total > RECORD_OFFSET_MAX {
            return Err(Error::batch_too_large(
                total,
                RECORD_OFFSET_MAX - active.end,
            ));
        }
        Ok(total)
    }

    fn encode_and_publish(
        &mut self,
        staged: &[Staged<'_>],
        ack: Ack,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let active = &self.writer()?.active;
        let (start, site) = (active.end, active.site);
        for op in staged {
            let offset = start + bytes.len() as u64;
            if offset > RECORD_OFFSET_MAX {
                return Err(Error::TooLarge);
            }
            op.head.encode(bytes, site, offset)?;
            fallible::extend(bytes, op.key)?;
            fallible::extend(bytes, op.value)?;
        }
        self.append_and_publish(bytes, ack, staged)?;
        let active = &mut self.writer_mut()?.active;
        active.records += staged.len() as u64;
        active.records_end = active.end;
        if let Some(durable) = staged.iter().find_map(|op| op.head.durable) {
            active.marked = durable;
        }
        for op in staged {
            active.hint.push(&hint::Entry {
                kind: op.head.kind,
                record_bytes: op.head.record_bytes(site.base_seq),
                hash: Some(op.hash),
                expiry_ms: op.head.expiry_ms,
            });
        }
        Ok(())
    }

    /// Takes records into the log, or for a while into memory, and then into the index: the writer
    /// enters the index once.
    fn append_and_publish(&mut self, bytes: &[u8], ack: Ack, staged: &[Staged<'_>]) -> Result<()> {
        let room = self.options.buffer_bytes;
        let buffers = ack == Ack::Buffered && bytes.len() <= room;
        let active = &self.writer()?.active;
        let (slot, start, held) = (active.slot, active.end, active.end - active.handed);
        let base_seq = active.site.base_seq;
        let end = start + bytes.len() as u64;
        if !buffers || held + bytes.len() as u64 > room as u64 {
            self.flush_tail()?;
        }
        if !buffers && let Err(refused) = self.append_at_end(bytes) {
            if planted(Bug::PublishedUnappended) {
                self.index
                    .write(|index| publish(index, staged, slot, start, base_seq))?;
            }
            return Err(refused);
        }
        #[cfg(not(all(feature = "small", target_family = "wasm")))]
        let recent_bytes = self.options.recent_bytes;
        let done = self.index.write(|index| {
            if buffers {
                index.tail.extend(slot, start, bytes)?;
            }
            #[cfg(not(all(feature = "small", target_family = "wasm")))]
            index
                .recent
                .keep(slot, start, (bytes, staged.len()), recent_bytes);
            index.goes_to(slot, end);
            Ok::<_, Error>(publish(index, staged, slot, start, base_seq))
        })?;
        self.writer_mut()?.active.end = end;
        // The records are in the log but not all in the index: only a new opening can tell.
        done.inspect_err(|_| self.poison())
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

/// Tells the index of records that lie one behind the other from `start` on.
fn publish<F: File + Clone>(
    index: &mut Index<F>,
    staged: &[Staged<'_>],
    segment: u16,
    start: u64,
    base_seq: u64,
) -> Result<()> {
    // A table that grows by eighths moves each key nine times while a new store is filled. Without the memory for all at
    // once it still grows so. Keys that are there already take no room, so what is left over is given back.
    let fills = staged.len() > index.keydir.len().max(AHEAD);
    if fills {
        let _ = index.keydir.reserve(staged.len());
    }
    let mut offset = start;
    for (at, op) in staged.iter().enumerate() {
        if at % AHEAD == 0 && staged.len() > 1 {
            // What a long batch looked at when it was staged is far away again.
            let near = staged[at..].iter().take(AHEAD);
            index.keydir.approach(near.map(|op| op.hash));
        }
        let record_bytes = op.head.record_bytes(base_seq);
        index.publish(&Publication {
            hash: op.hash,
            space: op.space,
            place: Place::at(segment, offset)?,
            record_bytes,
            change: if op.head.kind.is_tombstone() {
                Change::Delete
            } else {
                Change::Put {
                    expiry_ms: op.head.expiry_ms,
                }
            },
            old_expiry_ms: op.old_expiry_ms,
        })?;
        offset += record_bytes;
        if let (Some(ordered), Space::User) = (&mut index.ordered, op.space) {
            if op.head.kind.is_tombstone() {
                ordered.remove(op.key);
            } else {
                ordered.insert(fallible::copy(op.key)?)?;
            }
        }
    }
    if fills {
        index.keydir.shrink();
    }
    Ok(())
}

/// Settles the heads for this segment and returns the bytes they need together.
fn shape<F>(staged: &mut [Staged<'_>], active: &Active<F>) -> u64 {
    let base = active.site.base_seq;
    let many = staged.len() > 1;
    let mut rest_bytes = 0;
    for op in staged.iter_mut().skip(1) {
        op.head.batch = Batch::Member;
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
        Batch::First {
            rest_bytes,
            rest_records,
        }
    } else {
        Batch::None
    };
    first.head.record_bytes(base) + rest_bytes
}
