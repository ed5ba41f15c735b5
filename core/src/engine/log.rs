//! The growing end of the log: appending at the logical end, the buffer before it, and syncing.

use super::Engine;
use crate::error::{Error, Op, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::hint;
use crate::format::record::{Head, Kind};
use crate::index::IndexCell;
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::active::Active;
use crate::storage::{ErrorKind, File, Storage, StorageError};

/// A sync that made more durable than this is told at once, by a marker of 30 bytes.
const MARK_BYTES: u64 = 256 << 10;

/// A sync that somebody has to do: [`Engine::begin_sync`] gives it out,
/// [`Engine::finish_sync`] takes its result. In between the writer is free.
pub struct SyncTicket<F> {
    /// Sync this file.
    pub file: F,
    segment: u64,
    upto: u64,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Hands every buffered byte to the platform. Survives the process's death afterwards.
    pub fn flush(&mut self) -> Result<()> {
        self.writable()?;
        self.flush_tail()?;
        self.check_fence()
    }

    /// Makes everything written so far survive a power loss.
    ///
    /// The first error poisons the store: what reached the medium is then unknown, and every
    /// later write answers [`Error::Poisoned`] until the store is opened again.
    pub fn sync(&mut self) -> Result<()> {
        if let Some(ticket) = self.begin_sync()? {
            let mut done = ticket.file.sync();
            if done.is_err() && planted(Bug::FailedSyncRetried) {
                done = ticket.file.sync();
            }
            self.finish_sync(&ticket, done)?;
        }
        Ok(())
    }

    /// The first half of [`Engine::sync`]: flushes, and says which file to sync. `None` if
    /// everything is durable already. A front end syncs outside its lock.
    pub fn begin_sync(&mut self) -> Result<Option<SyncTicket<S::File>>> {
        self.writable()?;
        self.flush_tail()?;
        if self.writer()?.active.suspect {
            // What a failed append left behind the end must not come to life after this answer.
            self.seal_and_continue()?;
        }
        let active = &mut self.writer_mut()?.active;
        if active.durable < active.end {
            active
                .room
                .prepare(&active.file, active.end, active.durable);
        }
        Ok((active.durable < active.end).then(|| SyncTicket {
            file: active.file.clone(),
            segment: active.id,
            upto: active.end,
        }))
    }

    /// Cuts off the space that was set aside behind the end, for good: a closed file that is longer than
    /// the manifest says was written to by somebody else.
    pub(super) fn give_room_back(&mut self) -> Result<()> {
        let active = &mut self.writer_mut()?.active;
        let (segment, end) = (active.id, active.end);
        if !active.room.close(&active.file, end, active.durable) {
            return Ok(());
        }
        let done = active.file.sync();
        self.finish_sync(
            &SyncTicket {
                file: self.writer()?.active.file.clone(),
                segment,
                upto: end,
            },
            done,
        )
    }

    /// The second half of [`Engine::sync`]. Acknowledges nothing if the store was poisoned or
    /// fenced since the first half.
    pub fn finish_sync(
        &mut self,
        ticket: &SyncTicket<S::File>,
        done: Result<(), StorageError>,
    ) -> Result<()> {
        if let Err(source) = done {
            self.poison();
            return Err(Error::storage(
                Op::Sync,
                Some(names::segment(ticket.segment)),
                source,
            ));
        }
        self.writable()?;
        let now = self.storage.now_ms();
        let writer = self.writer_mut()?;
        writer.synced_ms = now;
        if writer.active.id == ticket.segment && writer.active.durable < ticket.upto {
            writer.active.durable = ticket.upto;
            let slot = writer.active.slot;
            self.index.write(|index| {
                if let Some(segment) = index.segment_mut(slot) {
                    segment.durable_end = ticket.upto;
                }
            });
        }
        self.mark_if_far();
        self.check_fence()
    }

    /// Tells the log how much is durable once that is much more than it says: what no marker vouches
    /// for is copied and synced again by the opening after a crash. Less than that the next record
    /// tells, or an idle moment. What was synced is durable whether or not this can be written.
    fn mark_if_far(&mut self) {
        let Ok(writer) = self.writer_mut() else {
            return;
        };
        let active = &mut writer.active;
        if active.durable.saturating_sub(active.marked) < MARK_BYTES {
            return;
        }
        // A block of its own up to here, because one that reaches past the marker is not used.
        let _ = active.hint.finish();
        let _ = self.mark();
    }

    /// Writes a marker that tells how much is durable, if the log does not say so yet.
    pub(crate) fn mark(&mut self) -> Result<()> {
        let seq = self.writer()?.seq;
        let active = &self.writer()?.active;
        if active.marked >= active.durable.min(active.records_end) || active.records == 0 {
            return Ok(());
        }
        let wall = self.storage.now_ms().unwrap_or(0).to_le_bytes();
        let offset = active.end;
        let mut head = Head::new(Kind::Marker, seq.max(active.site.base_seq), b"", &wall);
        head.durable = Some(active.durable);
        let mut bytes = Vec::new();
        head.encode(&mut bytes, active.site, offset)?;
        fallible::extend(&mut bytes, &wall)?;
        self.flush_tail()?;
        self.append_at_end(&bytes)?;
        let active = &self.writer()?.active;
        let (slot, end) = (active.slot, active.end);
        self.index.write(|index| index.goes_to(slot, end));
        let writer = self.writer_mut()?;
        writer.active.marked = writer.active.durable;
        writer.active.records += 1;
        writer.active.hint.push(&hint::Entry {
            kind: Kind::Marker,
            record_bytes: bytes.len() as u64,
            hash: None,
            expiry_ms: None,
        });
        Ok(())
    }

    /// Appends to the active file at the logical end, which moves only if that succeeded. Nothing
    /// may be in the tail. The index learns of it by [`Index::goes_to`].
    pub(super) fn append_at_end(&mut self, bytes: &[u8]) -> Result<()> {
        let active = &mut self.writer_mut()?.active;
        append(active, active.end, bytes)?;
        active.end += bytes.len() as u64;
        active.handed = active.end;
        Ok(())
    }

    /// Hands the tail to the platform. On an error it stays readable, and the same bytes are tried
    /// again at the same offset.
    pub(crate) fn flush_tail(&mut self) -> Result<()> {
        let active = &self.writer()?.active;
        if active.handed == active.end {
            return Ok(());
        }
        let bytes = self.index.read(|index| fallible::copy(&index.tail.bytes))?;
        let active = &mut self.writer_mut()?.active;
        append(active, active.handed, &bytes)?;
        active.handed = active.end;
        self.index.write(|index| index.tail.bytes.clear());
        Ok(())
    }
}

/// Appends at `offset`; after a failure that is not for want of space the segment is suspect.
fn append<F: File>(active: &mut Active<F>, offset: u64, bytes: &[u8]) -> Result<()> {
    active.file.append(offset, bytes).map_err(|source| {
        active.suspect |= source.kind != ErrorKind::Full;
        Error::storage(Op::Append, Some(names::segment(active.id)), source)
    })
}
