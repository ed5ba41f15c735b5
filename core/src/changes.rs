//! The log read as history: a resumable feed of changes, and one key's versions.

use crate::engine::Engine;
use crate::error::{Damage, Error, Result};
use crate::fallible;
use crate::format::Space;
use crate::format::file::FILE_HEADER_BYTES;
use crate::format::file::names;
use crate::format::manifest::SegmentEntry;
use crate::format::record::{Kind, Site};
use crate::index::IndexCell;
use crate::keydir::{HashKey, Place};
use crate::prelude::*;
use crate::segment::read::Spot;
use crate::segment::walk::{Found, State, Step, Walker};
use crate::storage::{File, FileName, Storage};

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order of all changes.
    pub seq: u64,
    /// The key.
    pub key: Vec<u8>,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The key got this value.
    Put {
        /// The value.
        value: Vec<u8>,
        /// When the key's life ends, in milliseconds since 1970.
        expiry_ms: Option<u64>,
    },
    /// The key was deleted.
    Delete,
}

/// Part of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePage {
    /// Changes in the order of their sequence numbers.
    pub changes: Vec<Change>,
    /// Pass this to get the next page.
    pub next_seq: u64,
}

/// Where a reader of the feed stands. Kept from page to page it spares the walk up to there: a page costs what it
/// holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The next change to read.
    next_seq: u64,
    /// Where in the log it was last read up to.
    place: Option<FeedPlace>,
}

/// The end of a record in a segment. Holds for as long as there is a segment of this id and salt, because bytes that
/// count are never overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FeedPlace {
    segment: u64,
    salt: u64,
    offset: u64,
}

impl Feed {
    /// A reader of the changes from this sequence number on (0 or 1 for the beginning).
    pub fn from(seq: u64) -> Self {
        Self {
            next_seq: seq.max(1),
            place: None,
        }
    }

    /// The sequence number to go on with.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }
}

/// One version of a key that the log still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its sequence number.
    pub seq: u64,
    /// Its value; `None` for a delete.
    pub value: Option<Vec<u8>>,
    /// When its life ends, in milliseconds since 1970.
    pub expiry_ms: Option<u64>,
    /// The file that holds it.
    pub file: FileName,
    /// Where in the file.
    pub offset: u64,
    /// Whether it is the one that `get` answers.
    pub live: bool,
}

/// A segment to walk: its entry, its slot and where its readable records end.
struct Stretch<F> {
    entry: SegmentEntry,
    slot: u16,
    file: F,
    end: u64,
}

/// The log as it was at one moment, held open: a front end reads its history outside its lock.
pub struct LogView<F> {
    /// Changes up to this sequence number may have been dropped.
    floor: u64,
    hash_key: HashKey,
    stretches: Vec<Stretch<F>>,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// The changes of user keys from `from_seq` on (0 or 1 for the beginning), at most `limit`.
    /// Errors with [`Error::Gap`] once merge dropped a record that the feed would need.
    ///
    /// Costs a walk over the segment that holds `from_seq` up to it.
    pub fn changes(&self, from_seq: u64, limit: usize) -> Result<ChangePage> {
        self.log_view()?.changes(from_seq, limit)
    }

    /// Every version of a key that the log still holds, oldest first. Costs a walk over all
    /// segments.
    pub fn history(&self, key: &[u8]) -> Result<Vec<Version>> {
        self.log_view()?.history(self, key)
    }

    /// Holds the log as it is now. Costs a look at the index and no I/O.
    pub fn log_view(&self) -> Result<LogView<S::File>> {
        Ok(LogView {
            floor: self.state().history_floor,
            hash_key: self.index.read(|index| index.hash_key),
            stretches: self.stretches()?,
        })
    }

    fn stretches(&self) -> Result<Vec<Stretch<S::File>>> {
        let mut stretches = Vec::new();
        self.index.read(|index| {
            for entry in &self.state().segments {
                let slot = index.slot_of(entry.id);
                let found = slot.and_then(|slot| Some((slot, index.segment(slot)?)));
                let (slot, segment) = found
                    .ok_or_else(|| Error::corrupt(names::segment(entry.id), 0, Damage::Missing))?;
                let buffered = match index.tail.segment == slot {
                    true => index.tail.bytes.len() as u64,
                    false => 0,
                };
                let stretch = Stretch {
                    entry: *entry,
                    slot,
                    file: segment.file.clone(),
                    end: segment.end - buffered,
                };
                fallible::push(&mut stretches, stretch)?;
            }
            Ok(stretches)
        })
    }
}

impl<F: File + Clone> LogView<F> {
    /// See [`Engine::changes`].
    pub fn changes(&self, from_seq: u64, limit: usize) -> Result<ChangePage> {
        let mut feed = Feed::from(from_seq);
        let changes = self.next_changes(&mut feed, limit, usize::MAX)?;
        Ok(ChangePage {
            changes,
            next_seq: feed.next_seq,
        })
    }

    /// The next changes of a feed, at most `limit`, and no more once keys and values together take `bytes_max`; one at
    /// least, if there is one. After an error the feed stands where it stood.
    pub fn next_changes(
        &self,
        feed: &mut Feed,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Change>> {
        let from = feed.next_seq;
        if from <= self.floor {
            return Err(Error::gap(from, self.floor.saturating_add(1)));
        }
        let mut reached = *feed;
        let mut changes = Vec::new();
        let mut bytes = 0_usize;
        for (i, stretch) in self.stretches.iter().enumerate() {
            let ended = self
                .stretches
                .get(i + 1)
                .is_some_and(|next| next.entry.base_seq <= from);
            if ended {
                continue;
            }
            let mut walker = stretch.walk_from(feed.place);
            while changes.len() < limit.max(1) && (bytes < bytes_max || changes.is_empty()) {
                let Some(found) = stretch.next(&mut walker)? else {
                    break;
                };
                if found.head.seq < from {
                    continue;
                }
                let kind = match found.head.kind {
                    Kind::Put => ChangeKind::Put {
                        value: stretch.value(&found)?,
                        expiry_ms: found.head.expiry_ms,
                    },
                    Kind::Tombstone => ChangeKind::Delete,
                    Kind::Marker | Kind::MetaPut | Kind::MetaTombstone => continue,
                };
                reached = Feed {
                    next_seq: found.head.seq.saturating_add(1),
                    place: Some(FeedPlace {
                        segment: stretch.entry.id,
                        salt: stretch.entry.salt,
                        offset: found.offset + found.bytes,
                    }),
                };
                let change = Change {
                    seq: found.head.seq,
                    key: fallible::copy(walker.key())?,
                    kind,
                };
                bytes = bytes.saturating_add(change.bytes());
                fallible::push(&mut changes, change)?;
            }
        }
        *feed = reached;
        Ok(changes)
    }

    /// See [`Engine::history`]; `engine`, or a view of it, tells which version is live.
    pub fn history<S: Storage<File = F>, C: IndexCell<F>>(
        &self,
        engine: &Engine<S, C>,
        key: &[u8],
    ) -> Result<Vec<Version>> {
        let mut versions = Vec::new();
        self.each_version(engine, key, |version| {
            fallible::push(&mut versions, version)?;
            Ok(true)
        })?;
        Ok(versions)
    }

    /// Shows `sink` the versions of a key one by one, oldest first, until it answers `false` or an error.
    pub fn each_version<S: Storage<File = F>, C: IndexCell<F>>(
        &self,
        engine: &Engine<S, C>,
        key: &[u8],
        mut sink: impl FnMut(Version) -> Result<bool>,
    ) -> Result<()> {
        let hash = self.hash_key.hash(Space::User, key);
        let live = engine.index.read(|index| index.keydir.get(hash));
        for stretch in &self.stretches {
            let mut walker = stretch.walk();
            while let Some(found) = stretch.next_or_damage(&mut walker)? {
                let is_put = found.head.kind == Kind::Put;
                if !(is_put || found.head.kind == Kind::Tombstone) || walker.key() != key {
                    continue;
                }
                let here = Place::at(stretch.slot, found.offset)?;
                let version = Version {
                    seq: found.head.seq,
                    value: is_put.then(|| stretch.value(&found)).transpose()?,
                    expiry_ms: found.head.expiry_ms,
                    file: names::segment(stretch.entry.id),
                    offset: found.offset,
                    live: live.is_some_and(|slot| slot.place == here)
                        && engine.reader().is_alive(found.head.expiry_ms),
                };
                if !sink(version)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Change {
    /// Bytes of key and value.
    fn bytes(&self) -> usize {
        let value = match &self.kind {
            ChangeKind::Put { value, .. } => value.len(),
            ChangeKind::Delete => 0,
        };
        self.key.len() + value
    }
}

impl<F: File + Clone> Stretch<F> {
    fn walk(&self) -> Walker<F> {
        self.walk_from(None)
    }

    /// From a place on, if it is in this segment.
    fn walk_from(&self, place: Option<FeedPlace>) -> Walker<F> {
        let here = |place: &FeedPlace| {
            (place.segment, place.salt) == (self.entry.id, self.entry.salt)
                && place.offset <= self.end
        };
        let start = place.filter(here).map(|place| place.offset);
        let start = start.unwrap_or(FILE_HEADER_BYTES as u64);
        Walker::new(
            self.file.clone(),
            self.entry.id,
            self.site(),
            start,
            self.end,
        )
    }

    fn site(&self) -> Site {
        Site {
            salt: self.entry.salt,
            base_seq: self.entry.base_seq,
        }
    }

    /// The next record; damage is an error, because the feed would silently skip it.
    fn next(&self, walker: &mut Walker<F>) -> Result<Option<Found>> {
        let corrupt =
            |offset, damage| Error::corrupt(names::segment(self.entry.id), offset, damage);
        match walker.next()? {
            None => Ok(None),
            Some(Step::Record) => match *walker.found() {
                found if found.state == State::Intact => Ok(Some(found)),
                found => Err(corrupt(found.offset, walker.damage_of(&found))),
            },
            Some(Step::Gap) => Err(corrupt(walker.gap().from, walker.gap().damage)),
        }
    }

    /// The next intact record, passing over damage: for looking back, what is left is welcome. What
    /// cannot be read now is not passed over, because it may be there the next time.
    fn next_or_damage(&self, walker: &mut Walker<F>) -> Result<Option<Found>> {
        loop {
            match walker.next()? {
                None => return Ok(None),
                Some(Step::Record) if walker.found().state == State::Intact => {
                    return Ok(Some(*walker.found()));
                }
                Some(_) => {}
            }
            if let Some(gap) = walker.unreadable() {
                return Err(Error::corrupt(
                    names::segment(self.entry.id),
                    gap.from,
                    gap.damage,
                ));
            }
        }
    }

    fn value(&self, found: &Found) -> Result<Vec<u8>> {
        let spot = Spot {
            file: self.file.clone(),
            segment: self.entry.id,
            site: self.site(),
            offset: found.offset,
            bytes: found.bytes,
        };
        let mut buffer = Vec::new();
        let checked = spot.read(&mut buffer)?;
        buffer.truncate(checked.value().end);
        buffer.drain(..checked.value().start);
        Ok(buffer)
    }
}
