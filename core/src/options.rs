//! What a caller may choose: at opening, per write, and for merge.

use crate::error::{Error, Result};
use crate::format::record::KEY_BYTES_MAX;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Smallest and largest segment size; a place keeps its offset in 32 bits.
pub const SEGMENT_BYTES_MIN: u64 = MIB;
/// See [`SEGMENT_BYTES_MIN`].
pub const SEGMENT_BYTES_MAX: u64 = 4 * GIB;
/// The largest value the format can hold.
pub const VALUE_BYTES_MAX: u64 = u32::MAX as u64;

/// How to open a store. `Options::default()` suits a server; you may set any field.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Read and write, or only read.
    pub access: OpenAccess,
    /// What happens when acknowledged data is found damaged.
    pub mode: OpenMode,
    /// Whether an empty directory becomes a new store (writers only).
    pub create: bool,
    /// When a write is acknowledged, unless the write itself sets a level.
    pub ack: Ack,
    /// With [`Ack::Written`] or [`Ack::Buffered`]: sync once this many milliseconds have passed
    /// since the last sync, checked at every write and by `tick`. `None` leaves it to the caller.
    pub sync_every_ms: Option<u64>,
    /// A segment is sealed at the first write that would take it past this many bytes.
    /// 1 MiB to 4 GiB; default 256 MiB.
    pub segment_bytes: u64,
    /// With [`Ack::Buffered`]: bytes kept in memory before they are handed to the platform.
    pub buffer_bytes: usize,
    /// What was written last is kept in memory, too: up to twice this many bytes, 0 for none; default 64 KiB. Gets of one
    /// key whose record has at most 4 KiB read it there. Guests with the feature `small` keep none.
    pub recent_bytes: usize,
    /// Longest key in bytes, at most 65,535.
    pub key_bytes_max: usize,
    /// Largest value in bytes, at most 4 GiB - 1; default 512 MiB.
    pub value_bytes_max: u64,
    /// Lifetime of a key that is put without an expiry of its own, in milliseconds.
    pub default_ttl_ms: Option<u64>,
    /// Read the older record before every overwrite. This closes the 6e-12 chance (at 10^9 keys)
    /// that a blind put replaces another key with the same hash. Costs a read per overwrite.
    pub verify_overwrite: bool,
    /// Keep every key in memory in order, so that prefix and range scans cost only what they return.
    /// Memory: the keys' bytes plus about 40 bytes each; opening reads every key once. Guests with the feature `small`
    /// have no such index: their scans sort what they return.
    pub ordered_index: bool,
    /// In a degraded store, return the older version of a key instead of
    /// [`Error::MaybeStale`].
    pub accept_stale: bool,
    /// Trust a clock that moved by more than a day since the store last saw it. Otherwise such a
    /// jump expires nothing until `confirm_clock`.
    pub trust_clock: bool,
    /// Bytes to keep in reserve, so that deletes, manifest records and a merge of one segment at a
    /// time still fit on a full disk, as long as the live part of that segment fits into them.
    pub reserve_bytes: u64,
    /// When merge is due and what it takes.
    pub merge: MergePolicy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: OpenAccess::ReadWrite,
            mode: OpenMode::Default,
            create: true,
            ack: Ack::Written,
            sync_every_ms: None,
            segment_bytes: 256 * MIB,
            buffer_bytes: 64 * KIB as usize,
            recent_bytes: 64 * KIB as usize,
            key_bytes_max: KEY_BYTES_MAX,
            value_bytes_max: 512 * MIB,
            default_ttl_ms: None,
            verify_overwrite: false,
            ordered_index: false,
            accept_stale: false,
            trust_clock: false,
            reserve_bytes: MIB,
            merge: MergePolicy::default(),
        }
    }
}

impl Options {
    /// Options for a reader, which takes no lock and repairs, deletes and creates nothing.
    pub fn read_only() -> Self {
        Self {
            access: OpenAccess::ReadOnly,
            create: false,
            ..Self::default()
        }
    }

    /// Refuses values that make no sense, with a sentence for the person who set them.
    pub fn check(&self) -> Result<()> {
        let bad = |what| Err(Error::bad_option(what));
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return bad("segment_bytes must be between 1 MiB and 4 GiB");
        }
        if self.key_bytes_max > KEY_BYTES_MAX {
            return bad("key_bytes_max must be at most 65535");
        }
        if self.value_bytes_max > VALUE_BYTES_MAX {
            return bad("value_bytes_max must be at most 4 GiB - 1");
        }
        if self.default_ttl_ms == Some(0) {
            return bad("default_ttl_ms must be above 0");
        }
        self.merge.check()
    }
}

/// Reads and writes, or reads only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenAccess {
    /// Becomes the one writer.
    ReadWrite,
    /// Takes no lock and changes nothing; works beside a writer.
    ReadOnly,
}

/// What happens at opening when acknowledged data is found damaged. A torn tail, which was never
/// acknowledged as durable, is cut and reported in every mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Any damage of acknowledged data refuses to open.
    Strict,
    /// If the damage names its key, that key returns `Corrupt`. Damage that hides keys opens the
    /// store read-only, and a key whose older version might be shown returns `MaybeStale`.
    Default,
    /// Read-only, without needing a manifest: whatever can be read, the newest version of each
    /// key by sequence number. For rescuing data.
    Salvage,
}

/// When a write is acknowledged, and so what may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ack {
    /// Kept in the engine's buffer. The process's death or a power loss may lose every write
    /// since the last flush, from the newest backwards; never one in the middle.
    Buffered,
    /// Handed to the platform (the default). Survives the process's death; a power loss may lose
    /// every write since the last sync, from the newest backwards.
    Written,
    /// Synced. Survives a power loss as far as the platform's sync does. Concurrent writers of
    /// the native handle share one sync.
    Synced,
}

/// When merge is due and which segments it takes, in the terms of Riak's Bitcask.
///
/// Merge is due once a segment reaches a *trigger*. It then takes every segment that reaches a
/// *threshold* (with the neighbours that connect them), within the limits. Once the active segment is
/// no longer small and reaches a trigger, merge seals it and takes it too.
#[derive(Clone, Debug, PartialEq)]
pub struct MergePolicy {
    /// Whether the store merges on its own (in `tick`, and in the native background thread).
    pub auto: bool,
    /// Trigger: dead bytes of a segment in percent of its size. Default 60.
    pub fragmentation_trigger_percent: u8,
    /// Trigger: dead bytes of a segment. Default 512 MiB.
    pub dead_bytes_trigger: u64,
    /// Threshold: dead bytes in percent. Default 40.
    pub fragmentation_threshold_percent: u8,
    /// Threshold: dead bytes. Default 128 MiB.
    pub dead_bytes_threshold: u64,
    /// Threshold: segments smaller than this are joined with their neighbours. Default 10 MiB.
    pub small_file_bytes: u64,
    /// Small segments are joined when at least this many lie side by side. Default 4.
    pub min_files: usize,
    /// Most segments that one merge takes. Default 64.
    pub max_files: usize,
    /// Most input bytes that one merge takes. It also never takes more than a quarter of the store or 12 MiB
    /// (32 where small segments are joined), whichever is more, unless asked to merge everything. Default 16 GiB.
    pub max_bytes: u64,
    /// Hours of the day (UTC) in which merge may start on its own, `start..=end`; `None` means always.
    pub window_hours: Option<(u8, u8)>,
}

impl Default for MergePolicy {
    fn default() -> Self {
        Self {
            auto: true,
            fragmentation_trigger_percent: 60,
            dead_bytes_trigger: 512 * MIB,
            fragmentation_threshold_percent: 40,
            dead_bytes_threshold: 128 * MIB,
            small_file_bytes: 10 * MIB,
            min_files: 4,
            max_files: 64,
            max_bytes: 16 * GIB,
            window_hours: None,
        }
    }
}

impl MergePolicy {
    fn check(&self) -> Result<()> {
        let bad = |what| Err(Error::bad_option(what));
        let percents = [
            self.fragmentation_trigger_percent,
            self.fragmentation_threshold_percent,
        ];
        if percents.iter().any(|p| !(1..=100).contains(p)) {
            return bad("merge percentages must be between 1 and 100");
        }
        if self.min_files < 2 || self.max_files < self.min_files {
            return bad("merge min_files must be at least 2 and at most max_files");
        }
        if self.window_hours.is_some_and(|(a, b)| a > 23 || b > 23) {
            return bad("merge window hours must be between 0 and 23");
        }
        Ok(())
    }
}

/// When a key that is put expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// After the store's default lifetime, or never if there is none.
    #[default]
    Default,
    /// Never.
    Never,
    /// At this wall-clock time, in milliseconds since 1970.
    AtMs(u64),
    /// This many milliseconds after the write.
    AfterMs(u64),
}

/// What must be true of a key for a write to happen. Checked against the published state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key must not exist.
    Absent,
    /// The key must exist.
    Present,
    /// The key must still be at this sequence number, as `get_entry` returned it.
    Seq(u64),
}

/// Options of a single write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// When it is acknowledged; the store's level if `None`.
    pub ack: Option<Ack>,
    /// When the key expires.
    pub expiry: Expiry,
    /// What must be true for the write to happen.
    pub condition: Option<Condition>,
}
