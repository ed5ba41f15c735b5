//! Promises that every decoder keeps alike, and the noise they are tried with.

use super::file::{FileHeader, FileKind, Footer, StoreId};
use super::hint::{self, BlockBuilder, Entry};
use super::manifest::{self, Edit, SegmentEntry, SegmentState};
use super::record::{self, Head, Kind, Site};
use super::{KeyHash, varint};
use crate::prelude::*;

/// A small deterministic source of noise.
pub(crate) struct XorShift(pub u64);

impl XorShift {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

const SALT: u64 = 0x0123_4567_89ab_cdef;
const OFFSET: u64 = 4096;

/// One kind of thing on the medium: an intact specimen, and whether bytes decode as one.
struct Specimen {
    name: &'static str,
    bytes: Vec<u8>,
    decodes: fn(&[u8], salt: u64, offset: u64) -> bool,
    /// Whether its check is masked with salt and offset.
    masked: bool,
}

fn specimens() -> Vec<Specimen> {
    let header = FileHeader {
        kind: FileKind::Segment,
        required: 0,
        optional: 0x8000_0001,
        id: 7,
        salt: SALT,
        store: StoreId(*b"sixteen of these"),
        created_ms: 1_700_000_000_000,
        base_seq: 41,
    };
    let footer = Footer {
        header,
        data_end: OFFSET,
        records: 3,
        first_seq: 42,
        last_seq: 44,
        sealed_ms: 1_700_000_000_001,
    };
    let mut head = Vec::new();
    let site = Site {
        salt: SALT,
        base_seq: 0,
    };
    Head {
        expiry_ms: Some(1_700_000_000_000),
        durable: Some(300),
        ..Head::new(Kind::Put, 7, b"cat", b"meow")
    }
    .encode(&mut head, site, OFFSET)
    .unwrap();
    let mut block = BlockBuilder::new(80);
    for record_bytes in [21, 400, 70_000] {
        block
            .push(&Entry {
                kind: Kind::Put,
                record_bytes,
                hash: Some(KeyHash { hi: 5, lo: 6 }),
                expiry_ms: Some(9),
            })
            .unwrap();
    }
    let entry = SegmentEntry {
        id: 3,
        salt: 4,
        base_seq: 5,
        last_seq: 600,
        state: SegmentState::Sealed,
        valid_bytes: 7000,
        records: 8,
    };
    let edits = [
        Edit::HashKey([9; 16]),
        Edit::Add(entry),
        Edit::Replace {
            remove: &[1, 200],
            with: &[entry],
        },
    ];
    vec![
        Specimen {
            name: "file header",
            bytes: header.encode().to_vec(),
            decodes: |bytes, _, _| FileHeader::decode(bytes).is_ok(),
            masked: false,
        },
        Specimen {
            name: "footer",
            bytes: footer.encode().to_vec(),
            decodes: |bytes, _, _| Footer::decode(bytes).is_ok(),
            masked: false,
        },
        Specimen {
            name: "record head",
            bytes: head,
            decodes: |bytes, salt, offset| {
                let site = Site { salt, base_seq: 0 };
                record::decode(bytes, site, offset).is_ok()
            },
            masked: true,
        },
        Specimen {
            name: "hint block",
            bytes: block.encode(SALT, OFFSET).unwrap(),
            decodes: |bytes, salt, offset| hint::decode_block(bytes, salt, offset).is_ok(),
            masked: true,
        },
        Specimen {
            name: "manifest record",
            bytes: manifest::encode_record(&edits, SALT, OFFSET).unwrap(),
            decodes: |bytes, salt, offset| manifest::decode_record(bytes, salt, offset).is_ok(),
            masked: true,
        },
    ]
}

#[test]
fn an_intact_thing_is_accepted_whatever_follows_it() {
    for each in specimens() {
        assert!((each.decodes)(&each.bytes, SALT, OFFSET), "{}", each.name);
        let mut longer = each.bytes.clone();
        longer.extend_from_slice(&each.bytes);
        assert!((each.decodes)(&longer, SALT, OFFSET), "{}", each.name);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for each in specimens() {
        for bit in 0..8 * each.bytes.len() {
            let mut bytes = each.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let accepted = (each.decodes)(&bytes, SALT, OFFSET);
            assert!(!accepted, "{}, bit {bit}", each.name);
        }
    }
}

#[test]
fn every_two_flipped_bits_within_a_sector_word_are_refused() {
    for each in specimens() {
        for first in 0..8 * each.bytes.len() {
            for second in first + 1..(first + 64).min(8 * each.bytes.len()) {
                let mut bytes = each.bytes.clone();
                bytes[first / 8] ^= 1 << (first % 8);
                bytes[second / 8] ^= 1 << (second % 8);
                let accepted = (each.decodes)(&bytes, SALT, OFFSET);
                assert!(!accepted, "{}, bits {first} and {second}", each.name);
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for each in specimens() {
        for cut in 0..each.bytes.len() {
            let accepted = (each.decodes)(&each.bytes[..cut], SALT, OFFSET);
            assert!(!accepted, "{} cut at {cut}", each.name);
            let mut torn = each.bytes.clone();
            torn[cut..].fill(0);
            let accepted = torn != each.bytes && (each.decodes)(&torn, SALT, OFFSET);
            assert!(!accepted, "{} zeroed from {cut}", each.name);
        }
    }
}

#[test]
fn zeros_and_ones_are_nothing_of_ours() {
    for each in specimens() {
        for byte in [0, 0xff] {
            for len in 0..300 {
                for offset in [0, 80, 96, OFFSET] {
                    assert!(
                        !(each.decodes)(&vec![byte; len], SALT, offset),
                        "{}",
                        each.name
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_masked_is_right_at_its_place_of_its_file_only() {
    for each in specimens().iter().filter(|each| each.masked) {
        for shift in 1..200 {
            assert!(
                !(each.decodes)(&each.bytes, SALT, OFFSET + shift),
                "{}",
                each.name
            );
            assert!(
                !(each.decodes)(&each.bytes, SALT, OFFSET - shift),
                "{}",
                each.name
            );
            assert!(
                !(each.decodes)(&each.bytes, SALT + shift, OFFSET),
                "{}",
                each.name
            );
            assert!(
                !(each.decodes)(&each.bytes, SALT, OFFSET + (shift << 32)),
                "{}",
                each.name
            );
        }
        assert!(!(each.decodes)(&each.bytes, OFFSET, SALT), "{}", each.name);
    }
}

#[test]
fn noise_is_refused_and_never_panics() {
    let mut random = XorShift(0x2545_f491_4f6c_dd1d);
    let specimens = specimens();
    for _ in 0..20_000 {
        let len = random.next() as usize % 200;
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        for each in &specimens {
            // Half of the time it begins as the real thing does.
            let kept = random.next() as usize % (2 * each.bytes.len());
            if kept < each.bytes.len().min(len) {
                bytes[..kept].copy_from_slice(&each.bytes[..kept]);
            }
            let same = bytes.starts_with(&each.bytes);
            assert_eq!((each.decodes)(&bytes, SALT, OFFSET), same, "{}", each.name);
        }
        let mut at = random.next() as usize % 210;
        let _ = varint::read(&bytes, &mut at);
    }
}
