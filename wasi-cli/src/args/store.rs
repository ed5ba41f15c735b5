//! Options for which store to open, how to open it, and how much to print.

use crate::failure::Failure;
use crate::units::{parse_duration_ms, parse_size};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use portcask::{Ack, MergePolicy, OpenMode, Options};
use std::ffi::OsStr;
use std::path::PathBuf;

/// Global options, before or after the verb.
#[derive(Args, Clone, Debug, Default)]
pub struct StoreArgs {
    /// The directory of the store
    #[arg(
        long,
        short = 'd',
        global = true,
        display_order = 900,
        value_name = "DIR",
        env = "PORTCASK_DIR",
        hide_env_values = true,
        // An empty PORTCASK_DIR is none, not a mistake of its own.
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        aliases = ["data", "path"]
    )]
    pub dir: Option<PathBuf>,

    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "the help shows these words as they are; in brackets stands what may be left out"
    )]
    /// A server instead of a directory: redis://[user:password@]host[:port], rediss://... or redis+unix:///path
    #[arg(
        long,
        short = 'u',
        global = true,
        display_order = 900,
        value_name = "URL",
        env = "PORTCASK_URL",
        hide_env_values = true
    )]
    pub url: Option<String>,

    /// Print JSON: one object, or one object per line for lists
    #[arg(long, global = true, display_order = 901)]
    pub json: bool,

    /// Print no progress and no remarks; still report errors and data loss
    #[arg(long, short = 'q', global = true, display_order = 902)]
    pub quiet: bool,

    /// When a write counts as done
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        help_heading = "Store options",
        hide_short_help = true
    )]
    pub ack: Option<AckLevel>,

    /// Sync every write to the disk before it counts as done (same as --ack synced)
    #[arg(
        long,
        global = true,
        help_heading = "Store options",
        conflicts_with = "ack"
    )]
    pub sync: bool,

    /// Sync when this much time has passed since the last sync, such as 500ms or 15s
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration_ms,
          help_heading = "Store options", hide_short_help = true)]
    pub sync_every: Option<u64>,

    /// To write, wait up to this long for another process to close the store, such as 500ms or 30s
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration_ms,
          help_heading = "Store options", hide_short_help = true)]
    pub wait: Option<u64>,

    /// Start a new segment file at this size: 1MiB to 4GiB, default 256MiB
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_size,
          help_heading = "Store options", hide_short_help = true, alias = "with-max-datafile-size")]
    pub segment_size: Option<u64>,

    /// Refuse longer keys; at most 65535 bytes, which is the default
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_size,
          help_heading = "Store options", hide_short_help = true, alias = "with-max-key-size")]
    pub max_key: Option<u64>,

    /// Refuse larger values; at most 4GiB-1, default 512MiB
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_size,
          help_heading = "Store options", hide_short_help = true, alias = "with-max-value-size")]
    pub max_value: Option<u64>,

    /// Refuse to open if any acknowledged data is damaged
    #[arg(
        long,
        global = true,
        help_heading = "Store options",
        hide_short_help = true
    )]
    pub strict: bool,

    /// In a damaged store, return the older version of a key whose newest may be unreadable
    #[arg(
        long,
        global = true,
        help_heading = "Store options",
        hide_short_help = true
    )]
    pub accept_stale: bool,

    /// Trust the clock even if it jumped by more than a day since the store was last open
    #[arg(
        long,
        global = true,
        help_heading = "Store options",
        hide_short_help = true
    )]
    pub trust_clock: bool,

    /// Read the old record before every overwrite, so that a hash collision cannot replace a key
    #[arg(
        long,
        global = true,
        help_heading = "Store options",
        hide_short_help = true
    )]
    pub verify_overwrite: bool,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AckLevel {
    /// kept in memory; a crash may lose the newest writes
    Buffered,
    /// handed to the system (the default); survives a crash of the program, not a power loss
    Written,
    /// synced to the disk; survives a power loss
    Synced,
}

impl StoreArgs {
    /// The server that is meant, if it is one. An option on the command line outranks the environment.
    pub fn server(&self) -> Result<Option<&str>, Failure> {
        let Some(url) = self.url.as_deref().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        let is_set = |name, value: &OsStr| std::env::var_os(name).is_some_and(|it| it == value);
        let url_typed = !is_set("PORTCASK_URL", url.as_ref());
        let dir = self
            .dir
            .as_deref()
            .filter(|dir| !dir.as_os_str().is_empty());
        let dir_typed = dir.is_some_and(|dir| !is_set("PORTCASK_DIR", dir.as_os_str()));
        match (url_typed, dir_typed) {
            (false, true) => Ok(None),
            (false, false) if dir.is_some() => Err(Failure::usage(
                "PORTCASK_DIR and PORTCASK_URL are both set; choose one with --dir or --url",
            )),
            (true, true) => Err(Failure::usage("use --dir or --url, not both")),
            (true | false, false) => Ok(Some(url)),
        }
    }

    /// The first option given that only opening a directory heeds.
    #[cfg(not(target_family = "wasm"))]
    pub fn of_directories(&self) -> Option<&'static str> {
        let given = [
            (self.sync_every.is_some(), "--sync-every"),
            (self.wait.is_some(), "--wait"),
            (self.segment_size.is_some(), "--segment-size"),
            (self.strict, "--strict"),
            (self.accept_stale, "--accept-stale"),
            (self.trust_clock, "--trust-clock"),
            (self.verify_overwrite, "--verify-overwrite"),
        ];
        given
            .iter()
            .find(|(given, _)| *given)
            .map(|(_, name)| *name)
    }

    /// The engine's options for a writer.
    pub fn write_options(&self) -> Options {
        let mut options = Options::default();
        self.apply(&mut options);
        options
    }

    /// The engine's options for a reader.
    pub fn read_options(&self) -> Options {
        let mut options = Options::read_only();
        self.apply(&mut options);
        options
    }

    fn apply(&self, options: &mut Options) {
        if let Some(ack) = self.ack_level() {
            options.ack = ack;
        }
        options.sync_every_ms = self.sync_every;
        if let Some(bytes) = self.segment_size {
            options.segment_bytes = bytes;
        }
        if let Some(bytes) = self.max_key {
            options.key_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(bytes) = self.max_value {
            options.value_bytes_max = bytes;
        }
        if self.strict {
            options.mode = OpenMode::Strict;
        }
        options.accept_stale = self.accept_stale;
        options.trust_clock = self.trust_clock;
        options.verify_overwrite = self.verify_overwrite;
    }

    /// The acknowledgement level asked for, if one was.
    pub fn ack_level(&self) -> Option<Ack> {
        if self.sync {
            return Some(Ack::Synced);
        }
        self.ack.map(|level| match level {
            AckLevel::Buffered => Ack::Buffered,
            AckLevel::Written => Ack::Written,
            AckLevel::Synced => Ack::Synced,
        })
    }
}

/// When merge is due and what it takes.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Merge policy")]
pub struct MergePolicyArgs {
    /// Merge once a segment is this many percent dead, default 60
    #[arg(long, hide_short_help = true, value_name = "PERCENT")]
    pub fragmentation_trigger: Option<u8>,
    /// Merge once a segment holds this many dead bytes, default 512MiB
    #[arg(long, hide_short_help = true, value_name = "SIZE", value_parser = parse_size)]
    pub dead_bytes_trigger: Option<u64>,
    /// When merging, include segments that are this many percent dead, default 40
    #[arg(long, hide_short_help = true, value_name = "PERCENT")]
    pub fragmentation_threshold: Option<u8>,
    /// When merging, include segments with this many dead bytes, default 128MiB
    #[arg(long, hide_short_help = true, value_name = "SIZE", value_parser = parse_size)]
    pub dead_bytes_threshold: Option<u64>,
    /// Join segments smaller than this, default 10MiB
    #[arg(long, hide_short_help = true, value_name = "SIZE", value_parser = parse_size)]
    pub small_file: Option<u64>,
    /// Join small segments once this many lie side by side, default 4
    #[arg(long, hide_short_help = true, value_name = "COUNT")]
    pub min_files: Option<usize>,
    /// Merge at most this many segments at once, default 64
    #[arg(long, hide_short_help = true, value_name = "COUNT")]
    pub max_files: Option<usize>,
    /// Merge at most this many bytes at once, default 16GiB
    #[arg(long, hide_short_help = true, value_name = "SIZE", value_parser = parse_size)]
    pub max_bytes: Option<u64>,
    /// Hours of the day (UTC) in which merge may start on its own, such as 1-5; default always
    #[arg(long, hide_short_help = true, value_name = "FROM-TO", value_parser = parse_window)]
    pub window: Option<(u8, u8)>,
}

impl MergePolicyArgs {
    /// Changes what was given, leaves the rest.
    pub fn apply(&self, policy: &mut MergePolicy) {
        fn set<T: Copy>(field: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *field = given;
            }
        }
        set(
            &mut policy.fragmentation_trigger_percent,
            self.fragmentation_trigger,
        );
        set(&mut policy.dead_bytes_trigger, self.dead_bytes_trigger);
        set(
            &mut policy.fragmentation_threshold_percent,
            self.fragmentation_threshold,
        );
        set(&mut policy.dead_bytes_threshold, self.dead_bytes_threshold);
        set(&mut policy.small_file_bytes, self.small_file);
        set(&mut policy.min_files, self.min_files);
        set(&mut policy.max_files, self.max_files);
        set(&mut policy.max_bytes, self.max_bytes);
        if self.window.is_some() {
            policy.window_hours = self.window;
        }
    }
}

fn parse_window(text: &str) -> Result<(u8, u8), String> {
    let hour = |part: &str| part.trim().parse::<u8>().ok().filter(|hour| *hour < 24);
    text.split_once('-')
        .and_then(|(from, to)| Some((hour(from)?, hour(to)?)))
        .ok_or_else(|| "expected two hours from 0 to 23, such as 1-5".to_owned())
}
