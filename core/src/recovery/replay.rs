//! Filling the index from segments, oldest first: from hints where they are valid, else record by
//! record.

use crate::error::{Damage, Error, Op, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::file::{
    FILE_HEADER_BYTES, FOOTER_BYTES, FileHeader, FileKind, Footer, HeaderDamage, StoreId,
};
use crate::format::hint::{self, BLOCK_BYTES_MAX};
use crate::format::manifest::{SegmentEntry, SegmentState, State as Manifest};
use crate::format::record::{HEAD_BYTES_MIN, Kind, Site};
use crate::format::{FILE_BYTES_MAX, KeyHash};
use crate::index::{Change, Index, Mixed, Publication, Segment, Veil};
use crate::keydir::Place;
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::report::{DamageReport, RecoveryReport};
use crate::segment::hint_log::HintLog;
use crate::segment::walk::{Found, Gap, State, Step, Walker};
use crate::storage::{Access, ErrorKind, File, Storage};

/// An index being filled.
pub(crate) struct Replay<'a, S: Storage> {
    pub storage: &'a S,
    pub index: Index<S::File>,
    pub store: StoreId,
    pub report: RecoveryReport,
    /// The greatest sequence number seen anywhere.
    pub max_seq: u64,
    /// Whether hints may be completed on disk.
    pub writes_hints: bool,
    /// The expiry of each key that has one now, by `hash.hi`.
    expiries: hashbrown::HashMap<u64, u64, Mixed>,
    /// The newest sequence number of each key; only where files have no known order.
    newest: Option<hashbrown::HashMap<KeyHash, u64, Mixed>>,
    /// For damage that named its key: whose it is, and where.
    named: Vec<(usize, KeyHash, Place)>,
}

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

/// What the records of a stretch added up to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counted {
    pub records: u64,
    pub last_seq: u64,
    pub damaged: bool,
}

impl<F: File + Clone> Opened<F> {
    /// A walk over a stretch of it.
    pub(crate) fn walk(&self, from: u64, to: u64) -> Walker<F> {
        let name = names::segment(self.id);
        Walker::new(self.file.clone(), name, self.site, from, to)
    }
}

impl<'a, S: Storage> Replay<'a, S> {
    pub(crate) fn new(
        storage: &'a S,
        index: Index<S::File>,
        store: StoreId,
        writes_hints: bool,
    ) -> Self {
        Self {
            storage,
            index,
            store,
            report: RecoveryReport::default(),
            max_seq: 0,
            writes_hints,
            expiries: hashbrown::HashMap::default(),
            newest: None,
            named: Vec::new(),
        }
    }

    /// Makes the sequence number decide which version of a key wins, not the order of files.
    pub(crate) fn order_by_seq(&mut self) {
        self.newest = Some(hashbrown::HashMap::default());
    }

    /// Every sealed segment of a state, in order.
    pub(crate) fn sealed(&mut self, state: &Manifest) -> Result<()> {
        for (rank, entry) in (0..).zip(&state.segments) {
            // Whatever was or will be written there has its base at least.
            let seen = entry.last_seq.max(entry.base_seq.saturating_sub(1));
            self.max_seq = self.max_seq.max(seen);
            if entry.state.is_sealed()
                && let Some(opened) = self.open_segment(entry, rank)?
            {
                let counted = self.stretch(&opened, entry.valid_bytes, None)?;
                self.mark_damaged(&opened, counted.damaged);
            }
        }
        Ok(())
    }

    /// Opens a segment and checks that the file is the one the state means. `None` if there is
    /// nothing to read; that damage is then reported.
    pub(crate) fn open_segment(
        &mut self,
        entry: &SegmentEntry,
        rank: u32,
    ) -> Result<Option<Opened<S::File>>> {
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
        let site = Site {
            salt: entry.salt,
            base_seq: entry.base_seq,
        };
        let slot = self.index.add_segment(Segment {
            file: file.clone(),
            id: entry.id,
            site,
            rank,
            durable_end: entry.valid_bytes,
            end: entry.valid_bytes,
            live_bytes: 0,
            live_keys: 0,
            tombstone_bytes: 0,
            damaged: false,
        })?;
        Ok(Some(Opened {
            file,
            slot,
            site,
            id: entry.id,
            rank,
            file_bytes,
            records: entry.records,
        }))
    }

    /// Replays the records of `opened` below `to`, all of which are settled: what is not right
    /// there is damage of acknowledged data. With `hint`, the place where its blocks end comes
    /// back through it.
    pub(crate) fn stretch(
        &mut self,
        opened: &Opened<S::File>,
        to: u64,
        hint_out: Option<&mut Option<HintLog<S::File>>>,
    ) -> Result<Counted> {
        self.make_room(opened);
        let mut counted = Counted::default();
        let (hint_end, covered) = self.take_hint(opened, to, &mut counted)?;
        let complete = covered == to;
        let mut hint = (self.writes_hints && (!complete || hint_out.is_some())).then(|| {
            let at = hint_end.map(|end| (end, covered));
            HintLog::resume(self.storage, self.store, opened.id, opened.site.salt, at)
        });
        let name = names::segment(opened.id);
        let mut walker = Walker::new(opened.file.clone(), name, opened.site, covered, to);
        while let Some(step) = walker.next()? {
            match step {
                Step::Record(found) => {
                    self.report.scanned_records += 1;
                    self.report.scanned_bytes += found.bytes;
                    counted.records += 1;
                    counted.last_seq = counted.last_seq.max(found.head.seq);
                    counted.damaged |= found.state != State::Intact;
                    let entry = self.record(opened, &mut walker, &found)?;
                    match entry {
                        Some(entry) => {
                            if let Some(hint) = &mut hint {
                                hint.push(&entry);
                            }
                        }
                        // A hint cannot name what nobody can.
                        None => hint = None,
                    }
                }
                Step::Gap(gap) => {
                    counted.damaged = true;
                    hint = None;
                    self.hidden(opened, &gap)?;
                }
            }
        }
        if let Some(hint) = &mut hint
            && hint_out.is_none()
        {
            hint.finish();
        }
        if let Some(out) = hint_out {
            *out = hint;
        }
        Ok(counted)
    }

    /// Sizes the keydir for the first segment at once, which halves the time a key takes. What the
    /// manifest says of records is believed as far as the file could hold them.
    fn make_room(&mut self, opened: &Opened<S::File>) {
        if self.index.keydir.is_empty() {
            let records = opened
                .records
                .min(opened.file_bytes / HEAD_BYTES_MIN as u64);
            // Refused, the keydir grows as it goes.
            let _ = usize::try_from(records).map(|keys| self.index.keydir.reserve(keys));
        }
    }

    /// Takes every hint block that covers the segment up to `to` at most. Returns where the valid
    /// blocks end in the hint (`None` without a usable hint) and how far they cover the segment.
    fn take_hint(
        &mut self,
        opened: &Opened<S::File>,
        to: u64,
        counted: &mut Counted,
    ) -> Result<(Option<u64>, u64)> {
        let start = FILE_HEADER_BYTES as u64;
        let none = (None, start);
        let Ok(file) = self.storage.open(&names::hint(opened.id), Access::Read) else {
            return Ok(none);
        };
        let mut header = [0; FILE_HEADER_BYTES];
        let got = file.pread(0, &mut header).unwrap_or(0);
        let Ok(header) = FileHeader::decode(&header[..got]) else {
            return Ok(none);
        };
        let bound = header.kind == FileKind::Hint
            && (header.id, header.salt, header.store) == (opened.id, opened.site.salt, self.store);
        if !bound && !planted(Bug::StaleHintTrusted) {
            return Ok(none);
        }
        let mut buffer = Vec::new();
        let (mut at, mut covered) = (start, start);
        let mut loaded = 0..0_u64;
        loop {
            // Several blocks fit into one read.
            if at < loaded.start || at + BLOCK_BYTES_MAX as u64 > loaded.end {
                fallible::resize(&mut buffer, 4 * BLOCK_BYTES_MAX)?;
                let got = file.pread(at, &mut buffer).unwrap_or(0);
                loaded = at..at + got as u64;
                buffer.truncate(got);
            }
            let bytes = &buffer[(at - loaded.start) as usize..];
            let Ok((block, length)) = hint::decode_block(bytes, header.salt, at) else {
                break;
            };
            if block.from != covered || block.to > to {
                break;
            }
            for (offset, entry) in block.entries() {
                counted.records += 1;
                self.publish(opened, offset, entry.record_bytes, &entry, None)?;
            }
            covered = block.to;
            at += length as u64;
        }
        self.report.hinted_bytes += covered - start;
        if covered > opened.file_bytes {
            // Named by the hint, so no key is hidden; each answers for itself.
            self.report.note(DamageReport {
                file: names::segment(opened.id),
                offset: opened.file_bytes,
                bytes: covered - opened.file_bytes,
                damage: Damage::Truncated,
                key: None,
                live: true,
            })?;
            counted.damaged = true;
        }
        Ok((Some(at), covered))
    }

    /// One record of the walk into the index. Returns its hint entry, or `None` if nobody can say
    /// whose it is.
    pub(crate) fn record(
        &mut self,
        opened: &Opened<S::File>,
        walker: &mut Walker<S::File>,
        found: &Found,
    ) -> Result<Option<hint::Entry>> {
        self.max_seq = self.max_seq.max(found.head.seq);
        let kind = found.head.kind;
        let (mut key, mut noted) = (None, None);
        if found.state != State::Intact {
            let certain = match found.state {
                State::KeyRotten => walker.repair_key(found)?,
                _ => Some(fallible::copy(walker.key())?),
            };
            noted = self.report.note(DamageReport {
                file: names::segment(opened.id),
                offset: found.offset,
                bytes: found.bytes,
                damage: walker.damage_of(found),
                key: certain.as_deref().map(fallible::copy).transpose()?,
                live: true,
            })?;
            if certain.is_none() && kind != Kind::Marker {
                self.hide(opened, found.offset);
                return Ok(None);
            }
            key = certain;
        }
        let hash = (kind != Kind::Marker).then(|| {
            let key = key.as_deref().unwrap_or(walker.key());
            self.index.hash_key.hash(kind.space(), key)
        });
        let entry = hint::Entry {
            kind,
            record_bytes: found.bytes,
            hash,
            expiry_ms: found.head.expiry_ms,
        };
        if found.state != State::Intact
            && kind.is_put()
            && let (Some(newest), Some(hash)) = (&self.newest, hash)
        {
            // Salvage has no use for what it cannot hand out: a whole copy of it, or else an older
            // version, is worth more.
            let replaced = newest.get(&hash).is_some_and(|seq| *seq >= found.head.seq);
            if let Some(damage) = noted.and_then(|at| self.report.damages.get_mut(at)) {
                damage.live = !replaced;
            }
            return Ok(Some(entry));
        }
        if let (Some(noted), Some(hash)) = (noted, hash) {
            let place = place_of(opened.slot, found.offset)?;
            fallible::push(&mut self.named, (noted, hash, place))?;
        }
        self.publish(
            opened,
            found.offset,
            found.bytes,
            &entry,
            Some(found.head.seq),
        )?;
        Ok(Some(entry))
    }

    /// Puts one record's effect into the index.
    fn publish(
        &mut self,
        opened: &Opened<S::File>,
        offset: u64,
        record_bytes: u64,
        entry: &hint::Entry,
        seq: Option<u64>,
    ) -> Result<()> {
        let Some(hash) = entry.hash else {
            return Ok(());
        };
        if let (Some(newest), Some(seq)) = (&mut self.newest, seq) {
            let known = fallible::entry(newest, hash)?;
            if *known > seq {
                return Ok(());
            }
            *known = seq;
        }
        let change = if entry.kind.is_tombstone() {
            Change::Delete
        } else {
            Change::Put {
                expiry_ms: entry.expiry_ms,
            }
        };
        let old_expiry_ms = self.expiries.remove(&hash.hi);
        if let Change::Put {
            expiry_ms: Some(expiry),
        } = change
        {
            fallible::insert(&mut self.expiries, hash.hi, expiry)?;
        }
        self.index.publish(&Publication {
            hash,
            space: entry.kind.space(),
            place: place_of(opened.slot, offset)?,
            record_bytes,
            change,
            old_expiry_ms,
        })?;
        Ok(())
    }

    /// Damage in which no record can be made out.
    pub(crate) fn hidden(&mut self, opened: &Opened<S::File>, gap: &Gap) -> Result<()> {
        self.report.note(DamageReport {
            file: names::segment(opened.id),
            offset: gap.from,
            bytes: gap.to - gap.from,
            damage: gap.damage,
            key: None,
            live: true,
        })?;
        self.hide(opened, gap.from);
        Ok(())
    }

    fn hide(&mut self, opened: &Opened<S::File>, offset: u64) {
        self.veil(Veil {
            segment: opened.id,
            rank: opened.rank,
            offset,
        });
    }

    /// Something newer than everything known lies in a segment that cannot be placed.
    pub(crate) fn hide_all(&mut self, segment: u64) {
        self.veil(Veil {
            segment,
            rank: u32::MAX,
            offset: u64::MAX,
        });
    }

    fn veil(&mut self, veil: Veil) {
        let newer = self
            .index
            .veil
            .is_none_or(|known| (known.rank, known.offset) < (veil.rank, veil.offset));
        if newer {
            self.index.veil = Some(veil);
        }
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

    /// Reads every live key into the ordered index, if there is to be one. Hints hold no keys.
    fn fill_ordered(&mut self) -> Result<()> {
        let Some(mut ordered) = self.index.ordered.take() else {
            return Ok(());
        };
        let mut buffer = Vec::new();
        let mut unread = Vec::new();
        for (hash, slot) in self.index.keydir.scan(0) {
            let located = self.index.locate_slot(slot);
            match located.and_then(|located| located.read(&mut buffer)) {
                Ok(Some((_, checked))) if checked.head.kind == Kind::Put => {
                    let key = fallible::copy(&buffer[checked.key()])?;
                    fallible::insert_sorted(&mut ordered, key)?;
                }
                Ok(_) => {}
                // It cannot tell its key, and must not be missing without a word.
                Err(_) => fallible::push(&mut unread, (hash, slot))?,
            }
        }
        self.index.unread = unread;
        self.index.ordered = Some(ordered);
        Ok(())
    }

    /// The finished index and the report, whose damages now know whether a key depends on them.
    pub(crate) fn finish(mut self, state: &Manifest) -> Result<(Index<S::File>, RecoveryReport)> {
        self.fill_ordered()?;
        for (damage, hash, place) in &self.named {
            let live = self
                .index
                .keydir
                .get(*hash)
                .is_some_and(|slot| slot.place == *place);
            if let Some(report) = self.report.damages.get_mut(*damage) {
                report.live = live;
            }
        }
        self.index.keydir.shrink();
        self.index
            .rank(state.segments.iter().map(|segment| segment.id));
        self.report.keys = self.index.len();
        Ok((self.index, self.report))
    }
}

/// Whether the bytes at `offset` are the footer that a rotation wrote before it was cut short.
pub(crate) fn is_own_footer<F: File>(walker: &mut Walker<F>, site: Site, offset: u64) -> bool {
    walker.bytes(offset, FOOTER_BYTES).is_ok_and(|bytes| {
        Footer::decode(bytes)
            .is_ok_and(|footer| footer.data_end == offset && footer.header.salt == site.salt)
    })
}

pub(crate) fn place_of(slot: u16, offset: u64) -> Result<Place> {
    Ok(Place {
        segment: slot,
        offset: u32::try_from(offset).map_err(|_| Error::TooLarge)?,
    })
}
