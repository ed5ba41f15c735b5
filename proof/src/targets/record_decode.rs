//! A record's head, a file header and a footer from any bytes.

use super::forge;
use super::input::{byte, bytes, kind, number, one_in, rest};
use arbitrary::Unstructured;
use portcask_core::format::FILE_BYTES_MAX;
use portcask_core::format::counter::COUNTER_MAX;
use portcask_core::format::file::{self, FILE_HEADER_BYTES, FOOTER_BYTES, FileHeader, Footer};
use portcask_core::format::record::{
    self, BATCH_RECORDS_MAX, Batch, Decoded, HEAD_BYTES_MAX, HEAD_BYTES_MIN, Head, HeadDamage,
    KEY_BYTES_MAX, Kind, MARKER_VALUE_BYTES, Site,
};

/// Decodes a head at its place. What is accepted has one encoding, holds to the format's limits, is
/// right nowhere else, and survives one flipped bit.
pub fn record_decode(data: &[u8]) {
    let u = &mut Unstructured::new(data);
    let shape = byte(u) % 5;
    let site = Site {
        salt: u.arbitrary().unwrap_or(0),
        base_seq: number(u).min(COUNTER_MAX),
    };
    let offset = number(u) & FILE_BYTES_MAX;
    match shape {
        0 => examine(&rest(u), site, offset),
        1 | 2 => {
            let mut head = rest(u);
            if let Some(end) = forge::head_end(&head) {
                forge::seal_head(&mut head, end, site, offset);
            }
            examine(&head, site, offset);
        }
        3 => written(u, site, offset),
        _ => file_ends(u),
    }
}

fn examine(bytes: &[u8], site: Site, offset: u64) {
    let found = record::decode(bytes, site, offset);
    let repaired = record::repair_one_bit(bytes, site, offset);
    let Ok(decoded) = found else {
        if let Some(repaired) = repaired {
            holds_to_limits(&repaired, offset);
        }
        return;
    };
    holds_to_limits(&decoded, offset);
    let head_bytes = decoded.head_bytes;
    let mut again = Vec::new();
    decoded
        .head
        .encode(&mut again, site, offset)
        .expect("memory");
    assert_eq!(again, bytes[..head_bytes], "a head has one encoding");
    assert_eq!(decoded.head.head_bytes(site.base_seq), head_bytes);
    for cut in 0..head_bytes {
        let found = record::decode(&bytes[..cut], site, offset);
        assert_eq!(found, Err(HeadDamage::Short), "cut after {cut}");
    }
    for (salt, offset) in forge::elsewhere(site.salt, offset) {
        let site = Site { salt, ..site };
        assert!(record::decode(bytes, site, offset).is_err());
    }
    let (body, rest) = (decoded.head.body_bytes() as usize, &bytes[head_bytes..]);
    if let Some(body) = rest.get(..body) {
        let (key, value) = body.split_at(decoded.head.key_bytes.into());
        if decoded.head.body_is_intact(key, value) {
            assert!(
                !decoded
                    .head
                    .body_is_intact(&key[..0], &[key, value, b"x"].concat())
            );
        }
    }
}

fn holds_to_limits(decoded: &Decoded, offset: u64) {
    let head = &decoded.head;
    assert!((HEAD_BYTES_MIN..=HEAD_BYTES_MAX).contains(&decoded.head_bytes));
    assert!(usize::from(head.key_bytes) <= KEY_BYTES_MAX);
    assert!(head.durable.is_none_or(|durable| durable <= offset));
    assert!(decoded.record_bytes() >= decoded.head_bytes as u64);
    match head.kind {
        Kind::Tombstone | Kind::MetaTombstone => assert_eq!(head.value_bytes, 0),
        Kind::Marker => assert!(head.key_bytes == 0 && head.durable.is_some()),
        Kind::Put | Kind::MetaPut => {}
    }
    if let Batch::First {
        rest_bytes,
        rest_records,
    } = head.batch
    {
        assert!((1..=BATCH_RECORDS_MAX).contains(&rest_records));
        assert!(rest_bytes >= rest_records * HEAD_BYTES_MIN as u64);
    }
}

/// A head that the engine could write is read as it was written, and one flipped bit of it is
/// found out, and mended unless two mendings fit.
fn written(u: &mut Unstructured<'_>, site: Site, offset: u64) {
    let kind = kind(u);
    let seq = site.base_seq.saturating_add(number(u)).min(COUNTER_MAX);
    let (flags, flipped) = (byte(u), byte(u));
    let (key, value) = match kind {
        Kind::Marker => (Vec::new(), vec![7; MARKER_VALUE_BYTES]),
        Kind::Tombstone | Kind::MetaTombstone => (bytes(u, 40), Vec::new()),
        Kind::Put | Kind::MetaPut => (bytes(u, 40), bytes(u, 40)),
    };
    let mut head = Head::new(kind, seq, &key, &value);
    if kind == Kind::Marker || flags & 1 != 0 {
        head.durable = Some(number(u).min(offset));
    }
    if kind.is_put() && flags & 2 != 0 {
        head.expiry_ms = Some(number(u));
    }
    if kind != Kind::Marker && flags & 4 != 0 {
        let rest_records = number(u).clamp(1, FILE_BYTES_MAX / HEAD_BYTES_MIN as u64);
        head.batch = Batch::First {
            rest_records,
            rest_bytes: number(u).clamp(rest_records * HEAD_BYTES_MIN as u64, FILE_BYTES_MAX),
        };
    } else if kind != Kind::Marker && flags & 8 != 0 {
        head.batch = Batch::Member;
    }
    let mut record = Vec::new();
    head.encode(&mut record, site, offset).expect("memory");
    let head_bytes = record.len();
    record.extend_from_slice(&key);
    record.extend_from_slice(&value);
    let decoded = Decoded { head, head_bytes };
    assert_eq!(record::decode(&record, site, offset), Ok(decoded));
    assert!(head.body_is_intact(&key, &value) && head.key_is_intact(&key));
    examine(&record, site, offset);

    let bit = usize::from(flipped) % (8 * head_bytes);
    record[bit / 8] ^= 1 << (bit % 8);
    assert!(record::decode(&record, site, offset).is_err(), "bit {bit}");
    let mended = record::repair_one_bit(&record, site, offset);
    assert!(mended.is_none_or(|mended| mended == decoded), "{mended:?}");
}

/// A header or footer that is accepted has one encoding.
fn file_ends(u: &mut Unstructured<'_>) {
    let (sealed, as_written) = (!one_in(u, 4), one_in(u, 2));
    let mut bytes = rest(u);
    if as_written {
        // From the version on: the magic is known.
        bytes.splice(..0, *b"PORTCASK");
        if bytes.len() > 2 * FILE_HEADER_BYTES {
            bytes.splice(..0, *b"PCFOOTER");
        }
    }
    if sealed && let Some(header) = bytes.get_mut(..FILE_HEADER_BYTES) {
        forge::seal_plain(header);
    }
    if let Ok(header) = FileHeader::decode(&bytes) {
        assert_eq!(header.encode(), bytes[..FILE_HEADER_BYTES]);
        let name = file::names::of(header.kind, header.id);
        assert_eq!(file::names::parse(&name), Some((header.kind, header.id)));
    }
    if sealed && let Some(footer) = bytes.get_mut(..FOOTER_BYTES) {
        forge::seal_plain(&mut footer[8..8 + FILE_HEADER_BYTES]);
        forge::seal_plain(footer);
    }
    if let Ok(footer) = Footer::decode(&bytes) {
        assert_eq!(footer.encode(), bytes[..FOOTER_BYTES]);
    }
    let zeros = bytes.iter().take(file::FENCE_BYTES).all(|byte| *byte == 0);
    assert_eq!(file::decode_fence(&bytes) == 0, zeros);
}
