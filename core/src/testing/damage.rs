//! Damage to the files of a store: what media, cables, restores and people do to them.

use super::regions::Files;
use super::sim::{Dice, SimDisk};
use super::specimen::Specimen;
use super::steps::{KEYS, name};
use crate::format::file::FileHeader;
use crate::format::record::{Head, Kind, Site};
use crate::prelude::*;
use crate::storage::FileName;
use core::ops::Range;

/// A specimen's files after something happened to them.
#[derive(Clone, Debug)]
pub struct Damaged {
    /// The files as they are now.
    pub files: Files,
    /// Bytes that the platform refuses to read.
    pub unreadable: Vec<(FileName, Range<u64>)>,
    /// What was done, for the person who has to find the bug.
    pub done: String,
}

/// One kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// One bit.
    Flip,
    /// Up to 300 bytes of zeros.
    Zeros,
    /// Up to 300 bytes of anything.
    Noise,
    /// The file ends early.
    Cut,
    /// The file is gone.
    Gone,
    /// The file holds what another one should.
    Swapped,
    /// A block of the file holds what was meant for another place of ours.
    Misdirected,
    /// The file is an older copy of itself, as a careless restore leaves it.
    Restored,
    /// A sector that cannot be read.
    Unreadable,
}

impl Harm {
    /// Every kind; the first is the likeliest in life and is drawn most.
    pub const ALL: [Self; 9] = [
        Self::Flip,
        Self::Zeros,
        Self::Noise,
        Self::Cut,
        Self::Gone,
        Self::Swapped,
        Self::Misdirected,
        Self::Restored,
        Self::Unreadable,
    ];

    fn draw(dice: &mut Dice) -> Self {
        // Two more chances for a flip.
        let chosen = dice.below(Self::ALL.len() as u64 + 2).saturating_sub(2);
        Self::ALL[chosen as usize]
    }
}

/// The unit in which blocks go astray and cannot be read.
const BLOCK_BYTES: usize = 512;

impl Damaged {
    /// Nothing happened yet.
    pub fn none(specimen: &Specimen) -> Self {
        Self {
            files: specimen.files.clone(),
            unreadable: Vec::new(),
            done: String::new(),
        }
    }

    /// A disk with the files as they are now.
    pub fn disk(&self, specimen: &Specimen) -> SimDisk {
        let disk = specimen.disk(&self.files);
        for (name, range) in &self.unreadable {
            disk.make_unreadable(name, range.clone());
        }
        disk
    }

    /// Does something to one file. `None` if the dice chose what cannot be done.
    pub fn harm(&mut self, dice: &mut Dice, specimen: &Specimen) -> Option<Harm> {
        let name = nth(dice, self.files.keys())?;
        let harm = Harm::draw(dice);
        let other = nth(dice, self.files.values())?;
        let bytes = self.files.get_mut(&name)?;
        let at = dice.below(bytes.len().max(1) as u64) as usize;
        let to = (at + 1 + dice.below(300) as usize).min(bytes.len());
        match harm {
            Harm::Flip => *bytes.get_mut(at)? ^= 1 << dice.below(8),
            Harm::Zeros => bytes.get_mut(at..to)?.fill(0),
            Harm::Noise => {
                for byte in bytes.get_mut(at..to)? {
                    *byte = dice.below(256) as u8;
                }
            }
            Harm::Cut => bytes.truncate(at),
            Harm::Gone => {
                self.files.remove(&name);
            }
            Harm::Swapped => *bytes = other,
            Harm::Misdirected => {
                let at = at / BLOCK_BYTES * BLOCK_BYTES;
                let from = dice.below(other.len().max(1) as u64) as usize;
                let from = from / BLOCK_BYTES * BLOCK_BYTES;
                let block = other.get(from..)?;
                let block = &block[..block.len().min(BLOCK_BYTES)];
                let place = &mut bytes[at..];
                let length = block.len().min(place.len());
                place[..length].copy_from_slice(&block[..length]);
            }
            Harm::Restored => bytes.clone_from(specimen.older.get(&name)?),
            Harm::Unreadable => {
                let from = (at / BLOCK_BYTES * BLOCK_BYTES) as u64;
                self.unreadable
                    .push((name, from..from + BLOCK_BYTES as u64));
            }
        }
        self.done += &format!("{name}: {harm:?} from {at} to {to}; ");
        Some(harm)
    }

    /// Puts another record, behind right checks, in the place of one that a hint answers for. `None`
    /// if the dice chose one that does not fit.
    pub fn lose_overwrite(&mut self, dice: &mut Dice, specimen: &mut Specimen) -> Option<()> {
        let was = nth(dice, specimen.map.records.iter())?;
        let bytes = self.files.get_mut(&was.file)?;
        let header = FileHeader::decode(bytes).ok()?;
        let site = Site {
            salt: header.salt,
            base_seq: header.base_seq,
        };
        let kind = match dice.below(2) {
            0 => Kind::Put,
            _ => Kind::Tombstone,
        };
        let body = was.head.body_bytes() as usize;
        let key = match (dice.below(2), kind) {
            (0, _) => was.key.clone(),
            (_, Kind::Put) => name(dice.below(KEYS.into()) as u8),
            _ => vec![b'k'; body],
        };
        let value = vec![b'v'; body.checked_sub(key.len())?];
        let same = was.head.kind == kind && was.key == key;
        if !was.hinted || !was.has_key() || same || (kind == Kind::Tombstone && !value.is_empty()) {
            return None;
        }
        let found = Head::new(kind, was.head.seq, &key, &value);
        let head = Head {
            expiry_ms: was.head.expiry_ms.filter(|_| kind == Kind::Put),
            durable: was.head.durable,
            batch: was.head.batch,
            ..found
        };
        let mut left = Vec::new();
        head.encode(&mut left, site, was.offset).ok()?;
        left.extend([&key[..], &value].concat());
        if left.len() as u64 != was.bytes {
            return None;
        }
        let at = was.offset as usize;
        bytes.get_mut(at..at + left.len())?.copy_from_slice(&left);
        self.done = format!("{}: {kind:?} of {key:?} again at {at}; ", was.file);
        // It was refused, but it was written.
        specimen.ever.entry(key).or_default().insert(value);
        Some(())
    }

    /// Flips one bit.
    pub fn flip(&mut self, name: FileName, at: u64, bit: u8) {
        if let Some(byte) = self
            .files
            .get_mut(&name)
            .and_then(|bytes| bytes.get_mut(at as usize))
        {
            *byte ^= 1 << bit;
        }
        self.done = format!("{name}: bit {bit} of byte {at}");
    }

    /// Which bytes are not what they were, in the order of files and offsets; bytes that are gone
    /// count, bytes that came on top do not.
    pub fn changed(&self, specimen: &Specimen) -> Vec<(FileName, Range<u64>)> {
        let mut changed = self.unreadable.clone();
        for (name, sound) in &specimen.files {
            let now = self.files.get(name).map_or(&[][..], |bytes| bytes);
            if now == sound {
                continue;
            }
            let mut from = None;
            for at in 0..=sound.len() {
                let differs = at < sound.len() && now.get(at) != sound.get(at);
                match (differs, from) {
                    (true, None) => from = Some(at),
                    (false, Some(start)) => {
                        changed.push((*name, start as u64..at as u64));
                        from = None;
                    }
                    _ => {}
                }
            }
        }
        changed
    }
}

fn nth<'a, T: Clone + 'a>(
    dice: &mut Dice,
    items: impl Iterator<Item = &'a T> + Clone,
) -> Option<T> {
    let count = items.clone().count().max(1) as u64;
    items.clone().nth(dice.below(count) as usize).cloned()
}
