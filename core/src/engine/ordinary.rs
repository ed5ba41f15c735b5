//! The short way of a get, where nothing is out of the ordinary: most gets take it, and it answers only what is
//! certain. Whatever else there is to say (of damage, of a buffer, of a file that merge removed meanwhile) the
//! careful way says, from the beginning.

use super::Reader;
use crate::format::{KeyHash, Space};
use crate::index::{Index, IndexCell};
use crate::prelude::*;
use crate::segment::read::Spot;
use crate::storage::{File, Host};
use core::ops::Range;

/// What a look at the index tells of a user's key.
pub(super) enum Sight<F> {
    /// It does not exist.
    Absent,
    /// Its record is here, in a file.
    Filed(Spot<F>),
    /// Ask the careful way.
    Unsure,
}

/// What the short way found.
pub(super) enum Seen {
    /// The key does not exist.
    Absent,
    /// Its value lies here in the buffer.
    At(Range<usize>),
    /// Ask the careful way.
    Unsure,
}

impl<F: File + Clone> Sight<F> {
    /// Looks for a key in the index.
    #[inline]
    pub(super) fn of(index: &Index<F>, hash: KeyHash) -> Self {
        if index.is_doubtful() {
            return Self::Unsure;
        }
        let Some(slot) = index.keydir.get(hash) else {
            return Self::Absent;
        };
        index.filed(slot).map_or(Self::Unsure, Self::Filed)
    }

    /// Tells the platform what will be read.
    pub(super) fn approach(&self) {
        if let Self::Filed(spot) = self {
            spot.file.approach(spot.offset, spot.bytes);
        }
    }
}

impl<H: Host, C> Reader<'_, H, C> {
    #[inline]
    fn look<F: File + Clone>(&self, key: &[u8]) -> Sight<F>
    where
        C: IndexCell<F>,
    {
        self.cell
            .read(|index| Sight::of(index, index.hash_key.hash(Space::User, key)))
    }

    /// Reads what `sight` tells of a key, which is looked for if there is no sight of it yet. Records longer than
    /// `bytes_max` are for the careful way.
    #[inline]
    pub(super) fn ordinary<F: File + Clone>(
        &self,
        key: &[u8],
        sight: Option<Sight<F>>,
        bytes_max: u64,
        buffer: &mut Vec<u8>,
    ) -> Seen
    where
        C: IndexCell<F>,
    {
        let sight = sight.unwrap_or_else(|| self.look(key));
        let spot = match sight {
            Sight::Absent => return Seen::Absent,
            Sight::Unsure => return Seen::Unsure,
            Sight::Filed(spot) if spot.bytes > bytes_max => return Seen::Unsure,
            Sight::Filed(spot) => spot,
        };
        match spot.read_ordinary(key, buffer) {
            None => Seen::Unsure,
            Some((_, expiry)) if expiry.is_some() && !self.is_alive(expiry) => Seen::Absent,
            Some((value, _)) => Seen::At(value),
        }
    }
}
