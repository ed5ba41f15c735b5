//! Verbs that walk over many keys: count, keys, scan, range.

use crate::Context;
use crate::args::{CountArgs, KeysArgs, ListArgs, RangeArgs, ScanArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::formats::{Record, record_object};
use crate::store::Page;
use crate::term::complain;
use crate::text::{argument, insert_bytes, readable, to_base64};
use portcask::{Entry, Error};
use serde_json::{Map, json};

/// Damaged records that are named one by one; the rest are counted.
const DAMAGES_SAID: u64 = 10;

/// `count`: how many keys.
pub fn count(context: &mut Context, args: &CountArgs) -> Outcome {
    let mut damaged = Damaged::default();
    let keys = match &args.prefix {
        None => context.store.len()?,
        Some(prefix) => {
            let mut keys = 0;
            walk(context, &mut damaged, argument(prefix), |_| keys += 1)?;
            keys
        }
    };
    if context.json {
        context.out.json(&json!({ "keys": keys }))?;
    } else {
        context.out.line(keys.to_string())?;
    }
    damaged.outcome()
}

/// `keys`: a line per key.
pub fn keys(context: &mut Context, args: &KeysArgs) -> Outcome {
    list(context, &args.list, false)
}

/// `scan`: a line per key and value.
pub fn scan(context: &mut Context, mut args: ScanArgs) -> Outcome {
    args.list.prefix = args.list.prefix.take().or(args.starts_with);
    list(context, &args.list, true)
}

/// `range`: sorted keys between two, and their values.
pub fn range(context: &mut Context, args: &RangeArgs) -> Outcome {
    let mut damaged = Damaged::default();
    let (start, end) = (argument(&args.start), args.end.as_deref().map(argument));
    let mut keys = Vec::new();
    walk(context, &mut damaged, b"", |key| {
        if key.as_slice() >= start && end.is_none_or(|end| key.as_slice() < end) {
            keys.push(key);
        }
    })?;
    let look = ListArgs {
        base64: args.base64,
        null: args.null,
        limit: args.limit,
        ..ListArgs::default()
    };
    sorted(context, keys, &look, true, &mut damaged)?;
    damaged.outcome()
}

fn list(context: &mut Context, args: &ListArgs, with_values: bool) -> Outcome {
    let mut damaged = Damaged::default();
    let prefix = args.prefix.as_deref().map_or(&b""[..], argument);
    if args.sort {
        let mut keys = Vec::new();
        walk(context, &mut damaged, prefix, |key| keys.push(key))?;
        sorted(context, keys, args, with_values, &mut damaged)?;
        return damaged.outcome();
    }
    let entries = context.store.page_entries()?;
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut cursor = Some(args.cursor.unwrap_or(0));
    while let Some(from) = cursor.filter(|_| left > 0) {
        let pick = |entry: Entry| {
            entry
                .key
                .starts_with(prefix)
                .then(|| record(entry, with_values))
        };
        let page = exactly(context, (from, prefix), entries, left, pick)?;
        for record in page.items.iter().flatten() {
            print(context, record, args, with_values)?;
            left = left.saturating_sub(1);
        }
        damaged.say(context, &page.damaged);
        cursor = page.next;
    }
    if let Some(cursor) = cursor.filter(|_| args.limit != Some(0)) {
        if context.json {
            context.out.json(&json!({ "cursor": cursor.to_string() }))?;
        } else {
            context.out.flush()?;
            context.remark(&format!("there is more: --cursor {cursor}"));
        }
    }
    damaged.outcome()
}

/// A page with at most `left` matches, so that its end is a place to go on from.
fn exactly<T>(
    context: &mut Context,
    (cursor, prefix): (u64, &[u8]),
    entries: usize,
    left: usize,
    mut pick: impl FnMut(Entry) -> Option<T>,
) -> Result<Page<Option<T>>, Failure> {
    let mut limit = entries;
    loop {
        let page = context.store.entries(cursor, limit, prefix, &mut pick)?;
        let matches = page.items.iter().flatten().count();
        // A page of one can still hold two keys whose hashes share 64 bits; then both are shown.
        if matches <= left || limit == 1 {
            return Ok(page);
        }
        let last = page
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.is_some())
            .nth(left - 1);
        limit = last.map_or(1, |(at, _)| (at + 1).min(limit - 1)).max(1);
    }
}

/// Hands every key with this prefix to `take`, each once.
pub fn walk(
    context: &mut Context,
    damaged: &mut Damaged,
    prefix: &[u8],
    mut take: impl FnMut(Vec<u8>),
) -> Result<(), Failure> {
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let page = context.store.keys(from, 1024, prefix)?;
        damaged.say(context, &page.damaged);
        page.items
            .into_iter()
            .filter(|key| key.starts_with(prefix))
            .for_each(&mut take);
        cursor = page.next;
    }
    Ok(())
}

fn sorted(
    context: &mut Context,
    mut keys: Vec<Vec<u8>>,
    args: &ListArgs,
    with_values: bool,
    damaged: &mut Damaged,
) -> Result<(), Failure> {
    keys.sort_unstable();
    keys.dedup();
    keys.truncate(args.limit.unwrap_or(usize::MAX));
    for key in keys {
        if !with_values {
            print(
                context,
                &Record {
                    key,
                    ..Record::default()
                },
                args,
                false,
            )?;
            continue;
        }
        if let Some(entry) = damaged.or_entry(context, &key)? {
            print(context, &record(entry, true), args, true)?;
        }
    }
    Ok(())
}

fn record(entry: Entry, with_value: bool) -> Record {
    Record {
        key: entry.key,
        value: if with_value { entry.value } else { Vec::new() },
        expires_ms: entry.expiry_ms,
    }
}

fn print(
    context: &mut Context,
    record: &Record,
    args: &ListArgs,
    with_value: bool,
) -> Result<(), Failure> {
    let out = &mut context.out;
    if context.json {
        let mut object = Map::new();
        if with_value {
            object = record_object(record);
        } else {
            insert_bytes(&mut object, "key", &record.key);
        }
        return out.json(&object.into());
    }
    let end: &[u8] = if args.null { b"\0" } else { b"\n" };
    let between: &[u8] = if args.null { b"\0" } else { b"\t" };
    let is_seen = out.is_terminal && !args.null;
    let mut field = |bytes: &[u8], end: &[u8]| {
        match (args.base64, is_seen) {
            (true, _) => out.bytes(to_base64(bytes).as_bytes())?,
            (false, true) => out.bytes(readable(bytes).as_bytes())?,
            (false, false) => out.bytes(bytes)?,
        }
        out.bytes(end)
    };
    if !with_value {
        return field(&record.key, end);
    }
    field(&record.key, between)?;
    field(&record.value, end)
}

/// Counts damaged records, so that a walk can go on behind them and still end with code 3.
#[derive(Default)]
pub struct Damaged {
    count: u64,
}

impl Damaged {
    /// Says and counts them.
    pub fn say(&mut self, context: &Context, errors: &[Error]) {
        for error in errors {
            self.count += 1;
            if self.count <= DAMAGES_SAID
                && let Failure::Said { message, .. } = context.store.failure(error)
            {
                complain(&message);
            }
        }
    }

    /// The entry of a key; a damaged one is said and counted, and is `None` like a missing one.
    pub fn or_entry(
        &mut self,
        context: &mut Context,
        key: &[u8],
    ) -> Result<Option<Entry>, Failure> {
        match context.store.entry_or_damage(key)? {
            Ok(entry) => Ok(entry),
            Err(error) => {
                self.say(context, &[error]);
                Ok(None)
            }
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The exit code that says so.
    pub fn outcome(&self) -> Outcome {
        if self.count > DAMAGES_SAID {
            complain(&format!("{} damaged records in all", self.count));
        }
        Ok(if self.count == 0 {
            Exit::Done
        } else {
            Exit::Damaged
        })
    }
}
