//! Segments: header, records, footer, and their hints.

use crate::engine::{Engine, Role};
use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FOOTER_BYTES, FileHeader, Footer};
use crate::format::hint::Entry as HintEntry;
use crate::format::manifest::{SegmentEntry, SegmentState};
use crate::format::record::{Kind, Site};
use crate::index::IndexCell;
use crate::keydir::Place;
use crate::prelude::*;
use crate::report::DamageReport;
use crate::segment::walk::{Found, State, Step, Walker};
use crate::storage::{Access, ErrorKind, File, FileName, Storage};
use crate::verify::VerifyReport;

/// Records of a segment whose hint entries are compared one by one.
const HINT_ENTRIES_CHECKED: usize = 1 << 22;

/// What a hint must say of a record.
#[derive(PartialEq, Eq)]
pub(super) struct Recorded {
    pub offset: u64,
    pub entry: HintEntry,
}

/// A segment that is being checked.
struct Checked<'a, F> {
    entry: &'a SegmentEntry,
    file: F,
    /// Its slot in the index; `None` where it has none.
    slot: Option<u16>,
    /// Where what its file holds for sure ends.
    end: u64,
}

impl<F> Checked<'_, F> {
    fn name(&self) -> FileName {
        names::segment(self.entry.id)
    }

    fn site(&self) -> Site {
        Site {
            salt: self.entry.salt,
            base_seq: self.entry.base_seq,
        }
    }

    /// Damage of the file that no key depends on.
    fn dead(&self, offset: u64, bytes: usize, damage: Damage) -> DamageReport {
        DamageReport {
            file: self.name(),
            offset,
            bytes: bytes as u64,
            damage,
            key: None,
            live: false,
        }
    }
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Checks a segment, whose file holds records until `end` for sure, and its hint.
    pub(super) fn verify_segment(
        &self,
        entry: &SegmentEntry,
        end: u64,
        report: &mut VerifyReport,
        progress: &mut impl FnMut(u64),
    ) -> Result<()> {
        report.files += 1;
        let name = names::segment(entry.id);
        let file = match self.storage.open(&name, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind == ErrorKind::NotFound => {
                let gone = DamageReport {
                    file: name,
                    offset: 0,
                    bytes: end,
                    damage: Damage::Missing,
                    key: None,
                    live: true,
                };
                return Ok(fallible::push(&mut report.damages, gone)?);
            }
            Err(error) => return Err(Error::storage(Op::Open, Some(name), error)),
        };
        let segment = Checked {
            entry,
            file,
            slot: self.index.read(|index| index.slot_of(entry.id)),
            end,
        };
        self.verify_header(&segment, report)?;
        let recorded = self.verify_records(&segment, report, progress)?;
        match entry.state {
            SegmentState::Sealed => self.verify_footer(&segment, report)?,
            SegmentState::Active if matches!(self.role, Role::Reader(_)) => {
                doubt_tail(&segment, report)?;
            }
            SegmentState::Active | SegmentState::Cut => {}
        }
        self.verify_hint(entry, segment.site(), (end, &recorded), report)
    }

    fn verify_header(
        &self,
        segment: &Checked<'_, S::File>,
        report: &mut VerifyReport,
    ) -> Result<()> {
        let mut header = [0; FILE_HEADER_BYTES];
        let read = segment.file.pread(0, &mut header);
        let got = read.during(Op::Read, segment.name())?;
        let sound = FileHeader::decode(&header[..got])
            .is_ok_and(|header| self.is_of(&header, segment.entry));
        if !sound {
            let wrong = segment.dead(0, FILE_HEADER_BYTES, Damage::FileHeader);
            fallible::push(&mut report.damages, wrong)?;
        }
        Ok(())
    }

    fn verify_footer(
        &self,
        segment: &Checked<'_, S::File>,
        report: &mut VerifyReport,
    ) -> Result<()> {
        let mut footer = [0; FOOTER_BYTES];
        let read = segment.file.pread(segment.end, &mut footer);
        let got = read.during(Op::Read, segment.name())?;
        let sound = Footer::decode(&footer[..got]).is_ok_and(|footer| {
            footer.data_end == segment.end && self.is_of(&footer.header, segment.entry)
        });
        if !sound {
            let wrong = segment.dead(segment.end, FOOTER_BYTES, Damage::Footer);
            fallible::push(&mut report.damages, wrong)?;
        }
        Ok(())
    }

    /// Whether a header is the one that this segment has.
    fn is_of(&self, header: &FileHeader, entry: &SegmentEntry) -> bool {
        (header.id, header.salt, header.store) == (entry.id, entry.salt, self.store)
    }

    /// Checks the records one by one, and answers what a hint must say of the first ones: of all before the first whose
    /// key nobody knows.
    fn verify_records(
        &self,
        segment: &Checked<'_, S::File>,
        report: &mut VerifyReport,
        progress: &mut impl FnMut(u64),
    ) -> Result<Vec<Recorded>> {
        let mut recorded = Vec::new();
        let (file, start) = (segment.file.clone(), FILE_HEADER_BYTES as u64);
        let mut walker = Walker::new(file, segment.entry.id, segment.site(), start, segment.end);
        let mut whole = true;
        while let Some(step) = walker.next()? {
            match step {
                Step::Gap => {
                    whole = false;
                    let gap = walker.gap();
                    let hides = DamageReport {
                        file: segment.name(),
                        offset: gap.from,
                        bytes: gap.to - gap.from,
                        damage: gap.damage,
                        key: None,
                        live: true,
                    };
                    fallible::push(&mut report.damages, hides)?;
                }
                Step::Record => {
                    let found = *walker.found();
                    let says = self.verify_record(segment, &walker, &found, report)?;
                    // A hint knows the key that was; a rotten one proves nothing against it.
                    whole &= found.state != State::KeyRotten;
                    if whole && recorded.len() < HINT_ENTRIES_CHECKED {
                        fallible::push(&mut recorded, says)?;
                    }
                }
            }
            progress(walker.pos());
        }
        Ok(recorded)
    }

    /// Notes a record, and that it is damaged if it is. Answers what a hint must say of it.
    fn verify_record(
        &self,
        segment: &Checked<'_, S::File>,
        walker: &Walker<S::File>,
        found: &Found,
        report: &mut VerifyReport,
    ) -> Result<Recorded> {
        let kind = found.head.kind;
        let hash = (kind != Kind::Marker).then(|| self.hash(kind.space(), walker.key()));
        let slot = hash.and_then(|hash| self.index.read(|index| index.keydir.get(hash)));
        let here = segment
            .slot
            .map(|slot| Place::at(slot, found.offset))
            .transpose()?;
        let live = slot.is_some_and(|slot| Some(slot.place) == here);
        report.records += 1;
        report.live_records += u64::from(live);
        if found.state != State::Intact {
            let certain = found.state != State::KeyRotten;
            let rotten = DamageReport {
                file: segment.name(),
                offset: found.offset,
                bytes: found.bytes,
                damage: walker.damage_of(found),
                key: certain.then(|| fallible::copy(walker.key())).transpose()?,
                // A tombstone or an unnamed key may still be needed.
                live: live || !certain || kind.is_tombstone(),
            };
            fallible::push(&mut report.damages, rotten)?;
        }
        Ok(Recorded {
            offset: found.offset,
            entry: HintEntry {
                kind,
                record_bytes: found.bytes,
                hash,
                expiry_ms: found.head.expiry_ms,
            },
        })
    }
}

/// Notes what lies behind the last whole record of the active segment, if it is no footer.
fn doubt_tail<F: File>(segment: &Checked<'_, F>, report: &mut VerifyReport) -> Result<()> {
    let (name, end) = (segment.name(), segment.end);
    let mut ahead = [0; FOOTER_BYTES];
    let got = segment.file.pread(end, &mut ahead).during(Op::Read, name)?;
    let closed = Footer::decode(&ahead[..got])
        .is_ok_and(|footer| footer.data_end == end && footer.header.salt == segment.entry.salt);
    if !closed && ahead.iter().any(|byte| *byte != 0) {
        let len = segment.file.len().during(Op::Read, name)?;
        let tail = DamageReport {
            bytes: len.saturating_sub(end),
            ..segment.dead(end, 0, Damage::Head)
        };
        fallible::push(&mut report.undecided, tail)?;
    }
    Ok(())
}
