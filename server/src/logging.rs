//! Logs on standard error, as lines for people or as JSON.

use portcask_server::{Config, LogLevel};
use std::io;
use tracing_subscriber::filter::LevelFilter;

/// Has everything of this weight logged from now on.
pub fn start(config: &Config) {
    let level = match config.log_level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false);
    match config.log_json {
        true => lines.json().flatten_event(true).init(),
        false => lines.with_ansi(false).init(),
    }
}
