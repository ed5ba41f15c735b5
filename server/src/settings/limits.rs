//! What clients may use.

use super::Setting;
use super::values::{bytes, number, show_time, time};
use crate::config::MailLimits;
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
    .told(LIMITS, "Most connections at a time"),
    Setting::new(
        "maxclients-per-address",
        "COUNT",
        |config, words| {
            let most = number(&words[0], 0..=u32::MAX as usize)?;
            config.limits.clients_per_address_max = (most > 0).then_some(most);
            Ok(())
        },
        |config| {
            let most = config.limits.clients_per_address_max;
            vec![most.unwrap_or(0).to_string()]
        },
    )
    .live()
    .told(
        LIMITS,
        "Most connections at a time from one address, or one /64 of IPv6, so that no client takes them all; 0 means \
         no limit",
    ),
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
        "Close a connection that sends no command for this long; 0 means never",
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
        "Time for a new connection to finish its TLS handshake and, where a password is needed, to log in",
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
        "Close a connection that leaves a command unfinished, or replies unread, for this long",
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
    .told(LIMITS, "Most arguments in one command"),
    Setting::new(
        "proto-max-bulk-len",
        "BYTES",
        |config, words| {
            config.limits.bulk_bytes_max = size(&words[0])?;
            Ok(())
        },
        |config| vec![config.limits.bulk_bytes_max.to_string()],
    )
    .told(LIMITS, "Most bytes in one argument, and so in one value"),
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
        "Most bytes in one command, and in everything one client has queued or watches",
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
    .told(LIMITS, "Most bytes in one reply, including the reply to a whole transaction"),
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
        "Most bytes that all clients together may have sent and the server has not yet processed",
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
    .or("portcask-output-max")
    .live()
    .told(
        LIMITS,
        "Most bytes of replies and messages waiting to be sent to all clients together. Above this, the server \
         closes the client that holds the most",
    ),
    Setting::new(
        "client-output-buffer-limit",
        "CLASS HARD SOFT SECONDS",
        |config, words| {
            config.limits.mail = mail_limits(config.limits.mail, &words.join(" "))?;
            Ok(())
        },
        |config| show_mail_limits(config.limits.mail),
    )
    .many()
    .live()
    .told(
        LIMITS,
        "How much a subscriber may leave unread: HARD bytes at any moment, SOFT bytes for SECONDS, such as \
         `pubsub 32mb 8mb 60`; 0 means no limit. Only class pubsub has limits, because the server stops reading \
         from a client that does not read its replies",
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
        "Threads that serve clients, and as many again for newcomers and clients with long replies; 0 means one of each \
         for every two processors, and as many as there are processors for reads that come many at a time",
    ),
];

/// Limits by class of clients, four words for each.
fn mail_limits(now: MailLimits, value: &str) -> Result<MailLimits, String> {
    let mut limits = now;
    let words: Vec<&str> = value.split_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for class in words.chunks(4) {
        let bound = |word: &str| bytes(word, 0..=isize::MAX as u64).ok();
        let seconds = class[3].parse::<u32>().ok();
        let (Some(hard_bytes), Some(soft_bytes), Some(seconds)) =
            (bound(class[1]), bound(class[2]), seconds)
        else {
            let words =
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
            return Err(words.into());
        };
        let is_none = [hard_bytes, soft_bytes] == [0; 2];
        match class[0].to_ascii_lowercase().as_str() {
            "pubsub" => {
                limits = MailLimits {
                    hard_bytes: unbound(hard_bytes),
                    soft_bytes: unbound(soft_bytes),
                    soft_time: Duration::from_secs(seconds.into()),
                };
            }
            "normal" | "slave" | "replica" if is_none => {}
            "normal" | "slave" | "replica" => {
                let words =
                    "only the limits of class pubsub can be set: replies are never gathered.";
                return Err(words.into());
            }
            _ => {
                let words = "Invalid client class specified in buffer limit configuration.";
                return Err(words.into());
            }
        }
    }
    Ok(limits)
}

/// 0 is no limit.
fn unbound(bytes: u64) -> usize {
    match usize::try_from(bytes) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(bytes) => bytes,
    }
}

fn show_mail_limits(limits: MailLimits) -> Vec<String> {
    let bound = |bytes: usize| if bytes == usize::MAX { 0 } else { bytes };
    let (hard, soft) = (bound(limits.hard_bytes), bound(limits.soft_bytes));
    let seconds = limits.soft_time.as_secs();
    let shown = format!("normal 0 0 0 slave 0 0 0 pubsub {hard} {soft} {seconds}");
    shown.split(' ').map(str::to_owned).collect()
}

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
