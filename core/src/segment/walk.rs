//! All records of a stretch of a segment, in file order, across damage.
//!
//! A head is believed when its check passes and its record fits into the stretch. Where it does
//! not, one flipped bit is repaired if exactly one repair exists; otherwise the walk looks for the
//! next offset at which a record validates and reports the bytes between as damage. Because the
//! check is masked with the file's salt and the offset, nothing that a user stored and no stale
//! block can pose as a record.

use crate::error::{Context, Damage, Error, Op, Result};
use crate::fallible;
use crate::format::check;
use crate::format::file::names;
use crate::format::record::{self, Decoded, HEAD_BYTES_MAX, Head, HeadDamage, Kind, Site};
use crate::prelude::*;
use crate::storage::{ErrorKind, File};

/// Bytes read from the platform at once.
const WINDOW_BYTES: usize = 256 << 10;
/// A head and a key of the usual length.
const NEAR_BYTES: u64 = 256;
/// When looking for the next record, bodies up to this size must check too.
const RESYNC_BODY_BYTES: u64 = 64 << 10;
/// Longer keys are not repaired: the work grows with the square of the length.
const REPAIR_KEY_BYTES: usize = 1024;
/// The piece in which unreadable bytes are told from readable ones.
const SECTOR_BYTES: usize = 4096;

/// What the walk meets next. The walk itself keeps what there is to know of it: an answer of a few bits is passed from
/// function to function in a register.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A record whose head checks (or was repaired): [`Walker::found`].
    Record,
    /// Bytes in which no record can be made out: [`Walker::gap`].
    Gap,
}

/// A record met on the walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub offset: u64,
    pub bytes: u64,
    pub head: Head,
    pub head_bytes: usize,
    pub state: State,
}

/// How much of a found record is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// All of it, as far as it was checked.
    Intact,
    /// The head and the key; the value is not.
    ValueRotten,
    /// The head; the key, and so whose record it is, is not certain.
    KeyRotten,
    /// The head needed a one-bit repair; key and value check.
    HeadRepaired,
}

/// Bytes without a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub from: u64,
    pub to: u64,
    pub damage: Damage,
}

/// How much of a record is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Head,
    Key,
    Body,
}

/// Walks the records of one segment file from an offset to an end.
pub(crate) struct Walker<F> {
    site: Site,
    /// The next record's offset.
    pos: u64,
    /// Where the stretch ends; nothing at or after it is looked at.
    end: u64,
    window: Window<F>,
    /// The last found record's key.
    key: Vec<u8>,
    found: Found,
    gap: Gap,
}

impl<F: File> Walker<F> {
    /// A walk over `from..to` of a segment's file, both at record boundaries.
    #[inline(never)]
    pub(crate) fn new(file: F, segment: u64, site: Site, from: u64, to: u64) -> Self {
        Self {
            site,
            pos: from,
            end: to,
            window: Window::new(file, segment, to),
            key: Vec::new(),
            found: Found {
                offset: from,
                bytes: 0,
                head: Head::new(Kind::Marker, 0, b"", b""),
                head_bytes: 0,
                state: State::Intact,
            },
            gap: Gap {
                from,
                to: from,
                damage: Damage::Head,
            },
        }
    }

    /// The next record or gap, or `None` at the end. Bodies are checked.
    pub(crate) fn next(&mut self) -> Result<Option<Step>> {
        self.step(Depth::Body)
    }

    /// As [`Walker::next`], without reading bodies: `state` then speaks of the head alone and
    /// [`Walker::key`] is stale.
    pub(crate) fn next_head(&mut self) -> Result<Option<Step>> {
        self.step(Depth::Head)
    }

    /// As [`Walker::next`], without checking bodies: `state` speaks of the head alone.
    pub(crate) fn next_key(&mut self) -> Result<Option<Step>> {
        self.step(Depth::Key)
    }

    /// What [`Walker::next`] would say of a record that was met without checking its body.
    pub(crate) fn check(&mut self, found: &Found) -> Result<State> {
        match found.state {
            State::Intact => self.check_body(found),
            state => Ok(state),
        }
    }

    /// The record that the last step met, if it was one.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// The gap that the last step met, if it was one.
    pub(crate) fn gap(&self) -> &Gap {
        &self.gap
    }

    /// Whether the head that is met next, and a key of the usual length, lie in memory already.
    pub(crate) fn is_near(&self) -> bool {
        let held = self.window.start + self.window.bytes.len() as u64;
        self.pos + NEAR_BYTES <= held
    }

    /// The key of the record that [`Walker::next`] returned last.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The key of a record met before.
    pub(crate) fn key_of(&mut self, found: &Found) -> Result<&[u8]> {
        let key_at = found.offset + found.head_bytes as u64;
        self.bytes(key_at, usize::from(found.head.key_bytes))
    }

    /// The first bytes at or after `from` that the platform refused to read so far, as an offset.
    pub(crate) fn unreadable_from(&self, from: u64) -> Option<u64> {
        let sectors = self.window.unreadable.iter();
        let starts = sectors.map(|sector| sector * SECTOR_BYTES as u64);
        starts
            .filter(|start| from < start + SECTOR_BYTES as u64)
            .map(|start| start.max(from))
            .min()
    }

    /// The offset of the next step.
    pub(crate) fn pos(&self) -> u64 {
        self.pos
    }

    /// Reads bytes of the file through the walk's window; short at the end of the file. Refuses
    /// bytes that the platform refused: whoever asks may copy them.
    pub(crate) fn bytes(&mut self, offset: u64, bytes: usize) -> Result<&[u8]> {
        self.window.at(offset, bytes)?;
        if self.window.unreadable_in(offset, offset + bytes as u64) {
            let name = names::segment(self.window.segment);
            return Err(Error::corrupt(name, offset, Damage::Unreadable));
        }
        self.window.at(offset, bytes)
    }

    /// What is wrong with a record that is not intact.
    pub(crate) fn damage_of(&self, found: &Found) -> Damage {
        let end = found.offset + found.bytes;
        match found.state {
            _ if self.window.unreadable_in(found.offset, end) => Damage::Unreadable,
            State::HeadRepaired => Damage::Head,
            State::Intact | State::ValueRotten | State::KeyRotten => Damage::Body,
        }
    }

    /// The stretch of all bytes met so far that the platform refused to read.
    pub(crate) fn unreadable(&self) -> Option<Gap> {
        let sectors = &self.window.unreadable;
        let (first, last) = (sectors.iter().min()?, sectors.iter().max()?);
        Some(Gap {
            from: first * SECTOR_BYTES as u64,
            to: (last + 1) * SECTOR_BYTES as u64,
            damage: Damage::Unreadable,
        })
    }

    /// Largest piece [`Walker::bytes`] returns.
    pub(crate) const fn piece_bytes() -> usize {
        WINDOW_BYTES
    }

    fn step(&mut self, depth: Depth) -> Result<Option<Step>> {
        if self.pos >= self.end {
            return Ok(None);
        }
        let pos = self.pos;
        let room = self.end - pos;
        let ahead = room.min(HEAD_BYTES_MAX as u64) as usize;
        let bytes = self.window.at(pos, ahead)?;
        let damage = match record::decode(bytes, self.site, pos) {
            Ok(decoded) if record_bytes(&decoded) <= room => {
                self.take(pos, decoded, depth)?;
                self.pos += self.found.bytes;
                return Ok(Some(Step::Record));
            }
            Ok(_) | Err(HeadDamage::Short) => Damage::Truncated,
            Err(_) => Damage::Head,
        };
        if let Some(decoded) = record::repair_one_bit(bytes, self.site, pos)
            && record_bytes(&decoded) <= room
        {
            self.take(pos, decoded, Depth::Body)?;
            if self.found.state == State::Intact {
                self.found.state = State::HeadRepaired;
                self.pos += self.found.bytes;
                return Ok(Some(Step::Record));
            }
        }
        let to = self.resync(pos + 1)?;
        self.pos = to;
        let damage = if self.window.unreadable_in(pos, to) {
            Damage::Unreadable
        } else {
            damage
        };
        self.gap = Gap {
            from: pos,
            to,
            damage,
        };
        Ok(Some(Step::Gap))
    }

    /// Makes this the record that was found, as far as it is looked at.
    fn take(&mut self, offset: u64, decoded: Decoded, depth: Depth) -> Result<()> {
        let Decoded { head, head_bytes } = decoded;
        let mut found = Found {
            offset,
            bytes: record_bytes(&decoded),
            head,
            head_bytes,
            state: State::Intact,
        };
        match depth {
            Depth::Head => {}
            Depth::Key => self.take_key(&found)?,
            Depth::Body => found.state = self.check_body(&found)?,
        }
        self.found = found;
        Ok(())
    }

    /// Reads the key into `self.key`.
    fn take_key(&mut self, found: &Found) -> Result<()> {
        let key_at = found.offset + found.head_bytes as u64;
        let key_bytes = usize::from(found.head.key_bytes);
        let key = self.window.at(key_at, key_bytes)?;
        self.key.clear();
        Ok(fallible::extend(&mut self.key, key)?)
    }

    /// Reads the key into `self.key` and checks key and value, piece by piece where they are long.
    fn check_body(&mut self, found: &Found) -> Result<State> {
        let key_at = found.offset + found.head_bytes as u64;
        let key_bytes = usize::from(found.head.key_bytes);
        let body_bytes = found.bytes - found.head_bytes as u64;
        if body_bytes <= WINDOW_BYTES as u64 {
            let body = self.window.at(key_at, body_bytes as usize)?;
            self.key.clear();
            fallible::extend(&mut self.key, &body[..key_bytes.min(body.len())])?;
            let whole = body.len() as u64 == body_bytes;
            let intact = whole && check::plain(body) == found.head.body_crc;
            return Ok(self.state_of(found, intact));
        }
        self.take_key(found)?;
        let mut crc = check::Running::new();
        crc.update(&self.key);
        let mut at = key_at + key_bytes as u64;
        let end = found.offset + found.bytes;
        while at < end {
            let piece = (end - at).min(WINDOW_BYTES as u64) as usize;
            let bytes = self.window.at(at, piece)?;
            if bytes.is_empty() {
                break;
            }
            crc.update(bytes);
            at += bytes.len() as u64;
        }
        let intact = at == end && crc.finish() == found.head.body_crc;
        Ok(self.state_of(found, intact))
    }

    /// The state of a record whose key is in `self.key`.
    fn state_of(&self, found: &Found, body_is_intact: bool) -> State {
        if body_is_intact {
            State::Intact
        } else if found.head.key_is_intact(&self.key) {
            State::ValueRotten
        } else {
            State::KeyRotten
        }
    }

    /// The first offset at or after `from` where a record validates, or the end.
    fn resync(&mut self, from: u64) -> Result<u64> {
        let mut at = from;
        while at < self.end {
            let ahead = (self.end - at).min(WINDOW_BYTES as u64) as usize;
            let site = self.site;
            let bytes = self.window.at(at, ahead)?;
            if bytes.is_empty() {
                break;
            }
            // Zeros are never a record. A file that grew ahead of its records ends in a megabyte of them.
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            if zeros > HEAD_BYTES_MAX {
                at += (zeros - HEAD_BYTES_MAX) as u64;
                continue;
            }
            let last_window = ahead as u64 == self.end - at;
            let starts = if last_window {
                bytes.len()
            } else {
                bytes.len().saturating_sub(HEAD_BYTES_MAX).max(1)
            };
            let hit = (0..starts).find_map(|i| {
                let offset = at + i as u64;
                let slice = &bytes[i..bytes.len().min(i + HEAD_BYTES_MAX)];
                record::decode(slice, site, offset)
                    .ok()
                    .filter(|decoded| record_bytes(decoded) <= self.end - offset)
                    .map(|decoded| (offset, decoded))
            });
            match hit {
                None => at += starts as u64,
                Some((offset, decoded)) => {
                    let small = record_bytes(&decoded) <= RESYNC_BODY_BYTES;
                    if !small {
                        return Ok(offset);
                    }
                    self.take(offset, decoded, Depth::Body)?;
                    if self.found.state == State::Intact {
                        return Ok(offset);
                    }
                    at = offset + 1;
                }
            }
        }
        Ok(self.end)
    }
}

fn record_bytes(decoded: &Decoded) -> u64 {
    decoded.head_bytes as u64
        + u64::from(decoded.head.key_bytes)
        + u64::from(decoded.head.value_bytes)
}

/// A sliding copy of part of a file.
struct Window<F> {
    file: F,
    segment: u64,
    /// Bytes from here on are rarely asked for, and not read ahead.
    end: u64,
    start: u64,
    bytes: Vec<u8>,
    /// Sectors that the platform refused to read; their bytes here are zeros.
    unreadable: Vec<u64>,
}

impl<F: File> Window<F> {
    fn new(file: F, segment: u64, end: u64) -> Self {
        Self {
            file,
            segment,
            end,
            start: 0,
            bytes: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    /// `bytes` bytes (at most a window) from `offset`; fewer only at the end of the file.
    fn at(&mut self, offset: u64, bytes: usize) -> Result<&[u8]> {
        debug_assert!(bytes <= WINDOW_BYTES);
        let held = self.start..self.start + self.bytes.len() as u64;
        if !(held.contains(&offset) && offset + bytes as u64 <= held.end) && bytes > 0 {
            self.load(offset, bytes)?;
        }
        let from = (offset.saturating_sub(self.start) as usize).min(self.bytes.len());
        let to = (from + bytes).min(self.bytes.len());
        Ok(&self.bytes[from..to])
    }

    fn load(&mut self, offset: u64, bytes: usize) -> Result<()> {
        let ahead = self.end.saturating_sub(offset).min(WINDOW_BYTES as u64) as usize;
        fallible::resize(&mut self.bytes, ahead.max(bytes))?;
        self.start = offset;
        let got = match self.file.pread(offset, &mut self.bytes) {
            Ok(got) => got,
            Err(error) if error.kind == ErrorKind::Io => self.load_sectors(offset)?,
            Err(error) => {
                self.bytes.clear();
                let name = names::segment(self.segment);
                return Err(Error::storage(Op::Read, Some(name), error));
            }
        };
        self.bytes.truncate(got);
        Ok(())
    }

    /// Reads piece by piece; what the platform refuses becomes zeros and is remembered.
    fn load_sectors(&mut self, offset: u64) -> Result<usize> {
        let len = self.file.len().during_any(Op::Read)?;
        let want = len.saturating_sub(offset).min(self.bytes.len() as u64) as usize;
        let mut at = 0;
        while at < want {
            let aligned = SECTOR_BYTES - ((offset + at as u64) % SECTOR_BYTES as u64) as usize;
            let piece = aligned.min(want - at);
            let into = &mut self.bytes[at..at + piece];
            if !matches!(self.file.pread(offset + at as u64, into), Ok(got) if got == piece) {
                into.fill(0);
                let sector = (offset + at as u64) / SECTOR_BYTES as u64;
                if self.unreadable.last() != Some(&sector) {
                    fallible::push(&mut self.unreadable, sector)?;
                }
            }
            at += piece;
        }
        Ok(want)
    }

    fn unreadable_in(&self, from: u64, to: u64) -> bool {
        let sectors = from / SECTOR_BYTES as u64..=to.saturating_sub(1) / SECTOR_BYTES as u64;
        self.unreadable
            .iter()
            .any(|sector| sectors.contains(sector))
    }
}

impl<F: File> Walker<F> {
    /// The key of a record whose key does not check, if flipping exactly one of its bits makes
    /// both the key's check and the body's right.
    pub(crate) fn repair_key(&mut self, found: &Found) -> Result<Option<Vec<u8>>> {
        let value_bytes = found.head.value_bytes as usize;
        let whole = self.key.len() == usize::from(found.head.key_bytes);
        if !whole || self.key.len() > REPAIR_KEY_BYTES || value_bytes > WINDOW_BYTES {
            return Ok(None);
        }
        let mut key = fallible::copy(&self.key)?;
        let value_at = found.offset + (found.head_bytes + key.len()) as u64;
        let value = self.window.at(value_at, value_bytes)?;
        let mut repaired = None;
        for bit in 0..key.len() * 8 {
            key[bit / 8] ^= 1 << (bit % 8);
            if found.head.key_is_intact(&key) && found.head.body_is_intact(&key, value) {
                if repaired.is_some() {
                    return Ok(None);
                }
                repaired = Some(bit);
            }
            key[bit / 8] ^= 1 << (bit % 8);
        }
        Ok(repaired.map(|bit| {
            key[bit / 8] ^= 1 << (bit % 8);
            key
        }))
    }
}
