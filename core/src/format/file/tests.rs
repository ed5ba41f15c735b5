use super::*;
use crate::format::counter::COUNTER_MAX;
use crate::prelude::*;
use crate::storage::FileName;

fn header() -> FileHeader {
    FileHeader {
        kind: FileKind::Segment,
        required: 0,
        optional: 0x8000_0001,
        id: 7,
        salt: 0x0123_4567_89ab_cdef,
        store: StoreId(*b"sixteen of these"),
        created_ms: 1_700_000_000_000,
        base_seq: 41,
    }
}

#[test]
fn a_header_reads_back() {
    assert_eq!(FileHeader::decode(&header().encode()), Ok(header()));
}

#[test]
fn a_footer_reads_back() {
    let footer = Footer {
        header: header(),
        data_end: 4096,
        records: 3,
        first_seq: 42,
        last_seq: 44,
        sealed_ms: 1_700_000_000_001,
    };
    assert_eq!(Footer::decode(&footer.encode()), Ok(footer));
}

fn signed(mut bytes: [u8; FILE_HEADER_BYTES]) -> [u8; FILE_HEADER_BYTES] {
    let crc = check::plain(&bytes[..76]);
    bytes[76..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_newer_version_and_unknown_flags_are_told_from_damage() {
    let mut bytes = header().encode();
    bytes[8] = 2;
    assert_eq!(FileHeader::decode(&bytes), Err(HeaderDamage::Damaged));
    // What else a later version changes is not for this one to judge.
    bytes[10] = 200;
    bytes[70] = 1;
    let newer = HeaderDamage::NewerVersion { found: 2 };
    assert_eq!(FileHeader::decode(&signed(bytes)), Err(newer));

    let mut bytes = header().encode();
    bytes[15] = 0x40;
    let unknown = HeaderDamage::UnknownFlags { flags: 0x4000_0000 };
    assert_eq!(FileHeader::decode(&signed(bytes)), Err(unknown));
}

#[test]
fn a_field_with_one_legal_value_has_no_other() {
    for (at, byte) in [(8, 0), (10, 0), (10, 4), (11, 1), (68, 1), (75, 0x80)] {
        let mut bytes = header().encode();
        bytes[at] = byte;
        let decoded = FileHeader::decode(&signed(bytes));
        assert_eq!(decoded, Err(HeaderDamage::Damaged), "byte {at}");
    }
}

#[test]
fn a_foreign_file_is_not_a_damaged_one() {
    assert_eq!(FileHeader::decode(b"#!/bin/sh"), Err(HeaderDamage::Foreign));
    assert_eq!(FileHeader::decode(&[0; 80]), Err(HeaderDamage::Foreign));
    assert_eq!(FileHeader::decode(b""), Err(HeaderDamage::Short));
    assert_eq!(FileHeader::decode(b"PORT"), Err(HeaderDamage::Short));
    assert_eq!(FileHeader::decode(b"PORTCASK"), Err(HeaderDamage::Short));
}

#[test]
fn a_footer_repeats_the_header_of_a_segment_only() {
    for (at, byte) in [(8 + 10, 2), (8 + 10, 3), (8, b'Q')] {
        let footer = Footer {
            header: header(),
            data_end: 80,
            records: 0,
            first_seq: 0,
            last_seq: 0,
            sealed_ms: 0,
        };
        let mut bytes = footer.encode();
        bytes[at] = byte;
        let inner: [u8; FILE_HEADER_BYTES] = array(&bytes, 8);
        bytes[8..88].copy_from_slice(&signed(inner));
        let crc = check::plain(&bytes[..128]);
        bytes[128..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Footer::decode(&bytes), Err(HeaderDamage::Damaged));
    }
}

#[test]
fn a_fence_is_closed_by_anything_but_zeros() {
    assert_eq!(decode_fence(&encode_fence(0)), 0);
    assert_eq!(decode_fence(&encode_fence(9)), 9);
    assert_eq!(decode_fence(&encode_fence(u64::MAX)), u64::MAX);
    assert_eq!(decode_fence(&[]), 0);
    assert_eq!(decode_fence(&encode_fence(9)[..1]), 9);
    for bit in 0..8 * FENCE_BYTES {
        let mut bytes = encode_fence(0);
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(decode_fence(&bytes), 0, "bit {bit}");
    }
}

#[test]
fn a_name_is_a_word_and_ten_digits_or_more() {
    for (id, text) in [
        (0, "segment-0000000000"),
        (1, "segment-0000000001"),
        (9_999_999_999, "segment-9999999999"),
        (10_000_000_000, "segment-10000000000"),
        (COUNTER_MAX, "segment-4611686018427387904"),
    ] {
        assert_eq!(names::segment(id).as_str(), text);
        assert_eq!(
            names::parse(&names::segment(id)),
            Some((FileKind::Segment, id))
        );
    }
    assert_eq!(names::parse(&names::segment(COUNTER_MAX + 1)), None);
    assert_eq!(names::parse(&names::hint(3)), Some((FileKind::Hint, 3)));
    assert_eq!(
        names::parse(&names::manifest(3)),
        Some((FileKind::Manifest, 3))
    );
}

#[test]
fn only_our_own_spelling_of_a_name_is_ours() {
    for text in [
        "segment-1",
        "segment-00000000001",
        "segment-",
        "segment-000000000a",
        "segment-18446744073709551616",
        "segment0000000001",
        "segments-0000000001",
        "hint-0000000001.old",
        "lock",
        "reserve",
    ] {
        let name = FileName::new(text).unwrap();
        assert_eq!(names::parse(&name), None, "{text}");
    }
}
