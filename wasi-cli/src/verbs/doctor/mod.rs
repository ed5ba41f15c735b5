//! doctor: does this host keep what the engine relies on, and is the store well?
//!
//! Every promise is tried on real files in a scratch directory inside the store's directory, so
//! on the same file system; the scratch directory is removed whatever happens.

mod costs;
mod promises;

use super::health::{checked, damages_json, damages_table, exit_of, recovery_json};
use crate::args::DoctorArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::store::{open_for_reading, open_for_writing};
use crate::term::Table;
use crate::{Context, interrupt, units};
use portcask::{PlatformStorage, RecoveryReport};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A promise that was tried.
struct Tried {
    /// What was tried.
    what: &'static str,
    /// How it went.
    verdict: Verdict,
    /// What that means here.
    detail: String,
}

/// How a promise fared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Kept.
    Kept,
    /// The host cannot do it and says so; the engine does without.
    Without,
    /// Not kept although the engine needs it.
    Broken,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Kept => "yes",
            Self::Without => "no",
            Self::Broken => "BROKEN",
        }
    }
}

/// `doctor`: tries the host, checks the store.
pub fn doctor(context: &mut Context, args: &DoctorArgs) -> Outcome {
    let dir = context.store.dir()?.to_owned();
    open_for_reading(&dir)?;
    let host = host(&dir, args);
    let mut exit = Exit::Done;
    let mut report = json!({ "directory": dir.display().to_string() });
    match host {
        Ok(Host { tried, costs }) => {
            if tried.iter().any(|tried| tried.verdict == Verdict::Broken) {
                exit = Exit::System;
            }
            report["promises"] = tried.iter().map(as_json).collect();
            report["costs"] = costs.iter().map(costs::Cost::json).collect();
            if !context.json {
                say_host(context, &tried, &costs)?;
            }
        }
        // A directory that cannot be written may still hold a store that can be read.
        Err(Failure::Said { message, .. }) => {
            exit = Exit::System;
            report["promises"] = Value::Null;
            report["refused"] = message.clone().into();
            if !context.json {
                context
                    .out
                    .line(format!("the host could not be tested: {message}"))?;
            }
        }
        Err(closed) => return Err(closed),
    }
    if interrupt::was_pressed() {
        return Err(Failure::new(
            Exit::Interrupted,
            "interrupted: the scratch files were removed",
        ));
    }
    let health = health(context, args, &mut report)?;
    if context.json {
        context.out.json(&report)?;
    }
    Ok(if health == Exit::Done { exit } else { health })
}

struct Host {
    tried: Vec<Tried>,
    costs: Vec<costs::Cost>,
}

fn host(dir: &Path, args: &DoctorArgs) -> Result<Host, Failure> {
    let scratch = Scratch::new(dir)?;
    interrupt::watch();
    let name = scratch.0.display().to_string();
    interrupt::keep(|| format!("the store is untouched; {name} can be deleted"));
    let storage = open_for_writing(&scratch.0)?;
    let tried = promises::try_all(&storage, &scratch.0);
    let costs = costs::measure(&storage, args.calls)
        .map_err(|error| Failure::new(Exit::System, format!("{}: {error}", scratch.0.display())))?;
    Ok(Host { tried, costs })
}

fn as_json(tried: &Tried) -> Value {
    json!({ "what": tried.what, "kept": tried.verdict == Verdict::Kept,
            "broken": tried.verdict == Verdict::Broken, "detail": tried.detail })
}

fn say_host(context: &mut Context, tried: &[Tried], costs: &[costs::Cost]) -> Result<(), Failure> {
    let mut table = Table::new(&["promise", "here", "what that means"]);
    for tried in tried {
        table.row([
            tried.what.to_owned(),
            tried.verdict.word().to_owned(),
            tried.detail.clone(),
        ]);
    }
    context.out.table(&table)?;
    context.out.line("")?;
    let mut table = Table::new(&["call", ">median", ">p99", ">calls"]);
    for cost in costs {
        table.row([
            cost.what.to_owned(),
            units::nanos(cost.median_ns),
            units::nanos(cost.p99_ns),
            units::count(cost.calls),
        ]);
    }
    context.out.table(&table)?;
    context.out.line("")
}

/// Opens the store and says how it is.
fn health(context: &mut Context, args: &DoctorArgs, report: &mut Value) -> Outcome {
    let found = context.store.read(|engine| {
        let stats = engine.stats()?;
        // As every other verb counts: what expired since is no key any more.
        let report = RecoveryReport {
            keys: stats.keys,
            ..engine.report().clone()
        };
        Ok((report, stats, engine.merge_plan()?.due))
    });
    let (recovery, stats, is_merge_due) = match found {
        Ok(found) => found,
        Err(Failure::Said { exit, message }) => {
            report["store"] = json!({ "opens": false, "why": message });
            if !context.json {
                context
                    .out
                    .line(format!("the store does not open: {message}"))?;
            }
            return Ok(exit);
        }
        Err(closed) => return Err(closed),
    };
    let verified = match args.deep {
        true => Some(checked(context)?),
        false => None,
    };
    let exit = exit_of(&verified.clone().unwrap_or_default(), &recovery);
    report["store"] = json!({
        "opens": true,
        "keys": stats.keys,
        "total_bytes": stats.total_bytes,
        "dead_bytes": stats.dead_bytes,
        "merge_due": is_merge_due,
        "recovery": recovery_json(&recovery),
        "verified": verified.is_some(),
        "damages": verified.as_ref().map(|report| damages_json(&report.damages)),
    });
    if context.json {
        return Ok(exit);
    }
    context.out.line(format!(
        "the store opens: {recovery}; {}, {} of it dead{}",
        units::size(stats.total_bytes),
        units::percent(stats.dead_bytes, stats.total_bytes),
        if is_merge_due { ", a merge is due" } else { "" },
    ))?;
    match &verified {
        None => context
            .out
            .line("not every byte was read: --deep reads them all")?,
        Some(report) if report.damages.is_empty() => {
            context.out.line("all its bytes are as they were written")?;
        }
        Some(report) => damages_table(context, &report.damages)?,
    }
    Ok(exit)
}

/// A directory of our own, removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: &Path) -> Result<Self, Failure> {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let path = dir.join(format!("doctor-scratch-{nanos}"));
        fs::create_dir(&path).map_err(|error| Failure::file("write in", dir, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Not remove_dir_all: it misses names under hosts whose listing shifts while removing.
        for _ in 0..8 {
            let names: Vec<PathBuf> = fs::read_dir(&self.0)
                .map(|found| found.flatten().map(|entry| entry.path()).collect())
                .unwrap_or_default();
            names.iter().for_each(|path| drop(fs::remove_file(path)));
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
        }
    }
}

/// The storage that is tried.
type Tested = PlatformStorage;
