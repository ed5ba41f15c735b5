//! import and export: files of records.

use super::list::{Damaged, walk};
use crate::args::{ExportArgs, ImportArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::formats::{
    self, DelimitedReader, DelimitedWriter, Dialect, JsonlReader, JsonlWriter, Layout, ReadRecords,
    Record, Trouble,
};
use crate::host::Replacing;
use crate::term::{Progress, Unit};
use crate::text::{argument, from_base64};
use crate::{Context, interrupt, units};
use portcask::{Batch, Error, Expiry, Options};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::Instant;

/// Bytes of keys and values in one batch at most; a larger record is a batch of its own.
const BATCH_BYTES_MAX: u64 = 4 << 20;
/// What a byte costs in JSON at most: \u00xx.
const JSON_BYTES_PER_BYTE: u64 = 6;

/// `import`: reads records into the store.
pub fn import(context: &mut Context, args: &ImportArgs) -> Outcome {
    if !context.store.is_remote()? {
        context.store.dir()?;
    }
    if let Some(url) = server_named(args) {
        return crate::remote::import(context, args, url);
    }
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    if file.is_none() && context.in_repl {
        return Err(Failure::usage("in the REPL, import needs a file"));
    }
    let (input, total): (Box<dyn Read>, u64) = match file {
        None => (Box::new(io::stdin().lock()), 0),
        Some(path) => {
            let file = File::open(path).map_err(|error| Failure::file("open", path, &error))?;
            let total = file.metadata().map_or(0, |found| found.len());
            (Box::new(file), total)
        }
    };
    let options = context.store.write_options();
    let mut reader = reader(input, Layout::of(&args.shape, file)?, args, &options)?;
    let name = file.map_or("standard input".to_owned(), |file| {
        file.display().to_string()
    });
    import_from(context, args, reader.as_mut(), name, (total, Unit::Bytes))
}

/// Takes what a reader gives; `total` is what there will be of it, for the progress bar.
pub fn import_from(
    context: &mut Context,
    args: &ImportArgs,
    reader: &mut dyn ReadRecords,
    name: String,
    total: (u64, Unit),
) -> Outcome {
    context.store.set_policy(&args.merge);
    // A writer from the start: that the store is locked is said before anything is read.
    context.store.prepare_to_write()?;
    if let Some(doubt) = reader.doubt() {
        context.remark(&format!("{name}: {doubt}"));
    }
    interrupt::watch();
    let progress = Progress::new(context.quiet, "importing", total.0, total.1);
    let options = context.store.write_options();
    let mut import = Import::new(args, options, name);
    let end = import.records(context, reader, &progress);
    progress.end();
    import.left_out = reader.left_out();
    import.finish(context, end)
}

/// The server that is named instead of a file.
fn server_named(args: &ImportArgs) -> Option<&str> {
    let name = args.file.as_deref()?.to_str()?;
    let schemes = ["redis://", "rediss://", "redis+unix://"];
    schemes
        .iter()
        .any(|scheme| name.starts_with(scheme))
        .then_some(name)
}

struct Import<'a> {
    args: &'a ImportArgs,
    options: Options,
    name: String,
    started: Instant,
    batch: Batch,
    batch_bytes: u64,
    imported: u64,
    /// Whose time was up before they came: nothing is left of them.
    expired: u64,
    bytes: u64,
    bad: u64,
    first_bad: String,
    /// What a server has beside strings, by type.
    left_out: BTreeMap<String, u64>,
}

impl<'a> Import<'a> {
    fn new(args: &'a ImportArgs, options: Options, name: String) -> Self {
        Self {
            args,
            options,
            name,
            started: Instant::now(),
            batch: Batch::new(),
            batch_bytes: 0,
            imported: 0,
            expired: 0,
            bytes: 0,
            bad: 0,
            first_bad: String::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Takes records until the input ends, is bad, or Ctrl-C is pressed.
    fn records(
        &mut self,
        context: &mut Context,
        reader: &mut dyn ReadRecords,
        progress: &Progress,
    ) -> Result<(), Failure> {
        while !interrupt::was_pressed() {
            let result = reader.next();
            let taken = match result {
                Ok(None) => break,
                Ok(Some(record)) => self.check(record),
                Err(Trouble::Bad(why)) => Err(why),
                Err(Trouble::Io(error)) => {
                    return Err(Failure::file("read", Path::new(&self.name), &error));
                }
            };
            match taken {
                Ok(record) => self.add(context, record)?,
                Err(why) => self.bad(reader.line(), &why)?,
            }
            progress.set(reader.bytes_read());
        }
        Ok(())
    }

    /// The record as it is to be stored, or why it cannot be.
    fn check(&self, mut record: Record) -> Result<Record, String> {
        if self.args.base64 {
            record.key = from_base64(&record.key).ok_or("the key is not base64")?;
            record.value = from_base64(&record.value).ok_or("the value is not base64")?;
        }
        let (key, limit) = (record.key.len(), self.options.key_bytes_max);
        if key > limit {
            return Err(Error::key_too_long(key as u64, limit as u64).to_string());
        }
        let (value, limit) = (record.value.len() as u64, self.options.value_bytes_max);
        if value > limit {
            return Err(Error::value_too_large(value, limit).to_string());
        }
        Ok(record)
    }

    fn add(&mut self, context: &mut Context, record: Record) -> Result<(), Failure> {
        let bytes = (record.key.len() + record.value.len()) as u64;
        let limit = BATCH_BYTES_MAX.min(self.options.segment_bytes / 4);
        if self.batch_bytes + bytes > limit && !self.batch.is_empty() {
            self.store(context)?;
        }
        self.batch_bytes += bytes;
        self.expired += u64::from(record.expires_ms.is_some_and(units::is_past));
        let expiry = record.expires_ms.map_or(Expiry::Default, Expiry::AtMs);
        self.batch.put_with(record.key, record.value, expiry);
        if self.batch.len() >= self.args.batch {
            self.store(context)?;
        }
        Ok(())
    }

    fn bad(&mut self, line: u64, why: &str) -> Result<(), Failure> {
        self.bad += 1;
        let said = format!("line {line}: {why}");
        if !self.args.skip_bad {
            return Err(Failure::input(format!("{}: {said}", self.name)));
        }
        if self.bad == 1 {
            self.first_bad = said;
        }
        Ok(())
    }

    fn store(&mut self, context: &mut Context) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        context.store.write_batch(&self.batch)?;
        self.imported += self.batch.len() as u64;
        self.bytes += self.batch_bytes;
        self.batch.clear();
        self.batch_bytes = 0;
        let imported = self.imported;
        interrupt::keep(|| {
            format!(
                "imported {}, which are kept; run the same import again to finish it",
                units::counted(imported, "record")
            )
        });
        Ok(())
    }

    /// A guest reads no server, so nothing is ever left out there.
    fn has_left_out(&self) -> bool {
        cfg!(not(target_family = "wasm")) && !self.left_out.is_empty()
    }

    fn finish(mut self, context: &mut Context, end: Result<(), Failure>) -> Outcome {
        // What was read before a bad line is good: it is kept as the help says.
        let stored = self.store(context);
        if let Err(failure) = end.and(stored) {
            return Err(match failure {
                Failure::Said { exit, message } => {
                    let advice = match exit {
                        Exit::Input => "; --skip-bad skips and counts bad lines",
                        _ => "",
                    };
                    let kept = units::counted(self.imported, "record");
                    Failure::new(
                        exit,
                        format!("{message}; imported {kept} before it{advice}"),
                    )
                }
                other => other,
            });
        }
        let is_interrupted = interrupt::was_pressed();
        let elapsed = self.started.elapsed();
        if context.json {
            let mut told = json!({
                "imported": self.imported,
                "expired": self.expired,
                "bytes": self.bytes,
                "bad": self.bad,
                "first_bad": (self.bad > 0).then_some(&self.first_bad),
                "seconds": elapsed.as_secs_f64(),
                "interrupted": is_interrupted,
            });
            if self.has_left_out() {
                told["not_taken"] = json!(self.left_out);
            }
            context.out.json(&told)?;
        } else if !context.quiet {
            let mut line = format!(
                "imported {} ({}) in {}, {} per second",
                units::counted(self.imported, "record"),
                units::size(self.bytes),
                units::duration(elapsed.as_millis() as u64),
                units::count(units::rate(self.imported, elapsed)),
            );
            if self.expired > 0 {
                let expired = units::count(self.expired);
                line.push_str(&format!("; {expired} of them had expired already"));
            }
            if self.bad > 0 {
                let bad = units::counted(self.bad, "bad line");
                line.push_str(&format!("; skipped {bad}, first {}", self.first_bad));
            }
            if self.has_left_out() {
                let kinds = self.left_out.iter();
                let kinds: Vec<_> = kinds
                    .map(|(kind, count)| units::counted(*count, kind))
                    .collect();
                line.push_str(&format!(
                    "; left out, because they are not strings: {}",
                    kinds.join(", ")
                ));
            }
            context.out.line(line)?;
        }
        if is_interrupted {
            return Err(Failure::new(
                Exit::Interrupted,
                format!(
                    "interrupted: imported {}, which are kept; run the same import again to \
                     finish it",
                    units::counted(self.imported, "record")
                ),
            ));
        }
        Ok(Exit::Done)
    }
}

fn reader<'a>(
    input: Box<dyn Read + 'a>,
    layout: Layout,
    args: &ImportArgs,
    options: &Options,
) -> Result<Box<dyn ReadRecords + 'a>, Failure> {
    Ok(match layout {
        Layout::Jsonl(columns) => {
            let payload = options
                .value_bytes_max
                .saturating_add(options.key_bytes_max as u64);
            let limit = payload
                .saturating_mul(JSON_BYTES_PER_BYTE)
                .saturating_add(64 << 10);
            let input = BufReader::with_capacity(256 << 10, input);
            Box::new(JsonlReader::new(input, columns, limit))
        }
        Layout::Delimited {
            delimiter,
            header,
            columns,
        } => {
            let dialect = Dialect {
                delimiter,
                is_given: args.shape.delimiter.is_some(),
                has_quotes: !args.no_quotes,
            };
            Box::new(DelimitedReader::new(input, dialect, header, &columns)?)
        }
    })
}

/// `export`: writes all records, sorted by key.
pub fn export(context: &mut Context, args: &ExportArgs) -> Outcome {
    let file = args.file.as_deref().or(args.output.as_deref());
    let file = file.filter(|file| *file != Path::new("-"));
    let layout = Layout::of(&args.shape, file)?;
    let prefix = args.prefix.as_deref().map_or(&b""[..], argument);
    let mut damaged = Damaged::default();
    let mut keys = Vec::new();
    walk(context, &mut damaged, prefix, |key| keys.push(key))?;
    keys.sort_unstable();
    keys.dedup();
    let started = Instant::now();
    let Some(path) = file else {
        // Two mutable borrows of the context cannot live at once: the output is lent out.
        let mut out = std::mem::replace(&mut context.out, crate::term::Output::new());
        let done = write_all(context, &mut out, &layout, &keys, &mut damaged);
        context.out = out;
        done?;
        return damaged.outcome();
    };
    let mut target = Replacing::create(path)?;
    let records = write_all(context, &mut target, &layout, &keys, &mut damaged)?;
    let bytes = target.commit()?;
    if context.json {
        context.out.json(&json!({
            "exported": records,
            "bytes": bytes,
            "damaged": damaged.count(),
            "seconds": started.elapsed().as_secs_f64(),
        }))?;
    } else if !context.quiet {
        context.out.line(format!(
            "exported {} ({}) to {}",
            units::counted(records, "record"),
            units::size(bytes),
            path.display()
        ))?;
    }
    damaged.outcome()
}

fn write_all(
    context: &mut Context,
    to: &mut dyn io::Write,
    layout: &Layout,
    keys: &[Vec<u8>],
    damaged: &mut Damaged,
) -> Result<u64, Failure> {
    let refused = |error: io::Error| Failure::output(&error);
    let mut writer = writer(to, layout).map_err(refused)?;
    let progress = Progress::new(context.quiet, "exporting", keys.len() as u64, Unit::Records);
    let mut records = 0;
    for (at, key) in keys.iter().enumerate() {
        // A key that ended its life, or was deleted, since the keys were listed is left out.
        if let Some(entry) = damaged.or_entry(context, key)? {
            let record = Record {
                key: entry.key,
                value: entry.value,
                expires_ms: entry.expiry_ms,
            };
            writer.write(&record).map_err(refused)?;
            records += 1;
        }
        progress.set(at as u64);
    }
    writer.finish().map_err(refused)?;
    Ok(records)
}

fn writer<'a>(
    to: &'a mut dyn io::Write,
    layout: &Layout,
) -> io::Result<Box<dyn formats::WriteRecords + 'a>> {
    Ok(match layout {
        Layout::Jsonl(columns) => Box::new(JsonlWriter::new(to, columns.clone())),
        Layout::Delimited {
            delimiter,
            header,
            columns,
        } => Box::new(DelimitedWriter::new(to, *delimiter, *header, columns)?),
    })
}
