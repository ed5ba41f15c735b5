//! Where the parts of an unclosed active segment begin: what is settled, the longest whole prefix
//! after it, and the torn rest.

use super::opened::Opened;
use super::replay::Replay;
use crate::error::{Damage, Result};
use crate::format::file::{FILE_HEADER_BYTES, FOOTER_BYTES, Footer};
use crate::format::record::{Batch, Kind, Site};
use crate::planted::{Bug, planted};
use crate::segment::walk::{Found, Gap, State, Step, Walker};
use crate::storage::{File, Storage};

/// Read at a time in search of a file's last byte that is not zero.
const BLANK_PIECE_BYTES: usize = 4 << 10;

/// Where the parts of an unclosed active segment begin.
pub(super) struct Parts {
    /// W: everything below was durable.
    pub settled: u64,
    /// The end of the longest whole prefix.
    pub tail_end: u64,
}

impl<S: Storage> Replay<'_, S> {
    /// Finds the greatest durable marker and the longest whole prefix after it.
    pub(super) fn divide(&mut self, opened: &Opened<S::File>, known: u64) -> Result<Parts> {
        let (mut settled, unread_head) = self.greatest_marker(opened, known)?;
        let mut walker = opened.walk(settled, opened.file_bytes);
        let mut tail_end = settled;
        let mut kept = 0;
        while let Some(records) = whole_unit(&mut walker)? {
            tail_end = walker.pos();
            kept += records;
        }
        let unread_rest = self.note_tail(opened, settled, tail_end, kept)?;
        // A write that was cut short can be read. What cannot be read may have been durable, and so
        // may what a marker in it would have vouched for.
        let unread = [unread_head, walker.unreadable_from(tail_end), unread_rest];
        if let Some(from) = unread.into_iter().flatten().min() {
            self.hidden(
                opened,
                &Gap {
                    from,
                    to: opened.file_bytes.max(from + 1),
                    damage: Damage::Unreadable,
                },
            )?;
        }
        if planted(Bug::TailTrusted) {
            settled = tail_end;
        }
        Ok(Parts { settled, tail_end })
    }

    /// The greatest offset that a record of the file vouches for, at least `known`, and the first place
    /// from there on that could not be read.
    ///
    /// Looks at the heads from the file's end towards its beginning, a block of the hint at a time: no
    /// record vouches for more than what lies before itself, so that those before a stretch need not
    /// be asked once one of the stretch vouches for all of them.
    fn greatest_marker(
        &mut self,
        opened: &Opened<S::File>,
        known: u64,
    ) -> Result<(u64, Option<u64>)> {
        let end = opened.file_bytes;
        let start = known.max(FILE_HEADER_BYTES as u64).min(end);
        let mut settled = known.max(FILE_HEADER_BYTES as u64);
        let mut joints = self.hint_joints(opened)?;
        joints.retain(|joint| (start + 1..end).contains(joint));
        let (mut to, mut unread) = (end, None);
        loop {
            let from = joints.pop().unwrap_or(start);
            let mut walker = opened.walk(from, to);
            while let Some(step) = walker.next_head()? {
                let found = walker.found();
                if !matches!(step, Step::Record) || found.state != State::Intact {
                    continue;
                }
                self.max_seq = self.max_seq.max(found.head.seq);
                let settles = |d: &u64| *d <= found.offset && !planted(Bug::MarkerIgnored);
                if let Some(durable) = found.head.durable.filter(settles) {
                    settled = settled.max(durable);
                }
            }
            // Where it goes on, nothing vouches for anything of this stretch.
            unread = walker.unreadable_from(settled).or(unread);
            if from == start || from <= settled {
                break;
            }
            to = from;
        }
        Ok((settled, unread))
    }

    /// Counts what lies above the marker: kept but undecidable, and torn. Returns where bytes in the
    /// torn part could not be read, if any.
    fn note_tail(
        &mut self,
        opened: &Opened<S::File>,
        settled: u64,
        tail_end: u64,
        kept: u64,
    ) -> Result<Option<u64>> {
        let end = written_end(opened, tail_end);
        self.report.undecidable_bytes = end.saturating_sub(settled);
        self.report.undecidable_records = kept;
        let mut rest = opened.walk(tail_end, opened.file_bytes);
        if tail_end >= end || is_own_footer(&mut rest, opened.site, tail_end) {
            let footer = end.saturating_sub(tail_end).min(FOOTER_BYTES as u64);
            self.report.undecidable_bytes -= footer.min(self.report.undecidable_bytes);
            return Ok(None);
        }
        if !self.writes_hints {
            // A reader sees a writer at work.
            return Ok(None);
        }
        self.report.torn_bytes = end - tail_end;
        while let Some(step) = rest.next()? {
            let found = rest.found();
            if matches!(step, Step::Record)
                && found.state == State::Intact
                && found.head.kind != Kind::Marker
            {
                self.report.torn_records += 1;
                // No sequence number is issued twice, not even one of a record that was cut.
                self.max_seq = self.max_seq.max(found.head.seq);
            }
        }
        Ok(rest.unreadable_from(tail_end))
    }
}

/// Where a file ends that may have been lengthened ahead of what was written to it: no zeros are counted
/// as bytes that somebody wrote. What cannot be read may not be zeros.
fn written_end<F: File + Clone>(opened: &Opened<F>, from: u64) -> u64 {
    let mut piece = [0; BLANK_PIECE_BYTES];
    let mut end = opened.file_bytes;
    while end > from {
        let start = end.saturating_sub(piece.len() as u64).max(from);
        let piece = &mut piece[..(end - start) as usize];
        let Ok(got) = opened.file.pread(start, piece) else {
            return end;
        };
        if let Some(last) = piece[..got].iter().rposition(|byte| *byte != 0) {
            return start + last as u64 + 1;
        }
        end = start;
    }
    from
}

/// The next record, or the next batch with all its records: how many there are, or `None` if the
/// bytes ahead are not one whole and intact unit. The walk then stands somewhere behind it.
pub(super) fn whole_unit<F: File>(walker: &mut Walker<F>) -> Result<Option<u64>> {
    let Some(first) = intact(walker)? else {
        return Ok(None);
    };
    match first.head.batch {
        Batch::None => Ok(Some(u64::from(first.head.kind != Kind::Marker))),
        Batch::Member => Ok(None),
        Batch::First {
            rest_bytes,
            rest_records,
        } => {
            let start = walker.pos();
            for _ in 0..rest_records {
                match intact(walker)? {
                    Some(found) if found.head.batch == Batch::Member => {}
                    _ if planted(Bug::HalfBatchCompleted) => return Ok(Some(1)),
                    _ => return Ok(None),
                }
            }
            let whole = walker.pos() - start == rest_bytes;
            Ok(whole.then(|| 1 + rest_records))
        }
    }
}

fn intact<F: File>(walker: &mut Walker<F>) -> Result<Option<&Found>> {
    let met = walker.next()?;
    let found = walker.found();
    Ok((matches!(met, Some(Step::Record)) && found.state == State::Intact).then_some(found))
}

/// Whether the bytes at `offset` are the footer that a rotation wrote before it was cut short.
fn is_own_footer<F: File>(walker: &mut Walker<F>, site: Site, offset: u64) -> bool {
    walker.bytes(offset, FOOTER_BYTES).is_ok_and(|bytes| {
        Footer::decode(bytes)
            .is_ok_and(|footer| footer.data_end == offset && footer.header.salt == site.salt)
    })
}
