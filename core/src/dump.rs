//! Any file of a store as annotated text: offset, bytes, the field's name, what it says.
//!
//! ```text
//! record 1 at 80: put, 21 bytes
//!         80  f5 25 00 fb              check         right
//!         ..
//!         94  63 61 74                 key           "cat"
//!         97  6d 65 6f 77              value         "meow"
//! ```
//!
//! The kind is taken from the file's header. Damage is described where it lies and passed over: in
//! a segment the text goes on at the next place where a record's head is right, in a hint or a
//! manifest it ends where a reader would. All bytes that are there are shown, also those after the
//! end that the manifest gives a segment.
//!
//! Memory is bounded by constants (a window of 128 KiB and, for a manifest, one record of at most
//! 8 MiB), so files larger than memory can be read; time is linear in the file.

mod hint;
mod lines;
mod manifest;
mod segment;
mod window;

use crate::fallible::{self, OutOfMemory};
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, Footer, HeaderDamage};
use crate::format::{check, u16_at, u32_at, u64_at};
use crate::prelude::*;
use core::fmt;
use lines::Lines;
use window::Window;

/// Writes a file as text, one line per call of `out`, without line ends.
///
/// `read` fills a slice from an offset and answers how many bytes it filled; fewer than asked
/// means end of file. Errors with the first error of either, or [`DumpError::OutOfMemory`].
pub fn dump<R, W>(
    read: impl FnMut(u64, &mut [u8]) -> Result<usize, R>,
    out: impl FnMut(&str) -> Result<(), W>,
) -> Result<(), DumpError<R, W>> {
    let mut window = Window::new(read)?;
    let mut lines = Lines::new(out);
    let mut bytes = [0; FILE_HEADER_BYTES];
    let found = window.copy(0, &mut bytes)?;
    let bytes = &bytes[..found];
    let header = match FileHeader::decode(bytes) {
        Ok(header) => {
            lines.text(format_args!(
                "{} {}, {} bytes",
                header.kind,
                header.id,
                window.end()
            ))?;
            header_fields(&mut lines, 0, bytes)?;
            header
        }
        Err(damage) => {
            lines.text(format_args!("{damage}, {} bytes", window.end()))?;
            match damage {
                HeaderDamage::Damaged => header_fields(&mut lines, 0, bytes)?,
                _ => lines.field(0, bytes, found as u64, "header", format_args!(""))?,
            }
            let footer = match damage {
                // Another version's bytes mean something else; a foreign file means nothing.
                HeaderDamage::NewerVersion { .. } | HeaderDamage::UnknownFlags { .. } => None,
                HeaderDamage::Short => None,
                HeaderDamage::Foreign | HeaderDamage::Damaged => segment::last_footer(&mut window)?,
            };
            let Some(Footer { header, .. }) = footer else {
                return lines.text(format_args!("nothing after the header can be told"));
            };
            lines.text(format_args!(
                "the footer repeats the header of segment {}",
                header.id
            ))?;
            header
        }
    };
    match header.kind {
        FileKind::Segment => segment::dump(&mut window, &mut lines, &header),
        FileKind::Hint => hint::dump(&mut window, &mut lines, &header),
        FileKind::Manifest => manifest::dump(&mut window, &mut lines, &header),
    }
}

/// [`dump`] of bytes in memory, as one text with a line end after each line.
pub fn dump_bytes(bytes: &[u8]) -> String {
    let read = |offset: u64, into: &mut [u8]| {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = bytes.get(from..).unwrap_or_default();
        let found = rest.len().min(into.len());
        into[..found].copy_from_slice(&rest[..found]);
        Ok::<_, fmt::Error>(found)
    };
    let mut text = String::new();
    let out = |line: &str| {
        fallible::push_str(&mut text, line)?;
        fallible::push_str(&mut text, "\n")
    };
    if let Err(error) = dump(read, out) {
        // Of constant size, and all that is left to say.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{error}\n"));
    }
    text
}

/// Why a dump ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DumpError<R, W> {
    /// The file could not be read.
    Read(R),
    /// The text could not be written.
    Write(W),
    /// The allocator refused the window or a manifest record.
    OutOfMemory,
}

impl<R: fmt::Display, W: fmt::Display> fmt::Display for DumpError<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "the file could not be read: {error}"),
            Self::Write(error) => write!(f, "the text could not be written: {error}"),
            Self::OutOfMemory => OutOfMemory.fmt(f),
        }
    }
}

impl<R, W> core::error::Error for DumpError<R, W>
where
    R: fmt::Debug + fmt::Display,
    W: fmt::Debug + fmt::Display,
{
}

impl<R, W> From<OutOfMemory> for DumpError<R, W> {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// The fields of a header that is long enough to be one, right or not.
fn header_fields<R, W, O>(
    lines: &mut Lines<O>,
    at: u64,
    bytes: &[u8],
) -> Result<(), DumpError<R, W>>
where
    O: FnMut(&str) -> Result<(), W>,
{
    let mut field = |from: usize, len: usize, name: &str, value: fmt::Arguments<'_>| {
        let bytes = &bytes[from..from + len];
        lines.field(at + from as u64, bytes, len as u64, name, value)
    };
    field(
        0,
        8,
        "magic",
        format_args!("{}", lines::Text::all(&bytes[..8])),
    )?;
    field(8, 2, "version", format_args!("{}", u16_at(bytes, 8)))?;
    match bytes[10] {
        1 => field(10, 1, "kind", format_args!("segment"))?,
        2 => field(10, 1, "kind", format_args!("hint"))?,
        3 => field(10, 1, "kind", format_args!("manifest"))?,
        _ => field(10, 1, "kind", format_args!("unknown"))?,
    }
    field(11, 1, "zero", format_args!(""))?;
    field(
        12,
        4,
        "required",
        format_args!("{:#010x}", u32_at(bytes, 12)),
    )?;
    field(
        16,
        4,
        "optional",
        format_args!("{:#010x}", u32_at(bytes, 16)),
    )?;
    field(20, 8, "id", format_args!("{}", u64_at(bytes, 20)))?;
    field(28, 8, "salt", format_args!("{:#018x}", u64_at(bytes, 28)))?;
    field(36, 16, "store", format_args!(""))?;
    field(52, 8, "created", format_args!("{} ms", u64_at(bytes, 52)))?;
    field(60, 8, "base seq", format_args!("{}", u64_at(bytes, 60)))?;
    field(68, 8, "zero", format_args!(""))?;
    let verdict = lines::Verdict {
        found: u32_at(bytes, 76),
        right: check::plain(&bytes[..76]),
    };
    field(76, 4, "crc", format_args!("{verdict}"))
}

#[cfg(test)]
mod tests;
