//! Verbs about one key (or a handful): put, get, delete, exists, ttl, expire, persist.

use crate::Context;
use crate::args::{DeleteArgs, ExpireArgs, GetArgs, KeyArg, PutArgs};
use crate::door::{Found, Refused};
use crate::failure::{Exit, Failure, Outcome};
use crate::formats::{Record, record_object};
use crate::text::{argument, argument_or_base64, excerpt, from_base64, to_base64};
use crate::units;
use portcask::{Condition, Error, Expiry, Ttl, WriteOptions};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// `put`: stores a value.
pub fn put(context: &mut Context, args: &PutArgs) -> Outcome {
    let key = argument_or_base64(&args.key, args.key_base64)?;
    // Read before the store is opened: waiting for input must not keep others from writing.
    let mut value = value(context, args)?;
    if args.base64 {
        value = from_base64(&value).ok_or_else(|| Failure::input("the value is not base64"))?;
    }
    let how = WriteOptions {
        ack: context.store.ack(),
        expiry: match (args.ttl, args.expires_at) {
            (Some(ms), _) => Expiry::AfterMs(ms),
            (None, Some(ms)) => Expiry::AtMs(ms),
            (None, None) => Expiry::Default,
        },
        condition: condition(args),
    };
    match context.store.put(&key, &value, &how)? {
        Ok(seq) => {
            if context.json {
                context.out.json(&json!({ "seq": seq }))?;
            }
            if is_over(&how.expiry) {
                context.remark(
                    "its time is up already, so the key is not there: check --ttl or --expires-at",
                );
            }
            Ok(Exit::Done)
        }
        Err(found) => refused(context, &found),
    }
}

/// `get`: prints the bytes of a value and nothing else.
pub fn get(context: &mut Context, args: &GetArgs) -> Outcome {
    let key = argument_or_base64(&args.key, args.key_base64)?;
    if context.json && args.output.is_none() {
        let Some(Found { entry, seq }) = context.store.entry(&key)? else {
            return missing(context, &key);
        };
        let mut object = record_object(&Record {
            key: entry.key,
            value: entry.value,
            expires_ms: entry.expiry_ms,
        });
        object.insert("seq".to_owned(), seq.into());
        context.out.json(&object.into())?;
        return Ok(Exit::Done);
    }
    // The value alone: of a server that is one command.
    let Some(value) = context.store.get(&key)? else {
        return missing(context, &key);
    };
    if let Some(path) = &args.output {
        let bytes = if args.base64 {
            to_base64(&value).into()
        } else {
            value
        };
        std::fs::write(path, bytes).map_err(|error| Failure::file("write", path, &error))?;
    } else if args.base64 {
        context.out.line(to_base64(&value))?;
    } else {
        context.out.bytes(&value)?;
        if context.out.is_terminal || context.in_repl {
            context.out.bytes(b"\n")?;
        }
    }
    Ok(Exit::Done)
}

/// `delete`: removes keys.
pub fn delete(context: &mut Context, args: &DeleteArgs) -> Outcome {
    if args.if_seq.is_some() && args.keys.len() > 1 {
        return Err(Failure::usage("--if-seq takes one key"));
    }
    let how = WriteOptions {
        ack: context.store.ack(),
        condition: args.if_seq.map(Condition::Seq),
        ..WriteOptions::default()
    };
    let mut deleted = 0u64;
    for key in &args.keys {
        let key = argument_or_base64(key, args.key_base64)?;
        match context.store.delete(&key, &how)? {
            Ok(existed) => deleted += u64::from(existed),
            Err(found) => return refused(context, &found),
        }
    }
    if context.json {
        context.out.json(&json!({ "deleted": deleted }))?;
    }
    let told = format!(
        "{deleted} of {} keys existed and were deleted",
        args.keys.len()
    );
    match deleted {
        0 if args.keys.len() == 1 => missing(context, argument(&args.keys[0])),
        0 => context.no(&told),
        _ => {
            if deleted < args.keys.len() as u64 && !context.json {
                context.remark(&told);
            }
            Ok(Exit::Done)
        }
    }
}

/// `exists`: prints true or false.
pub fn exists(context: &mut Context, args: &KeyArg) -> Outcome {
    let key = argument_or_base64(&args.key, args.key_base64)?;
    let exists = context.store.contains_key(&key)?;
    if context.json {
        context.out.json(&json!({ "exists": exists }))?;
    } else if !context.quiet {
        context.out.line(exists.to_string())?;
    }
    match exists {
        true => Ok(Exit::Done),
        false if context.json => missing(context, &key),
        false => Ok(Exit::No),
    }
}

/// `ttl`: prints how long a key has to live.
pub fn ttl(context: &mut Context, args: &KeyArg) -> Outcome {
    let key = argument_or_base64(&args.key, args.key_base64)?;
    let (ttl, now) = context.store.ttl(&key)?;
    let at = match ttl {
        Ttl::Missing => return missing(context, &key),
        Ttl::Forever => None,
        Ttl::ExpiresAtMs(at) => Some(at),
    };
    let left = at.map(|at| at.saturating_sub(now.unwrap_or(0)));
    if context.json {
        context
            .out
            .json(&json!({ "ttl_ms": left, "expires_ms": at }))?;
        return Ok(Exit::Done);
    }
    context.out.line(match (left, at) {
        (Some(left), Some(at)) if context.out.is_terminal => {
            format!("{} (until {})", units::life(left), units::time(at))
        }
        (Some(left), _) => units::life(left),
        (None, _) => "forever".to_owned(),
    })?;
    Ok(Exit::Done)
}

/// `expire`: gives a key an end.
pub fn expire(context: &mut Context, args: &ExpireArgs) -> Outcome {
    let key = argument_or_base64(&args.key, args.key_base64)?;
    let expiry = match (args.after, args.at) {
        (Some(ms), _) => Expiry::AfterMs(ms),
        (None, Some(ms)) => Expiry::AtMs(ms),
        (None, None) => return Err(Failure::usage("give a duration such as 10s, or --at TIME")),
    };
    let existed = context.store.expire(&key, expiry)?;
    changed(context, &key, existed)
}

/// `persist`: takes a key's end away.
pub fn persist(context: &mut Context, args: &KeyArg) -> Outcome {
    let key = argument_or_base64(&args.key, args.key_base64)?;
    let existed = context.store.persist(&key)?;
    changed(context, &key, existed)
}

fn changed(context: &mut Context, key: &[u8], existed: bool) -> Outcome {
    if context.json {
        context.out.json(&json!({ "exists": existed }))?;
    }
    if existed {
        Ok(Exit::Done)
    } else {
        missing(context, key)
    }
}

fn missing(context: &mut Context, key: &[u8]) -> Outcome {
    context.no(&format!("no such key: {}", excerpt(key, 60)))
}

fn refused(context: &mut Context, found: &Refused) -> Outcome {
    if context.json {
        let told = json!({ "refused": true, "seq": found.seq });
        context.out.json(&told)?;
    }
    context.no(&match (found.exists, found.seq) {
        (_, Some(seq)) => {
            format!("nothing was changed: the key exists, with sequence number {seq}")
        }
        (true, None) => "nothing was changed: the key exists".to_owned(),
        (false, None) => "nothing was changed: the key does not exist".to_owned(),
    })
}

/// Whether a life ended before it began, by this machine's clock.
fn is_over(expiry: &Expiry) -> bool {
    match *expiry {
        Expiry::AfterMs(ms) => ms == 0,
        Expiry::AtMs(at) => units::is_past(at),
        Expiry::Default | Expiry::Never => false,
    }
}

fn condition(args: &PutArgs) -> Option<Condition> {
    match (args.if_absent, args.if_present, args.if_seq) {
        (true, _, _) => Some(Condition::Absent),
        (_, true, _) => Some(Condition::Present),
        (_, _, seq) => seq.map(Condition::Seq),
    }
}

fn value(context: &Context, args: &PutArgs) -> Result<Vec<u8>, Failure> {
    let mut limit = context.store.write_options().value_bytes_max;
    if args.base64 {
        limit = limit.saturating_mul(4) / 3 + 8;
    }
    match (&args.file, &args.value) {
        (Some(path), _) if path != Path::new("-") => {
            let file = File::open(path).map_err(|error| Failure::file("open", path, &error))?;
            let bytes = file.metadata().map_or(0, |found| found.len());
            if bytes > limit {
                return Err(context.store.failure(&Error::value_too_large(bytes, limit)));
            }
            limited(context, file, limit, path)
        }
        (None, Some(value)) if value != "-" => Ok(argument(value).to_vec()),
        _ if context.in_repl => Err(Failure::usage(
            "the REPL cannot read a value from standard input",
        )),
        _ => limited(
            context,
            io::stdin().lock(),
            limit,
            Path::new("standard input"),
        ),
    }
}

fn limited(
    context: &Context,
    from: impl Read,
    limit: u64,
    path: &Path,
) -> Result<Vec<u8>, Failure> {
    let mut value = Vec::new();
    from.take(limit.saturating_add(1))
        .read_to_end(&mut value)
        .map_err(|error| Failure::file("read", path, &error))?;
    let bytes = value.len() as u64;
    if bytes > limit {
        return Err(context.store.failure(&Error::value_too_large(bytes, limit)));
    }
    Ok(value)
}
