//! What clients may use.

use super::Setting;
use super::values::{bytes, number, show_time, time};
use std::time::Duration;

const LIMITS: &str = "Limits";
/// Nothing smaller lets an ordinary client work.
const BYTES_MIN: u64 = 1 << 20;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "maxclients",
        "COUNT",
        |config, words| {
            config.limits.clients_max = number(&words[0], 1..=u32::MAX as usize)?;
            Ok(())
        },
        |config| vec![config.limits.clients_max.to_string()],
    )
    .live()
    .told(LIMITS, "Connections at a time"),
    Setting::new(
        "timeout",
        "TIME",
        |config, words| {
            let idle = time(&words[0])?;
            config.limits.idle = (!idle.is_zero()).then_some(idle);
            Ok(())
        },
        |config| vec![show_time(config.limits.idle.unwrap_or_default())],
    )
    .live()
    .told(
        LIMITS,
        "Close a connection that sends no command for this time; 0 is never",
    ),
    Setting::new(
        "handshake-timeout",
        "TIME",
        |config, words| {
            config.limits.handshake = some_time(&words[0])?;
            Ok(())
        },
        |config| vec![show_time(config.limits.handshake)],
    )
    .told(
        LIMITS,
        "Time to authenticate, where that is needed, and to begin with TLS",
    ),
    Setting::new(
        "progress-timeout",
        "TIME",
        |config, words| {
            config.limits.progress = some_time(&words[0])?;
            Ok(())
        },
        |config| vec![show_time(config.limits.progress)],
    )
    .told(
        LIMITS,
        "Close a connection that leaves a command half sent, or replies untaken, for this time",
    ),
    Setting::new(
        "max-arguments",
        "COUNT",
        |config, words| {
            config.limits.args_max = number(&words[0], 1024..=i32::MAX as usize)?;
            Ok(())
        },
        |config| vec![config.limits.args_max.to_string()],
    )
    .told(LIMITS, "Arguments of a command"),
    Setting::new(
        "proto-max-bulk-len",
        "BYTES",
        |config, words| {
            config.limits.bulk_bytes_max = size(&words[0])?;
            Ok(())
        },
        |config| vec![config.limits.bulk_bytes_max.to_string()],
    )
    .told(LIMITS, "Bytes of an argument, and so of a value"),
    Setting::new(
        "client-query-buffer-limit",
        "BYTES",
        |config, words| {
            config.limits.queue_bytes_max = size(&words[0])?;
            Ok(())
        },
        |config| vec![config.limits.queue_bytes_max.to_string()],
    )
    .told(
        LIMITS,
        "Bytes of a command in all, and of what one client has queued or watches",
    ),
    Setting::new(
        "client-reply-limit",
        "BYTES",
        |config, words| {
            config.limits.reply_bytes_max = size(&words[0])?;
            Ok(())
        },
        |config| vec![config.limits.reply_bytes_max.to_string()],
    )
    .told(LIMITS, "Bytes of a reply, be it of a whole transaction"),
    Setting::new(
        "maxmemory-clients",
        "BYTES",
        |config, words| {
            config.limits.input_bytes_max = size(&words[0])?;
            Ok(())
        },
        |config| vec![config.limits.input_bytes_max.to_string()],
    )
    .or("input-memory")
    .told(
        LIMITS,
        "Bytes that all clients together have sent and the server not yet dealt with",
    ),
    Setting::new(
        "output-memory",
        "BYTES",
        |config, words| {
            config.limits.output_bytes_max = size(&words[0])?;
            Ok(())
        },
        |config| vec![config.limits.output_bytes_max.to_string()],
    )
    .told(
        LIMITS,
        "Bytes of replies and messages that wait to be sent to all clients together. When it is too much, the \
         client that holds most is closed first",
    ),
    Setting::new(
        "threads",
        "COUNT",
        |config, words| {
            let threads = number(&words[0], 0..=1024)?;
            config.threads = (threads > 0).then_some(threads);
            Ok(())
        },
        |config| vec![config.threads.unwrap_or(0).to_string()],
    )
    .or("io-threads")
    .told(
        LIMITS,
        "Threads that serve connections; 0 is one for each processor",
    ),
];

fn size(word: &str) -> Result<usize, String> {
    let bytes = bytes(word, BYTES_MIN..=isize::MAX as u64)?;
    usize::try_from(bytes).map_err(|_| "argument is more than this machine can address".into())
}

fn some_time(word: &str) -> Result<Duration, String> {
    match time(word)? {
        Duration::ZERO => Err("argument must be at least 1ms".into()),
        time => Ok(time),
    }
}
