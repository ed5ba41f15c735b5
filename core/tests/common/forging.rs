//! A store in memory whose files a test reads and rewrites behind right checks.

use portcask_core::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, names};
use portcask_core::format::record::{self, Head, Site};
use portcask_core::memory::MemoryStorage;
use portcask_core::{Engine, FileName, MergePolicy, Options, Storage};

pub fn options() -> Options {
    Options {
        reserve_bytes: 0,
        segment_bytes: 1 << 20,
        merge: MergePolicy {
            auto: false,
            ..MergePolicy::default()
        },
        ..Options::default()
    }
}

pub fn open(disk: &MemoryStorage) -> Engine<MemoryStorage> {
    Engine::open(disk.clone(), options()).expect("it opens")
}

pub fn files(disk: &MemoryStorage, kind: FileKind) -> Vec<FileName> {
    let mut found = disk.list().expect("a list");
    found.retain(|name| names::parse(name).is_some_and(|(of, _)| of == kind));
    found.sort_unstable();
    found
}

pub fn newest(disk: &MemoryStorage, kind: FileKind) -> FileName {
    *files(disk, kind).last().expect("at least one")
}

/// Where a segment's records begin and what their heads say.
pub fn heads(bytes: &[u8]) -> (Site, Vec<(usize, Head)>) {
    let header = FileHeader::decode(bytes).unwrap();
    let site = Site {
        salt: header.salt,
        base_seq: header.base_seq,
    };
    let (mut at, mut heads) = (FILE_HEADER_BYTES, Vec::new());
    while let Ok(found) = record::decode(&bytes[at..], site, at as u64) {
        heads.push((at, found.head));
        at += found.record_bytes() as usize;
    }
    (site, heads)
}

/// Writes another record of as many bytes, behind right checks, over the one at `at`.
pub fn overwrite(disk: &MemoryStorage, name: &FileName, at: usize, head: Head, body: &[u8]) {
    let mut bytes = disk.bytes(name).unwrap();
    let (site, _) = heads(&bytes);
    let mut lie = Vec::new();
    head.encode(&mut lie, site, at as u64).unwrap();
    lie.extend_from_slice(body);
    bytes[at..at + lie.len()].copy_from_slice(&lie);
    disk.set_bytes(name, &bytes);
}
