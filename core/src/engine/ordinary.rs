//! The short way of a get, where nothing is out of the ordinary: most gets take it, and it answers only what is
//! certain. Whatever else there is to say (of damage, of a buffer, of a file that merge removed meanwhile) the
//! careful way says, from the beginning.

use super::Reader;
use crate::fallible::{self, OutOfMemory};
use crate::format::record::Site;
use crate::format::{KeyHash, Space};
use crate::index::{Index, IndexCell, RECENT_RECORD_BYTES_MAX};
use crate::keydir::{AHEAD, SizeClass};
use crate::prelude::*;
use crate::segment::read::{self, Spot};
use crate::storage::{File, Host};
use core::ops::Range;

/// What a look at the index tells of a user's key; `P` is where its record lies.
#[derive(Clone, Copy)]
pub(super) enum Sight<P> {
    /// It does not exist.
    Absent,
    /// Its record is here, in a file.
    Filed(P),
    /// Its record was copied; this is where it lies in the log.
    Copied(Site, u64),
    /// Ask the careful way.
    Unsure,
}

/// What one look at the index tells of up to [`AHEAD`] users' keys. Each of their files is lent once.
pub(super) struct Sights<F> {
    /// A place in each file that one of them lies in, by the number that the index has for that file.
    files: Vec<(u16, Spot<F>)>,
    keys: [Sight<Filed>; AHEAD],
}

/// Where in one of the files a record is.
#[derive(Clone, Copy)]
struct Filed {
    file: u8,
    size: SizeClass,
    offset: u32,
}

const _: () = assert!(AHEAD <= u8::MAX as usize, "a file for each key");

/// What the short way found.
pub(super) enum Seen {
    /// The key does not exist.
    Absent,
    /// Its value lies here in the buffer.
    At(Range<usize>),
    /// Ask the careful way.
    Unsure,
}

impl<F: File + Clone> Sight<Spot<F>> {
    /// Looks for a key in the index, and copies its record of at most `bytes_max` if it was written lately.
    #[inline]
    fn of(index: &Index<F>, hash: KeyHash, bytes_max: u64, copy: &mut Vec<u8>) -> Self {
        if index.is_doubtful() {
            return Self::Unsure;
        }
        let Some(slot) = index.keydir.get(hash) else {
            return Self::Absent;
        };
        if let Some(recent) = index.recent.find(slot.place)
            && slot.size.bytes() <= bytes_max.min(RECENT_RECORD_BYTES_MAX)
            && let Some(segment) = index.segment(slot.place.segment)
        {
            let bytes = recent.len().min(slot.size.bytes() as usize);
            copy.clear();
            return match fallible::extend(copy, &recent[..bytes]) {
                Ok(()) => Self::Copied(segment.site, slot.place.offset.into()),
                Err(OutOfMemory) => Self::Unsure,
            };
        }
        index.filed(slot).map_or(Self::Unsure, Self::Filed)
    }

    #[inline]
    fn as_ref(&self) -> Sight<&Spot<F>> {
        match self {
            Self::Absent => Sight::Absent,
            Self::Filed(spot) => Sight::Filed(spot),
            Self::Copied(site, offset) => Sight::Copied(*site, *offset),
            Self::Unsure => Sight::Unsure,
        }
    }
}

impl<F: File + Clone> Sights<F> {
    /// Of no key yet.
    pub(super) fn new() -> Self {
        Self {
            files: Vec::new(),
            keys: [Sight::Unsure; AHEAD],
        }
    }

    /// Looks for other keys in the index.
    pub(super) fn look(&mut self, index: &Index<F>, keys: &[&[u8]]) -> Result<(), OutOfMemory> {
        let mut hashes = [KeyHash::default(); AHEAD];
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = index.hash_key.hash(Space::User, key);
        }
        let hashes = &hashes[..keys.len().min(AHEAD)];
        index.keydir.approach(hashes.iter().copied());
        // Since the last look the numbers may have become other files'.
        self.files.clear();
        for (at, hash) in hashes.iter().enumerate() {
            self.keys[at] = self.sight(index, *hash)?;
        }
        Ok(())
    }

    #[inline]
    fn sight(&mut self, index: &Index<F>, hash: KeyHash) -> Result<Sight<Filed>, OutOfMemory> {
        if index.is_doubtful() {
            return Ok(Sight::Unsure);
        }
        let Some(slot) = index.keydir.get(hash) else {
            return Ok(Sight::Absent);
        };
        if index.is_buffered(slot.place) {
            return Ok(Sight::Unsure);
        }
        let number = slot.place.segment;
        let lent = self.files.iter().position(|(lent, _)| *lent == number);
        let file = match lent {
            Some(file) => file,
            None => {
                let Some(spot) = index.filed(slot) else {
                    return Ok(Sight::Unsure);
                };
                fallible::push(&mut self.files, (number, spot))?;
                self.files.len() - 1
            }
        };
        Ok(Sight::Filed(Filed {
            file: file as u8,
            size: slot.size,
            offset: slot.place.offset,
        }))
    }

    /// Tells the platform what will be read.
    pub(super) fn approach(&self, keys: usize) {
        for sight in self.keys.iter().take(keys) {
            if let Sight::Filed(filed) = sight {
                let (_, spot) = &self.files[usize::from(filed.file)];
                let (offset, bytes) = (u64::from(filed.offset), filed.size.bytes());
                spot.file.approach(offset, bytes);
            }
        }
    }

    /// What was seen of the key at `at` of those that were looked for.
    #[inline]
    pub(super) fn at(&mut self, at: usize) -> Sight<&Spot<F>> {
        match self.keys[at] {
            Sight::Absent => Sight::Absent,
            Sight::Unsure => Sight::Unsure,
            Sight::Copied(site, offset) => Sight::Copied(site, offset),
            Sight::Filed(filed) => {
                let (_, spot) = &mut self.files[usize::from(filed.file)];
                spot.offset = u64::from(filed.offset);
                spot.bytes = filed.size.bytes();
                Sight::Filed(spot)
            }
        }
    }
}

impl<H: Host, C> Reader<'_, H, C> {
    #[inline]
    fn look<F: File + Clone>(
        &self,
        key: &[u8],
        bytes_max: u64,
        copy: &mut Vec<u8>,
    ) -> Sight<Spot<F>>
    where
        C: IndexCell<F>,
    {
        self.cell.read(|index| {
            let hash = index.hash_key.hash(Space::User, key);
            Sight::of(index, hash, bytes_max, copy)
        })
    }

    /// Reads what `sight` tells of a key, which is looked for if there is no sight of it yet. Records longer than
    /// `bytes_max` are for the careful way.
    #[inline]
    pub(super) fn ordinary<F: File + Clone>(
        &self,
        key: &[u8],
        sight: Option<Sight<&Spot<F>>>,
        bytes_max: u64,
        buffer: &mut Vec<u8>,
    ) -> Seen
    where
        C: IndexCell<F>,
    {
        let own;
        let sight = match sight {
            Some(sight) => sight,
            None => {
                own = self.look(key, bytes_max, buffer);
                own.as_ref()
            }
        };
        let read = match sight {
            Sight::Absent => return Seen::Absent,
            Sight::Unsure => return Seen::Unsure,
            Sight::Filed(spot) if spot.bytes > bytes_max => return Seen::Unsure,
            Sight::Filed(spot) => spot.read_ordinary(key, buffer),
            Sight::Copied(site, offset) => read::ordinary(key, buffer, site, offset),
        };
        match read {
            None => Seen::Unsure,
            Some((_, expiry)) if expiry.is_some() && !self.is_alive(expiry) => Seen::Absent,
            Some((value, _)) => Seen::At(value),
        }
    }
}
