//! The active segment of a store that was not closed.
//!
//! ```text
//!   header | settled: below the greatest durable marker W | unsettled                    | end of file
//!          | damage here is damage of acknowledged data   | the longest whole prefix     | torn tail
//!          |                                              | counts; batches whole or not |
//! ```
//!
//! The unsettled records may exist only in the system's cache, so a writer copies them to a new
//! segment and syncs that before it trusts them. The old file is never truncated or appended again.
//! A tail that cannot be read is neither cut nor copied; the store then opens degraded.

use super::divide::Parts;
use super::opened::Opened;
use super::replay::{Counted, Replay};
use crate::error::{Context, Damage, Error, Op, Result};
use crate::format::counter;
use crate::format::file::FILE_HEADER_BYTES;
use crate::format::file::StoreId;
use crate::format::file::names;
use crate::format::manifest::{Edit, SegmentEntry};
use crate::format::record::Kind;
use crate::index::{Index, Segment};
use crate::manifest_log::ManifestLog;
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::active::Active;
use crate::segment::append::Appender;
use crate::segment::create::{Created, create_segment};
use crate::segment::hint_log::HintLog;
use crate::segment::walk::{Found, State, Step, Walker};
use crate::storage::{File, Storage};
use core::slice;

/// What becomes of the old active segment.
pub(crate) enum Outcome<F> {
    /// There was none.
    None,
    /// It was closed cleanly and goes on.
    Continue { active: Box<Active<F>> },
    /// It ends at `valid_bytes`; what lies between there and `tail_end` moves to a new segment.
    Seal {
        opened: Box<Opened<F>>,
        valid_bytes: u64,
        tail_end: u64,
        records: u64,
    },
}

/// A new active segment holding what was rewritten, not yet in the manifest.
pub(crate) struct Fresh<F> {
    pub entry: SegmentEntry,
    pub active: Box<Active<F>>,
}

impl<S: Storage> Replay<'_, S> {
    /// The active segment as a reader sees it: an incomplete tail is in flight, not torn.
    pub(crate) fn active_in_place(&mut self, entry: &SegmentEntry, clean: bool) -> Result<()> {
        let rank = u32::MAX;
        let Some(opened) = self.open_segment(entry, rank)? else {
            return Ok(());
        };
        if self.ends_where_closed(&opened, entry, clean) {
            let counted = self.stretch(&opened, entry.valid_bytes, None)?;
            self.mark_damaged(&opened, counted.damaged);
            return Ok(());
        }
        let parts = self.divide(&opened, entry.valid_bytes)?;
        let counted = self.stretch(&opened, parts.settled, None)?;
        self.mark_damaged(&opened, counted.damaged);
        self.show_tail(&opened, parts.settled, parts.tail_end)
    }

    /// What was written but not settled, shown where it is: for those who only read.
    fn show_tail(&mut self, opened: &Opened<S::File>, settled: u64, tail_end: u64) -> Result<()> {
        let mut walker = opened.walk(settled, tail_end);
        while let Some(step) = walker.next()? {
            match step {
                Step::Record => {
                    let found = *walker.found();
                    self.record(opened, &mut walker, &found)?;
                }
                Step::Gap => self.hidden(opened, walker.gap())?,
            }
        }
        self.bound(opened, settled, tail_end);
        Ok(())
    }

    /// For a writer that may only read after all, because damage hides keys.
    pub(crate) fn give_up_writing(&mut self, outcome: &Outcome<S::File>) -> Result<()> {
        match outcome {
            Outcome::Seal {
                opened,
                valid_bytes,
                tail_end,
                ..
            } => self.show_tail(opened, *valid_bytes, *tail_end),
            Outcome::Continue { .. } | Outcome::None => Ok(()),
        }
    }

    /// The active segment as a writer takes it over.
    pub(crate) fn active_for_writer(
        &mut self,
        entry: &SegmentEntry,
        clean: bool,
    ) -> Result<Outcome<S::File>> {
        let Some(opened) = self.open_segment(entry, u32::MAX)? else {
            return Ok(Outcome::None);
        };
        let clean = self.ends_where_closed(&opened, entry, clean);
        let parts = if clean {
            Parts {
                settled: entry.valid_bytes,
                tail_end: entry.valid_bytes,
            }
        } else {
            self.divide(&opened, entry.valid_bytes)?
        };
        let mut hint = None;
        let counted = self.stretch(&opened, parts.settled, clean.then_some(&mut hint))?;
        self.mark_damaged(&opened, counted.damaged);
        self.bound(&opened, parts.settled, parts.settled);
        if (clean || planted(Bug::OldFileContinued)) && !counted.damaged {
            let end = parts.settled;
            let salt = opened.site.salt;
            return Ok(Outcome::Continue {
                active: Box::new(Active::at(
                    (opened.slot, opened.id),
                    opened.file,
                    opened.site,
                    end,
                    counted.records,
                    hint.unwrap_or_else(|| HintLog::none(salt, end)),
                )),
            });
        }
        Ok(Outcome::Seal {
            opened,
            valid_bytes: parts.settled,
            tail_end: parts.tail_end,
            records: counted.records,
        })
    }

    /// Copies the unsettled records into a new segment, syncs it, and publishes them there.
    pub(crate) fn rewrite(
        &mut self,
        outcome: &Outcome<S::File>,
        manifest: &mut ManifestLog<S::File>,
        id: u64,
        seq: u64,
    ) -> Result<Fresh<S::File>> {
        let tail = match outcome {
            Outcome::Seal {
                opened,
                valid_bytes,
                tail_end,
                ..
            } => Some((opened, *valid_bytes, *tail_end)),
            Outcome::Continue { .. } | Outcome::None => None,
        };
        let mut base_seq = counter::after(seq, 1)?;
        if let Some((opened, from, to)) = tail {
            base_seq = base_seq.min(first_number(opened, from, to)?);
        }
        let now = self.storage.now_ms().unwrap_or(0);
        let (created, slot) = begin_segment(
            (self.storage, self.store),
            &mut self.index,
            manifest,
            (id, base_seq),
            now,
        )?;
        let name = names::segment(created.id);
        let start = FILE_HEADER_BYTES as u64;
        let target = Opened {
            file: created.file.clone(),
            slot,
            site: created.site,
            id: created.id,
            rank: u32::MAX,
            file_bytes: start,
            records: 0,
        };
        let mut hint = HintLog::new(self.storage, self.store, created.id, created.site.salt, now);
        let (mut end, mut counted) = (start, Counted::default());
        if let Some((opened, from, to)) = tail {
            let walker = opened.walk(from, to);
            (end, counted) = self.copy_tail((walker, opened.id), &target, &mut hint)?;
            if counted.records > 0 {
                created.file.sync().during(Op::Sync, name)?;
            }
        }
        self.bound(&target, end, end);
        self.report.rewritten_records = counted.records;
        let last_seq = counted.last_seq.max(base_seq.saturating_sub(1));
        let entry = created.entry(last_seq, end, counted.records);
        let place = (slot, created.id);
        let active = Active::at(
            place,
            created.file,
            created.site,
            end,
            counted.records,
            hint,
        );
        Ok(Fresh {
            entry,
            active: Box::new(active),
        })
    }

    /// Copies what a walk meets into a segment and publishes it there. Answers where the copies end, and what they are.
    fn copy_tail(
        &mut self,
        (mut walker, old): (Walker<S::File>, u64),
        target: &Opened<S::File>,
        hint: &mut HintLog<S::File>,
    ) -> Result<(u64, Counted)> {
        let mut counted = Counted::default();
        let start = FILE_HEADER_BYTES as u64;
        let mut out = Appender::new(target.file.clone(), target.id, target.site, start);
        while let Some(step) = walker.next()? {
            let found = *still_whole(step, &walker, old)?;
            if found.head.kind == Kind::Marker {
                continue;
            }
            let (offset, bytes) = out.copy(&mut walker, &found)?;
            let at = Found {
                offset,
                bytes,
                ..found
            };
            if let Some(entry) = self.record(target, &mut walker, &at)? {
                hint.push(&entry);
            }
            counted.records += 1;
            counted.last_seq = found.head.seq;
        }
        out.flush()?;
        Ok((out.end(), counted))
    }

    /// Whether a store that was closed cleanly, as its manifest says, was left alone since.
    ///
    /// Where names cannot be synced, a power loss may take a newer manifest away, and with it the
    /// news of what was appended under it; a file longer than its closed length tells.
    fn ends_where_closed(
        &mut self,
        opened: &Opened<S::File>,
        entry: &SegmentEntry,
        clean: bool,
    ) -> bool {
        let clean = clean && opened.file_bytes <= entry.valid_bytes;
        self.report.clean = clean;
        clean
    }
}

/// Makes the next active segment's file, under another id while something stands in the way, and gives it a slot.
pub(super) fn begin_segment<S: Storage>(
    (storage, store): (&S, StoreId),
    index: &mut Index<S::File>,
    manifest: &mut ManifestLog<S::File>,
    (mut id, base_seq): (u64, u64),
    now_ms: u64,
) -> Result<(Created<S::File>, u16)> {
    let created = loop {
        if let Some(created) = create_segment(storage, store, id, base_seq, now_ms)? {
            break created;
        }
        let next = manifest.state.next_id;
        let [condemn, forget] = Edit::disown(slice::from_ref(&id));
        manifest.commit(&[
            condemn,
            forget,
            Edit::Pending(next),
            Edit::NextId(counter::after(next, 1)?),
        ])?;
        id = next;
    };
    let (file, site) = (created.file.clone(), created.site);
    let start = FILE_HEADER_BYTES as u64;
    let slot = index.add_segment(Segment::new(file, created.id, site, u32::MAX, start))?;
    Ok((created, slot))
}

/// The least sequence number of the records between two offsets.
fn first_number<F: File + Clone>(opened: &Opened<F>, from: u64, to: u64) -> Result<u64> {
    let mut least = u64::MAX;
    let mut heads = opened.walk(from, to);
    while let Some(step) = heads.next_head()? {
        let found = still_whole(step, &heads, opened.id)?;
        // A marker repeats the number of a record that may lie before the cut.
        if found.head.kind != Kind::Marker {
            least = least.min(found.head.seq);
        }
    }
    Ok(least)
}

/// A step of a walk over the tail, which was divided a moment ago: if a record is not whole now, it
/// could not be read, and must not be taken for the end.
fn still_whole<F: File>(step: Step, walker: &Walker<F>, segment: u64) -> Result<&Found> {
    let offset = match step {
        Step::Record if walker.found().state == State::Intact => return Ok(walker.found()),
        Step::Record => walker.found().offset,
        Step::Gap => walker.gap().from,
    };
    Err(Error::corrupt(
        names::segment(segment),
        offset,
        Damage::Unreadable,
    ))
}
