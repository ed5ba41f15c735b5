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
  portcask --dir data put -- -key -value       nothing after -- is read as an option";

/// Store a value under a key, replacing an older one
///
/// Keys and values are arbitrary bytes, and a value may be empty. Exits 1 and writes nothing if a
/// condition does not hold.
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
    /// Write only if the key does not exist
    #[arg(long, group = "condition")]
    pub if_absent: bool,
    /// Write only if the key exists
    #[arg(long, group = "condition")]
    pub if_present: bool,
    /// Write only if the key still has this version, as printed by get --json
    #[arg(long, value_name = "SEQ", group = "condition")]
    pub if_seq: Option<u64>,
    /// KEY is base64
    #[arg(long)]
    pub key_base64: bool,
    /// The value is base64
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
/// Adds nothing but a newline when the output is a terminal. If the key does not exist, prints
/// nothing and exits 1.
#[derive(Args, Clone, Debug)]
pub struct GetArgs {
    /// The key
    pub key: OsString,
    /// Write the value to this file instead
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// KEY is base64
    #[arg(long)]
    pub key_base64: bool,
    /// Print the value as base64, on one line
    #[arg(long, short = 'b')]
    pub base64: bool,
}

/// Delete keys
///
/// Exits 1 if none of them existed; --json reports how many did.
#[derive(Args, Clone, Debug)]
pub struct DeleteArgs {
    /// The keys
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<OsString>,
    /// Delete only if the key still has this version (one key only)
    #[arg(long, value_name = "SEQ")]
    pub if_seq: Option<u64>,
    /// The keys are base64
    #[arg(long)]
    pub key_base64: bool,
}

/// One key: exists, ttl, persist and history take nothing else.
#[derive(Args, Clone, Debug)]
pub struct KeyArg {
    /// The key
    pub key: OsString,
    /// KEY is base64
    #[arg(long)]
    pub key_base64: bool,
}

/// Count the keys
#[derive(Args, Clone, Debug)]
pub struct CountArgs {
    /// Count only keys that start with this; reads every key
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<OsString>,
}

pub const KEYS_EXAMPLES: &str = "\
Examples:
  portcask --dir data keys --prefix user: --sort
  portcask --dir data keys -0 | xargs -0 -n1 portcask --dir data get
  portcask --dir data keys --limit 100              the last line on stderr says how to continue
  portcask --dir data keys --limit 100 --cursor 913523";

/// List the keys, one per line
///
/// The store keeps its own order. It stays the same when the store is merged or reopened, so you
/// can continue a listing with --cursor. If keys contain newlines, use -0, --base64 or --json.
#[derive(Args, Clone, Debug)]
pub struct KeysArgs {
    #[command(flatten)]
    pub list: ListArgs,
}

/// What keys and scan share.
#[derive(Args, Clone, Debug, Default)]
pub struct ListArgs {
    /// List only keys that start with this
    #[arg(long, short = 'p', value_name = "PREFIX")]
    pub prefix: Option<OsString>,
    /// Stop after this many keys
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Continue where an earlier listing stopped
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<u64>,
    /// Sort by the keys' bytes; holds all keys in memory
    #[arg(long, short = 's', conflicts_with = "cursor")]
    pub sort: bool,
    /// Print keys and values as base64
    #[arg(long, short = 'b')]
    pub base64: bool,
    /// Print zero bytes instead of newlines, and instead of the tab between key and value
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
/// Lists keys in the store's own order unless you pass --sort. For binary data use --json,
/// --base64 or -0.
#[derive(Args, Clone, Debug)]
pub struct ScanArgs {
    /// List only keys that start with this (same as --prefix)
    #[arg(value_name = "PREFIX", conflicts_with = "prefix")]
    pub starts_with: Option<OsString>,
    #[command(flatten)]
    pub list: ListArgs,
}

/// Print the keys from START to END and their values, sorted
///
/// Includes START and excludes END. Reads and sorts every key.
#[derive(Args, Clone, Debug)]
pub struct RangeArgs {
    /// The first key
    pub start: OsString,
    /// Stop before this key; by default, go on to the last key
    pub end: Option<OsString>,
    /// Stop after this many keys
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Print keys and values as base64
    #[arg(long, short = 'b')]
    pub base64: bool,
    /// Print zero bytes instead of newlines, and instead of the tab between key and value
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
    /// KEY is base64
    #[arg(long)]
    pub key_base64: bool,
}

/// Print the changes of the store, oldest first
///
/// To resume the feed, pass the number on the last line to --from. Exits 3 if merge has already
/// dropped changes you asked for, and 6 if the log does not reach up to that number.
#[derive(Args, Clone, Debug)]
pub struct ChangesArgs {
    /// Start at this sequence number; by default, at the oldest from which the log is complete
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,
    /// Stop after this many changes
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<usize>,
}
