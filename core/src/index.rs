//! The index: everything a reader needs to find a record, and nothing that does I/O.
//!
//! ```text
//!   keydir   hash -> (segment slot, offset, size)      one entry per live key
//!   segments slot -> file, salt, counts                the open files
//!   tail     bytes of the active segment that are acknowledged as buffered, not yet handed over
//!   recent   bytes of the last records, which are in their file as well
//!   expiries (time, hash) of every live key that has one
//! ```
//!
//! The writer and any readers share it through an [`IndexCell`]: in the core a plain cell, natively
//! a lock for many readers. Nothing done inside a cell's closure touches the platform, so readers are
//! held up only while a place is published.

#[cfg(not(all(feature = "small", target_family = "wasm")))]
mod ordered;
#[cfg(all(feature = "small", target_family = "wasm"))]
#[path = "index/ordered_small.rs"]
mod ordered;

mod cell;
mod expiries;
mod mixer;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
mod recent;
mod segments;

pub use cell::{IndexCell, Local};
pub(crate) use mixer::Mixed;
pub(crate) use ordered::Ordered;
pub(crate) use segments::Segment;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::fallible::{self, OutOfMemory};
use crate::format::file::names;
use crate::format::{KeyHash, Space};
use crate::keydir::{HashKey, Keydir, Load, Place, SizeClass, Slot};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::segment::read::{Located, Spot};
use crate::storage::File;

use expiries::Expiries;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
pub(crate) use recent::RECORD_BYTES_MAX as RECENT_RECORD_BYTES_MAX;
#[cfg(not(all(feature = "small", target_family = "wasm")))]
use recent::Recent;
use segments::Segments;

/// See the [module](self). Opaque outside the core.
pub struct Index<F> {
    pub(crate) keydir: Keydir,
    pub(crate) hash_key: HashKey,
    pub(crate) clock: Clock,
    /// The trusted time that the manifest tells: what expired before it stays so after a crash.
    told_ms: u64,
    /// The latest expiry that took a key out of this index.
    expired_ms: u64,
    pub(crate) tail: Tail,
    #[cfg(not(all(feature = "small", target_family = "wasm")))]
    pub(crate) recent: Recent,
    /// The newest damage that hides keys; older places may be superseded by what it hides.
    pub(crate) veil: Option<Veil>,
    /// A sync failed: places that were not durable then answer `Poisoned`.
    pub(crate) poisoned: bool,
    /// Every live user key in order, if the option is on.
    pub(crate) ordered: Option<Ordered>,
    /// Live places whose records could not be read when the ordered index was filled.
    pub(crate) unread: Vec<(KeyHash, Slot)>,
    pub(crate) expiries: Expiries,
    segments: Segments<F>,
    live_keys: u64,
    live_meta: u64,
}

/// Acknowledged bytes of the active segment that the platform does not have yet.
#[derive(Default)]
pub(crate) struct Tail {
    pub segment: u16,
    /// The offset of the first byte.
    pub start: u64,
    pub bytes: Vec<u8>,
}

impl Tail {
    /// Takes in what follows: bytes that belong at `offset`.
    pub(crate) fn extend(
        &mut self,
        segment: u16,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), OutOfMemory> {
        if self.bytes.is_empty() {
            self.segment = segment;
            self.start = offset;
        }
        fallible::extend(&mut self.bytes, bytes)
    }
}

/// Where damage begins that hides keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Veil {
    pub segment: u64,
    pub rank: u32,
    pub offset: u64,
}

/// What a reader takes away from one look at the index.
pub(crate) struct Look<F> {
    pub hash: KeyHash,
    pub slot: Option<Slot>,
    pub located: Result<Located<F>>,
    /// Damage may hide a newer version.
    pub veiled: Option<Error>,
}

/// One change of the index, made when its record is in the log.
pub(crate) struct Publication {
    pub hash: KeyHash,
    pub space: Space,
    pub place: Place,
    pub record_bytes: u64,
    pub change: Change,
    /// The expiry of the version that is replaced, if it had one.
    pub old_expiry_ms: Option<u64>,
}

impl Publication {
    fn slot(&self, expiry_ms: Option<u64>) -> Slot {
        Slot {
            place: self.place,
            size: SizeClass::of(self.record_bytes),
            has_ttl: expiry_ms.is_some(),
        }
    }
}

/// What a record does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Put { expiry_ms: Option<u64> },
    Delete,
}

impl<F: File + Clone> Index<F> {
    pub(crate) fn new(hash_key: [u8; 16], clock: Clock, ordered: bool) -> Self {
        Self {
            keydir: Keydir::new(),
            hash_key: HashKey::new(hash_key),
            told_ms: clock.floor_ms(),
            expired_ms: 0,
            clock,
            tail: Tail::default(),
            #[cfg(not(all(feature = "small", target_family = "wasm")))]
            recent: Recent::default(),
            veil: None,
            poisoned: false,
            ordered: ordered::new(ordered),
            unread: Vec::new(),
            expiries: Expiries::default(),
            segments: Segments::default(),
            live_keys: 0,
            live_meta: 0,
        }
    }

    /// Live user keys, expired ones that were not swept yet included.
    pub(crate) fn len(&self) -> u64 {
        self.live_keys
    }

    /// Bytes of memory that the keys cost.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.keydir.memory_bytes() as u64 + self.expiries.memory_bytes()
    }

    /// Finds the record of a key without touching the platform.
    pub(crate) fn look(&self, hash: KeyHash) -> Look<F> {
        let slot = self.keydir.get(hash);
        Look {
            hash,
            slot,
            located: slot.map_or(Ok(Located::Absent), |slot| self.locate_slot(slot)),
            veiled: self.veil.and_then(|_| self.veiled(slot)),
        }
    }

    /// Whether there may be more to say of a key than what the keydir says.
    #[cfg(not(all(feature = "small", target_family = "wasm")))]
    #[inline]
    pub(crate) fn is_doubtful(&self) -> bool {
        self.veil.is_some() || self.poisoned
    }

    /// Whether a record is not in its file yet.
    #[cfg(not(all(feature = "small", target_family = "wasm")))]
    #[inline]
    pub(crate) fn is_buffered(&self, place: Place) -> bool {
        let has_tail = place.segment == self.tail.segment && !self.tail.bytes.is_empty();
        has_tail && u64::from(place.offset) >= self.tail.start
    }

    /// The record behind a slot, if it lies in a file. Asked where nothing is [doubtful](Self::is_doubtful).
    #[cfg(not(all(feature = "small", target_family = "wasm")))]
    #[inline]
    pub(crate) fn filed(&self, slot: Slot) -> Option<Spot<F>> {
        let place = slot.place;
        if self.is_buffered(place) {
            return None;
        }
        let segment = self.segment(place.segment)?;
        Some(Spot {
            file: segment.file.lend(),
            segment: segment.id,
            site: segment.site,
            offset: u64::from(place.offset),
            bytes: slot.size.bytes(),
        })
    }

    /// Finds the record behind a slot without touching the platform.
    pub(crate) fn locate_slot(&self, slot: Slot) -> Result<Located<F>> {
        let place = slot.place;
        let offset = u64::from(place.offset);
        let segment = self.segment(place.segment).ok_or(Error::Changed)?;
        if self.poisoned && offset >= segment.durable_end {
            return Err(Error::Poisoned);
        }
        let spot = Spot {
            file: segment.file.lend(),
            segment: segment.id,
            site: segment.site,
            offset,
            bytes: slot.size.bytes(),
        };
        if place.segment == self.tail.segment
            && offset >= self.tail.start
            && !self.tail.bytes.is_empty()
        {
            let from = usize::try_from(offset - self.tail.start).map_err(|_| Error::TooLarge)?;
            let rest = self.tail.bytes.get(from..).unwrap_or_default();
            let take = usize::try_from(slot.size.bytes())
                .map_err(|_| Error::TooLarge)?
                .min(rest.len());
            return Ok(Located::Buffered(spot, fallible::copy(&rest[..take])?));
        }
        Ok(Located::Filed(spot))
    }

    /// Whether damage may hide a newer version of what lies at `slot` (or of an absent key).
    pub(crate) fn veiled(&self, slot: Option<Slot>) -> Option<Error> {
        let veil = self.veil?;
        let newer = slot.is_some_and(|slot| {
            self.segment(slot.place.segment).is_some_and(|segment| {
                (segment.rank, u64::from(slot.place.offset)) > (veil.rank, veil.offset)
            })
        });
        (!newer).then(|| Error::maybe_stale(names::segment(veil.segment), veil.offset))
    }

    /// The records of a segment end here now.
    pub(crate) fn goes_to(&mut self, slot: u16, end: u64) {
        if let Some(segment) = self.segment_mut(slot) {
            segment.end = end;
        }
    }

    /// Makes a record that is in the log the truth about its key.
    pub(crate) fn publish(&mut self, it: &Publication) -> Result<(), OutOfMemory> {
        let old = match it.change {
            Change::Put { expiry_ms } => {
                let slot = it.slot(expiry_ms);
                if let Some(expiry) = expiry_ms {
                    self.expiries.insert((expiry, it.hash.hi))?;
                }
                let old = self.keydir.insert(it.hash, slot)?;
                self.count_in(it.space, slot);
                old
            }
            Change::Delete => {
                self.count_tombstone(it);
                self.keydir.remove(it.hash)
            }
        };
        if let Some(old) = old {
            self.count_out(it.space, old);
        }
        self.drop_expiry(it);
        Ok(())
    }

    /// As [`Index::publish`] while a store is opened: what lives is known, and counted, only when all
    /// records were [adopted](Index::adopt).
    #[inline]
    pub(crate) fn publish_to(
        &mut self,
        load: &mut Load,
        it: &Publication,
    ) -> Result<(), OutOfMemory> {
        match it.change {
            Change::Put { expiry_ms } => {
                if let Some(expiry) = expiry_ms {
                    self.expiries.insert((expiry, it.hash.hi))?;
                }
                load.insert(it.hash, it.slot(expiry_ms))?;
            }
            Change::Delete => {
                self.count_tombstone(it);
                load.remove(it.hash)?;
            }
        }
        self.drop_expiry(it);
        Ok(())
    }

    /// Takes in all records that were published to `load`. `meta` of its keys are the system's.
    pub(crate) fn adopt(&mut self, load: Load, meta: u64) -> Result<(), OutOfMemory> {
        let segments = &mut self.segments;
        self.keydir = load.finish(|slot| segments.count_in(slot))?;
        self.live_meta = meta;
        self.live_keys = (self.keydir.len() as u64).saturating_sub(meta);
        Ok(())
    }

    /// Hides a key whose time is up; its record now acts as a tombstone.
    pub(crate) fn expire(&mut self, hash: KeyHash, key: &[u8], expiry_ms: u64, expected: Place) {
        self.expiries.remove((expiry_ms, hash.hi));
        let Some(slot) = self.keydir.get(hash).filter(|slot| slot.place == expected) else {
            return;
        };
        self.expired_ms = self.expired_ms.max(expiry_ms);
        self.keydir.remove(hash);
        self.count_out(Space::User, slot);
        if let Some(segment) = self.segment_mut(slot.place.segment) {
            segment.tombstone_bytes += slot.size.bytes();
        }
        if let Some(ordered) = &mut self.ordered {
            ordered.remove(key);
        }
    }

    /// Whether an absence of this key may be for no other reason than a time that is not on record.
    pub(crate) fn hides_by_clock(&self, hash: KeyHash) -> bool {
        self.expired_ms > self.told_ms || self.keydir.get(hash).is_some()
    }

    /// This trusted time is on record.
    pub(crate) fn clock_told(&mut self, floor_ms: u64) {
        self.told_ms = floor_ms;
    }

    /// Points a key at the copy that merge made, if it still is where merge found it.
    pub(crate) fn repoint(&mut self, hash: KeyHash, from: &[u16], to: Slot) -> bool {
        let Some(old) = self
            .keydir
            .get(hash)
            .filter(|old| from.contains(&old.place.segment) || planted(Bug::NewerOverwritten))
        else {
            return false;
        };
        if !self.keydir.replace_if(hash, old.place, to) {
            return false;
        }
        self.segments.count_out(old);
        self.segments.count_in(to);
        true
    }

    /// Opens a slot for a segment.
    pub(crate) fn add_segment(&mut self, segment: Segment<F>) -> Result<u16> {
        self.segments.add(segment)
    }

    /// Closes a slot: its file is no longer part of the store.
    pub(crate) fn remove_segment(&mut self, slot: u16) -> Option<Segment<F>> {
        #[cfg(not(all(feature = "small", target_family = "wasm")))]
        self.recent.forget_segment(slot);
        self.segments.remove(slot)
    }

    pub(crate) fn segment(&self, slot: u16) -> Option<&Segment<F>> {
        self.segments.get(slot)
    }

    pub(crate) fn segment_mut(&mut self, slot: u16) -> Option<&mut Segment<F>> {
        self.segments.get_mut(slot)
    }

    /// The slot of a segment id.
    pub(crate) fn slot_of(&self, id: u64) -> Option<u16> {
        self.segments.slot_of(id)
    }

    /// Renumbers the order after the set of segments changed. Needs no memory, because that change
    /// is made already.
    pub(crate) fn rank(&mut self, ids_oldest_first: impl Iterator<Item = u64>) {
        for (id, rank) in ids_oldest_first.zip(0..) {
            if let Some(veil) = self.veil.as_mut().filter(|veil| veil.segment == id) {
                veil.rank = rank;
            }
            let slot = self.slot_of(id);
            if let Some(segment) = slot.and_then(|slot| self.segment_mut(slot)) {
                segment.rank = rank;
            }
        }
    }

    /// An empty index with room for what [`Index::clear_but`] keeps, also if one segment is added
    /// in between.
    pub(crate) fn successor(&self) -> Result<Self, OutOfMemory> {
        let mut fresh = Self::new([0; 16], self.clock, self.ordered.is_some());
        fresh.segments = self.segments.successor()?;
        Ok(fresh)
    }

    /// Forgets every key and every segment but `kept`, as `clear` does, and goes on as `fresh`,
    /// its [`Index::successor`]. Needs no memory. Returns what is left over: dropping it closes
    /// files and frees much memory, which is for outside of the cell.
    pub(crate) fn clear_but(&mut self, kept: u16, mut fresh: Self) -> Self {
        fresh.clock = self.clock;
        fresh.hash_key = self.hash_key;
        fresh.veil = self.veil;
        fresh.poisoned = self.poisoned;
        if let Some(segment) = self.remove_segment(kept) {
            fresh.segments.keep(kept, segment);
        }
        core::mem::replace(self, fresh)
    }

    /// Takes everything out, for a handle that is closed while others still hold the cell.
    pub fn take(&mut self) -> Self {
        let fresh = Self::new([0; 16], self.clock, false);
        core::mem::replace(self, fresh)
    }

    fn count_in(&mut self, space: Space, slot: Slot) {
        *self.counter(space) += 1;
        self.segments.count_in(slot);
    }

    fn count_out(&mut self, space: Space, slot: Slot) {
        let counter = self.counter(space);
        *counter = counter.saturating_sub(1);
        self.segments.count_out(slot);
    }

    fn count_tombstone(&mut self, it: &Publication) {
        if let Some(segment) = self.segment_mut(it.place.segment) {
            segment.tombstone_bytes += it.record_bytes;
        }
    }

    /// Forgets the expiry of the version that was replaced.
    fn drop_expiry(&mut self, it: &Publication) {
        if let Some(expiry) = it.old_expiry_ms
            && it.change
                != (Change::Put {
                    expiry_ms: Some(expiry),
                })
        {
            self.expiries.remove((expiry, it.hash.hi));
        }
    }

    fn counter(&mut self, space: Space) -> &mut u64 {
        match space {
            Space::User => &mut self.live_keys,
            Space::Meta => &mut self.live_meta,
        }
    }
}
