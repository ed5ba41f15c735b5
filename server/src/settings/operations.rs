//! What operators see.

use super::Setting;
use super::values::{choice, number};
use crate::config::{DebugCommand, LogLevel};
use crate::pubsub::Classes;
use std::path::Path;

const OPERATIONS: &str = "Operations";

const LEVELS: &[(&str, LogLevel)] = &[
    ("debug", LogLevel::Debug),
    ("verbose", LogLevel::Verbose),
    ("notice", LogLevel::Notice),
    ("warning", LogLevel::Warning),
];

const FORMATS: &[(&str, bool)] = &[("text", false), ("json", true)];

const DEBUG_COMMAND: &[(&str, DebugCommand)] = &[
    ("no", DebugCommand::No),
    ("local", DebugCommand::Local),
    ("yes", DebugCommand::Yes),
];

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "loglevel",
        "LEVEL",
        |config, words| {
            config.log_level = choice(&words[0], LEVELS)?;
            Ok(())
        },
        |config| shown(LEVELS, config.log_level),
    )
    .told(
        OPERATIONS,
        "The least serious events to log to standard error: debug, verbose, notice or warning",
    ),
    Setting::new(
        "log-format",
        "text|json",
        |config, words| {
            config.log_json = choice(&words[0], FORMATS)?;
            Ok(())
        },
        |config| shown(FORMATS, config.log_json),
    )
    .told(OPERATIONS, "Log lines for people, or one JSON object per line"),
    Setting::new(
        "metrics-port",
        "PORT",
        |config, words| {
            config.metrics_port = match words[0].as_str() {
                "none" => None,
                port => Some(number(port, 0..=u16::MAX)?),
            };
            Ok(())
        },
        |config| {
            let port = config.metrics_port.map(|port| port.to_string());
            vec![port.unwrap_or("none".to_owned())]
        },
    )
    .told(
        OPERATIONS,
        "Serve GET /metrics (for Prometheus) and /healthz over HTTP on this port; 0 picks a free one",
    ),
    Setting::new(
        "metrics-bind",
        "ADDRESS",
        |config, words| {
            let ip = words[0].parse();
            config.metrics_bind = ip.map_err(|_| "argument must be an IP address")?;
            Ok(())
        },
        |config| vec![config.metrics_bind.to_string()],
    )
    .told(
        OPERATIONS,
        "The address of the metrics port, which asks for no password",
    ),
    Setting::new(
        "notify-keyspace-events",
        "LETTERS",
        |config, words| {
            let classes = Classes::parse(words[0].as_bytes());
            config.keyspace_events =
                classes.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
            Ok(())
        },
        |config| vec![config.keyspace_events.to_string()],
    )
    .live()
    .told(
        OPERATIONS,
        "Keyspace events to send to subscribers, as Redis's letters: KEA is every change to keys; empty means none",
    ),
    Setting::new(
        "backup-dir",
        "DIR",
        |config, words| {
            config.backup_dir = (!words[0].is_empty()).then(|| words[0].as_str().into());
            Ok(())
        },
        |config| {
            let dir = config.backup_dir.as_deref().unwrap_or(Path::new(""));
            vec![dir.display().to_string()]
        },
    )
    .told(
        OPERATIONS,
        "Where BGSAVE puts backups, each a directory that opens as a store; without this, BGSAVE only syncs",
    ),
    Setting::new(
        "slowlog-log-slower-than",
        "US",
        |config, words| {
            config.watching.slow_from_us = number(&words[0], -1..=i64::MAX)?;
            Ok(())
        },
        |config| vec![config.watching.slow_from_us.to_string()],
    )
    .live()
    .told(
        OPERATIONS,
        "Add commands that take at least this many microseconds to SLOWLOG; 0 adds all, -1 none",
    ),
    Setting::new(
        "slowlog-max-len",
        "COUNT",
        |config, words| {
            config.watching.slow_len = number(&words[0], 0..=100_000)?;
            Ok(())
        },
        |config| vec![config.watching.slow_len.to_string()],
    )
    .live()
    .told(OPERATIONS, "Most commands that SLOWLOG keeps"),
    Setting::new(
        "latency-monitor-threshold",
        "MS",
        |config, words| {
            config.watching.spike_from_ms = number(&words[0], 0..=u64::MAX / 2)?;
            Ok(())
        },
        |config| vec![config.watching.spike_from_ms.to_string()],
    )
    .live()
    .told(
        OPERATIONS,
        "Show commands that take at least this many milliseconds in LATENCY; 0 shows none",
    ),
    Setting::new(
        "enable-debug-command",
        "no|local|yes",
        |config, words| {
            config.debug_command = choice(&words[0], DEBUG_COMMAND)?;
            Ok(())
        },
        |config| shown(DEBUG_COMMAND, config.debug_command),
    )
    .told(
        OPERATIONS,
        "Who may use DEBUG: nobody (no), clients on this machine (local), or everybody (yes)",
    ),
];

fn shown<T: PartialEq>(choices: &[(&str, T)], chosen: T) -> Vec<String> {
    let found = choices.iter().find(|(_, it)| *it == chosen);
    found
        .map(|(name, _)| (*name).to_owned())
        .into_iter()
        .collect()
}
