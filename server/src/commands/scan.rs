//! Which keys there are.

use super::Call;
use super::options::{int, is, value_of};
use super::refusal::{Outcome, Refusal, SYNTAX};
use super::table::{Command, Flags};
use crate::glob;

/// Keys that one `SCAN` answers at most, whatever it asks for.
const SCAN_KEYS_MAX: usize = 10_000;
const SCAN_KEYS: usize = 10;

pub(super) const COMMANDS: &[Command] = &[
    Command::read("keys", 2, keys)
        .flag(Flags::SLOW.and(Flags::DANGEROUS))
        .costs("O(N) with N being the number of keys in the database")
        .told(
            "generic",
            "1.0.0",
            "Returns all key names that match a pattern.",
        ),
    Command::read("list", -1, list)
        .flag(Flags::SLOW.and(Flags::DANGEROUS))
        .costs("O(N) with N being the number of keys in the database")
        .told(
            "generic",
            "",
            "Returns all key names, or those that match a pattern.",
        ),
    Command::read("scan", -2, scan)
        .flag(Flags::SLOW)
        .costs("O(1) for every call. O(N) for a complete iteration.")
        .told(
            "generic",
            "2.8.0",
            "Iterates over the key names in the database.",
        ),
    Command::read("randomkey", 1, randomkey).told(
        "generic",
        "1.0.0",
        "Returns a random key name from the database.",
    ),
    Command::read("dbsize", 1, dbsize).flag(Flags::FAST).told(
        "server",
        "1.0.0",
        "Returns the number of keys in the database.",
    ),
    Command::read("count", 1, dbsize).flag(Flags::FAST).told(
        "server",
        "",
        "Returns the number of keys in the database.",
    ),
    Command::write("flushdb", -1, flush)
        .flag(Flags::SLOW.and(Flags::DANGEROUS))
        .told(
            "server",
            "1.0.0",
            "Removes all keys from the current database.",
        ),
    Command::write("flushall", -1, flush)
        .flag(Flags::SLOW.and(Flags::DANGEROUS))
        .told(
            "server",
            "1.0.0",
            "Removes all keys from all databases; there is one.",
        ),
];

fn keys(call: &mut Call<'_, '_>) -> Outcome {
    matching(call, call.args.at(1))
}

fn list(call: &mut Call<'_, '_>) -> Outcome {
    match call.args.len() {
        1 => matching(call, b"*"),
        2 => matching(call, call.args.at(1)),
        _ => Err("wrong number of arguments for 'list' command".into()),
    }
}

fn matching(call: &mut Call<'_, '_>, pattern: &[u8]) -> Outcome {
    let bytes_max = call.server.limits.reply_bytes_max;
    let (mut found, mut bytes) = (Vec::new(), 0);
    call.keys.walk(|key| {
        if glob::matches(pattern, &key) {
            bytes += key.len() + size_of::<Vec<u8>>();
            found.push(key);
        }
        bytes <= bytes_max
    })?;
    if bytes > bytes_max {
        return Err("the reply needs more memory than a client may use; take SCAN".into());
    }
    call.reply.array(found.len());
    for key in found {
        call.reply.bulk(&key);
    }
    Ok(())
}

fn scan(call: &mut Call<'_, '_>) -> Outcome {
    const INVALID_CURSOR: Refusal = Refusal::Words("ERR invalid cursor");
    let args = call.args;
    let cursor = std::str::from_utf8(args.at(1)).ok();
    let cursor = cursor.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let cursor = match cursor {
        Some("") => Some(0),
        Some(digits) => digits.parse::<u64>().ok(),
        None => None,
    };
    let cursor = cursor.ok_or(INVALID_CURSOR)?;
    let mut limit = SCAN_KEYS;
    let mut pattern: &[u8] = b"*";
    let mut of_type = true;
    for at in (2..args.len()).step_by(2) {
        let (option, value) = (args.at(at), value_of(args, at)?);
        if is(option, "COUNT") {
            let count = int(value)?;
            limit = usize::try_from(count).map_err(|_| SYNTAX)?;
            if limit == 0 {
                return Err(SYNTAX);
            }
        } else if is(option, "MATCH") {
            pattern = value;
        } else if is(option, "TYPE") {
            of_type = is(value, "string");
        } else {
            return Err(SYNTAX);
        }
    }
    let (mut keys, next) = call.keys.scan(cursor, limit.min(SCAN_KEYS_MAX))?;
    keys.retain(|key| of_type && glob::matches(pattern, key));
    call.reply.array(2);
    call.reply.bulk(next.to_string().as_bytes());
    call.reply.array(keys.len());
    for key in keys {
        call.reply.bulk(&key);
    }
    Ok(())
}

fn randomkey(call: &mut Call<'_, '_>) -> Outcome {
    let key = call.keys.random_key()?;
    call.reply.maybe(key.as_deref());
    Ok(())
}

fn dbsize(call: &mut Call<'_, '_>) -> Outcome {
    let keys = call.keys.len()?;
    call.reply.integer(i64::try_from(keys).unwrap_or(i64::MAX));
    Ok(())
}

fn flush(call: &mut Call<'_, '_>) -> Outcome {
    // Both ways are the same here: one record says that nothing before it counts.
    let is_way = |word: &[u8]| is(word, "ASYNC") || is(word, "SYNC");
    if call.args.len() > 2 || !call.args.from(1).all(is_way) {
        return Err(SYNTAX);
    }
    call.keys.clear();
    call.reply.ok();
    Ok(())
}
