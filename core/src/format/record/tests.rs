use super::*;
use crate::format::counter::COUNTER_MAX;

const SITE: Site = Site {
    salt: 0x5a17,
    base_seq: 100,
};
const OFFSET: u64 = 4096;

fn put() -> Head {
    Head::new(Kind::Put, 107, b"cat", b"meow")
}

fn marker() -> Head {
    Head {
        durable: Some(80),
        ..Head::new(Kind::Marker, 110, b"", &[7; MARKER_VALUE_BYTES])
    }
}

/// Every kind, every extension, and the widest head there is.
fn heads() -> Vec<Head> {
    let first = Batch::First {
        rest_bytes: FILE_BYTES_MAX,
        rest_records: BATCH_RECORDS_MAX >> 4,
    };
    vec![
        put(),
        marker(),
        Head::new(Kind::Put, 100, b"", b""),
        Head::new(Kind::Put, COUNTER_MAX, &[7; KEY_BYTES_MAX], b"v"),
        Head::new(Kind::Tombstone, 108, b"cat", b""),
        Head::new(Kind::MetaPut, 109, b"cat", b"system"),
        Head::new(Kind::MetaTombstone, 1 << 40, b"cat", b""),
        Head {
            batch: Batch::Member,
            ..put()
        },
        Head {
            seq: COUNTER_MAX,
            key_bytes: KEY_BYTES_MAX as u16,
            value_bytes: VALUE_BYTES_MAX,
            expiry_ms: Some(u64::MAX),
            durable: Some(OFFSET),
            batch: first,
            ..put()
        },
    ]
}

fn encoded(head: &Head) -> Vec<u8> {
    let mut bytes = Vec::new();
    head.encode(&mut bytes, SITE, OFFSET).unwrap();
    bytes
}

/// Head bytes with this tag and these varints, whose check is right: what only somebody with the
/// salt could write.
fn forged(tag: u8, varints: &[u64]) -> Vec<u8> {
    let mut bytes = vec![0; FIXED_BYTES];
    bytes[10] = tag;
    varints
        .iter()
        .for_each(|v| varint::write(&mut bytes, *v).unwrap());
    sign(&mut bytes);
    bytes
}

fn sign(bytes: &mut [u8]) {
    let masked = check::masked(SITE.salt, OFFSET, &bytes[CHECK_BYTES..]);
    bytes[..CHECK_BYTES].copy_from_slice(&masked.to_le_bytes());
}

#[test]
fn every_head_reads_back_in_the_bytes_it_says() {
    for head in heads() {
        for behind in [0, 1, 100] {
            let mut bytes = encoded(&head);
            let head_bytes = bytes.len();
            assert_eq!(head_bytes, head.head_bytes(SITE.base_seq));
            assert!((HEAD_BYTES_MIN..=HEAD_BYTES_MAX).contains(&head_bytes));
            bytes.resize(head_bytes + behind, 0xee);
            let decoded = decode(&bytes, SITE, OFFSET);
            assert_eq!(decoded, Ok(Decoded { head, head_bytes }), "{head:?}");
            assert_eq!(
                decoded.map(|decoded| decoded.record_bytes()),
                Ok(head.record_bytes(SITE.base_seq))
            );
        }
    }
}

#[test]
fn a_small_put_has_a_head_of_14_to_16_bytes() {
    for (seq_delta, key_bytes, value_bytes, head_bytes) in [
        (0, 16, 100, 14),
        (127, 16, 127, 14),
        (128, 16, 100, 15),
        (16_383, 127, 16_383, 16),
    ] {
        let head = Head {
            seq: SITE.base_seq + seq_delta,
            key_bytes,
            value_bytes,
            ..put()
        };
        assert_eq!(head.head_bytes(SITE.base_seq), head_bytes);
    }
}

#[test]
fn the_widest_head_is_the_longest_one() {
    let head = Head {
        durable: Some(FILE_BYTES_MAX),
        batch: Batch::First {
            rest_bytes: FILE_BYTES_MAX,
            rest_records: FILE_BYTES_MAX / HEAD_BYTES_MIN as u64,
        },
        ..heads()[8]
    };
    let site = Site {
        base_seq: 0,
        ..SITE
    };
    let mut bytes = Vec::new();
    head.encode(&mut bytes, site, FILE_BYTES_MAX).unwrap();
    assert_eq!(bytes.len(), HEAD_BYTES_MAX);
    let decoded = decode(&bytes, site, FILE_BYTES_MAX).unwrap();
    assert_eq!(decoded.head, head);
}

#[test]
fn a_cut_head_is_short_and_nothing_else() {
    for head in heads() {
        let bytes = encoded(&head);
        for cut in 0..bytes.len() {
            let decoded = decode(&bytes[..cut], SITE, OFFSET);
            assert_eq!(decoded, Err(HeadDamage::Short), "{head:?} cut at {cut}");
        }
    }
}

#[test]
fn zeros_are_told_from_damage_as_soon_as_they_can_be() {
    for zeros in 0..100 {
        let expected = match zeros < FIXED_BYTES {
            true => HeadDamage::Short,
            false => HeadDamage::Zeros,
        };
        assert_eq!(decode(&vec![0; zeros], SITE, OFFSET), Err(expected));
    }
}

#[test]
fn every_flipped_bit_is_refused_and_flipped_back() {
    for head in heads() {
        let intact = encoded(&head);
        for behind in [0, 100] {
            let mut bytes = intact.clone();
            bytes.resize(intact.len() + behind, 0xee);
            for bit in 0..8 * intact.len() {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(decode(&bytes, SITE, OFFSET).is_err(), "bit {bit}");
                let repaired = repair_one_bit(&bytes, SITE, OFFSET);
                assert_eq!(repaired.map(|repaired| repaired.head), Some(head));
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

#[test]
fn an_intact_head_needs_no_repair() {
    for head in heads() {
        let mut bytes = encoded(&head);
        assert_eq!(repair_one_bit(&bytes, SITE, OFFSET), None);
        bytes.resize(100, 0);
        assert_eq!(repair_one_bit(&bytes, SITE, OFFSET), None);
    }
}

#[test]
fn what_no_single_flip_explains_is_not_repaired() {
    assert_eq!(repair_one_bit(&[], SITE, OFFSET), None);
    assert_eq!(repair_one_bit(&[0; 100], SITE, OFFSET), None);
    let mut bytes = encoded(&put());
    bytes[5] ^= 0x81;
    assert_eq!(repair_one_bit(&bytes, SITE, OFFSET), None);
    bytes[5] ^= 0x81;
    assert_eq!(repair_one_bit(&bytes, SITE, OFFSET + 1), None);
}

#[test]
fn a_forged_check_does_not_make_nonsense_a_record() {
    let (put, tombstone, marker) = (1, 2, 3);
    let accepted: [(u8, &[u64]); 4] = [
        (put, &[0, 0, 0]),
        (tombstone | TAG_DURABLE, &[0, 3, 0, OFFSET]),
        (marker | TAG_DURABLE, &[0, 0, 8, 0]),
        (put | TAG_BATCH_FIRST, &[0, 3, 4, 28, 2]),
    ];
    for (tag, varints) in accepted {
        let decoded = decode(&forged(tag, varints), SITE, OFFSET);
        assert!(decoded.is_ok(), "{tag:#x} {varints:?}: {decoded:?}");
    }
    let refused: [(u8, &[u64]); 25] = [
        (0, &[0, 0, 0]),
        (6, &[0, 0, 0]),
        (7, &[0, 0, 0]),
        (put | TAG_RESERVED, &[0, 0, 0]),
        (put, &[COUNTER_MAX - 99, 0, 0]),
        (put, &[u64::MAX, 0, 0]),
        (put, &[0, 65_536, 0]),
        (put, &[0, u64::MAX, 0]),
        (put, &[0, 0, 1 << 32]),
        (tombstone, &[0, 3, 1]),
        (tombstone | TAG_EXPIRY, &[0, 3, 0, 9]),
        (5, &[0, 3, 1]),
        (5 | TAG_EXPIRY, &[0, 3, 0, 9]),
        (marker, &[0, 0, 8]),
        (marker | TAG_DURABLE, &[0, 1, 8, 80]),
        (marker | TAG_DURABLE, &[0, 0, 7, 80]),
        (marker | TAG_DURABLE | TAG_EXPIRY, &[0, 0, 8, 9, 80]),
        (marker | TAG_DURABLE | TAG_BATCH_MEMBER, &[0, 0, 8, 80]),
        (
            marker | TAG_DURABLE | TAG_BATCH_FIRST,
            &[0, 0, 8, 80, 28, 2],
        ),
        (put | TAG_DURABLE, &[0, 3, 4, OFFSET + 1]),
        (put | TAG_BATCH_FIRST | TAG_BATCH_MEMBER, &[0, 3, 4, 28, 2]),
        (put | TAG_BATCH_FIRST, &[0, 3, 4, 28, 0]),
        (put | TAG_BATCH_FIRST, &[0, 3, 4, 27, 2]),
        (put | TAG_BATCH_FIRST, &[0, 3, 4, FILE_BYTES_MAX + 1, 2]),
        (put | TAG_BATCH_FIRST, &[0, 3, 4, FILE_BYTES_MAX, 1 << 32]),
    ];
    for (tag, varints) in refused {
        let decoded = decode(&forged(tag, varints), SITE, OFFSET);
        assert_eq!(decoded, Err(HeadDamage::Malformed), "{tag:#x} {varints:?}");
    }
}

#[test]
fn an_overlong_varint_is_refused_even_with_its_check_right() {
    let mut bytes = forged(1, &[0, 3, 4]);
    bytes.splice(11..12, [0x80, 0x00]);
    sign(&mut bytes);
    assert_eq!(decode(&bytes, SITE, OFFSET), Err(HeadDamage::Malformed));
}

#[test]
fn a_record_copied_to_another_place_is_none() {
    let bytes = encoded(&put());
    let elsewhere = [
        (SITE.salt, OFFSET + 1),
        (SITE.salt, OFFSET - 1),
        (SITE.salt, OFFSET + (1 << 32)),
        (SITE.salt ^ 1, OFFSET),
        (0, 0),
    ];
    for (salt, offset) in elsewhere {
        let site = Site { salt, ..SITE };
        assert_eq!(decode(&bytes, site, offset), Err(HeadDamage::Check));
    }
}

#[test]
fn the_body_is_bound_to_its_head_and_keeps_its_crc_wherever_it_goes() {
    let head = put();
    assert!(head.body_is_intact(b"cat", b"meow"));
    for (key, value) in [
        (&b"cat"[..], &b"meoW"[..]),
        (b"caT", b"meow"),
        (b"catm", b"eow"),
        (b"ca", b"tmeow"),
        (b"", b""),
    ] {
        assert!(!head.body_is_intact(key, value));
    }
    let moved = Head::new(Kind::Put, 9999, b"cat", b"meow");
    assert_eq!(moved.body_crc, head.body_crc);
}

#[test]
fn a_rotten_value_leaves_the_key_telling_its_name() {
    let head = put();
    assert!(head.key_is_intact(b"cat"));
    assert!(!head.key_is_intact(b"cap"));
    assert!(!head.key_is_intact(b"ca"));
    for bit in 0..24 {
        let mut key = *b"cat";
        key[bit / 8] ^= 1 << (bit % 8);
        assert!(!head.key_is_intact(&key), "bit {bit}");
    }
}

#[test]
fn kinds_belong_to_one_space_and_do_one_thing() {
    let kinds = [
        (Kind::Put, Space::User, true, false),
        (Kind::Tombstone, Space::User, false, true),
        (Kind::Marker, Space::Meta, false, false),
        (Kind::MetaPut, Space::Meta, true, false),
        (Kind::MetaTombstone, Space::Meta, false, true),
    ];
    for (kind, space, is_put, is_tombstone) in kinds {
        assert_eq!(Kind::from_bits(kind as u8), Some(kind));
        assert_eq!(kind.space(), space);
        assert_eq!((kind.is_put(), kind.is_tombstone()), (is_put, is_tombstone));
    }
}
