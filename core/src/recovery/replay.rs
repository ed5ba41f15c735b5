//! Filling the index from segments, oldest first: from hints where they are valid, else record by
//! record.

use super::expiries::Expiries;
use super::opened::Opened;
use crate::error::Result;
use crate::fallible::{self, OutOfMemory};
use crate::format::file::StoreId;
use crate::format::file::names;
use crate::format::hint;
use crate::format::manifest::State as Manifest;
use crate::format::record::{HEAD_BYTES_MIN, Kind};
use crate::format::{KeyHash, Space};
use crate::index::{Change, Index, Publication, Veil};
use crate::keydir::{Load, Place};
use crate::prelude::*;
use crate::report::{DamageReport, RecoveryReport};
use crate::segment::hint_log::HintLog;
use crate::segment::read::Checked;
use crate::segment::walk::{Found, Gap, State, Step, Walker};
use crate::sorted::Sorted;
use crate::storage::Storage;

/// Where files have no known order: which version of a key is the newest so far.
pub(crate) trait Newest {
    /// The newest sequence number of a key.
    fn of(&self, hash: KeyHash) -> Option<u64>;
    /// A version that is newer than all so far.
    fn note(&mut self, hash: KeyHash, seq: u64) -> Result<(), OutOfMemory>;
}

/// What a replay leaves: the index, and what was found.
type Replayed<F> = (Box<Index<F>>, Box<RecoveryReport>);

/// An index being filled.
pub(crate) struct Replay<'a, S: Storage> {
    pub storage: &'a S,
    pub index: Box<Index<S::File>>,
    pub store: StoreId,
    pub report: Box<RecoveryReport>,
    /// The greatest sequence number seen anywhere.
    pub max_seq: u64,
    /// Whether hints may be completed on disk.
    pub writes_hints: bool,
    /// Records that the manifest knows of.
    records: u64,
    /// The index's keydir to be.
    load: Load,
    /// The keys of the system's space that live now: few.
    meta: Sorted<(u64, u64)>,
    /// The expiry of each key that has one now, by `hash.hi`.
    expiries: Expiries,
    /// Knows the newest sequence number of each key; only where files have no known order.
    newest: Option<Box<dyn Newest>>,
    /// For damage that named its key: whose it is, and where.
    named: Vec<(usize, KeyHash, Place)>,
}

/// What the records of a stretch added up to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counted {
    pub records: u64,
    pub last_seq: u64,
    pub damaged: bool,
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
            index: Box::new(index),
            store,
            report: Box::default(),
            max_seq: 0,
            writes_hints,
            records: 0,
            load: Load::default(),
            meta: Sorted::new(),
            expiries: Expiries::default(),
            newest: None,
            named: Vec::new(),
        }
    }

    /// Makes the sequence number decide which version of a key wins, not the order of files.
    pub(crate) fn order_by_seq(&mut self, newest: Box<dyn Newest>) {
        self.newest = Some(newest);
    }

    /// Takes in what a state tells of its segments' records.
    pub(super) fn expect(&mut self, state: &Manifest) {
        for entry in &state.segments {
            self.records = self.records.saturating_add(entry.records);
            // Whatever was or will be written there has its base at least.
            let seen = entry.last_seq.max(entry.base_seq.saturating_sub(1));
            self.max_seq = self.max_seq.max(seen);
        }
    }

    /// Tells what the host can do, and of its clock.
    pub(super) fn tell_of_host(&mut self) {
        self.report.namespace_sync = self.storage.capabilities().namespace_sync;
        self.report.clock_jump = self.index.clock.jump(self.storage.now_ms());
    }

    /// Every sealed segment of a state, in order.
    pub(crate) fn sealed(&mut self, state: &Manifest) -> Result<()> {
        self.expect(state);
        for (rank, entry) in (0..).zip(&state.segments) {
            if entry.state.is_sealed()
                && let Some(opened) = self.open_segment(entry, rank)?
            {
                let counted = self.stretch(&opened, entry.valid_bytes, None)?;
                self.mark_damaged(&opened, counted.damaged);
            }
        }
        Ok(())
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
        let mut walker = opened.walk(covered, to);
        while let Some(step) = walker.next()? {
            match step {
                Step::Record => {
                    let found = *walker.found();
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
                Step::Gap => {
                    counted.damaged = true;
                    hint = None;
                    self.hidden(opened, walker.gap())?;
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

    /// Makes room for the keys of all segments before the first one: room that grows leaves holes in
    /// the heap. What the manifest says of records is believed as far as the first file could hold
    /// them, and for a few times as many.
    pub(super) fn make_room(&mut self, opened: &Opened<S::File>) {
        /// Where memory that nobody writes to is not missed, which is not so in a sandbox.
        const AS_MANY: u64 = if cfg!(target_pointer_width = "64") {
            4
        } else {
            1
        };
        if self.load.is_empty() {
            let records = opened
                .records
                .min(opened.file_bytes / HEAD_BYTES_MIN as u64);
            let keys = self.records.min(records.saturating_mul(AS_MANY));
            let [keys, soon] = [keys, records].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            // Refused, it grows as it goes.
            let _ = self.load.reserve(keys.max(soon), soon);
        }
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
            let replaced = newest.of(hash).is_some_and(|seq| seq >= found.head.seq);
            if let Some(damage) = noted.and_then(|at| self.report.damages.get_mut(at)) {
                damage.live = !replaced;
            }
            return Ok(Some(entry));
        }
        if let (Some(noted), Some(hash)) = (noted, hash) {
            let place = Place::at(opened.slot, found.offset)?;
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
    #[inline]
    pub(super) fn publish(
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
            if newest.of(hash).is_some_and(|known| known > seq) {
                return Ok(());
            }
            newest.note(hash, seq)?;
        }
        let change = if entry.kind.is_tombstone() {
            Change::Delete
        } else {
            Change::Put {
                expiry_ms: entry.expiry_ms,
            }
        };
        let old_expiry_ms = match self.expiries.is_empty() {
            true => None,
            false => self.expiries.remove(hash.hi),
        };
        if let Change::Put {
            expiry_ms: Some(expiry),
        } = change
        {
            self.expiries.insert(hash.hi, expiry)?;
        }
        let space = entry.kind.space();
        let words = (hash.hi, hash.lo.into());
        if space == Space::Meta && change != Change::Delete {
            self.meta.insert(words)?;
        } else if !self.meta.is_empty() {
            self.meta.remove(&words);
        }
        let publication = Publication {
            hash,
            space,
            place: Place::at(opened.slot, offset)?,
            record_bytes,
            change,
            old_expiry_ms,
        };
        self.index.publish_to(&mut self.load, &publication)?;
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

    pub(super) fn veil(&mut self, veil: Veil) {
        let newer = self
            .index
            .veil
            .is_none_or(|known| (known.rank, known.offset) < (veil.rank, veil.offset));
        if newer {
            self.index.veil = Some(veil);
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
            let read = located.and_then(|located| located.read(&mut buffer));
            let own = |checked: &Checked| {
                let (kind, key) = (checked.head.kind, &buffer[checked.key()]);
                kind.is_put() && self.index.hash_key.hash(kind.space(), key) == hash
            };
            match read {
                Ok(Some((_, checked))) if own(&checked) => {
                    if checked.head.kind == Kind::Put {
                        let key = fallible::copy(&buffer[checked.key()])?;
                        ordered.insert(key)?;
                    }
                }
                // It cannot tell its key, and must not be missing without a word.
                _ => fallible::push(&mut unread, (hash, slot))?,
            }
        }
        self.index.unread = unread;
        self.index.ordered = Some(ordered);
        Ok(())
    }

    /// The finished index and the report, whose damages now know whether a key depends on them.
    pub(crate) fn finish(mut self, state: &Manifest) -> Result<Replayed<S::File>> {
        let load = core::mem::take(&mut self.load);
        self.index.adopt(load, self.meta.len() as u64)?;
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
        self.index
            .rank(state.segments.iter().map(|segment| segment.id));
        self.report.keys = self.index.len();
        Ok((self.index, self.report))
    }
}
