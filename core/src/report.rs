//! What opening, verifying and salvaging found out, as data and as one line for a person.

use crate::error::Damage;
use crate::fallible::{self, OutOfMemory};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::storage::FileName;
use core::fmt;

/// Damaged bytes: where, how many, what, and whose they were if that can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamageReport {
    /// The file.
    pub file: FileName,
    /// Where the damage starts.
    pub offset: u64,
    /// How many bytes cannot be used.
    pub bytes: u64,
    /// What is wrong.
    pub damage: Damage,
    /// The key whose record is damaged, if it is certain.
    pub key: Option<Vec<u8>>,
    /// Whether a key of the store depends on these bytes: `false` for records that were
    /// superseded, and for caches that are rebuilt.
    pub live: bool,
}

impl DamageReport {
    /// A copy, unless memory is refused.
    pub(crate) fn try_clone(&self) -> Result<Self, OutOfMemory> {
        Ok(Self {
            key: self.key.as_deref().map(fallible::copy).transpose()?,
            ..*self
        })
    }
}

impl fmt::Display for DamageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at byte {}: {} bytes: {}",
            self.file, self.offset, self.bytes, self.damage
        )
    }
}

/// Damaged places that a report keeps one by one; the rest are counted. Where errors are terse nobody is told of places,
/// unless the feature `places` asks for them.
pub const DAMAGES_KEPT: usize = if cfg!(all(
    feature = "terse",
    not(feature = "places"),
    target_family = "wasm"
)) {
    0
} else {
    4096
};

/// What opening found and did. Kept by the engine for its whole life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The directory was empty and became a store.
    pub created: bool,
    /// The last writer had closed the store.
    pub clean: bool,
    /// The manifest epoch this opener writes, or reads.
    pub epoch: u64,
    /// Live user keys.
    pub keys: u64,
    /// Records read from segments because no hint covered them.
    pub scanned_records: u64,
    /// Bytes of segments read record by record.
    pub scanned_bytes: u64,
    /// Bytes of segments that hints answered for.
    pub hinted_bytes: u64,
    /// Bytes of a torn tail that was cut: an incomplete write and whatever followed it.
    pub torn_bytes: u64,
    /// Whole records within the torn bytes that were dropped, so that what survives is a prefix.
    pub torn_records: u64,
    /// Bytes between the last durable marker and the end of a file that was not closed: damage
    /// there cannot be told from writes that were never durable.
    pub undecidable_bytes: u64,
    /// Records that were readable in those bytes and were kept.
    pub undecidable_records: u64,
    /// Records copied to a new segment and synced before they were trusted.
    pub rewritten_records: u64,
    /// Damage of acknowledged data; at most [`DAMAGES_KEPT`] places.
    pub damages: Vec<DamageReport>,
    /// Damaged places beyond those kept.
    pub damages_omitted: u64,
    /// Places of the manifests that are damaged, or were being written when the power failed: nobody
    /// can tell which. At most [`DAMAGES_KEPT`]. Where one flipped bit explains such a place, what
    /// it says was taken; else it was left out.
    pub undecided: Vec<DamageReport>,
    /// Files with this store's header that no manifest lists: kept, not used.
    pub orphans: Vec<FileName>,
    /// The newest manifest state could not be read whole, so an older one was used.
    pub stepped_back: bool,
    /// Damage hides keys: the store is read-only.
    pub degraded: bool,
    /// The clock moved by more than a day (from, to, in ms): nothing expires until confirmed.
    pub clock_jump: Option<(u64, u64)>,
    /// Created, renamed and removed names survive a power loss on this backend.
    pub namespace_sync: bool,
}

/// Whether one more place is kept.
#[cfg_attr(
    all(feature = "terse", target_family = "wasm"),
    allow(
        clippy::absurd_extreme_comparisons,
        reason = "where no place is kept, the compiler is to see that nothing is pushed"
    )
)]
fn has_room(kept: &[DamageReport]) -> bool {
    kept.len() < DAMAGES_KEPT
}

impl RecoveryReport {
    /// Keeps a damaged place, or counts it. Returns its position in `damages`.
    #[inline]
    pub(crate) fn note(&mut self, damage: DamageReport) -> Result<Option<usize>, OutOfMemory> {
        if planted(Bug::DamageHidden) {
            return Ok(None);
        }
        if !has_room(&self.damages) {
            self.damages_omitted += 1;
            return Ok(None);
        }
        fallible::push(&mut self.damages, damage)?;
        Ok(Some(self.damages.len() - 1))
    }

    /// A copy, unless memory is refused.
    pub(crate) fn try_clone(&self) -> Result<Self, OutOfMemory> {
        let places = |list: &[DamageReport]| {
            let mut copies = Vec::new();
            for place in list {
                fallible::push(&mut copies, place.try_clone()?)?;
            }
            Ok(copies)
        };
        Ok(Self {
            damages: places(&self.damages)?,
            undecided: places(&self.undecided)?,
            orphans: fallible::copy(&self.orphans)?,
            ..*self
        })
    }

    /// Keeps a place that may be damaged.
    #[inline]
    pub(crate) fn doubt(&mut self, place: DamageReport) -> Result<(), OutOfMemory> {
        if has_room(&self.undecided) {
            fallible::push(&mut self.undecided, place)?;
        }
        Ok(())
    }

    /// Whether acknowledged data is damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        !self.damages.is_empty() || self.damages_omitted > 0
    }

    /// Whether nothing was cut, lost, damaged or left in doubt.
    pub fn is_spotless(&self) -> bool {
        self.torn_bytes == 0
            && !self.is_damaged()
            && self.undecided.is_empty()
            && self.orphans.is_empty()
            && !self.stepped_back
            && !self.degraded
            && self.clock_jump.is_none()
    }
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.created {
            return f.write_str("created a new store");
        }
        write!(
            f,
            "{} {} after {}",
            self.keys,
            if self.keys == 1 { "key" } else { "keys" },
            if self.clean {
                "a clean close"
            } else {
                "an unclean stop"
            }
        )?;
        if self.torn_bytes > 0 {
            write!(
                f,
                "; cut a torn tail of {} bytes (whole records in it: {}) that was never \
                 acknowledged as durable",
                self.torn_bytes, self.torn_records
            )?;
        }
        if let Some(first) = self.damages.first() {
            write!(
                f,
                "; damaged places in acknowledged data: {}, first {}",
                self.damages.len() as u64 + self.damages_omitted,
                first
            )?;
        }
        if let Some(first) = self.undecided.first() {
            write!(
                f,
                "; places that are damaged or were being written when the power failed: {}, first {}",
                self.undecided.len(),
                first
            )?;
        }
        if self.stepped_back {
            f.write_str("; the newest manifest could not be read whole, an older state is used")?;
        }
        if let Some(first) = self.orphans.first() {
            write!(
                f,
                "; files of this store that no manifest lists, kept: {}, first {first}",
                self.orphans.len()
            )?;
        }
        if self.degraded {
            f.write_str("; damage hides keys, so the store is read-only")?;
        }
        if let Some((from, to)) = self.clock_jump {
            write!(
                f,
                "; the clock moved by {} h since the store last saw it, so nothing expires \
                 until that is confirmed",
                to.saturating_sub(from) / 3_600_000
            )?;
        }
        Ok(())
    }
}
