//! Snapshots of real bytes: a change of the format is a visible difference here.

use super::{DumpError, dump, dump_bytes};
use crate::format::KeyHash;
use crate::format::file::{FileHeader, FileKind, Footer, StoreId, encode_fence};
use crate::format::hint::{BlockBuilder, Entry};
use crate::format::manifest::{Edit, SegmentEntry, SegmentState, encode_record};
use crate::format::record::{Batch, Head, Kind, Site};
use crate::prelude::*;
use insta::assert_snapshot;

const CREATED_MS: u64 = 1_700_000_000_000;

fn header(kind: FileKind) -> FileHeader {
    FileHeader {
        kind,
        required: 0,
        optional: 0,
        id: 7,
        salt: 0x0123_4567_89ab_cdef,
        store: StoreId(*b"sixteen of these"),
        created_ms: CREATED_MS,
        base_seq: if kind == FileKind::Segment { 100 } else { 0 },
    }
}

/// A file that grows record by record.
struct Segment {
    bytes: Vec<u8>,
    records: u64,
}

impl Segment {
    fn new() -> Self {
        Self {
            bytes: header(FileKind::Segment).encode().to_vec(),
            records: 0,
        }
    }

    fn end(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn push(&mut self, head: Head, key: &[u8], value: &[u8]) -> &mut Self {
        let header = header(FileKind::Segment);
        let site = Site {
            salt: header.salt,
            base_seq: header.base_seq,
        };
        let offset = self.end();
        head.encode(&mut self.bytes, site, offset).unwrap();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.records += 1;
        self
    }

    fn put(&mut self, seq: u64, key: &[u8], value: &[u8]) -> &mut Self {
        self.push(Head::new(Kind::Put, seq, key, value), key, value)
    }

    fn seal(&mut self, first_seq: u64, last_seq: u64) -> &mut Self {
        let footer = Footer {
            header: FileHeader {
                created_ms: CREATED_MS + 1,
                ..header(FileKind::Segment)
            },
            data_end: self.end(),
            records: self.records,
            first_seq,
            last_seq,
            sealed_ms: CREATED_MS + 1,
        };
        self.bytes.extend_from_slice(&footer.encode());
        self
    }
}

fn hint() -> Vec<u8> {
    let mut bytes = header(FileKind::Hint).encode().to_vec();
    let hash = Some(KeyHash {
        hi: 0x0123_4567_89ab_cdef,
        lo: 0xfeed_beef,
    });
    let mut builder = BlockBuilder::new(80);
    let mut from = 80;
    let entry = |kind, record_bytes| Entry {
        kind,
        record_bytes,
        hash,
        expiry_ms: None,
    };
    for block in [
        vec![
            entry(Kind::Put, 21),
            Entry {
                expiry_ms: Some(CREATED_MS),
                ..entry(Kind::Put, 300)
            },
            entry(Kind::Tombstone, 17),
        ],
        vec![
            Entry {
                hash: None,
                ..entry(Kind::Marker, 24)
            },
            entry(Kind::MetaPut, 30),
            entry(Kind::MetaTombstone, 20),
        ],
    ] {
        builder.reset(from);
        block.iter().for_each(|entry| builder.push(entry).unwrap());
        let at = bytes.len() as u64;
        bytes.extend_from_slice(&builder.encode(header(FileKind::Hint).salt, at).unwrap());
        from = builder.to();
    }
    bytes
}

fn manifest() -> Vec<u8> {
    let sealed = SegmentEntry {
        id: 3,
        salt: 0x1111_2222_3333_4444,
        base_seq: 40,
        last_seq: 90,
        state: SegmentState::Sealed,
        valid_bytes: 5000,
        records: 50,
    };
    let active = SegmentEntry {
        id: 4,
        salt: 0x5555_6666_7777_8888,
        base_seq: 91,
        last_seq: 90,
        state: SegmentState::Active,
        valid_bytes: 80,
        records: 0,
    };
    let complete = vec![
        Edit::HashKey(*b"a key of sixteen"),
        Edit::SeqBound(1 << 24),
        Edit::HistoryFloor(7),
        Edit::NextId(10),
        Edit::Clock(CREATED_MS),
        Edit::Add(sealed),
        Edit::Add(active),
        Edit::Pending(5),
        Edit::Condemn(&[1, 2]),
        Edit::CleanClose {
            valid_bytes: 80,
            last_seq: 90,
            records: 0,
        },
        Edit::LastSeq(90),
    ];
    let output = [SegmentEntry { id: 5, ..sealed }];
    let merged = vec![
        Edit::Seal {
            id: 4,
            valid_bytes: 300,
            last_seq: 95,
            records: 5,
            footer: true,
        },
        Edit::Replace {
            remove: &[3, 4],
            with: &output,
        },
        Edit::Forget(&[1, 2, 3, 4]),
    ];
    let mut bytes = header(FileKind::Manifest).encode().to_vec();
    bytes.extend_from_slice(&encode_fence(0));
    for edits in [complete, merged, vec![Edit::Clear]] {
        let at = bytes.len() as u64;
        bytes.extend_from_slice(
            &encode_record(&edits, header(FileKind::Manifest).salt, at).unwrap(),
        );
    }
    bytes
}

#[test]
fn a_put_is_a_head_then_the_key_then_the_value() {
    assert_snapshot!(dump_bytes(&Segment::new().put(107, b"cat", b"meow").bytes));
}

#[test]
fn the_worked_example_of_the_format_page_is_what_is_written() {
    let page = include_str!("../../FORMAT.md");
    let text = dump_bytes(&Segment::new().put(107, b"cat", b"meow").bytes);
    let record = text.split_once("put, 21 bytes\n").unwrap().1;
    let record = record.split_once("1 records").unwrap().0;
    assert!(page.contains(record), "{record}");
}

#[test]
fn every_kind_and_extension_of_a_record_has_its_bytes() {
    let mut segment = Segment::new();
    let put = Head::new(Kind::Put, 102, b"cat", b"purr");
    let member = Head::new(Kind::Tombstone, 103, b"dog", b"");
    segment.put(100, b"", b"").put(
        101,
        b"\x00\xff\"\\ and a key that is longer than a line shows",
        &[0xab; 100],
    );
    let durable = segment.end();
    segment.push(
        Head {
            expiry_ms: Some(CREATED_MS),
            durable: Some(durable),
            batch: Batch::First {
                rest_bytes: member.record_bytes(100),
                rest_records: 1,
            },
            ..put
        },
        b"cat",
        b"purr",
    );
    segment.push(
        Head {
            batch: Batch::Member,
            ..member
        },
        b"dog",
        b"",
    );
    let (time, durable) = (CREATED_MS.to_le_bytes(), segment.end());
    segment
        .push(
            Head::new(Kind::MetaPut, 104, b"applied", b"12"),
            b"applied",
            b"12",
        )
        .push(
            Head::new(Kind::MetaTombstone, 105, b"old", b""),
            b"old",
            b"",
        )
        .push(
            Head {
                durable: Some(durable),
                ..Head::new(Kind::Marker, 105, b"", &time)
            },
            b"",
            &time,
        )
        .seal(100, 105);
    assert_snapshot!(dump_bytes(&segment.bytes));
}

#[test]
fn a_hint_is_blocks_of_entries() {
    assert_snapshot!(dump_bytes(&hint()));
}

#[test]
fn a_manifest_is_a_fence_and_records_of_edits() {
    assert_snapshot!(dump_bytes(&manifest()));
}

#[test]
fn damage_in_a_segment_is_described_and_passed_over() {
    let mut segment = Segment::new();
    segment.put(100, b"first", b"whole");
    let repairable = segment.bytes.len();
    segment.put(101, b"second", b"one bit of its head flips");
    let rotten = segment.bytes.len();
    segment.put(102, b"third", b"its value rots");
    let lost = segment.bytes.len();
    segment.put(103, b"fourth", b"its head is gone");
    segment.put(104, b"fifth", b"whole");
    let cut = segment
        .put(105, b"sixth", b"the file ends in it")
        .bytes
        .len()
        - 5;
    let mut bytes = segment.bytes;
    bytes[repairable + 11] ^= 0x10;
    bytes[rotten + 25] ^= 0x10;
    bytes[lost..lost + 10].fill(0x55);
    bytes.truncate(cut);
    assert_snapshot!(dump_bytes(&bytes));
}

#[test]
fn a_segment_without_its_header_is_read_by_its_footer() {
    let mut segment = Segment::new();
    segment.put(100, b"cat", b"meow").seal(100, 100);
    let mut bytes = segment.bytes;
    bytes[..80].fill(0);
    assert_snapshot!(dump_bytes(&bytes));
}

#[test]
fn a_superseded_manifest_with_a_torn_record_says_both() {
    let mut bytes = manifest();
    bytes[80..96].copy_from_slice(&encode_fence(8));
    bytes.truncate(bytes.len() - 1);
    let text = dump_bytes(&bytes);
    assert!(text.contains("superseded by epoch 8"), "{text}");
    assert!(
        text.contains("the bytes end inside a manifest record"),
        "{text}"
    );
    assert!(text.ends_with("2 records\n"), "{text}");
}

#[test]
fn what_is_not_ours_is_said_not_to_be() {
    assert_snapshot!(dump_bytes(b"#!/bin/sh\nexit 1\n"), @r#"
    not a Portcask file, 17 bytes
             0  23 21 2f 62 69 6e 2f 73  header
             8  68 0a 65 78 69 74 20 31
            16  0a
    nothing after the header can be told
    "#);
    assert_snapshot!(dump_bytes(b""), @r#"
    the file ends inside its header, 0 bytes
             0                           header
    nothing after the header can be told
    "#);
}

#[test]
fn a_file_larger_than_the_window_is_read_as_from_memory() {
    let mut segment = Segment::new();
    segment
        .put(100, &[b'k'; 65_535], &[b'v'; 300_000])
        .put(101, b"after", &[b'w'; 200_000])
        .seal(100, 101);
    let text = dump_bytes(&segment.bytes);
    assert!(text.contains("record 2 at 365633"), "{text}");
    assert!(text.contains("2 records, 0 damaged places"), "{text}");
    assert!(!text.contains("WRONG"), "{text}");
    // The same, but cut in the middle of a value that does not fit the window.
    let text = dump_bytes(&segment.bytes[..400_000]);
    assert!(text.contains("1 records, 1 damaged places"), "{text}");
}

#[test]
fn refusals_of_reader_and_writer_reach_the_caller() {
    let refused = dump(|_, _| Err::<usize, _>("read"), |_| Ok::<(), &str>(()));
    assert_eq!(refused, Err(DumpError::Read("read")));
    let refused = dump(|_, _| Ok::<_, &str>(0), |_| Err("write"));
    assert_eq!(refused, Err(DumpError::Write("write")));
}

#[test]
fn a_reader_that_lies_about_lengths_ends_the_dump() {
    let whole = Segment::new().put(100, b"cat", b"meow").bytes.clone();
    // It has a byte wherever one is asked for below 10,000, but fills more with less, or claims to
    // have filled more than it was given room for.
    for answer in [0, 1, 3, usize::MAX] {
        let mut lines = 0;
        let read = |offset: u64, into: &mut [u8]| {
            let from = (offset % whole.len() as u64) as usize;
            for (to, from) in into.iter_mut().zip(&whole[from..]) {
                *to = *from;
            }
            Ok::<_, ()>(match into.len() {
                1 => usize::from(offset < 10_000),
                _ => answer,
            })
        };
        let out = |_: &str| {
            lines += 1;
            if lines < 1000 { Ok(()) } else { Err(()) }
        };
        let _ = dump(read, out);
    }
}

#[test]
fn hostile_bytes_never_panic() {
    let mut segment = Segment::new();
    segment
        .put(100, b"cat", b"meow")
        .put(101, b"dog", b"woof")
        .seal(100, 101);
    let mut random = crate::format::tests::XorShift(0x9e37_79b9_7f4a_7c15);
    for file in [segment.bytes, hint(), manifest()] {
        for cut in 0..file.len() {
            dump_bytes(&file[..cut]);
        }
        for _ in 0..300 {
            let mut bytes = file.clone();
            // Past the header most of the time, so that what follows it is reached.
            let from = if random.next().is_multiple_of(8) {
                0
            } else {
                80
            };
            for _ in 0..1 + random.next() % 6 {
                let at = from + random.next() as usize % (bytes.len() - from);
                bytes[at] = random.next() as u8;
            }
            dump_bytes(&bytes);
        }
    }
}

#[test]
fn every_file_that_the_engine_writes_is_dumped_without_damage() {
    use crate::memory::MemoryStorage;
    use crate::storage::{Access, File, Storage};
    use crate::{Batch, Engine, Options};

    let disk = MemoryStorage::new();
    let mut store: Engine<_> = Engine::open(disk.clone(), Options::default()).unwrap();
    for round in 0..3u8 {
        for key in 0..50u8 {
            store.put(&[key], &[round; 300]).unwrap();
        }
        store.delete(&[round]).unwrap();
        let mut batch = Batch::new();
        batch.put(b"one", b"1").delete(b"two").put_meta(b"m", b"3");
        store.write(&batch).unwrap();
        store.sync().unwrap();
        store.rotate().unwrap();
    }
    store.merge_all(|_, _| {}).unwrap();
    store.put(b"last", b"one").unwrap();
    store.close().unwrap();

    let mut kinds = Vec::new();
    for name in disk.list().unwrap() {
        let Some((kind, _)) = crate::format::file::names::parse(&name) else {
            continue;
        };
        let file = disk.open(&name, Access::Read).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.pread(0, &mut bytes).unwrap();
        let text = dump_bytes(&bytes);
        for bad in ["damage at", "WRONG", "stops here", "after the footer"] {
            assert!(!text.contains(bad), "{name}:\n{text}");
        }
        kinds.push(kind);
    }
    for kind in [FileKind::Segment, FileKind::Hint, FileKind::Manifest] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}
