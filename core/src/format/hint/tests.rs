use super::*;

fn entries() -> Vec<Entry> {
    let hash = Some(KeyHash {
        hi: 0x0123_4567_89ab_cdef,
        lo: 0xfeed_beef,
    });
    vec![
        Entry {
            kind: Kind::Put,
            record_bytes: 21,
            hash,
            expiry_ms: None,
        },
        Entry {
            kind: Kind::Put,
            record_bytes: RECORD_BYTES_MAX,
            hash,
            expiry_ms: Some(u64::MAX),
        },
        Entry {
            kind: Kind::Marker,
            record_bytes: 24,
            hash: None,
            expiry_ms: None,
        },
        Entry {
            kind: Kind::MetaTombstone,
            record_bytes: 14,
            hash,
            expiry_ms: None,
        },
    ]
}

#[test]
fn a_block_reads_back_with_the_offset_of_every_record() {
    let mut builder = BlockBuilder::new(80);
    entries()
        .iter()
        .for_each(|entry| builder.push(entry).unwrap());
    let mut bytes = builder.encode(9, 80).unwrap();
    let total = bytes.len();
    bytes.push(0xff);
    let (block, found) = decode_block(&bytes, 9, 80).unwrap();
    assert_eq!((found, block.from, block.to), (total, 80, builder.to()));
    let mut offset = 80;
    for (entry, found) in entries().into_iter().zip(block.entries()) {
        assert_eq!(found, (offset, entry));
        offset += entry.record_bytes;
    }
    assert_eq!(block.entries().count(), 4);
    assert_eq!(offset, block.to);
}

/// A block of this payload whose check is right.
fn forged(from: u64, to: u64, count: u32, payload: &[u8]) -> Vec<u8> {
    let builder = BlockBuilder {
        from,
        to,
        entries: count,
        payload: payload.to_vec(),
    };
    builder.encode(9, 80).unwrap()
}

#[test]
fn a_forged_check_does_not_make_nonsense_a_block() {
    // A marker of 24 bytes: the shortest entry.
    let marker = [3, 24];
    let block = forged(80, 104, 1, &marker);
    assert!(decode_block(&block, 9, 80).is_ok());
    let mut put = vec![1, 24];
    put.extend_from_slice(&[7; 12]);
    for (from, to, count, payload) in [
        (80, 103, 1, &marker[..]),
        (80, 105, 1, &marker),
        (104, 80, 1, &marker),
        (80, 104, 2, &marker),
        (u64::MAX - 24, u64::MAX, 1, &marker),
        (80, 104, 1, &put[..13]),
        (80, 104, 1, &[0x0b, 24, 9]),
        (80, 104, 1, &[0x13, 24]),
        (80, 104, 1, &[0x83, 24]),
        (80, 104, 1, &[0, 24]),
        (80, 104, 1, &[3, 0x98, 0x00]),
        (80, 104, 1, &[3]),
        (80, 93, 1, &[3, 13]),
        (80, 80 + (1 << 34), 1, &[3, 0x80, 0x80, 0x80, 0x80, 0x40]),
    ] {
        let block = forged(from, to, count, payload);
        let decoded = decode_block(&block, 9, 80);
        assert_eq!(decoded, Err(BlockDamage::Malformed), "{payload:x?}");
    }
}

#[test]
fn a_length_beyond_a_block_is_refused_before_anything_is_summed() {
    let mut bytes = vec![0xff; BLOCK_BYTES_MAX + 100];
    assert_eq!(decode_block(&bytes, 9, 80), Err(BlockDamage::Malformed));
    bytes[4..8].copy_from_slice(&(PAYLOAD_BYTES_MAX as u32).to_le_bytes());
    assert_eq!(decode_block(&bytes, 9, 80), Err(BlockDamage::Check));
    let cut = &bytes[..BLOCK_BYTES_MAX - 1];
    assert_eq!(decode_block(cut, 9, 80), Err(BlockDamage::Short));
}

#[test]
fn a_full_block_fits_and_a_reset_one_begins_anew() {
    let mut builder = BlockBuilder::new(80);
    let entry = entries()[1];
    while !builder.is_full() {
        assert!(entry.entry_bytes() <= ENTRY_BYTES_MAX);
        builder
            .push(&Entry {
                record_bytes: 5 << 20,
                ..entry
            })
            .unwrap();
        if builder.to() > FILE_BYTES_MAX - (10 << 20) {
            break;
        }
    }
    let bytes = builder.encode(9, 80).unwrap();
    assert!(bytes.len() <= BLOCK_BYTES_MAX);
    let (block, _) = decode_block(&bytes, 9, 80).unwrap();
    assert_eq!(block.count, builder.entries());
    builder.reset(500);
    assert!(builder.is_empty() && !builder.is_full());
    assert_eq!((builder.from(), builder.to()), (500, 500));
}

#[test]
fn a_key_without_expiry_costs_at_most_17_bytes() {
    for record_bytes in [14, 132, (256 << 20) - 1] {
        let entry = Entry {
            record_bytes,
            ..entries()[0]
        };
        assert!(entry.entry_bytes() <= 17);
    }
}

/// Most entries are read by a way of their own.
#[test]
fn the_short_way_to_read_an_entry_agrees_with_the_long_one() {
    let hash = KeyHash {
        hi: 0x0123_4567_89ab_cdef,
        lo: 0x8000_0001,
    };
    let mut short = 0;
    for first in [0_u8, 1, 2, 3, 4, 9, 0x81] {
        for low in (0..=255).step_by(5) {
            for high in 0..=255 {
                let mut payload = vec![first, low, high];
                payload.extend_from_slice(&hash.hi.to_le_bytes());
                payload.extend_from_slice(&hash.lo.to_le_bytes());
                payload.extend_from_slice(&[1, 2, 3]);
                for cut in [payload.len(), 15, 14] {
                    let (mut one, mut other) = (0, 0);
                    let read = next_entry(&payload[..cut], &mut one);
                    assert_eq!(read, next_any_entry(&payload[..cut], &mut other));
                    assert!(read.is_none() || one == other);
                    short += u32::from(read.is_some() && one == 15);
                }
            }
        }
    }
    assert!(short > 1000, "{short}");
}
