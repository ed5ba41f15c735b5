//! Numbers about a store: what is live, what is dead, and where.

use crate::engine::Engine;
use crate::error::Result;
use crate::fallible;
use crate::format::manifest::SegmentState;
use crate::index::IndexCell;
use crate::prelude::*;
use crate::storage::Storage;

/// A store in numbers. Sizes of records above 1 KiB are accounted within 0.1 %.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Live user keys.
    pub keys: u64,
    /// Those of them that have an expiry.
    pub expiring_keys: u64,
    /// Bytes of records that live keys need.
    pub live_bytes: u64,
    /// Bytes that nothing needs; merge reclaims them.
    pub dead_bytes: u64,
    /// Bytes of tombstones.
    pub tombstone_bytes: u64,
    /// Bytes of all segments.
    pub total_bytes: u64,
    /// Dead bytes in percent of all.
    pub fragmentation_percent: u8,
    /// Memory that the keys cost, in bytes.
    pub memory_bytes: u64,
    /// The last sequence number issued, or seen by a reader.
    pub last_seq: u64,
    /// The change feed is complete from this sequence number on.
    pub oldest_change_seq: u64,
    /// The manifest epoch.
    pub epoch: u64,
    /// Every segment, oldest first.
    pub segments: Vec<SegmentStats>,
}

/// One segment in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentStats {
    /// Its id.
    pub id: u64,
    /// Its records' bytes with the file header.
    pub size_bytes: u64,
    /// Bytes of records that live keys need.
    pub live_bytes: u64,
    /// Bytes that nothing needs.
    pub dead_bytes: u64,
    /// Bytes of tombstones.
    pub tombstone_bytes: u64,
    /// Live keys in it, system keys included.
    pub live_keys: u64,
    /// It is still written to.
    pub active: bool,
    /// It holds damage.
    pub damaged: bool,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// The store in numbers. Costs a look at the index, no I/O but for keys whose time is up.
    /// Errors only with [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn stats(&self) -> Result<Stats> {
        let keys = self.len();
        let state = self.state();
        let (segments, memory_bytes, expiring_keys) = self.index.read(|index| {
            let segments = fallible::collect(state.segments.iter().filter_map(|entry| {
                let segment = index.segment(index.slot_of(entry.id)?)?;
                Some(SegmentStats {
                    id: entry.id,
                    size_bytes: segment.end,
                    live_bytes: segment.live_bytes,
                    dead_bytes: segment.dead_bytes(),
                    tombstone_bytes: segment.tombstone_bytes,
                    live_keys: segment.live_keys,
                    active: entry.state == SegmentState::Active,
                    damaged: segment.damaged,
                })
            }));
            (segments, index.memory_bytes(), index.expiries.len())
        });
        let segments = segments?;
        let sum = |of: fn(&SegmentStats) -> u64| segments.iter().map(of).sum::<u64>();
        let (total_bytes, dead_bytes) = (sum(|s| s.size_bytes), sum(|s| s.dead_bytes));
        Ok(Stats {
            keys,
            expiring_keys,
            live_bytes: sum(|s| s.live_bytes),
            dead_bytes,
            tombstone_bytes: sum(|s| s.tombstone_bytes),
            total_bytes,
            fragmentation_percent: (dead_bytes.saturating_mul(100) / total_bytes.max(1)) as u8,
            memory_bytes,
            last_seq: self.last_seq(),
            oldest_change_seq: state.history_floor.saturating_add(1),
            epoch: self.epoch(),
            segments,
        })
    }

    /// The last sequence number issued; for a reader, the last it saw when it opened.
    ///
    /// After a crash a writer goes on above the 2^24 numbers its predecessor had reserved, so the numbers jump and none
    /// is issued twice.
    pub fn last_seq(&self) -> u64 {
        self.writer()
            .map_or(self.state().last_seq, |writer| writer.seq)
    }
}
