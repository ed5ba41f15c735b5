//! Files of records: JSON Lines and delimited text, read and written one record at a time.

mod delimited;
mod doubt;
mod jsonl;

pub use delimited::{DelimitedReader, DelimitedWriter, Dialect};
pub use jsonl::{JsonlReader, JsonlWriter, record_object};

use crate::args::{Format, ShapeArgs};
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// A key, its value, and when it expires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Any bytes.
    pub key: Vec<u8>,
    /// Any bytes.
    pub value: Vec<u8>,
    /// Unix milliseconds, `None` is never.
    pub expires_ms: Option<u64>,
}

/// Why a record could not be read.
#[derive(Debug)]
pub enum Trouble {
    /// This line is not what was promised; the next one may be.
    Bad(String),
    /// The file cannot be read any further.
    Io(io::Error),
}

/// Reads records one after another.
pub trait ReadRecords {
    /// The next record, or `None` at the end. After [`Trouble::Bad`] it may be called again.
    fn next(&mut self) -> Result<Option<Record>, Trouble>;
    /// Where the record that was last read (or refused) starts, counted from line 1.
    fn line(&self) -> u64;
    /// Bytes of the input taken so far; of a server, keys.
    fn bytes_read(&self) -> u64;
    /// What looks odd about the beginning, where it was taken as it is.
    fn doubt(&self) -> Option<String> {
        None
    }
    /// What was passed over because it is no record: how many of each kind.
    fn left_out(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

/// Writes records one after another.
pub trait WriteRecords {
    /// Adds a record.
    fn write(&mut self, record: &Record) -> io::Result<()>;
    /// Hands everything to what is below.
    fn finish(&mut self) -> io::Result<()>;
}

/// The name of the third column, and of the JSON field.
pub const EXPIRES: &str = "expires_ms";

/// How a file is laid out, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// JSON Lines, and the names of the fields.
    Jsonl(Columns),
    /// Columns with a delimiter between them.
    Delimited {
        delimiter: u8,
        header: Header,
        columns: Columns,
    },
}

/// Which columns (or fields) hold what; `None` is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The key's.
    pub key: Option<String>,
    /// The value's.
    pub value: Option<String>,
    /// The expiry's.
    pub expires: Option<String>,
}

/// Whether the first line names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// If it is the one that export writes.
    Ours,
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl Layout {
    /// What was asked for, or what the file's name says, or JSON Lines.
    pub fn of(shape: &ShapeArgs, file: Option<&Path>) -> Result<Self, Failure> {
        let columns = Columns {
            key: shape.key_column.clone(),
            value: shape.value_column.clone(),
            expires: shape.expires_column.clone(),
        };
        let header = match (shape.header, shape.no_header) {
            (true, _) => Header::Yes,
            (_, true) => Header::No,
            _ => Header::Ours,
        };
        let format = shape.format.or_else(|| {
            shape
                .delimiter
                .map(|_| Format::Csv)
                .or_else(|| by_extension(file?))
        });
        match format {
            None | Some(Format::Jsonl) => {
                let stray = [
                    (shape.delimiter.is_some(), "--delimiter"),
                    (header == Header::Yes, "--header"),
                    (header == Header::No, "--no-header"),
                ];
                match stray.iter().find(|(given, _)| *given) {
                    Some((_, option)) => Err(Failure::usage(format!(
                        "{option} applies to CSV and TSV: add --format csv or --format tsv"
                    ))),
                    None => Ok(Self::Jsonl(columns)),
                }
            }
            Some(format) => Ok(Self::Delimited {
                delimiter: shape.delimiter.unwrap_or(match format {
                    Format::Tsv => b'\t',
                    _ => b',',
                }),
                header,
                columns,
            }),
        }
    }
}

fn by_extension(file: &Path) -> Option<Format> {
    match file.extension()?.to_ascii_lowercase().to_str()? {
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        _ => None,
    }
}

/// The bytes that passed through a reader.
pub(crate) struct Counted<R> {
    inner: R,
    pub(crate) bytes: u64,
}

impl<R> Counted<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, bytes: 0 }
    }
}

impl<R: io::Read> io::Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
