//! A hint's block from any bytes.

use super::forge;
use super::input::{byte, kind, number, one_in, rest};
use crate::heap;
use arbitrary::Unstructured;
use portcask_core::format::hint::{self, BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, BlockBuilder, Entry};
use portcask_core::format::record::Kind;
use portcask_core::format::{FILE_BYTES_MAX, KeyHash, varint};

/// Decodes a block at its place. What is accepted has one encoding, and its entries cover exactly
/// what it says.
pub fn hint_decode(data: &[u8]) {
    let u = &mut Unstructured::new(data);
    let shape = byte(u) % 4;
    let salt = u.arbitrary().unwrap_or(0);
    let at = number(u) & FILE_BYTES_MAX;
    match shape {
        0 => examine(&rest(u), salt, at),
        1 => {
            let said = (number(u), number(u), byte(u).into());
            examine(&forge::hint_block(&rest(u), said, salt, at), salt, at);
        }
        2 => consistent(u, salt, at),
        _ => built(u, salt, at),
    }
}

fn examine(bytes: &[u8], salt: u64, at: u64) {
    let (found, held) = heap::peak(|| hint::decode_block(bytes, salt, at));
    assert_eq!(held, 0, "decoding a block allocates nothing");
    let Ok((block, length)) = found else { return };
    assert!(length <= bytes.len() && (BLOCK_HEAD_BYTES + 1..=BLOCK_BYTES_MAX).contains(&length));
    assert!(block.from < block.to && block.to <= FILE_BYTES_MAX);
    let mut again = BlockBuilder::new(block.from);
    let (mut end, mut count) = (block.from, 0);
    for (offset, entry) in block.entries() {
        assert_eq!(offset, end, "entries lie back to back");
        again.push(&entry).expect("memory");
        end += entry.record_bytes;
        count += 1;
    }
    assert_eq!((end, count), (block.to, block.count));
    let again = again.encode(salt, at).expect("memory");
    assert_eq!(again, bytes[..length], "one encoding");
    for (salt, at) in forge::elsewhere(salt, at) {
        assert!(hint::decode_block(bytes, salt, at).is_err());
    }
    for cut in [0, 4, BLOCK_HEAD_BYTES, length - 1] {
        assert!(hint::decode_block(&bytes[..cut], salt, at).is_err());
    }
}

/// Entries of any tags and lengths in a block that counts and adds them up rightly.
fn consistent(u: &mut Unstructured<'_>, salt: u64, at: u64) {
    let from = number(u) & FILE_BYTES_MAX;
    let (mut to, mut count, mut payload) = (from, 0, Vec::new());
    while !u.is_empty() {
        let (tag, record_bytes) = (byte(u), number(u));
        payload.push(tag);
        varint::write(&mut payload, record_bytes).expect("memory");
        if tag & 7 != 3 {
            payload.extend_from_slice(&u.arbitrary::<[u8; 12]>().unwrap_or_default());
        }
        if tag & 8 != 0 {
            varint::write(&mut payload, number(u)).expect("memory");
        }
        to = u64::wrapping_add(to, record_bytes);
        count += 1;
    }
    let block = forge::hint_block(&payload, (from, to, count), salt, at);
    examine(&block, salt, at);
}

/// What the engine could write is read as it was written.
fn built(u: &mut Unstructured<'_>, salt: u64, at: u64) {
    let mut block = BlockBuilder::new(number(u) & (FILE_BYTES_MAX >> 1));
    let mut entries = Vec::new();
    while !u.is_empty() && !block.is_full() {
        let kind = kind(u);
        let hash = KeyHash {
            hi: number(u),
            lo: byte(u).into(),
        };
        let entry = Entry {
            kind,
            record_bytes: number(u).clamp(14, 1 << 24),
            hash: (kind != Kind::Marker).then_some(hash),
            expiry_ms: (kind.is_put() && one_in(u, 2)).then(|| number(u)),
        };
        entries.push((block.to(), entry));
        block.push(&entry).expect("memory");
    }
    if block.is_empty() {
        return;
    }
    let bytes = block.encode(salt, at).expect("memory");
    let (found, length) = hint::decode_block(&bytes, salt, at).expect("a block that was written");
    assert_eq!(length, bytes.len());
    assert_eq!(found.entries().collect::<Vec<_>>(), entries);
    examine(&bytes, salt, at);
}
