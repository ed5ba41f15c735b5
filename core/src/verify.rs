//! Verify: every byte of every segment, hint and manifest read and checked, whatever the index says.

mod hint;
mod manifest;

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
use crate::segment::read::Located;
use crate::segment::walk::{State, Step, Walker};
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// What verify found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files read, manifests among them.
    pub files: u64,
    /// Records checked, markers included.
    pub records: u64,
    /// Records that live keys need.
    pub live_records: u64,
    /// Bytes of segments read.
    pub bytes: u64,
    /// Everything that is not as it was written.
    pub damages: Vec<DamageReport>,
    /// Places that are damaged, or hold what was being written when the last writer stopped, or
    /// what a writer is writing now: nobody can tell which, and no acknowledged data depends on
    /// them. At the end of the active segment as a reader sees it, of the active segment's hint, and
    /// of manifests.
    pub undecided: Vec<DamageReport>,
}

impl VerifyReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// Damaged places that a live key depends on, or may.
    pub fn live_damages(&self) -> impl Iterator<Item = &DamageReport> {
        self.damages.iter().filter(|damage| damage.live)
    }
}

/// What a hint must say of a record.
#[derive(PartialEq, Eq)]
struct Recorded {
    offset: u64,
    entry: HintEntry,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Reads and checks every file of the store: headers, every record's head and body, footers,
    /// hints against their segments, manifests, and every live key's place. What lies past a
    /// logical end means nothing and is not looked at, nor are a manifest's fence, the reserve and
    /// files of strangers. Tells `progress` the bytes done
    /// and in all. Finds damage; repairs nothing.
    pub fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let segments = &self.state().segments;
        let total = segments.iter().map(|entry| self.checked_end(entry)).sum();
        let mut part = 0;
        while self.verify_part(part, &mut report, |done| progress(done, total))? {
            part += 1;
        }
        Ok(report)
    }

    /// One part of [`Self::verify`], for hosts that have other things to do in between: a segment for each number from
    /// 0 on, then the manifests and the places of the keys, all into one report. Answers whether there is a further
    /// part. For an engine that only reads: between two parts a writer's segments may be others. Tells `progress` the
    /// bytes done so far.
    pub fn verify_part(
        &self,
        part: usize,
        report: &mut VerifyReport,
        mut progress: impl FnMut(u64),
    ) -> Result<bool> {
        if part == 0 {
            // What has expired is not live, here as elsewhere.
            self.sweep_expired();
        }
        let Some(entry) = self.state().segments.get(part) else {
            self.verify_manifests(report)?;
            self.verify_places(report)?;
            return Ok(false);
        };
        let (before, end) = (report.bytes, self.checked_end(entry));
        self.verify_segment(entry, end, report, &mut |done| progress(before + done))?;
        report.bytes = before + end;
        progress(report.bytes);
        Ok(true)
    }

    /// Where what a segment's file holds for sure ends.
    fn checked_end(&self, entry: &SegmentEntry) -> u64 {
        let end = self.index.read(|index| {
            let slot = index.slot_of(entry.id)?;
            // Beside a writer, the segment that was active may have been sealed since.
            let buffered = match index.tail.segment == slot {
                true => index.tail.bytes.len() as u64,
                false => 0,
            };
            Some(index.segment(slot)?.end - buffered)
        });
        end.unwrap_or(entry.valid_bytes)
    }

    fn verify_segment(
        &self,
        entry: &SegmentEntry,
        end: u64,
        report: &mut VerifyReport,
        progress: &mut impl FnMut(u64),
    ) -> Result<()> {
        let name = names::segment(entry.id);
        let damage = |offset, bytes, damage, key, live| DamageReport {
            file: name,
            offset,
            bytes,
            damage,
            key,
            live,
        };
        report.files += 1;
        let file = match self.storage.open(&name, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind == ErrorKind::NotFound => {
                let gone = damage(0, end, Damage::Missing, None, true);
                fallible::push(&mut report.damages, gone)?;
                return Ok(());
            }
            Err(error) => return Err(Error::storage(Op::Open, Some(name), error)),
        };
        let mut header = [0; FILE_HEADER_BYTES];
        let got = file.pread(0, &mut header).during(Op::Read, name)?;
        let sound = FileHeader::decode(&header[..got]).is_ok_and(|header| {
            (header.id, header.salt, header.store) == (entry.id, entry.salt, self.store)
        });
        if !sound {
            let bytes = FILE_HEADER_BYTES as u64;
            let header = damage(0, bytes, Damage::FileHeader, None, false);
            fallible::push(&mut report.damages, header)?;
        }
        let site = Site {
            salt: entry.salt,
            base_seq: entry.base_seq,
        };
        let slot = self.index.read(|index| index.slot_of(entry.id));
        let mut entries = Vec::new();
        let start = FILE_HEADER_BYTES as u64;
        let mut walker = Walker::new(file.clone(), entry.id, site, start, end);
        let mut whole = true;
        while let Some(step) = walker.next()? {
            match step {
                Step::Gap => {
                    whole = false;
                    let gap = walker.gap();
                    let bytes = gap.to - gap.from;
                    let gap = damage(gap.from, bytes, gap.damage, None, true);
                    fallible::push(&mut report.damages, gap)?;
                }
                Step::Record => {
                    let found = *walker.found();
                    report.records += 1;
                    let kind = found.head.kind;
                    let hash =
                        (kind != Kind::Marker).then(|| self.hash(kind.space(), walker.key()));
                    let live = hash.is_some_and(|hash| {
                        let here = Place {
                            segment: slot.unwrap_or(u16::MAX),
                            offset: found.offset as u32,
                        };
                        self.index
                            .read(|index| index.keydir.get(hash))
                            .is_some_and(|slot| slot.place == here)
                    });
                    report.live_records += u64::from(live);
                    if found.state != State::Intact {
                        let what = walker.damage_of(&found);
                        let certain = found.state != State::KeyRotten;
                        let key = certain.then(|| fallible::copy(walker.key())).transpose()?;
                        // A tombstone or an unnamed key may still be needed.
                        let live = live || !certain || kind.is_tombstone();
                        let rotten = damage(found.offset, found.bytes, what, key, live);
                        fallible::push(&mut report.damages, rotten)?;
                    }
                    // A hint knows the key that was; a rotten one proves nothing against it.
                    whole &= found.state != State::KeyRotten;
                    if whole && entries.len() < HINT_ENTRIES_CHECKED {
                        fallible::push(
                            &mut entries,
                            Recorded {
                                offset: found.offset,
                                entry: HintEntry {
                                    kind,
                                    record_bytes: found.bytes,
                                    hash,
                                    expiry_ms: found.head.expiry_ms,
                                },
                            },
                        )?;
                    }
                }
            }
            progress(walker.pos());
        }
        if entry.state == SegmentState::Sealed {
            let mut footer = [0; FOOTER_BYTES];
            let got = file.pread(end, &mut footer).during(Op::Read, name)?;
            let footer = Footer::decode(&footer[..got]);
            let same = |footer: Footer| {
                let header = (footer.header.id, footer.header.salt, footer.header.store);
                footer.data_end == end && header == (entry.id, entry.salt, self.store)
            };
            if !footer.is_ok_and(same) {
                let bytes = FOOTER_BYTES as u64;
                let footer = damage(end, bytes, Damage::Footer, None, false);
                fallible::push(&mut report.damages, footer)?;
            }
        }
        let active = entry.state == SegmentState::Active;
        if active && matches!(self.role, Role::Reader(_)) {
            doubt_tail(&file, site, (name, end), report)?;
        }
        self.verify_hint(entry, site, (end, &entries), report)
    }

    /// Every place in the index must hold its own key's record.
    fn verify_places(&self, report: &mut VerifyReport) -> Result<()> {
        let mut from = Some(0);
        while let Some(cursor) = from {
            let page = self
                .index
                .read(|index| fallible::collect(index.keydir.scan(cursor).take(PLACES_CHECKED)))?;
            from = page.last().and_then(|(hash, _)| hash.hi.checked_add(1));
            for (hash, slot) in page {
                let located = self.index.read(|index| index.locate_slot(slot));
                let mut buffer = Vec::new();
                let (spot, result) = match located {
                    Ok(Located::Filed(spot)) => {
                        let result = spot.read(&mut buffer);
                        (spot, result)
                    }
                    _ => continue,
                };
                let wrong = match result {
                    Ok(checked) => {
                        let space = checked.head.kind.space();
                        let same = checked.head.kind.is_put()
                            && self.hash(space, &buffer[checked.key()]) == hash;
                        (!same).then_some(Damage::Hint)
                    }
                    Err(Error::Corrupt { found }) => Some(found.damage),
                    Err(_) => Some(Damage::Unreadable),
                };
                let known = |d: &DamageReport| {
                    d.file == spot.name()
                        && d.offset <= spot.offset
                        && spot.offset < d.offset + d.bytes
                };
                // Beside a writer the key may have moved while its old place was read.
                let still_there = || self.index.read(|index| index.keydir.get(hash)) == Some(slot);
                if let Some(damage) = wrong
                    && still_there()
                    && !report.damages.iter().any(known)
                {
                    let misplaced = DamageReport {
                        file: spot.name(),
                        offset: spot.offset,
                        bytes: spot.bytes,
                        damage,
                        key: None,
                        live: true,
                    };
                    fallible::push(&mut report.damages, misplaced)?;
                }
            }
        }
        Ok(())
    }
}

/// Records of a segment whose hint entries are compared one by one.
const HINT_ENTRIES_CHECKED: usize = 1 << 22;
/// Places looked at between two looks at the index.
const PLACES_CHECKED: usize = 1024;

/// Notes what lies behind the last whole record of the active segment, if it is no footer.
fn doubt_tail<F: File>(
    file: &F,
    site: Site,
    (name, end): (FileName, u64),
    report: &mut VerifyReport,
) -> Result<()> {
    let mut ahead = [0; FOOTER_BYTES];
    let got = file.pread(end, &mut ahead).during(Op::Read, name)?;
    let footer = Footer::decode(&ahead[..got]);
    let closed = footer.is_ok_and(|f| f.data_end == end && f.header.salt == site.salt);
    if !closed && ahead.iter().any(|byte| *byte != 0) {
        let len = file.len().during(Op::Read, name)?;
        let tail = DamageReport {
            file: name,
            offset: end,
            bytes: len.saturating_sub(end),
            damage: Damage::Head,
            key: None,
            live: false,
        };
        fallible::push(&mut report.undecided, tail)?;
    }
    Ok(())
}
