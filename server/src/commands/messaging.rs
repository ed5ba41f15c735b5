//! Parameters of `CONFIG` about messages and what waits to be sent.

use super::refusal::Refusal;
use crate::config::MailLimits;
use crate::pubsub::Classes;
use crate::server::Shared;
use std::time::Duration;

/// Every such parameter and its value now.
pub(super) fn parameters(server: &Shared) -> [(&'static str, String); 3] {
    let mail = server.hub.limits();
    let events = server.store.events().asked();
    let limits = format!(
        "normal 0 0 0 slave 0 0 0 pubsub {} {} {}",
        mail.hard_bytes,
        mail.soft_bytes,
        mail.soft_time.as_secs()
    );
    [
        ("client-output-buffer-limit", limits),
        ("notify-keyspace-events", events.to_string()),
        (
            "portcask-output-max",
            server.outgoing.bytes_max().to_string(),
        ),
    ]
}

/// A change that was understood and not yet made.
pub(super) enum Change {
    Mail(MailLimits),
    Events(Classes),
    OutputMax(usize),
}

impl Change {
    /// What a parameter is to become; `None` if it is not one of these.
    pub(super) fn parse(
        server: &Shared,
        name: &[u8],
        value: &[u8],
    ) -> Option<Result<Self, Refusal>> {
        let change = match name {
            b"client-output-buffer-limit" => {
                mail_limits(server.hub.limits(), value).map(Self::Mail)
            }
            b"notify-keyspace-events" => Classes::parse(value)
                .map(Self::Events)
                .ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
            b"portcask-output-max" => bytes(value)
                .map(Self::OutputMax)
                .ok_or("argument must be a memory value"),
            _ => return None,
        };
        Some(change.map_err(|words| {
            let name = String::from_utf8_lossy(name);
            format!("CONFIG SET failed (possibly related to argument '{name}') - {words}").into()
        }))
    }

    pub(super) fn make(self, server: &Shared) {
        match self {
            Self::Mail(limits) => server.hub.set_limits(limits),
            Self::OutputMax(bytes) => server.outgoing.set_bytes_max(bytes),
            Self::Events(classes) => {
                if server.store.events().ask(classes) {
                    let store = server.store.clone();
                    tokio::task::spawn_blocking(move || store.note_ends());
                }
            }
        }
    }
}

/// Limits by class of clients, four words for each. Only subscribers have any: a client that does not read its
/// replies is not read from.
fn mail_limits(now: MailLimits, value: &[u8]) -> Result<MailLimits, &'static str> {
    let mut limits = now;
    let words: Vec<&[u8]> = value
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.");
    }
    for class in words.chunks(4) {
        let hard_bytes = bytes(class[1]);
        let soft_bytes = bytes(class[2]);
        let seconds = std::str::from_utf8(class[3]).ok();
        let seconds = seconds.and_then(|word| word.parse::<u32>().ok());
        let (Some(hard_bytes), Some(soft_bytes), Some(seconds)) = (hard_bytes, soft_bytes, seconds)
        else {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            );
        };
        // 0 is no limit.
        let bound = |bytes| if bytes == 0 { usize::MAX } else { bytes };
        let is_none = [hard_bytes, soft_bytes] == [0; 2];
        match class[0].to_ascii_lowercase().as_slice() {
            b"pubsub" => {
                limits = MailLimits {
                    hard_bytes: bound(hard_bytes),
                    soft_bytes: bound(soft_bytes),
                    soft_time: Duration::from_secs(seconds.into()),
                };
            }
            b"normal" | b"slave" | b"replica" if is_none => {}
            b"normal" | b"slave" | b"replica" => {
                return Err(
                    "only the limits of class pubsub can be set: replies are never gathered.",
                );
            }
            _ => return Err("Invalid client class specified in buffer limit configuration."),
        }
    }
    Ok(limits)
}

/// A number of bytes, with a unit if one likes: `1mb`, `2k`, as in Redis.
fn bytes(word: &[u8]) -> Option<usize> {
    let word = std::str::from_utf8(word).ok()?.to_ascii_lowercase();
    let digits = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: usize = match &word[digits.len()..] {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}
