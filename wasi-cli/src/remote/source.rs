//! import redis://...: strings and their time, from any Redis.

use super::failure;
use crate::Context;
use crate::args::{Format, ImportArgs};
use crate::failure::{Failure, Outcome};
use crate::formats::{ReadRecords, Record, Trouble};
use crate::term::Unit;
use crate::verbs::import_from;
use portcask_client::Db;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// Keys asked for at once.
const PAGE_KEYS: usize = 256;

/// `import` from a server.
pub fn import(context: &mut Context, args: &ImportArgs, url: &str) -> Outcome {
    let shape = &args.shape;
    let stray = [
        (args.base64, "--base64"),
        (args.no_quotes, "--no-quotes"),
        (
            shape.format.is_some_and(|it| it != Format::Jsonl),
            "--format",
        ),
        (shape.delimiter.is_some(), "--delimiter"),
        (shape.key_column.is_some(), "--key-column"),
        (shape.value_column.is_some(), "--value-column"),
        (shape.expires_column.is_some(), "--expires-column"),
        (shape.header || shape.no_header, "--header"),
    ];
    if let Some((_, option)) = stray.iter().find(|(given, _)| *given) {
        return Err(Failure::usage(format!(
            "{option} applies to files, and this is a server"
        )));
    }
    let db = Db::open(url).map_err(|error| failure(&error))?;
    let keys = db.len().map_err(|error| failure(&error))?;
    let name = db.server().to_owned();
    let mut source = Source {
        db,
        cursor: Some(0),
        found: VecDeque::new(),
        taken: 0,
        seen: 0,
        others: BTreeMap::new(),
    };
    import_from(context, args, &mut source, name, (keys, Unit::Records))
}

/// The strings of a server, one after another.
struct Source {
    db: Db,
    /// Where the next page starts; `None` after the last.
    cursor: Option<u64>,
    found: VecDeque<Record>,
    taken: u64,
    /// Keys of every type.
    seen: u64,
    others: BTreeMap<String, u64>,
}

impl ReadRecords for Source {
    fn next(&mut self) -> Result<Option<Record>, Trouble> {
        while self.found.is_empty() {
            let Some(cursor) = self.cursor else {
                return Ok(None);
            };
            let page = self.db.strings(cursor, PAGE_KEYS);
            let page = page.map_err(|error| Trouble::Io(io::Error::other(error)))?;
            // What is left is told as a time of day, as files tell it: by this machine's clock.
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            self.found
                .extend(page.strings.into_iter().map(|(key, value, left)| Record {
                    key,
                    value,
                    expires_ms: left.map(|left| now.saturating_add(left)),
                }));
            for (kind, count) in page.others {
                self.seen += count;
                *self.others.entry(kind).or_default() += count;
            }
            self.cursor = (page.next != 0).then_some(page.next);
        }
        self.taken += 1;
        self.seen += 1;
        Ok(self.found.pop_front())
    }

    fn line(&self) -> u64 {
        self.taken
    }

    fn bytes_read(&self) -> u64 {
        self.seen
    }

    fn left_out(&self) -> BTreeMap<String, u64> {
        self.others.clone()
    }
}
