//! A hint as text: its blocks and their entries.

use super::DumpError;
use super::lines::Lines;
use super::segment::word;
use super::window::Window;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader};
use crate::format::hint::{BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, Entry, decode_block};
use crate::format::u32_at;
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
    let mut at = FILE_HEADER_BYTES as u64;
    let mut covered = FILE_HEADER_BYTES as u64;
    let (mut blocks, mut entries) = (0u64, 0u64);
    while at < window.end() {
        let end = window.end();
        let bytes = window.at(at, BLOCK_BYTES_MAX)?;
        let (block, total) = match decode_block(bytes, header.salt, at) {
            Ok(found) => found,
            Err(damage) => {
                lines.text(format_args!(
                    "damage at {at}: {damage}; a reader stops here, {} bytes before the end",
                    end - at
                ))?;
                let shown = &bytes[..bytes.len().min(64)];
                lines.field(at, shown, end - at, "", format_args!(""))?;
                break;
            }
        };
        blocks += 1;
        lines.text(format_args!(
            "block {blocks} at {at}: {} entries, {total} bytes",
            block.count
        ))?;
        if block.from != covered {
            lines.text(format_args!(
                "a reader stops here: the block begins at {}, not at {covered}",
                block.from
            ))?;
        }
        covered = block.to;
        let payload_bytes = u32_at(bytes, 4);
        let mut field = |from: usize, len: usize, name: &str, value: fmt::Arguments<'_>| {
            let bytes = &bytes[from..from + len];
            lines.field(at + from as u64, bytes, len as u64, name, value)
        };
        field(0, 4, "check", format_args!("right"))?;
        field(4, 4, "payload bytes", format_args!("{payload_bytes}"))?;
        field(8, 8, "from", format_args!("{}", block.from))?;
        field(16, 8, "to", format_args!("{}", block.to))?;
        field(24, 4, "entries", format_args!("{}", block.count))?;
        let mut from = BLOCK_HEAD_BYTES;
        for (offset, entry) in block.entries() {
            let len = entry.entry_bytes();
            field(
                from,
                len,
                "entry",
                format_args!("{}", Described(offset, &entry)),
            )?;
            from += len;
            entries += 1;
        }
        at += total as u64;
    }
    lines.text(format_args!(
        "{entries} entries in {blocks} blocks, covering records up to {covered}"
    ))
}

struct Described<'a>(u64, &'a Entry);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.1;
        write!(
            f,
            "{} at {}, {} bytes",
            word(entry.kind),
            self.0,
            entry.record_bytes
        )?;
        if let Some(hash) = entry.hash {
            write!(f, ", hash {:016x} {:08x}", hash.hi, hash.lo)?;
        }
        match entry.expiry_ms {
            Some(expiry_ms) => write!(f, ", expires {expiry_ms} ms"),
            None => Ok(()),
        }
    }
}
