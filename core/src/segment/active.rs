//! The segment that grows.

use super::hint_log::HintLog;
use super::room::Room;
use crate::format::record::Site;

/// The one segment that grows.
pub(crate) struct Active<F> {
    pub slot: u16,
    pub id: u64,
    pub file: F,
    pub site: Site,
    /// The logical end, buffered bytes included. Never inferred from the file's length.
    pub end: u64,
    /// Up to where the platform has them; the rest is the index's tail.
    pub handed: u64,
    /// Bytes below this offset survive a power loss. At most `end`, at a record boundary.
    pub durable: u64,
    /// Where the last record ends that is not a marker: a marker's own durability needs no telling.
    pub records_end: u64,
    /// The durable offset that the newest marker in the file tells.
    pub marked: u64,
    pub records: u64,
    /// An append failed for another reason than space: continue in a new file.
    pub suspect: bool,
    pub hint: HintLog<F>,
    pub room: Room,
}

impl<F> Active<F> {
    /// A segment that goes on at `end`, up to where it is durable and said to be so.
    pub(crate) fn at(
        (slot, id): (u16, u64),
        file: F,
        site: Site,
        end: u64,
        records: u64,
        hint: HintLog<F>,
    ) -> Self {
        Self {
            slot,
            id,
            file,
            site,
            end,
            handed: end,
            durable: end,
            records_end: end,
            marked: end,
            records,
            suspect: false,
            hint,
            room: Room::NONE,
        }
    }
}
