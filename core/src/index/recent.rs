//! What was written last, kept in memory as well: keys that are written often are read often, and a copy takes a tenth
//! of the time of a read call.
//!
//! ```text
//! the active segment   ... | older | newer |     the younger one grows; full, it becomes the older one
//! ```

use super::Place;
use crate::fallible;
use crate::prelude::*;

/// Records up to this length are read from here: about what one append publishes under the index's lock costs.
pub(crate) const RECORD_BYTES_MAX: u64 = 4 << 10;

/// The bytes of the last records of one segment.
#[derive(Default)]
pub(crate) struct Recent {
    segment: u16,
    older: Stretch,
    newer: Stretch,
}

/// Whole records that lie one behind the other.
#[derive(Default)]
struct Stretch {
    start: u64,
    bytes: Vec<u8>,
}

impl Recent {
    /// Takes in so many records that are in the log from `start` on. A stretch holds `room` bytes at most; more than that
    /// at a time, and records that are too long on average to be read from here, are not kept. Without the memory nothing
    /// is: every record can be read from its file.
    #[inline]
    pub(crate) fn keep(
        &mut self,
        segment: u16,
        start: u64,
        (bytes, records): (&[u8], usize),
        room: usize,
    ) {
        if bytes.len() > room || bytes.len() as u64 > records as u64 * RECORD_BYTES_MAX {
            return;
        }
        if segment != self.segment {
            self.forget();
            self.segment = segment;
        }
        let follows = start == self.newer.start + self.newer.bytes.len() as u64;
        if !follows || self.newer.bytes.len() + bytes.len() > room {
            core::mem::swap(&mut self.older, &mut self.newer);
            self.newer.bytes.clear();
            self.newer.start = start;
        }
        if fallible::extend(&mut self.newer.bytes, bytes).is_err() {
            self.forget();
        }
    }

    /// The record at a place, and whatever follows it, if it is among those kept.
    #[inline]
    pub(crate) fn find(&self, place: Place) -> Option<&[u8]> {
        if place.segment != self.segment {
            return None;
        }
        self.newer.from(place).or_else(|| self.older.from(place))
    }

    /// Lets go of what belongs to a segment whose number another one may take.
    pub(crate) fn forget_segment(&mut self, segment: u16) {
        if segment == self.segment {
            self.forget();
        }
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Stretch {
    #[inline]
    fn from(&self, place: Place) -> Option<&[u8]> {
        let at = u64::from(place.offset).checked_sub(self.start)?;
        let rest = self.bytes.get(usize::try_from(at).ok()?..)?;
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(segment: u16, offset: u32) -> Place {
        Place { segment, offset }
    }

    #[test]
    fn the_last_records_are_found_and_older_ones_no_longer() {
        let mut recent = Recent::default();
        for n in 0..10 {
            recent.keep(3, 80 + u64::from(n) * 10, (&[n; 10], 1), 30);
        }
        // The younger stretch holds the tenth, the older one the three before it.
        assert_eq!(recent.find(place(3, 170)), Some(&[9; 10][..]));
        assert_eq!(recent.find(place(3, 160)), Some(&[8; 10][..]));
        assert_eq!(recent.find(place(3, 140)).map(<[u8]>::len), Some(30));
        assert_eq!(recent.find(place(3, 130)), None);
        assert_eq!(recent.find(place(3, 180)), None);
        assert_eq!(recent.find(place(2, 170)), None);
    }

    #[test]
    fn a_gap_in_the_log_ends_a_stretch_and_is_not_shown() {
        let mut recent = Recent::default();
        recent.keep(1, 100, (b"before", 1), 64);
        recent.keep(1, 200, (b"behind", 1), 64);
        assert_eq!(recent.find(place(1, 100)), Some(&b"before"[..]));
        assert_eq!(recent.find(place(1, 106)), None);
        assert_eq!(recent.find(place(1, 200)), Some(&b"behind"[..]));
        // What is too long to be kept leaves a gap, too.
        recent.keep(1, 206, (&[0; 65], 1), 64);
        recent.keep(1, 271, (b"later", 1), 64);
        assert_eq!(recent.find(place(1, 206)), None);
        assert_eq!(recent.find(place(1, 271)), Some(&b"later"[..]));
    }

    #[test]
    fn what_no_get_would_read_from_here_takes_no_room() {
        let (mut recent, long) = (Recent::default(), [0; RECORD_BYTES_MAX as usize + 1]);
        recent.keep(1, 100, (b"short", 1), 1 << 20);
        recent.keep(1, 105, (&long, 1), 1 << 20);
        assert_eq!(recent.find(place(1, 100)), Some(&b"short"[..]));
        assert_eq!(recent.find(place(1, 105)), None);
        // As many bytes of two records are two that may be read.
        recent.keep(1, 105, (&long, 2), 1 << 20);
        assert_eq!(recent.find(place(1, 105)), Some(&long[..]));
    }

    #[test]
    fn another_segment_and_one_that_goes_take_everything_along() {
        let mut recent = Recent::default();
        recent.keep(1, 100, (b"one", 1), 64);
        recent.forget_segment(2);
        assert_eq!(recent.find(place(1, 100)), Some(&b"one"[..]));
        recent.keep(2, 100, (b"two", 1), 64);
        assert_eq!(recent.find(place(1, 100)), None);
        recent.forget_segment(2);
        assert_eq!(recent.find(place(2, 100)), None);
    }

    #[test]
    fn without_room_or_memory_nothing_is_kept() {
        let mut recent = Recent::default();
        recent.keep(1, 100, (b"one", 1), 0);
        assert_eq!(recent.find(place(1, 100)), None);
        fallible::refusal::after(0, || recent.keep(1, 100, (b"one", 1), 64));
        assert_eq!(recent.find(place(1, 100)), None);
    }
}
