//! A manifest as text: its fence, its records, their edits.

use super::DumpError;
use super::lines::Lines;
use super::window::Window;
use crate::fallible;
use crate::format::check;
use crate::format::file::{FENCE_BYTES, FENCE_OFFSET, FileHeader, decode_fence};
use crate::format::manifest::{
    Edit, Edits, MANIFEST_HEAD_BYTES, MANIFEST_RECORDS_OFFSET, RecordDamage, SegmentEntry,
    SegmentState, decode_head,
};
use crate::prelude::*;
use core::fmt;

/// Ids or segments of one edit that are shown before the rest is only counted.
const LISTED_MAX: usize = 8;

pub(super) fn dump<F, R, O, W>(
    window: &mut Window<F>,
    lines: &mut Lines<O>,
    header: &FileHeader,
) -> Result<(), DumpError<R, W>>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
    O: FnMut(&str) -> Result<(), W>,
{
    let fence = window.at(FENCE_OFFSET, FENCE_BYTES)?;
    match decode_fence(fence) {
        0 => lines.field(
            FENCE_OFFSET,
            fence,
            fence.len() as u64,
            "fence",
            format_args!("open"),
        )?,
        epoch => {
            let value = format_args!("superseded by epoch {epoch}");
            lines.field(FENCE_OFFSET, fence, fence.len() as u64, "fence", value)?;
        }
    }
    let mut at = MANIFEST_RECORDS_OFFSET;
    let mut records = 0u64;
    let mut payload = Vec::new();
    while at < window.end() {
        match read_payload(window, header.salt, at, &mut payload)? {
            Ok(edits) => {
                records += 1;
                let total = MANIFEST_HEAD_BYTES + payload.len();
                lines.text(format_args!(
                    "record {records} at {at}: {edits} edits, {total} bytes"
                ))?;
                let head = window.at(at, MANIFEST_HEAD_BYTES)?;
                dump_record(lines, at, head, edits, &payload)?;
                at += total as u64;
            }
            Err(damage) => {
                lines.text(format_args!(
                    "damage at {at}: {damage}; a reader stops here, {} bytes before the end",
                    window.end().saturating_sub(at)
                ))?;
                let rest = window.end().saturating_sub(at);
                let shown = window.at(at, 64)?;
                lines.field(at, shown, rest, "", format_args!(""))?;
                break;
            }
        }
    }
    lines.text(format_args!("{records} records"))
}

/// Reads the payload of the record at `at`, and says how many edits it holds: its checks are
/// right then.
fn read_payload<F, R, W>(
    window: &mut Window<F>,
    salt: u64,
    at: u64,
    payload: &mut Vec<u8>,
) -> Result<Result<u32, RecordDamage>, DumpError<R, W>>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
{
    let head = match decode_head(window.at(at, MANIFEST_HEAD_BYTES)?, salt, at) {
        Ok(head) => head,
        Err(damage) => return Ok(Err(damage)),
    };
    let from = at + MANIFEST_HEAD_BYTES as u64;
    if head.payload_bytes as u64 > window.end().saturating_sub(from) {
        return Ok(Err(RecordDamage::Short));
    }
    payload.clear();
    fallible::reserve(payload, head.payload_bytes)?;
    while payload.len() < head.payload_bytes {
        let rest = head.payload_bytes - payload.len();
        let piece = window.at(
            from + payload.len() as u64,
            rest.min(super::window::WINDOW_BYTES),
        )?;
        if piece.is_empty() {
            return Ok(Err(RecordDamage::Short));
        }
        fallible::extend(payload, piece)?;
    }
    Ok(match check::plain(payload) == head.payload_crc {
        true => Ok(head.edits),
        false => Err(RecordDamage::Check),
    })
}

/// The fields and edits of a record whose checks are right.
fn dump_record<R, O, W>(
    lines: &mut Lines<O>,
    at: u64,
    head: &[u8],
    edits: u32,
    payload: &[u8],
) -> Result<(), DumpError<R, W>>
where
    O: FnMut(&str) -> Result<(), W>,
{
    let mut field = |from: usize, name: &str, value: fmt::Arguments<'_>| {
        let bytes = head.get(from..from + 4).unwrap_or_default();
        lines.field(at + from as u64, bytes, 4, name, value)
    };
    field(0, "check", format_args!("right"))?;
    field(4, "payload crc", format_args!("right"))?;
    field(8, "payload bytes", format_args!("{}", payload.len()))?;
    field(12, "edits", format_args!("{edits}"))?;
    let (mut from, mut left) = (0, Edits::new(payload, edits));
    for _ in 0..edits {
        let offset = at + (MANIFEST_HEAD_BYTES + from) as u64;
        let (edit, to) = match left.read_one() {
            Ok(read) => read,
            Err(RecordDamage::OutOfMemory) => return Err(DumpError::OutOfMemory),
            Err(damage) => {
                return lines.text(format_args!("damage at {offset}: {damage}"));
            }
        };
        let bytes = &payload[from..to];
        lines.field(
            offset,
            bytes,
            bytes.len() as u64,
            word(&edit),
            format_args!("{}", Fields(&edit)),
        )?;
        from = to;
    }
    match payload.len() - from {
        0 => Ok(()),
        surplus => lines.text(format_args!("{surplus} bytes after the last edit")),
    }
}

fn word(edit: &Edit<'_>) -> &'static str {
    match edit {
        Edit::HashKey(_) => "hash key",
        Edit::SeqBound(_) => "seq bound",
        Edit::LastSeq(_) => "last seq",
        Edit::HistoryFloor(_) => "history floor",
        Edit::NextId(_) => "next id",
        Edit::Clock(_) => "clock",
        Edit::Add(_) => "add",
        Edit::Seal { footer: true, .. } => "seal",
        Edit::Seal { footer: false, .. } => "cut",
        Edit::Pending(_) => "pending",
        Edit::Replace { .. } => "replace",
        Edit::Forget(_) => "forget",
        Edit::Clear => "clear",
        Edit::CleanClose { .. } => "clean close",
        Edit::Condemn(_) => "condemn",
    }
}

/// What an edit says besides its name.
struct Fields<'a>(&'a Edit<'a>);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Edit::HashKey(_) | Edit::Clear => Ok(()),
            Edit::SeqBound(number)
            | Edit::LastSeq(number)
            | Edit::HistoryFloor(number)
            | Edit::NextId(number)
            | Edit::Pending(number) => write!(f, "{number}"),
            Edit::Clock(ms) => write!(f, "{ms} ms"),
            Edit::Add(entry) => segment(f, entry),
            Edit::Seal {
                id,
                valid_bytes,
                last_seq,
                records,
                footer: _,
            } => write!(
                f,
                "segment {id}: records end at {valid_bytes}, last seq {last_seq}, {records} records"
            ),
            Edit::Replace { remove, with } => {
                list(f, remove, |f, id| write!(f, "{id}"))?;
                f.write_str(" by ")?;
                list(f, with, segment)
            }
            Edit::Forget(ids) | Edit::Condemn(ids) => list(f, ids, |f, id| write!(f, "{id}")),
            Edit::CleanClose {
                valid_bytes,
                last_seq,
                records,
            } => write!(
                f,
                "records end at {valid_bytes}, last seq {last_seq}, {records} records"
            ),
        }
    }
}

fn segment(f: &mut fmt::Formatter<'_>, entry: &SegmentEntry) -> fmt::Result {
    write!(
        f,
        "segment {} {}: salt {:#018x}, base seq {}, last seq {}, records end at {}, {} records",
        entry.id,
        match entry.state {
            SegmentState::Active => "active",
            SegmentState::Sealed => "sealed",
            SegmentState::Cut => "cut",
        },
        entry.salt,
        entry.base_seq,
        entry.last_seq,
        entry.valid_bytes,
        entry.records
    )
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    item: fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if items.is_empty() {
        return f.write_str("nothing");
    }
    for (index, each) in items.iter().take(LISTED_MAX).enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        item(f, each)?;
    }
    match items.len().saturating_sub(LISTED_MAX) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
