use super::*;

const SEALED: SegmentEntry = SegmentEntry {
    id: 3,
    salt: 0x0123_4567_89ab_cdef,
    base_seq: 40,
    last_seq: 90,
    state: SegmentState::Sealed,
    valid_bytes: 5000,
    records: 50,
};

/// One of each kind.
pub(super) fn every_edit() -> Vec<Edit<'static>> {
    let active = SegmentEntry {
        id: 4,
        salt: u64::MAX,
        base_seq: 90,
        last_seq: 90,
        state: SegmentState::Active,
        valid_bytes: 80,
        records: 0,
    };
    vec![
        Edit::HashKey(*b"sixteen of these"),
        Edit::SeqBound(1 << 24),
        Edit::LastSeq(90),
        Edit::HistoryFloor(7),
        Edit::NextId(12),
        Edit::Clock(1_700_000_000_000),
        Edit::Add(SEALED),
        Edit::Add(active),
        Edit::Seal {
            id: 4,
            valid_bytes: 300,
            last_seq: 95,
            records: 5,
            footer: true,
        },
        Edit::Pending(5),
        Edit::Replace {
            remove: &[3, 4],
            with: const { &[SegmentEntry { id: 5, ..SEALED }] },
        },
        Edit::Forget(&[3]),
        Edit::Condemn(&[8, 9]),
        Edit::Clear,
        Edit::CleanClose {
            valid_bytes: 0,
            last_seq: 95,
            records: 0,
        },
        Edit::Seal {
            id: 7,
            valid_bytes: 80,
            last_seq: 96,
            records: 0,
            footer: false,
        },
    ]
}

#[test]
fn every_edit_reads_back() {
    let edits = every_edit();
    let mut bytes = encode_record(&edits, 9, 96).unwrap();
    let total = bytes.len();
    bytes.extend_from_slice(b"what follows is not read");
    let (mut read, length) = decode_record(&bytes, 9, 96).unwrap();
    for edit in edits {
        assert_eq!(read.read(), Ok(Some(edit)));
    }
    assert_eq!((read.read(), length), (Ok(None), total));
}

/// What is wrong with a record or its edits.
fn damage(bytes: &[u8]) -> Option<RecordDamage> {
    let mut edits = match decode_record(bytes, 9, 96) {
        Ok((edits, _)) => edits,
        Err(damage) => return Some(damage),
    };
    loop {
        match edits.read() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(damage) => return Some(damage),
        }
    }
}

#[test]
fn a_flipped_bit_is_put_right_wherever_it_lies_and_two_are_left_alone() {
    let whole = encode_record(&every_edit(), 9, 96).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        flip(&mut bytes, bit);
        assert!(repair_one_bit(&mut bytes, 9, 96), "bit {bit}");
        assert_eq!(bytes, whole, "bit {bit}");
        let two = [bit, (bit + 37) % (whole.len() * 8)];
        assert!(two.into_iter().all(|bit| flip(&mut bytes, bit)));
        let before = bytes.clone();
        assert!(!repair_one_bit(&mut bytes, 9, 96), "bits {two:?}");
        assert_eq!(bytes, before, "bits {two:?}");
    }
}

/// A record of this payload whose checks are right.
fn forged(payload: &[u8], edits: u32) -> Vec<u8> {
    let mut bytes = vec![0; MANIFEST_HEAD_BYTES];
    bytes[4..8].copy_from_slice(&check::plain(payload).to_le_bytes());
    bytes[8..12].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes[12..16].copy_from_slice(&edits.to_le_bytes());
    let masked = check::masked(9, 96, &bytes[4..]);
    bytes[..4].copy_from_slice(&masked.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn a_forged_check_does_not_make_nonsense_a_record() {
    const CLEAR: u8 = 12;
    assert_eq!(damage(&forged(&[CLEAR], 1)), None);
    let nonsense: [(&[u8], u32); 14] = [
        (&[], 0),
        (&[CLEAR], 0),
        (&[CLEAR], 2),
        (&[CLEAR], u32::MAX),
        (&[CLEAR, CLEAR], 1),
        (&[0], 1),
        (&[16], 1),
        (&[255], 1),
        // A seq bound without its number, and with an overlong one.
        (&[2], 1),
        (&[2, 0x80, 0x00], 1),
        // Lists that claim more than there is.
        (&[11, 2, 1], 1),
        (
            &[
                11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            1,
        ),
        (&[10, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 80], 1),
        // A segment in a state that does not exist.
        (&[7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 80, 0], 1),
    ];
    for (payload, edits) in nonsense {
        let damage = damage(&forged(payload, edits));
        assert_eq!(damage, Some(RecordDamage::Malformed), "{payload:x?}");
    }
}

#[test]
fn a_cut_record_is_short() {
    let bytes = encode_record(&every_edit(), 9, 96).unwrap();
    for cut in 0..bytes.len() {
        let damage = damage(&bytes[..cut]);
        assert_eq!(damage, Some(RecordDamage::Short), "cut at {cut}");
    }
}

#[test]
fn rot_in_the_payload_leaves_its_length_believable() {
    let mut bytes = encode_record(&every_edit(), 9, 96).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(damage(&bytes), Some(RecordDamage::Check));
    let head = decode_head(&bytes, 9, 96).unwrap();
    assert_eq!(MANIFEST_HEAD_BYTES + head.payload_bytes, bytes.len());
}

#[test]
fn a_payload_longer_than_any_state_is_refused_by_its_head() {
    let mut bytes = forged(&[14], 1);
    let longest = MANIFEST_PAYLOAD_BYTES_MAX as u32;
    for (payload_bytes, expected) in [
        (longest, RecordDamage::Short),
        (longest + 1, RecordDamage::Malformed),
        (u32::MAX, RecordDamage::Malformed),
    ] {
        bytes[8..12].copy_from_slice(&payload_bytes.to_le_bytes());
        let masked = check::masked(9, 96, &bytes[4..MANIFEST_HEAD_BYTES]);
        bytes[..4].copy_from_slice(&masked.to_le_bytes());
        assert_eq!(damage(&bytes), Some(expected));
    }
}

#[test]
fn the_largest_state_fits_one_record() {
    let widest = SegmentEntry {
        id: u64::MAX,
        salt: u64::MAX,
        base_seq: u64::MAX,
        last_seq: u64::MAX,
        state: SegmentState::Sealed,
        valid_bytes: u64::MAX,
        records: u64::MAX,
    };
    let ids = vec![u64::MAX; 4096];
    let one = encode_record(&[Edit::Add(widest)], 9, 96).unwrap().len();
    let listed = encode_record(&[Edit::Condemn(&ids)], 9, 96).unwrap().len();
    assert!(SEGMENTS_MAX * one + 32 * listed < MANIFEST_PAYLOAD_BYTES_MAX);
}
