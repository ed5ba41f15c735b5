//! Verbs that read and write single keys and list them.

use crate::units::{parse_duration_ms, parse_time_ms};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

pub const PUT_EXAMPLES: &str = "\
Examples:
  portcask --dir data put user:1 Ann
  portcask --dir data put photo:7 --file cat.jpg
  date | portcask --dir data put now -
  portcask --dir data put session:9 token --ttl 30m
  portcask --dir data put job:3 done --if-seq 41
  portcask --dir data put -- -key -value       after -- nothing is an option";

/// Store a value under a key, replacing an older one
///
/// Keys and values are arbitrary bytes; an empty value is a value. Exits 1 if a condition does
/// not hold, and then nothing was written.
#[derive(Args, Clone, Debug)]
pub struct PutArgs {
    /// The key
    pub key: OsString,
    /// The value, or - to read it from standard input
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        allow_hyphen_values = true
    )]
    pub value: Option<OsString>,
    /// Read the value from this file
    #[arg(long, short = 'f', value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Expire the key this long after the write: 500ms, 10s, 5m, 2h, 1d, 1h30m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration_ms)]
    pub ttl: Option<u64>,
    /// Expire the key at this time: unix milliseconds or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time_ms, conflicts_with = "ttl")]
    pub expires_at: Option<u64>,
    /// Only if the key does not exist
    #[arg(long, group = "condition")]
    pub if_absent: bool,
    /// Only if the key exists
    #[arg(long, group = "condition")]
    pub if_present: bool,
    /// Only if the key's version is still this one, as get --json printed it
    #[arg(long, value_name = "SEQ", group = "condition")]
    pub if_seq: Option<u64>,
    /// KEY is given in base64
    #[arg(long)]
    pub key_base64: bool,
    /// The value is given in base64
    #[arg(long, short = 'b')]
    pub base64: bool,
}

pub const GET_EXAMPLES: &str = "\
Examples:
  portcask --dir data get user:1
  portcask --dir data get photo:7 --output cat.jpg
  portcask --dir data get user:1 --json";

/// Print the exact bytes of a key's value
///
/// Nothing is added, except a newline when the output is a terminal. A missing key prints
/// nothing and exits 1.
#[derive(Args, Clone, Debug)]
pub struct GetArgs {
    /// The key
    pub key: OsString,
    /// Write the value to this file instead
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// KEY is given in base64
    #[arg(long)]
    pub key_base64: bool,
    /// Print the value in base64, on one line
    #[arg(long, short = 'b')]
    pub base64: bool,
}

/// Delete keys
///
/// Exits 1 if none of them existed; with --json says how many did.
#[derive(Args, Clone, Debug)]
pub struct DeleteArgs {
    /// The keys
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<OsString>,
    /// Only if the key's version is still this one (one key)
    #[arg(long, value_name = "SEQ")]
    pub if_seq: Option<u64>,
    /// The keys are given in base64
    #[arg(long)]
    pub key_base64: bool,
}

/// One key: exists, ttl, persist and history take nothing else.
#[derive(Args, Clone, Debug)]
pub struct KeyArg {
    /// The key
    pub key: OsString,
    /// KEY is given in base64
    #[arg(long)]
    pub key_base64: bool,
}

/// Count the keys
#[derive(Args, Clone, Debug)]
pub struct CountArgs {
    /// Only keys that start with this; reads every key
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<OsString>,
}

pub const KEYS_EXAMPLES: &str = "\
Examples:
  portcask --dir data keys --prefix user: --sort
  portcask --dir data keys -0 | xargs -0 -n1 portcask --dir data get
  portcask --dir data keys --limit 100              the last line on stderr says how to go on
  portcask --dir data keys --limit 100 --cursor 913523";

/// List the keys, one per line
///
/// In the store's own order, which does not change while the store is merged or reopened, so
/// that a list can be continued with --cursor. Keys with newlines: use -0, --base64 or --json.
#[derive(Args, Clone, Debug)]
pub struct KeysArgs {
    #[command(flatten)]
    pub list: ListArgs,
}

/// What keys and scan share.
#[derive(Args, Clone, Debug, Default)]
pub struct ListArgs {
    /// Only keys that start with this
    #[arg(long, short = 'p', value_name = "PREFIX")]
    pub prefix: Option<OsString>,
    /// Stop after this many
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Continue where an earlier listing stopped
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<u64>,
    /// Sort by the keys' bytes; holds all keys in memory
    #[arg(long, short = 's', conflicts_with = "cursor")]
    pub sort: bool,
    /// Print in base64
    #[arg(long, short = 'b')]
    pub base64: bool,
    /// End with a zero byte instead of a newline (and of a tab between key and value)
    #[arg(long, short = '0', conflicts_with = "base64")]
    pub null: bool,
}

pub const SCAN_EXAMPLES: &str = "\
Examples:
  portcask --dir data scan user:                    keys that start with user:
  portcask --dir data scan --json | jq -r .value
  portcask --dir data scan --sort --limit 10";

/// Print keys and their values, separated by a tab
///
/// In the store's own order unless --sort. Binary data: use --json, --base64 or -0.
#[derive(Args, Clone, Debug)]
pub struct ScanArgs {
    /// Only keys that start with this (same as --prefix)
    #[arg(value_name = "PREFIX", conflicts_with = "prefix")]
    pub starts_with: Option<OsString>,
    #[command(flatten)]
    pub list: ListArgs,
}

/// Print the keys from START to END and their values, sorted
///
/// START is included, END is not. Reads and sorts every key.
#[derive(Args, Clone, Debug)]
pub struct RangeArgs {
    /// The first key
    pub start: OsString,
    /// The key after the last; without it to the end
    pub end: Option<OsString>,
    /// Stop after this many
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Print in base64
    #[arg(long, short = 'b')]
    pub base64: bool,
    /// End with a zero byte instead of a newline (and of a tab between key and value)
    #[arg(long, short = '0', conflicts_with = "base64")]
    pub null: bool,
}

pub const EXPIRE_EXAMPLES: &str = "\
Examples:
  portcask --dir data expire session:9 30m
  portcask --dir data expire session:9 --at 2027-01-31T12:00:00Z";

/// Set when a key expires; exits 1 if there is no such key
#[derive(Args, Clone, Debug)]
pub struct ExpireArgs {
    /// The key
    pub key: OsString,
    /// How long from now: 500ms, 10s, 5m, 2h, 1d
    #[arg(value_name = "DURATION", value_parser = parse_duration_ms, required_unless_present = "at")]
    pub after: Option<u64>,
    /// At this time: unix milliseconds or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time_ms, conflicts_with = "after")]
    pub at: Option<u64>,
    /// KEY is given in base64
    #[arg(long)]
    pub key_base64: bool,
}

/// Print the changes of the store, oldest first
///
/// A resumable feed: go on with --from and the number on the last line. Exits 3 if merge has
/// already dropped changes that were asked for.
#[derive(Args, Clone, Debug)]
pub struct ChangesArgs {
    /// The first sequence number wanted; without it the oldest that is complete
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,
    /// Stop after this many
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<usize>,
}
