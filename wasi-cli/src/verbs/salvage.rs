//! salvage: out of a damaged store comes a sound one, or a file, and a list of what was lost.

use super::health::{damages_json, damages_table};
use crate::args::SalvageArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::formats::{Columns, JsonlWriter, Record, WriteRecords};
use crate::host::Replacing;
use crate::place::{Place, of_target};
use crate::store::{Engine, open_for_reading};
use crate::{Context, units};
use portcask::{Batch, Entry, Error, Expiry, Options, SalvageReport};
use serde_json::{Value, json};
use std::path::Path;

/// Records and bytes of a batch into the new store at most.
const BATCH: (usize, u64) = (1000, 4 << 20);

/// `salvage`: saves what is readable.
pub fn salvage(context: &mut Context, args: &SalvageArgs) -> Outcome {
    let dir = context.store.dir()?.to_owned();
    let storage = open_for_reading(&dir)?;
    let from_dir = |error: &Error| Failure::engine(&dir, error);
    let report = if let Some(to) = &args.to {
        into_store(context, storage, to, from_dir)?
    } else {
        let output = args
            .output
            .as_deref()
            .filter(|path| *path != Path::new("-"));
        match output {
            Some(path) => {
                let mut target = Replacing::create(path)?;
                let report = into_lines(storage, &mut target, from_dir)?;
                target.commit()?;
                report
            }
            None => into_lines(storage, &mut context.out, from_dir)?,
        }
    };
    let json = report_json(&report);
    if let Some(path) = &args.report {
        std::fs::write(path, format!("{json}\n"))
            .map_err(|error| Failure::file("write", path, &error))?;
    }
    say(context, args, &report, &json)?;
    let is_whole = report.damages.is_empty() && report.damages_omitted == 0;
    Ok(if is_whole { Exit::Done } else { Exit::Damaged })
}

fn say(
    context: &mut Context,
    args: &SalvageArgs,
    report: &SalvageReport,
    json: &Value,
) -> Result<(), Failure> {
    // Standard output may be taken by the records.
    if args.output.as_deref() == Some(Path::new("-")) {
        context.remark(&sentence(report));
        return Ok(());
    }
    if context.json {
        return context.out.json(json);
    }
    damages_table(context, &report.damages)?;
    context.out.line(sentence(report))
}

fn sentence(report: &SalvageReport) -> String {
    let places = report.damages.len() as u64 + report.damages_omitted;
    format!(
        "saved {} out of {}; {}",
        units::counted(report.keys, "key"),
        units::counted(report.records, "record"),
        match places {
            0 => "nothing was lost".to_owned(),
            _ => format!(
                "{} lost in {}",
                units::size(report.lost_bytes),
                units::counted(places, "damaged place")
            ),
        }
    )
}

fn report_json(report: &SalvageReport) -> Value {
    json!({
        "keys": report.keys,
        "records": report.records,
        "lost_bytes": report.lost_bytes,
        "damages": damages_json(&report.damages),
        "damages_omitted": report.damages_omitted,
    })
}

fn into_lines(
    storage: portcask::PlatformStorage,
    to: &mut dyn std::io::Write,
    from_dir: impl Fn(&Error) -> Failure,
) -> Result<SalvageReport, Failure> {
    let mut writer = JsonlWriter::new(to, Columns::default());
    let mut refused = None;
    let report = portcask::salvage(storage, |entry: Entry| {
        let record = Record {
            key: entry.key,
            value: entry.value,
            expires_ms: entry.expiry_ms,
        };
        writer.write(&record).map_err(|error| {
            refused = Some(Failure::output(&error));
            Error::sink(error.to_string())
        })
    });
    if let Some(failure) = refused {
        return Err(failure);
    }
    writer.finish().map_err(|error| Failure::output(&error))?;
    report.map_err(|error| from_dir(&error))
}

fn into_store(
    context: &mut Context,
    damaged: portcask::PlatformStorage,
    to: &Path,
    from_dir: impl Fn(&Error) -> Failure,
) -> Result<SalvageReport, Failure> {
    let place = Place::take(to)?;
    let storage = place.open()?;
    let options = context.store.write_options();
    let saved = save(damaged, storage.clone(), options).map_err(|refusal| match refusal {
        Refusal::ByTheDamaged(error) => from_dir(&error),
        Refusal::ByTheNew(error) => {
            of_target(to, &error).unwrap_or_else(|| Failure::engine(to, &error))
        }
    });
    place.settle(storage, saved)
}

/// Which of the two stores could not go on.
enum Refusal {
    ByTheDamaged(Error),
    ByTheNew(Error),
}

fn save(
    damaged: portcask::PlatformStorage,
    new: portcask::PlatformStorage,
    options: Options,
) -> Result<SalvageReport, Refusal> {
    let engine = Engine::open(new, options).map_err(Refusal::ByTheNew)?;
    let mut target = Target {
        engine,
        batch: Batch::new(),
        bytes: 0,
        refused: None,
    };
    let report = portcask::salvage(damaged, |entry| target.add(entry));
    let stored = target.store();
    if let Some(error) = target.refused {
        return Err(Refusal::ByTheNew(error));
    }
    let report = report.map_err(Refusal::ByTheDamaged)?;
    stored
        .and_then(|()| target.engine.close())
        .map_err(Refusal::ByTheNew)?;
    Ok(report)
}

struct Target {
    engine: Engine,
    batch: Batch,
    bytes: u64,
    /// What the new store said, to tell it from what the damaged one says.
    refused: Option<Error>,
}

impl Target {
    fn add(&mut self, entry: Entry) -> Result<(), Error> {
        self.bytes += (entry.key.len() + entry.value.len()) as u64;
        let expiry = entry.expiry_ms.map_or(Expiry::Never, Expiry::AtMs);
        self.batch.put_with(entry.key, entry.value, expiry);
        let limit = BATCH.1.min(self.engine.options().segment_bytes / 4);
        if self.batch.len() >= BATCH.0 || self.bytes >= limit {
            self.store()?;
        }
        Ok(())
    }

    fn store(&mut self) -> Result<(), Error> {
        let done = self.engine.write(&self.batch).map(drop);
        self.batch.clear();
        self.bytes = 0;
        if let Err(error) = &done {
            self.refused.get_or_insert_with(|| error.clone());
        }
        done
    }
}
