//! Space set aside behind the end of a segment that is synced often.
//!
//! A sync of a file that has grown writes its new length down too, and that costs a journaling file
//! system as much again as the bytes. So the file grows ahead of its records, by zeros, and is cut to its
//! end when it is sealed or closed. Zeros are never a record: a crash that leaves them there leaves nothing.

use crate::planted::{Bug, planted};
use crate::storage::{ErrorKind, File};

/// So many syncs in a row that had little to sync make room worth its cost.
const RUN: u32 = 2;
/// What is little.
const LITTLE_BYTES: u64 = 64 << 10;
/// What is set aside first, and at most; each time twice as much as before.
const ROOM_BYTES: u64 = 64 << 10;
const ROOM_BYTES_MAX: u64 = 1 << 20;

/// See the [module](self).
pub(crate) struct Room {
    /// How long the file is, as far as it was lengthened.
    to: u64,
    /// Syncs in a row that had little to sync.
    run: u32,
    /// How much is set aside next.
    bytes: u64,
    /// The file may be longer than its records.
    longer: bool,
    /// None is set aside any more: the platform has no such call, or the file is being closed.
    over: bool,
}

impl Room {
    pub(crate) const NONE: Self = Self {
        to: 0,
        run: 0,
        bytes: ROOM_BYTES,
        longer: false,
        over: false,
    };

    /// Before a sync of a segment that ends at `end` and is durable up to `durable`: sets space aside if
    /// many such syncs come. Nothing depends on whether it can.
    pub(crate) fn prepare<F: File>(&mut self, file: &F, end: u64, durable: u64) {
        let news = end.saturating_sub(durable);
        if news > LITTLE_BYTES {
            self.run = 0;
            return;
        }
        self.run = self.run.saturating_add(1);
        if self.over || self.run <= RUN || self.to >= end + news {
            return;
        }
        match file.lengthen(end, self.bytes) {
            Ok(len) => {
                self.to = len;
                self.longer = true;
                self.bytes = ROOM_BYTES_MAX.min(2 * self.bytes);
            }
            Err(error) => {
                self.over = error.kind == ErrorKind::Unsupported;
                self.longer |= !self.over;
                self.run = 0;
            }
        }
    }

    /// Sets none aside any more, and gives back what was: the last syncs of a file are as small as those
    /// that room is made for.
    pub(crate) fn close<F: File>(&mut self, file: &F, end: u64, durable: u64) -> bool {
        self.over = true;
        self.give_back(file, end, durable)
    }

    /// Cuts the file, all of whose bytes the platform has, to `end`. Durable after a sync. Returns whether
    /// there was anything to cut; what cannot be given back stays behind the end, where nobody reads it.
    pub(crate) fn give_back<F: File>(&mut self, file: &F, end: u64, durable: u64) -> bool {
        if !self.longer {
            return false;
        }
        let end = match planted(Bug::RoomCutShort) {
            true => durable,
            false => end,
        };
        let cut = file.truncate(end).is_ok();
        *self = Self {
            over: self.over,
            longer: !cut,
            ..Self::NONE
        };
        cut
    }
}
