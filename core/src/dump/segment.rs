//! A segment as text: its records, its damage, its footer.

use super::lines::{Lines, Text, Verdict};
use super::window::{WINDOW_BYTES, Window};
use super::{DumpError, header_fields};
use crate::format::check::{self, Running};
use crate::format::file::{FILE_HEADER_BYTES, FOOTER_BYTES, FileHeader, Footer};
use crate::format::record::{self, Batch, Decoded, HEAD_BYTES_MAX, Head, HeadDamage, Kind, Site};
use crate::format::{array, u32_at, u64_at, varint};
use crate::prelude::*;
use core::fmt;

pub(super) fn dump<F, R, O, W>(
    window: &mut Window<F>,
    lines: &mut Lines<O>,
    header: &FileHeader,
) -> Result<(), DumpError<R, W>>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
    O: FnMut(&str) -> Result<(), W>,
{
    let site = Site {
        salt: header.salt,
        base_seq: header.base_seq,
    };
    let mut totals = Totals::default();
    let mut at = FILE_HEADER_BYTES as u64;
    while at < window.end() {
        at = match found_at(window, header, site, at)? {
            Found::Record(decoded) => {
                let mut bytes = [0; HEAD_BYTES_MAX];
                let known = window.copy(at, &mut bytes)?;
                totals.records += 1;
                totals.durable = totals.durable.max(decoded.head.durable);
                lines.text(format_args!(
                    "record {} at {at}: {}",
                    totals.records,
                    Summary(&decoded)
                ))?;
                let head = &bytes[..decoded.head_bytes.min(known)];
                dump_record(window, lines, site, at, &decoded, head, &mut totals)?;
                at + decoded.record_bytes()
            }
            Found::CutRecord(decoded) => {
                totals.damaged += 1;
                lines.text(format_args!(
                    "damage at {at}: {}, but only {} bytes are left",
                    Summary(&decoded),
                    window.end().saturating_sub(at)
                ))?;
                window.end()
            }
            Found::Footer(footer) => {
                let mut bytes = [0; FOOTER_BYTES];
                window.copy(at, &mut bytes)?;
                lines.text(format_args!("footer at {at}"))?;
                dump_footer(lines, &footer, &bytes)?;
                let after = at + FOOTER_BYTES as u64;
                if let Some(surplus @ 1..) = window.end().checked_sub(after) {
                    lines.text(format_args!("{surplus} bytes after the footer"))?;
                }
                window.end()
            }
            Found::Damage(damage) => {
                totals.damaged += 1;
                dump_damage(window, lines, header, site, at, damage, &mut totals)?
            }
        };
    }
    lines.text(format_args!("{totals}"))
}

/// The footer that ends the file, if one does.
pub(super) fn last_footer<F, R, W>(
    window: &mut Window<F>,
) -> Result<Option<Footer>, DumpError<R, W>>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
{
    let Some(at) = window.end().checked_sub(FOOTER_BYTES as u64) else {
        return Ok(None);
    };
    let footer = Footer::decode(window.at(at, FOOTER_BYTES)?).ok();
    Ok(footer.filter(|footer| footer.data_end == at))
}

#[derive(Default)]
struct Totals {
    records: u64,
    damaged: u64,
    durable: Option<u64>,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records, {} damaged places",
            self.records, self.damaged
        )?;
        match self.durable {
            Some(durable) => write!(f, ", known to be durable up to {durable}"),
            None => Ok(()),
        }
    }
}

enum Found {
    Record(Decoded),
    /// A right head whose body would end after the file.
    CutRecord(Decoded),
    Footer(Footer),
    Damage(HeadDamage),
}

/// What begins at `at`.
fn found_at<F, R, W>(
    window: &mut Window<F>,
    header: &FileHeader,
    site: Site,
    at: u64,
) -> Result<Found, DumpError<R, W>>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
{
    let rest = window.end().saturating_sub(at);
    let bytes = window.at(at, FOOTER_BYTES)?;
    Ok(match record::decode(bytes, site, at) {
        Ok(decoded) if decoded.record_bytes() <= rest => Found::Record(decoded),
        Ok(decoded) => Found::CutRecord(decoded),
        Err(damage) => match Footer::decode(bytes) {
            Ok(footer) if footer.data_end == at && same_file(&footer.header, header) => {
                Found::Footer(footer)
            }
            _ => Found::Damage(damage),
        },
    })
}

/// Whether two headers are of one file; they may have been written at different times.
fn same_file(one: &FileHeader, other: &FileHeader) -> bool {
    (one.id, one.salt, one.store) == (other.id, other.salt, other.store)
}

/// Describes the damage at `at` and returns where the text goes on.
fn dump_damage<F, R, O, W>(
    window: &mut Window<F>,
    lines: &mut Lines<O>,
    header: &FileHeader,
    site: Site,
    at: u64,
    damage: HeadDamage,
    totals: &mut Totals,
) -> Result<u64, DumpError<R, W>>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
    O: FnMut(&str) -> Result<(), W>,
{
    let rest = window.end().saturating_sub(at);
    let bytes = window.at(at, HEAD_BYTES_MAX)?;
    if let Some(decoded) = record::repair_one_bit(bytes, site, at)
        && decoded.record_bytes() <= rest
    {
        let mut repaired = Vec::new();
        decoded.head.encode(&mut repaired, site, at)?;
        let flipped = bytes
            .iter()
            .zip(&repaired)
            .position(|(found, right)| found != right)
            .unwrap_or_default();
        totals.records += 1;
        lines.text(format_args!(
            "damage at {at}: {damage}; with one bit of byte {} flipped back it is record {}: {}",
            at + flipped as u64,
            totals.records,
            Summary(&decoded)
        ))?;
        dump_record(window, lines, site, at, &decoded, &repaired, totals)?;
        return Ok(at + decoded.record_bytes());
    }
    let mut next = at + 1;
    while next < window.end() && matches!(found_at(window, header, site, next)?, Found::Damage(_)) {
        next += 1;
    }
    let skipped = next - at;
    lines.text(format_args!(
        "damage at {at}: {damage}; {skipped} bytes passed over"
    ))?;
    let shown = usize::try_from(skipped).unwrap_or(usize::MAX).min(64);
    let bytes = window.at(at, shown)?;
    lines.field(
        at,
        bytes,
        skipped,
        "",
        format_args!("{}", Text::quoted(bytes)),
    )?;
    Ok(next)
}

/// The fields of a record whose head is right: `bytes` are the head's.
fn dump_record<F, R, O, W>(
    window: &mut Window<F>,
    lines: &mut Lines<O>,
    site: Site,
    offset: u64,
    decoded: &Decoded,
    bytes: &[u8],
    totals: &mut Totals,
) -> Result<(), DumpError<R, W>>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
    O: FnMut(&str) -> Result<(), W>,
{
    let head = &decoded.head;
    let (key_check, body_crc) = sums(window, offset, decoded)?;
    if body_crc != head.body_crc {
        totals.damaged += 1;
    }
    let mut cursor = Cursor {
        lines,
        offset,
        bytes,
        at: 0,
    };
    cursor.fixed(4, "check", format_args!("right"))?;
    let verdict = Verdict {
        found: head.body_crc,
        right: body_crc,
    };
    cursor.fixed(4, "body crc", format_args!("{verdict}"))?;
    let verdict = Verdict {
        found: u32::from(head.key_check),
        right: u32::from(key_check),
    };
    cursor.fixed(2, "key check", format_args!("{verdict}"))?;
    cursor.fixed(1, "tag", format_args!("{}", Tag(head)))?;
    let delta = head.seq - site.base_seq;
    cursor.varint(
        "seq",
        format_args!("{} = {} + {delta}", head.seq, site.base_seq),
    )?;
    cursor.varint("key bytes", format_args!("{}", head.key_bytes))?;
    cursor.varint("value bytes", format_args!("{}", head.value_bytes))?;
    if let Some(expiry_ms) = head.expiry_ms {
        cursor.varint("expiry", format_args!("{expiry_ms} ms"))?;
    }
    if let Some(durable) = head.durable {
        cursor.varint("durable", format_args!("bytes below {durable}"))?;
    }
    if let Batch::First {
        rest_bytes,
        rest_records,
    } = head.batch
    {
        cursor.varint("batch bytes", format_args!("{rest_bytes} follow"))?;
        cursor.varint("batch records", format_args!("{rest_records} follow"))?;
    }
    let key_at = offset + decoded.head_bytes as u64;
    let value_at = key_at + u64::from(head.key_bytes);
    if head.key_bytes > 0 {
        let key = window.at(key_at, usize::from(head.key_bytes))?;
        let total = u64::from(head.key_bytes);
        lines.field(
            key_at,
            key,
            total,
            "key",
            format_args!("{}", Text::quoted(key)),
        )?;
    }
    if head.value_bytes > 0 {
        let total = u64::from(head.value_bytes);
        let shown = usize::try_from(head.value_bytes)
            .unwrap_or(usize::MAX)
            .min(256);
        let value = window.at(value_at, shown)?;
        match head.kind {
            Kind::Marker if value.len() == 8 => {
                let ms = u64_at(value, 0);
                lines.field(value_at, value, total, "time", format_args!("{ms} ms"))?;
            }
            _ => lines.field(
                value_at,
                value,
                total,
                "value",
                format_args!("{}", Text::quoted(value)),
            )?,
        }
    }
    Ok(())
}

/// The key check and the body CRC of the bytes that are there.
fn sums<F, R, W>(
    window: &mut Window<F>,
    offset: u64,
    decoded: &Decoded,
) -> Result<(u16, u32), DumpError<R, W>>
where
    F: FnMut(u64, &mut [u8]) -> Result<usize, R>,
{
    let key_at = offset + decoded.head_bytes as u64;
    let key = window.at(key_at, usize::from(decoded.head.key_bytes))?;
    let key_check = check::key(key);
    let mut running = Running::new();
    running.update(key);
    let mut at = key_at + u64::from(decoded.head.key_bytes);
    let end = offset + decoded.record_bytes();
    while at < end {
        let rest = usize::try_from(end - at).unwrap_or(usize::MAX);
        let piece = window.at(at, rest.min(WINDOW_BYTES))?;
        if piece.is_empty() {
            break;
        }
        running.update(piece);
        at += piece.len() as u64;
    }
    Ok((key_check, running.finish()))
}

fn dump_footer<R, O, W>(
    lines: &mut Lines<O>,
    footer: &Footer,
    bytes: &[u8; FOOTER_BYTES],
) -> Result<(), DumpError<R, W>>
where
    O: FnMut(&str) -> Result<(), W>,
{
    let at = footer.data_end;
    let magic: [u8; 8] = array(bytes, 0);
    lines.field(
        at,
        &magic,
        8,
        "magic",
        format_args!("{}", Text::all(&magic)),
    )?;
    header_fields(lines, at + 8, &bytes[8..8 + FILE_HEADER_BYTES])?;
    let mut field = |from: usize, len: usize, name: &str, value: fmt::Arguments<'_>| {
        let bytes = &bytes[from..from + len];
        lines.field(at + from as u64, bytes, len as u64, name, value)
    };
    field(88, 8, "data end", format_args!("{}", footer.data_end))?;
    field(96, 8, "records", format_args!("{}", footer.records))?;
    field(104, 8, "first seq", format_args!("{}", footer.first_seq))?;
    field(112, 8, "last seq", format_args!("{}", footer.last_seq))?;
    field(120, 8, "sealed", format_args!("{} ms", footer.sealed_ms))?;
    let verdict = Verdict {
        found: u32_at(bytes, 128),
        right: check::plain(&bytes[..128]),
    };
    field(128, 4, "crc", format_args!("{verdict}"))
}

/// Walks the fields of a head.
struct Cursor<'a, O> {
    lines: &'a mut Lines<O>,
    offset: u64,
    bytes: &'a [u8],
    at: usize,
}

impl<O> Cursor<'_, O> {
    fn fixed<R, W>(
        &mut self,
        len: usize,
        name: &str,
        value: fmt::Arguments<'_>,
    ) -> Result<(), DumpError<R, W>>
    where
        O: FnMut(&str) -> Result<(), W>,
    {
        let bytes = self.bytes.get(self.at..self.at + len).unwrap_or_default();
        let offset = self.offset + self.at as u64;
        self.at += len;
        self.lines.field(offset, bytes, len as u64, name, value)
    }

    fn varint<R, W>(&mut self, name: &str, value: fmt::Arguments<'_>) -> Result<(), DumpError<R, W>>
    where
        O: FnMut(&str) -> Result<(), W>,
    {
        let mut end = self.at;
        let len = match varint::read(self.bytes, &mut end) {
            Some(_) => end - self.at,
            None => 0,
        };
        self.fixed(len, name, value)
    }
}

/// A record in a few words.
struct Summary<'a>(&'a Decoded);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} bytes",
            word(self.0.head.kind),
            self.0.record_bytes()
        )
    }
}

/// A tag's kind and flags.
struct Tag<'a>(&'a Head);

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(self.0.kind))?;
        if self.0.expiry_ms.is_some() {
            f.write_str(", expiry")?;
        }
        if self.0.durable.is_some() {
            f.write_str(", durable")?;
        }
        f.write_str(match self.0.batch {
            Batch::None => "",
            Batch::First { .. } => ", batch first",
            Batch::Member => ", batch member",
        })
    }
}

pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Put => "put",
        Kind::Tombstone => "tombstone",
        Kind::Marker => "marker",
        Kind::MetaPut => "meta put",
        Kind::MetaTombstone => "meta tombstone",
    }
}
