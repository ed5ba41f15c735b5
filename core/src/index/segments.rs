//! The open segments: each stands in a slot, whose number is what the keydir's places say.

use crate::error::{Error, Result};
use crate::fallible::{self, OutOfMemory};
use crate::format::file::FILE_HEADER_BYTES;
use crate::format::manifest::SEGMENTS_MAX;
use crate::format::record::Site;
use crate::keydir::Slot;
use crate::prelude::*;

/// Slots for segments: a place keeps its segment in 16 bits, and the last number stands for none.
const SEGMENT_SLOTS_MAX: usize = (1 << 16) - 1;
const _: () = assert!(
    SEGMENTS_MAX < SEGMENT_SLOTS_MAX,
    "merge needs slots for its outputs"
);

/// The open segments by slot, and their slots by id.
pub(super) struct Segments<F> {
    /// A slot that is not in use is empty until the next segment takes it.
    by_slot: Vec<Option<Segment<F>>>,
    /// Each open segment's id and slot, sorted.
    by_id: Vec<(u64, u16)>,
}

/// One open segment and what lives in it.
pub(crate) struct Segment<F> {
    pub file: F,
    pub id: u64,
    pub site: Site,
    /// Position in the total order of segments; greater is newer.
    pub rank: u32,
    /// Bytes below this offset survive a power loss.
    pub durable_end: u64,
    /// Where its records end.
    pub end: u64,
    pub live_bytes: u64,
    pub live_keys: u64,
    /// Bytes of tombstones (and expired records that act as ones).
    pub tombstone_bytes: u64,
    /// Merge must leave it alone: it holds damage.
    pub damaged: bool,
}

impl<F> Segment<F> {
    /// A segment whose records end at `end`, durable up to there, in which nothing is known to live yet.
    pub(crate) fn new(file: F, id: u64, site: Site, rank: u32, end: u64) -> Self {
        Self {
            file,
            id,
            site,
            rank,
            durable_end: end,
            end,
            live_bytes: 0,
            live_keys: 0,
            tombstone_bytes: 0,
            damaged: false,
        }
    }

    /// Bytes that neither a live key nor a tombstone needs.
    pub(crate) fn dead_bytes(&self) -> u64 {
        let data = self.end.saturating_sub(FILE_HEADER_BYTES as u64);
        data.saturating_sub(self.live_bytes)
            .saturating_sub(self.tombstone_bytes)
    }
}

impl<F> Default for Segments<F> {
    fn default() -> Self {
        Self {
            by_slot: Vec::new(),
            by_id: Vec::new(),
        }
    }
}

impl<F> Segments<F> {
    /// Gives a segment a slot.
    pub(super) fn add(&mut self, segment: Segment<F>) -> Result<u16> {
        fallible::grow(&mut self.by_id, 1)?;
        let free = self.by_slot.iter().position(Option::is_none);
        let slot = match free {
            Some(slot) => slot,
            None if self.by_slot.len() < SEGMENT_SLOTS_MAX => {
                fallible::push(&mut self.by_slot, None)?;
                self.by_slot.len() - 1
            }
            None => return Err(Error::TooManySegments),
        };
        let number = u16::try_from(slot).map_err(|_| Error::TooManySegments)?;
        self.name(segment.id, number)?;
        self.by_slot[slot] = Some(segment);
        Ok(number)
    }

    /// Takes a segment out of its slot.
    pub(super) fn remove(&mut self, slot: u16) -> Option<Segment<F>> {
        let segment = self.by_slot.get_mut(usize::from(slot))?.take()?;
        if let Ok(at) = self.seek(segment.id) {
            self.by_id.remove(at);
        }
        Some(segment)
    }

    #[inline]
    pub(super) fn get(&self, slot: u16) -> Option<&Segment<F>> {
        self.by_slot.get(usize::from(slot))?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u16) -> Option<&mut Segment<F>> {
        self.by_slot.get_mut(usize::from(slot))?.as_mut()
    }

    /// The slot of a segment id.
    pub(super) fn slot_of(&self, id: u64) -> Option<u16> {
        self.seek(id).ok().map(|at| self.by_id[at].1)
    }

    /// One more live key, whose record lies at `slot`.
    #[inline]
    pub(super) fn count_in(&mut self, slot: Slot) {
        if let Some(segment) = self.get_mut(slot.place.segment) {
            segment.live_bytes += slot.size.bytes();
            segment.live_keys += 1;
        }
    }

    /// What lies at `slot` lives no more.
    #[inline]
    pub(super) fn count_out(&mut self, slot: Slot) {
        if let Some(segment) = self.get_mut(slot.place.segment) {
            segment.live_bytes = segment.live_bytes.saturating_sub(slot.size.bytes());
            segment.live_keys = segment.live_keys.saturating_sub(1);
        }
    }

    /// As many empty slots and one more, and room for one name: what [`Segments::keep`] needs.
    pub(super) fn successor(&self) -> Result<Self, OutOfMemory> {
        let mut fresh = Self::default();
        for _ in 0..=self.by_slot.len() {
            fallible::push(&mut fresh.by_slot, None)?;
        }
        fallible::reserve(&mut fresh.by_id, 1)?;
        Ok(fresh)
    }

    /// Puts a segment into the slot that it had before. Needs no memory in a
    /// [successor](Segments::successor).
    pub(super) fn keep(&mut self, slot: u16, segment: Segment<F>) {
        let entered = self.name(segment.id, slot);
        debug_assert!(entered.is_ok(), "its room was reserved");
        if let Some(place) = self.by_slot.get_mut(usize::from(slot)) {
            *place = Some(segment);
        }
    }

    fn name(&mut self, id: u64, slot: u16) -> Result<(), OutOfMemory> {
        match self.seek(id) {
            Ok(at) => {
                self.by_id[at].1 = slot;
                Ok(())
            }
            Err(at) => fallible::insert_at(&mut self.by_id, at, (id, slot)),
        }
    }

    fn seek(&self, id: u64) -> Result<usize, usize> {
        self.by_id.binary_search_by_key(&id, |(id, _)| *id)
    }
}
