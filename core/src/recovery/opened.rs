//! A segment file as the state means it: opened, identified, and entered into the index.

use super::replay::Replay;
use crate::error::{Damage, Error, Op, Result};
use crate::format::FILE_BYTES_MAX;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, HeaderDamage};
use crate::format::manifest::{SegmentEntry, SegmentState};
use crate::format::record::Site;
use crate::index::{Segment, Veil};
use crate::prelude::*;
use crate::report::DamageReport;
use crate::segment::walk::Walker;
use crate::storage::{Access, ErrorKind, File, Storage};

/// A segment opened for replay.
pub(crate) struct Opened<F> {
    pub file: F,
    pub slot: u16,
    pub site: Site,
    pub id: u64,
    pub rank: u32,
    pub file_bytes: u64,
    /// Records that the manifest knows of.
    pub records: u64,
}

impl<F: File + Clone> Opened<F> {
    /// A walk over a stretch of it.
    pub(crate) fn walk(&self, from: u64, to: u64) -> Walker<F> {
        Walker::new(self.file.clone(), self.id, self.site, from, to)
    }
}

impl<S: Storage> Replay<'_, S> {
    /// Opens a segment and checks that the file is the one the state means. `None` if there is
    /// nothing to read; that damage is then reported.
    pub(crate) fn open_segment(
        &mut self,
        entry: &SegmentEntry,
        rank: u32,
    ) -> Result<Option<Box<Opened<S::File>>>> {
        let name = names::segment(entry.id);
        let access = match entry.state {
            SegmentState::Active if self.writes_hints => Access::Write,
            _ => Access::Read,
        };
        let file = match self.storage.open(&name, access) {
            Ok(file) => file,
            Err(error) if error.kind == ErrorKind::NotFound => {
                self.whole_file_lost(entry, rank, Damage::Missing)?;
                return Ok(None);
            }
            Err(error) => return Err(Error::storage(Op::Open, Some(name), error)),
        };
        let mut header = [0; FILE_HEADER_BYTES];
        let read = file.pread(0, &mut header);
        let lost = match read {
            Ok(_) => Damage::FileHeader,
            Err(_) => Damage::Unreadable,
        };
        match FileHeader::decode(&header[..read.unwrap_or(0)]) {
            Ok(header) => {
                let same = header.kind == FileKind::Segment
                    && (header.id, header.salt, header.store) == (entry.id, entry.salt, self.store);
                if !same {
                    self.whole_file_lost(entry, rank, Damage::Foreign)?;
                    return Ok(None);
                }
            }
            Err(
                damage @ (HeaderDamage::NewerVersion { .. } | HeaderDamage::UnknownFlags { .. }),
            ) => {
                return Err(Error::header(name, damage));
            }
            // The manifest holds the salt, and the footer the rest: nothing is lost.
            Err(HeaderDamage::Short | HeaderDamage::Foreign | HeaderDamage::Damaged) => {
                self.report.note(DamageReport {
                    file: name,
                    offset: 0,
                    bytes: FILE_HEADER_BYTES as u64,
                    damage: lost,
                    key: None,
                    live: false,
                })?;
            }
        }
        let file_bytes = file
            .len()
            .map_err(|error| Error::storage(Op::Read, Some(name), error))?
            .min(FILE_BYTES_MAX);
        Ok(Some(self.enter(file, entry, rank, file_bytes)?))
    }

    /// Enters a segment's file into the index.
    pub(super) fn enter(
        &mut self,
        file: S::File,
        entry: &SegmentEntry,
        rank: u32,
        file_bytes: u64,
    ) -> Result<Box<Opened<S::File>>> {
        let site = Site {
            salt: entry.salt,
            base_seq: entry.base_seq,
        };
        let segment = Segment::new(file.clone(), entry.id, site, rank, entry.valid_bytes);
        let slot = self.index.add_segment(segment)?;
        Ok(Box::new(Opened {
            file,
            slot,
            site,
            id: entry.id,
            rank,
            file_bytes,
            records: entry.records,
        }))
    }

    fn whole_file_lost(&mut self, entry: &SegmentEntry, rank: u32, damage: Damage) -> Result<()> {
        let start = FILE_HEADER_BYTES as u64;
        self.report.note(DamageReport {
            file: names::segment(entry.id),
            offset: 0,
            bytes: entry.valid_bytes,
            damage,
            key: None,
            live: entry.valid_bytes > start,
        })?;
        if entry.valid_bytes > start || entry.state == SegmentState::Active {
            self.veil(Veil {
                segment: entry.id,
                rank,
                offset: u64::MAX,
            });
        }
        Ok(())
    }

    pub(crate) fn mark_damaged(&mut self, opened: &Opened<S::File>, damaged: bool) {
        if let Some(segment) = self.index.segment_mut(opened.slot) {
            segment.damaged |= damaged;
        }
    }

    /// Tells the index how far a segment's records are durable and how far they go.
    pub(super) fn bound(&mut self, opened: &Opened<S::File>, durable: u64, end: u64) {
        if let Some(segment) = self.index.segment_mut(opened.slot) {
            segment.durable_end = durable;
            segment.end = end;
        }
    }
}
