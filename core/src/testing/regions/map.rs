//! The map of a sound store: every byte, every record, every write.

use super::{Files, Generation, Part, Region, Whose};
use crate::format::file::{
    FENCE_BYTES, FILE_HEADER_BYTES, FOOTER_BYTES, FileHeader, FileKind, Footer, names,
};
use crate::format::hint::decode_block;
use crate::format::manifest::{MANIFEST_RECORDS_OFFSET, SegmentEntry, SegmentState, State};
use crate::format::record::{self, Batch, Head, Kind, Site};
use crate::format::{Space, manifest};
use crate::prelude::*;
use crate::storage::FileName;
use compat::collections::BTreeMap;
use core::ops::Range;

/// Bytes of one file with one meaning.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// The file.
    pub file: FileName,
    /// The first byte.
    pub from: u64,
    /// The first byte behind.
    pub to: u64,
    /// What they are for.
    pub region: Region,
    /// The record that they belong to.
    pub record: Option<usize>,
}

/// A record of a listed segment.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its file.
    pub file: FileName,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What its head says.
    pub head: Head,
    /// Its key, named as in [`Contents`](crate::testing::oracle::Contents).
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Whether a hint answers for it, so that opening does not read it.
    pub hinted: bool,
    /// The next record of the same key.
    pub newer: Option<usize>,
}

impl Record {
    /// Whether it belongs to a key.
    pub fn has_key(&self) -> bool {
        self.head.kind != Kind::Marker
    }
}

/// Every byte of a store that is as it was written.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// In the order of file and offset, without gaps.
    pub stretches: Vec<Stretch>,
    /// All records that the newest manifest lists, oldest first; of the active segment every whole
    /// write.
    pub records: Vec<Record>,
    /// The active segment, if there is one.
    pub active: Option<Growing>,
}

/// What is known of the segment that grows.
#[derive(Clone, Debug)]
pub struct Growing {
    /// Its file.
    pub file: FileName,
    /// What the manifest says is durable of it.
    pub known: u64,
    /// The first of its records.
    pub first: usize,
    /// For each whole write to it: the records before the next one.
    pub writes: Vec<usize>,
}

impl Map {
    /// The map of a store whose newest manifest is whole.
    pub fn of(files: &Files) -> Option<Self> {
        let mut map = Self::default();
        let state = map.manifests(files)?;
        for entry in &state.segments {
            map.segment(files, entry)?;
        }
        map.link();
        map.rest(files);
        map.stretches.sort_by_key(|s| (s.file, s.from));
        Some(map)
    }

    /// Where a byte lies.
    pub fn at(&self, file: FileName, offset: u64) -> Option<&Stretch> {
        let after = self
            .stretches
            .partition_point(|s| (s.file, s.from) <= (file, offset));
        let stretch = self.stretches.get(after.checked_sub(1)?)?;
        (stretch.file == file && offset < stretch.to).then_some(stretch)
    }

    /// The stretches that these bytes of a file are in.
    pub fn within(&self, file: FileName, range: &Range<u64>) -> impl Iterator<Item = &Stretch> {
        let first = self
            .stretches
            .partition_point(|s| (s.file, s.to) <= (file, range.start));
        let end = range.end;
        self.stretches[first..]
            .iter()
            .take_while(move |s| s.file == file && s.from < end)
    }

    /// Whether any of these bytes are the record's.
    pub fn touches(&self, record: &Record, changed: &[(FileName, Range<u64>)]) -> bool {
        changed.iter().any(|(name, range)| {
            *name == record.file
                && range.start < record.offset + record.bytes
                && record.offset < range.end
        })
    }

    /// How far the active segment is settled while these markers of it are readable.
    pub fn settled(&self, readable: impl Fn(&Record) -> bool) -> u64 {
        let Some(active) = &self.active else { return 0 };
        let durable = self.records[active.first..]
            .iter()
            .filter(|record| readable(record))
            .filter_map(|record| record.head.durable);
        durable.max().unwrap_or(0).max(active.known)
    }

    fn push(&mut self, file: FileName, from: u64, to: u64, region: Region, record: Option<usize>) {
        if from < to {
            self.stretches.push(Stretch {
                file,
                from,
                to,
                region,
                record,
            });
        }
    }

    fn manifests(&mut self, files: &Files) -> Option<State> {
        let mut newest = None;
        let mut which = Generation::Newest;
        let mut epochs: Vec<_> = files
            .keys()
            .filter_map(|name| match names::parse(name) {
                Some((FileKind::Manifest, epoch)) => Some((epoch, *name)),
                _ => None,
            })
            .collect();
        epochs.sort_unstable();
        for (_, name) in epochs.into_iter().rev() {
            let bytes = &files[&name];
            let Ok(header) = FileHeader::decode(bytes) else {
                continue;
            };
            let mut state = State::empty();
            let mut ends = vec![MANIFEST_RECORDS_OFFSET];
            let mut at = MANIFEST_RECORDS_OFFSET as usize;
            while let Some(rest) = bytes.get(at..)
                && let Ok((edits, length)) = manifest::decode_record(rest, header.salt, at as u64)
                && state.apply_all(edits).is_ok()
            {
                at += length;
                ends.push(at as u64);
            }
            let records = ends.len() - 1;
            let head = FILE_HEADER_BYTES as u64;
            let alone = match records {
                0 => continue,
                1 => Region::ManifestLast(which),
                _ => Region::ManifestHeader(which),
            };
            self.push(name, 0, head, alone, None);
            self.push(name, head, head + FENCE_BYTES as u64, Region::Fence, None);
            for (index, pair) in ends.windows(2).enumerate() {
                let region = match index + 1 == records {
                    true => Region::ManifestLast(which),
                    false => Region::ManifestRecord(which),
                };
                self.push(name, pair[0], pair[1], region, None);
            }
            newest.get_or_insert(state);
            which = Generation::Older;
        }
        newest
    }

    fn segment(&mut self, files: &Files, entry: &SegmentEntry) -> Option<()> {
        let name = names::segment(entry.id);
        let bytes = files.get(&name)?;
        let site = Site {
            salt: entry.salt,
            base_seq: entry.base_seq,
        };
        let start = FILE_HEADER_BYTES as u64;
        self.push(name, 0, start, Region::SegmentHeader, None);
        let first = self.records.len();
        let active = entry.state == SegmentState::Active;
        let limit = match active {
            true => bytes.len() as u64,
            false => entry.valid_bytes,
        };
        let mut writes = Vec::new();
        let mut at = start;
        // Writes are whole or not there.
        while at < limit
            && let Some(write) = one_write(bytes, name, site, at)
        {
            at = write
                .last()
                .map_or(at, |record| record.offset + record.bytes);
            let keyed = write.iter().any(Record::has_key);
            self.records.extend(write);
            if keyed {
                writes.push(self.records.len());
            }
        }
        if !active && at != limit {
            return None;
        }
        let end = at;
        let mut settled = end;
        if active {
            self.active = Some(Growing {
                file: name,
                known: entry.valid_bytes,
                first,
                writes,
            });
            settled = self.settled(|_| true);
        }
        for index in first..self.records.len() {
            let record = &self.records[index];
            let (offset, head) = (record.offset, record.head);
            let key_at = offset + record.bytes - head.body_bytes();
            let value_at = key_at + u64::from(head.key_bytes);
            let whose = match head.kind {
                _ if offset >= settled => Whose::Unsettled,
                Kind::Marker => Whose::Marker,
                // Made certain once all records are known.
                _ => Whose::Dead,
            };
            let last = offset + record.bytes;
            let own = Some(index);
            self.push(name, offset, key_at, Region::Record(whose, Part::Head), own);
            self.push(
                name,
                key_at,
                value_at,
                Region::Record(whose, Part::Key),
                own,
            );
            self.push(
                name,
                value_at,
                last,
                Region::Record(whose, Part::Value),
                own,
            );
        }
        let file_end = bytes.len() as u64;
        let footer = end + FOOTER_BYTES as u64;
        let sealed = Footer::decode(&bytes[end as usize..])
            .is_ok_and(|footer| footer.data_end == end && footer.header.salt == entry.salt);
        let behind = match sealed && !active {
            true => footer,
            false => end,
        };
        self.push(name, end, behind, Region::Footer, None);
        self.push(name, behind, file_end, Region::Beyond, None);
        self.hint(files, entry, settled, first);
        Some(())
    }

    fn hint(&mut self, files: &Files, entry: &SegmentEntry, settled: u64, first: usize) {
        let name = names::hint(entry.id);
        let Some(bytes) = files.get(&name) else {
            return;
        };
        let start = FILE_HEADER_BYTES as u64;
        if FileHeader::decode(bytes).is_err() {
            return;
        }
        let header = match self.records.len() == first {
            true => Region::HintSpare,
            false => Region::HintHeader,
        };
        self.push(name, 0, start, header, None);
        let (mut at, mut covered) = (start, start);
        while let Ok((block, length)) = decode_block(&bytes[at as usize..], entry.salt, at)
            && block.from == covered
            && block.to <= settled
        {
            let next = at + length as u64;
            let last = next == bytes.len() as u64 && entry.state == SegmentState::Active;
            let region = match last {
                true => Region::HintNewest,
                false => Region::HintBlock,
            };
            self.push(name, at, next, region, None);
            (at, covered) = (next, block.to);
        }
        self.push(name, at, bytes.len() as u64, Region::HintSpare, None);
        for record in &mut self.records[first..] {
            record.hinted = record.offset < covered;
        }
    }

    /// Which version of each key is the newest, settled or not.
    fn link(&mut self) {
        let mut newest: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for index in 0..self.records.len() {
            if self.records[index].has_key() {
                let before = newest.insert(self.records[index].key.clone(), index);
                if let Some(before) = before {
                    self.records[before].newer = Some(index);
                }
            }
        }
        let (active, settled) = match &self.active {
            Some(active) => (Some(active.file), self.settled(|_| true)),
            None => (None, 0),
        };
        let records = &self.records;
        let is_settled = |r: &Record| Some(r.file) != active || r.offset < settled;
        for stretch in &mut self.stretches {
            if let (Region::Record(Whose::Dead, part), Some(index)) =
                (stretch.region, stretch.record)
            {
                let record = &records[index];
                let newest = record
                    .newer
                    .is_none_or(|newer| !is_settled(&records[newer]));
                let whose = match (newest, record.head.kind.is_tombstone()) {
                    (true, true) => Whose::Tombstone,
                    (true, false) => Whose::Live,
                    (false, _) => Whose::Dead,
                };
                stretch.region = Region::Record(whose, part);
            }
        }
    }

    /// What nothing above has a use for.
    fn rest(&mut self, files: &Files) {
        for (name, bytes) in files {
            let mine = self.stretches.iter().filter(|s| s.file == *name);
            let end = mine.map(|s| s.to).max().unwrap_or(0);
            self.push(*name, end, bytes.len() as u64, Region::Aside, None);
        }
    }
}

/// The record at `at` with its batch, if all of that is as it was written.
fn one_write(bytes: &[u8], file: FileName, site: Site, at: u64) -> Option<Vec<Record>> {
    let first = one_record(bytes, file, site, at)?;
    let rest = match first.head.batch {
        Batch::None => 0,
        Batch::Member => return None,
        Batch::First { rest_records, .. } => rest_records,
    };
    let mut next = at + first.bytes;
    let mut write = vec![first];
    for _ in 0..rest {
        let member = one_record(bytes, file, site, next)?;
        next += member.bytes;
        write.push(member);
    }
    Some(write)
}

/// The record at `at`, if it is as it was written.
pub(in crate::testing) fn one_record(
    bytes: &[u8],
    file: FileName,
    site: Site,
    at: u64,
) -> Option<Record> {
    let rest = bytes.get(at as usize..)?;
    let found = record::decode(rest, site, at).ok()?;
    let body = rest.get(found.head_bytes..found.record_bytes() as usize)?;
    let (key, value) = body.split_at(usize::from(found.head.key_bytes));
    let named = match found.head.kind.space() {
        Space::User => key.to_vec(),
        Space::Meta => crate::testing::oracle::meta_key(key),
    };
    found.head.body_is_intact(key, value).then(|| Record {
        file,
        offset: at,
        bytes: found.record_bytes(),
        head: found.head,
        key: named,
        value: value.to_vec(),
        hinted: false,
        newer: None,
    })
}
