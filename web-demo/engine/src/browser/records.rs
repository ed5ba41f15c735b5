//! The records of a log file as rows, for those who draw a log while it grows. A pure function of the bytes in the room:
//! no store has to be open.

use super::cell::with;
use super::module::Module;
use super::parts::{Parts, push_whole};
use alloc::vec::Vec;
use portcask::format::check::Running;
use portcask::format::file::{FILE_HEADER_BYTES, FileHeader, Footer};
use portcask::format::record::{self, Batch, Decoded, Site};
use portcask::{Error, fallible};

/// What a row tells, in its first column.
const GAP: u8 = 0;
const FOOTER: u8 = 9;

/// In the row's second column.
const INTACT: u8 = 0;
const BODY_DAMAGED: u8 = 1;
/// The head is right, but the file ends before the record does.
const CUT: u8 = 2;

/// The rows of a segment's stretch: `records.js` reads them.
///
/// The room holds the file's first 80 bytes, then its bytes from `from` on, which begin at a record.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn records(bytes: usize, from: f64) -> i32 {
    with(|module| {
        let done = rows(module, bytes, from as u64);
        module.tell(done)
    })
}

fn rows(module: &mut Module, bytes: usize, from: u64) -> Result<i32, Error> {
    let mut parts = Parts(module.room.get(..bytes).ok_or(Error::TooLarge)?);
    let answer = &mut module.answer;
    answer.clear();
    let Ok(header) = FileHeader::decode(parts.take(FILE_HEADER_BYTES)?) else {
        return Ok(0);
    };
    let site = Site {
        salt: header.salt,
        base_seq: header.base_seq,
    };
    let log = parts.0;
    let mut at = 0;
    while at < log.len() {
        let rest = &log[at..];
        let offset = from + at as u64;
        at += match record::decode(rest, site, offset) {
            Ok(decoded) if decoded.record_bytes() <= rest.len() as u64 => {
                let bytes = decoded.record_bytes() as usize;
                let state = match body_is_right(&decoded, &rest[decoded.head_bytes..bytes]) {
                    true => INTACT,
                    false => BODY_DAMAGED,
                };
                row(answer, &decoded, state, offset, bytes)?;
                bytes
            }
            Ok(decoded) => {
                row(answer, &decoded, CUT, offset, rest.len())?;
                rest.len()
            }
            Err(_) => {
                let footer = Footer::decode(rest).is_ok_and(|footer| footer.data_end == offset);
                let kind = if footer { FOOTER } else { GAP };
                let bytes = if footer {
                    rest.len()
                } else {
                    gap(rest, site, offset)
                };
                plain_row(answer, kind, offset, bytes)?;
                bytes
            }
        };
    }
    i32::try_from(answer.len()).map_err(|_| Error::TooLarge)
}

fn body_is_right(decoded: &Decoded, body: &[u8]) -> bool {
    let mut crc = Running::new();
    crc.update(body);
    crc.finish() == decoded.head.body_crc
}

/// Bytes until the next record whose head and body are right, or until the end.
fn gap(rest: &[u8], site: Site, offset: u64) -> usize {
    let begins = |at: &usize| {
        let rest = &rest[*at..];
        record::decode(rest, site, offset + *at as u64).is_ok_and(|decoded| {
            let body = rest.get(decoded.head_bytes..decoded.record_bytes() as usize);
            body.is_some_and(|body| body_is_right(&decoded, body))
        })
    };
    (1..rest.len()).find(begins).unwrap_or(rest.len())
}

/// Kind, state, place in a batch and a spare byte; head and key bytes; then doubles: offset, all bytes, seq, expiry
/// (0 for none), durable (-1 for none), records of the batch that it begins.
fn row(
    into: &mut Vec<u8>,
    decoded: &Decoded,
    state: u8,
    offset: u64,
    bytes: usize,
) -> Result<(), Error> {
    let head = &decoded.head;
    let (place, records) = match head.batch {
        Batch::None => (0, 0),
        Batch::First { rest_records, .. } => (1, rest_records + 1),
        Batch::Member => (2, 0),
    };
    fallible::extend(into, &[head.kind as u8, state, place, 0])?;
    fallible::extend(into, &(decoded.head_bytes as u16).to_le_bytes())?;
    fallible::extend(into, &head.key_bytes.to_le_bytes())?;
    push_whole(into, offset)?;
    push_whole(into, bytes as u64)?;
    push_whole(into, head.seq)?;
    push_whole(into, head.expiry_ms.unwrap_or(0))?;
    let durable = head.durable.map_or(-1.0, |durable| durable as f64);
    fallible::extend(into, &durable.to_le_bytes())?;
    push_whole(into, records)
}

/// A row that is no record.
fn plain_row(into: &mut Vec<u8>, kind: u8, offset: u64, bytes: usize) -> Result<(), Error> {
    fallible::extend(into, &[kind, 0, 0, 0, 0, 0, 0, 0])?;
    push_whole(into, offset)?;
    push_whole(into, bytes as u64)?;
    fallible::extend(into, &[0; 32])?;
    Ok(())
}
