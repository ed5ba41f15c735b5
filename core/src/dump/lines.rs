//! The form of one line.

use super::DumpError;
use crate::prelude::*;
use core::fmt::{self, Write};

/// Bytes shown on one line.
const ROW_BYTES: usize = 8;
/// A field up to this long is shown whole, a longer one by its first line.
const WHOLE_BYTES_MAX: u64 = 64;
/// Bytes of a text shown before it is cut.
const TEXT_BYTES_MAX: usize = 40;

/// Builds lines in one reused buffer and hands them on. What a line shows is bounded by constants.
pub(super) struct Lines<F> {
    out: F,
    line: String,
}

impl<F, W> Lines<F>
where
    F: FnMut(&str) -> Result<(), W>,
{
    pub(super) fn new(out: F) -> Self {
        Self {
            out,
            line: String::new(),
        }
    }

    /// A line of prose.
    pub(super) fn text<R>(&mut self, text: fmt::Arguments<'_>) -> Result<(), DumpError<R, W>> {
        self.line.clear();
        // Writing to a string only fails when a Display of ours says so, and none does.
        let _ = self.line.write_fmt(text);
        self.hand_on()
    }

    /// A field at `offset`: `bytes` are all of its `total` bytes, or the first of them.
    pub(super) fn field<R>(
        &mut self,
        offset: u64,
        bytes: &[u8],
        total: u64,
        name: &str,
        value: fmt::Arguments<'_>,
    ) -> Result<(), DumpError<R, W>> {
        let whole = total <= WHOLE_BYTES_MAX && total == bytes.len() as u64;
        let shown = match whole {
            true => bytes,
            false => &bytes[..bytes.len().min(ROW_BYTES - 1)],
        };
        let cut = if whole { "" } else { ".." };
        let hex = Spaced(&shown[..shown.len().min(ROW_BYTES)], cut);
        self.text(format_args!("{offset:10}  {hex:<23}  {name:<13} {value}"))?;
        for (row, bytes) in shown.chunks(ROW_BYTES).enumerate().skip(1) {
            let offset = offset + (row * ROW_BYTES) as u64;
            self.text(format_args!("{offset:10}  {}", Spaced(bytes, "")))?;
        }
        Ok(())
    }

    fn hand_on<R>(&mut self) -> Result<(), DumpError<R, W>> {
        let kept = self.line.trim_end().len();
        (self.out)(&self.line[..kept]).map_err(DumpError::Write)
    }
}

/// Bytes as pairs of digits with a space between, padded as one piece.
struct Spaced<'a>(&'a [u8], &'a str);

impl fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for byte in self.0 {
            write!(text, "{byte:02x} ")?;
        }
        text.write_str(self.1)?;
        f.pad(text.trim_end())
    }
}

/// Bytes as text: printable ASCII as it is, everything else escaped, long ones cut.
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    quote: &'static str,
}

impl<'a> Text<'a> {
    /// In quotes; the caller may give the first bytes of something longer.
    pub(super) fn quoted(bytes: &'a [u8]) -> Self {
        Self { bytes, quote: "\"" }
    }

    /// Without quotes.
    pub(super) fn all(bytes: &'a [u8]) -> Self {
        Self { bytes, quote: "" }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.bytes[..self.bytes.len().min(TEXT_BYTES_MAX)];
        f.write_str(self.quote)?;
        write!(f, "{}", shown.escape_ascii())?;
        f.write_str(self.quote)?;
        match shown.len() < self.bytes.len() {
            true => f.write_str(".."),
            false => Ok(()),
        }
    }
}

/// What a stored checksum is worth.
pub(super) struct Verdict {
    pub(super) found: u32,
    pub(super) right: u32,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found == self.right {
            true => f.write_str("right"),
            false => write!(
                f,
                "WRONG: {:#010x} is stored, the bytes give {:#010x}",
                self.found, self.right
            ),
        }
    }
}
