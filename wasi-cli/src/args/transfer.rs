//! Verbs that bring data in and out.

use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// The format of a file of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON Lines: {"key": ..., "value": ...}; bytes that are not UTF-8 as key_base64, value_base64
    #[value(alias = "json", alias = "ndjson")]
    Jsonl,
    /// comma-separated, quoted where needed
    Csv,
    /// tab-separated, quoted where needed
    Tsv,
}

pub const IMPORT_EXAMPLES: &str = "\
Examples:
  portcask --dir data import dump.jsonl
  portcask --dir data import people.csv --header --key-column id --value-column name
  portcask --dir data import UnicodeData.txt --delimiter ';' --key-column 1 --value-column 2
  portcask --dir old export | portcask --dir new import
  portcask --dir data import redis://localhost:6379    the strings of a running Redis, with their time

JSON Lines: one object per line with key (or key_base64), value (or value_base64) and, if the key
expires, expires_ms in unix milliseconds. A file written by `export` needs no options.";

/// Read records from a file or standard input into the store
///
/// Stores records in batches as it reads them; a later record replaces an earlier one with the
/// same key. A bad line stops the import and its number is reported. Everything before it is
/// kept, and you can simply run the same import again.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file; standard input if - or omitted
    pub file: Option<PathBuf>,
    /// Skip and count bad lines instead of stopping at the first
    #[arg(long)]
    pub skip_bad: bool,
    /// Keys and values in the file are base64 (as prologic's bitcask exports them)
    #[arg(long)]
    pub base64: bool,
    /// Treat quotes in CSV or TSV as ordinary characters
    #[arg(long)]
    pub no_quotes: bool,
    /// Records per batch; a batch is stored whole or not at all
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = at_least_one)]
    pub batch: usize,
    #[command(flatten)]
    pub shape: ShapeArgs,
    #[command(flatten)]
    pub merge: super::MergePolicyArgs,
}

pub const EXPORT_EXAMPLES: &str = "\
Examples:
  portcask --dir data export backup.jsonl
  portcask --dir data export --prefix user: users.csv
  portcask --dir data export --format tsv --no-header | cut -f1";

/// Write all records, sorted by key, to a file or standard output
///
/// The same content always produces the same bytes. Import reads them back without options,
/// including empty and binary keys and values, and expiry. Holds all keys and one value at a time
/// in memory. The file appears under its name only once it is complete.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// The file; standard output if - or omitted
    #[arg(conflicts_with = "output")]
    pub file: Option<PathBuf>,
    /// The file (same as FILE)
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Export only keys that start with this
    #[arg(long, short = 'p', value_name = "PREFIX")]
    pub prefix: Option<OsString>,
    #[command(flatten)]
    pub shape: ShapeArgs,
}

/// How a file of records is laid out.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "File layout")]
pub struct ShapeArgs {
    /// Format of the records; by default the file's extension decides, else JSON Lines
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// The character between columns; implies CSV. Write \t for a tab
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter)]
    pub delimiter: Option<u8>,
    /// Column of the key: a number from 1, or a name (needs --header); in JSON Lines, the field
    #[arg(long, value_name = "COLUMN")]
    pub key_column: Option<String>,
    /// Column of the value
    #[arg(long, value_name = "COLUMN")]
    pub value_column: Option<String>,
    /// Column of the expiry in unix milliseconds, empty for none
    #[arg(long, value_name = "COLUMN")]
    pub expires_column: Option<String>,
    /// The first line of CSV or TSV names the columns and is no record; the line that export writes
    /// (key, value, expires_ms) is recognised without this
    #[arg(long, overrides_with = "no_header")]
    pub header: bool,
    /// There is no line of column names: the first line is a record, whatever it looks like
    #[arg(long)]
    pub no_header: bool,
}

pub const BACKUP_EXAMPLES: &str = "\
Examples:
  portcask --dir data backup /backups/monday           a directory, ready to be opened
  portcask --dir data backup /backups/monday.tar       one file";

/// Copy the whole store, or nothing, to a new directory or a .tar file
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// A new or empty directory, or a file name that ends in .tar
    pub target: PathBuf,
}

pub const RESTORE_EXAMPLES: &str = "\
Examples:
  portcask --dir data restore /backups/monday.tar";

/// Restore a backup into a directory that holds no store
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The directory or .tar file that backup wrote
    pub source: PathBuf,
}

pub const SALVAGE_EXAMPLES: &str = "\
Examples:
  portcask --dir broken salvage --to rescued
  portcask --dir broken salvage --output rescued.jsonl --report lost.json";

/// Save everything readable from a damaged store, and report what was lost
///
/// Needs no manifest and leaves the damaged directory as it is. Exits 3 if anything was lost.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("target").required(true))]
pub struct SalvageArgs {
    /// Build a sound store in this new directory
    #[arg(long, value_name = "DIR", group = "target")]
    pub to: Option<PathBuf>,
    /// Write a JSON Lines file for import; - for standard output
    #[arg(long, short = 'o', value_name = "FILE", group = "target")]
    pub output: Option<PathBuf>,
    /// Write the report of what was saved and lost to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if *byte != b'"' && *byte != b'\n' && *byte != b'\r' => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => Err("expected one single-byte character, not a quote or a line end".to_owned()),
    }
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number of at least 1".to_owned()),
        Ok(count) => Ok(count),
    }
}
