//! Verbs that read the log as history: history, changes, dump.

use crate::Context;
use crate::args::{ChangesArgs, DumpArgs, KeyArg};
use crate::failure::{Exit, Failure, Outcome};
use crate::store::open_for_reading;
use crate::term::Table;
use crate::text::{argument_or_base64, excerpt, insert_bytes};
use crate::units;
use portcask::{ChangeKind, Error, FileName};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Changes fetched at once.
const PAGE_CHANGES: usize = 256;

/// `history`: the versions of a key.
pub fn history(context: &mut Context, args: &KeyArg) -> Outcome {
    let key = argument_or_base64(&args.key, args.key_base64)?;
    let versions = context.store.read(|engine| engine.history(&key))?;
    if versions.is_empty() {
        return context.no(&format!(
            "the log holds no version of {}",
            excerpt(&key, 60)
        ));
    }
    let mut table = Table::new(&[">seq", "live", "value", "expires", "file", ">offset"]);
    for version in &versions {
        if context.json {
            let mut object = Map::new();
            object.insert("seq".into(), version.seq.into());
            object.insert("live".into(), version.live.into());
            object.insert("deleted".into(), version.value.is_none().into());
            if let Some(value) = &version.value {
                insert_bytes(&mut object, "value", value);
            }
            insert_expiry(&mut object, version.expiry_ms);
            object.insert("file".into(), version.file.as_str().into());
            object.insert("offset".into(), version.offset.into());
            context.out.json(&object.into())?;
            continue;
        }
        table.row([
            version.seq.to_string(),
            if version.live { "live" } else { "-" }.to_owned(),
            version
                .value
                .as_deref()
                .map_or("(deleted)".to_owned(), |value| excerpt(value, 40)),
            version.expiry_ms.map_or("-".to_owned(), units::time),
            version.file.to_string(),
            version.offset.to_string(),
        ]);
    }
    if !context.json {
        context.out.table(&table)?;
    }
    Ok(Exit::Done)
}

/// `changes`: the feed.
pub fn changes(context: &mut Context, args: &ChangesArgs) -> Outcome {
    let mut from = match args.from {
        Some(seq) => seq,
        None => context.store.oldest_change()?,
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    while left > 0 {
        let limit = left.min(PAGE_CHANGES);
        let page = context.store.changes(from, limit)?;
        left -= page.changes.len().min(left);
        for change in &page.changes {
            let (kind, value, expires) = match &change.kind {
                ChangeKind::Put { value, expiry_ms } => ("put", Some(value), *expiry_ms),
                ChangeKind::Delete => ("delete", None, None),
            };
            if context.json {
                let mut object = Map::new();
                object.insert("seq".into(), change.seq.into());
                object.insert("kind".into(), kind.into());
                insert_bytes(&mut object, "key", &change.key);
                if let Some(value) = value {
                    insert_bytes(&mut object, "value", value);
                }
                insert_expiry(&mut object, expires);
                context.out.json(&object.into())?;
            } else {
                let value = value.map_or(String::new(), |value| excerpt(value, 60));
                let line = format!(
                    "{}\t{kind}\t{}\t{value}",
                    change.seq,
                    excerpt(&change.key, 60)
                );
                context.out.line(line.trim_end())?;
            }
        }
        let is_end = page.changes.is_empty() || page.next_seq <= from;
        from = page.next_seq;
        if is_end {
            break;
        }
    }
    if context.json {
        context.out.json(&json!({ "next_seq": from }))?;
    } else {
        context.out.flush()?;
        context.remark(&format!("continue with --from {from}"));
    }
    Ok(Exit::Done)
}

/// `dump`: a file as text.
pub fn dump(context: &mut Context, args: &DumpArgs) -> Outcome {
    let (dir, name) = place(context, &args.file)?;
    let storage = open_for_reading(&dir)?;
    let out = &mut context.out;
    let mut trouble = None;
    let done = portcask::dump(&storage, &name, |line: &str| {
        out.line(line).map_err(|failure| {
            trouble = Some(failure);
            Error::sink("")
        })
    });
    match (done, trouble) {
        (_, Some(failure)) => Err(failure),
        (Err(error), None) => Err(Failure::engine(&dir, &error)),
        (Ok(()), None) => Ok(Exit::Done),
    }
}

/// The directory and the name of a file given by path, or by name in the store.
fn place(context: &Context, file: &Path) -> Result<(PathBuf, FileName), Failure> {
    let name = file
        .file_name()
        .and_then(|name| FileName::new(name.to_str()?))
        .ok_or_else(|| Failure::usage(format!("{} is not a file of a store", file.display())))?;
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok((parent.to_owned(), name)),
        _ if context.store.dir().is_err() && file.exists() => Ok((PathBuf::from("."), name)),
        _ => Ok((context.store.dir()?.to_owned(), name)),
    }
}

fn insert_expiry(object: &mut Map<String, Value>, expires_ms: Option<u64>) {
    if let Some(ms) = expires_ms {
        object.insert(crate::formats::EXPIRES.to_owned(), ms.into());
    }
}
