//! What must be true of a store after a cut, whatever it was doing.

use super::plan::{named, options, with_names};
use portcask::std_files::StdFiles;
use portcask::{Ack, Engine, Error, WriteOptions};
use portcask_core::testing::oracle::Contents;
use portcask_core::testing::world::{audit, contents};
use portcask_core::{Op, RecoveryReport};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, Instant};

/// The key that the judge writes, which no life touches.
const JUDGED: &[u8] = b"judged";

/// What a store shows when it is opened.
#[derive(Debug)]
pub struct Found {
    /// Everything in it, with [names](super::plan::named) for values.
    pub contents: Contents,
    /// What opening found and did.
    pub report: RecoveryReport,
    /// How long opening took.
    pub opening: Duration,
    /// The time that the store trusts.
    pub now_ms: u64,
}

impl Found {
    /// The same for the same contents, in every process.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.contents.hash(&mut hasher);
        hasher.finish()
    }

    /// What opening had to do, without the figures: two recoveries of one kind read alike.
    pub fn kind(&self) -> String {
        let report = &self.report;
        let words = [
            (report.created, "created"),
            (report.clean, "clean"),
            (report.hinted_bytes > 0, "hints"),
            (report.scanned_records > 0, "scan"),
            (report.torn_bytes > 0, "torn"),
            (report.torn_records > 0, "whole records in the torn"),
            (report.undecidable_bytes > 0, "bytes in doubt"),
            (report.undecidable_records > 0, "records in doubt"),
            (report.rewritten_records > 0, "rewritten"),
            (!report.orphans.is_empty(), "orphans"),
            (report.stepped_back, "stepped back"),
        ];
        let said: Vec<&str> = words.iter().filter(|it| it.0).map(|it| it.1).collect();
        said.join(", ")
    }
}

/// A directory as the writers use it.
pub fn storage(path: &Path) -> Result<StdFiles, Error> {
    StdFiles::open(path).map_err(|source| Error::storage(Op::Open, None, source))
}

/// Opens a store and reads everything in it twice and checks every file. A cut is no damage, so
/// there is none.
pub fn open_and_look(path: &Path) -> Result<(Engine<StdFiles>, Found), String> {
    let began = Instant::now();
    let storage = storage(path).map_err(|error| format!("cannot open: {error}"))?;
    let engine =
        Engine::open(storage, options()).map_err(|error| format!("cannot open: {error}"))?;
    let opening = began.elapsed();
    let report = engine.report().clone();
    if report.degraded || !report.damages.is_empty() {
        return Err(format!("a cut is not damage: {report}"));
    }
    let now_ms = engine.now_ms().ok_or("a host without a clock")?;
    let contents = with_names(contents(&engine)?);
    audit(&engine)?;
    let found = Found {
        contents,
        report,
        opening,
        now_ms,
    };
    Ok((engine, found))
}

/// How a judged store is left to its next life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Closed in order.
    Closed,
    /// As by the death of its process.
    Dropped,
}

/// Whether the store takes a durable write and shows the same when it is opened again. Returns
/// what it holds then.
pub fn lives_on(
    mut engine: Engine<StdFiles>,
    path: &Path,
    found: Found,
    number: u64,
    leave: Leave,
) -> Result<Contents, String> {
    let value = format!("judged {number}").into_bytes();
    let how = WriteOptions {
        ack: Some(Ack::Synced),
        ..WriteOptions::default()
    };
    let mut expected = found.contents;
    engine
        .put_with(JUDGED, &value, &how)
        .map_err(|error| format!("takes no write any more: {error}"))?;
    expected.insert(JUDGED.to_vec(), (named(&value), None));
    leave_it(engine, leave)?;
    let (engine, again) = open_and_look(path)?;
    if again.contents != expected {
        return Err(format!(
            "opened again it shows {:?} and not {expected:?}",
            again.contents
        ));
    }
    if (leave == Leave::Closed) != again.report.clean {
        return Err(format!("left {leave:?}, but: {}", again.report));
    }
    leave_it(engine, leave)?;
    Ok(expected)
}

fn leave_it(engine: Engine<StdFiles>, leave: Leave) -> Result<(), String> {
    match leave {
        Leave::Closed => engine.close().map_err(|error| format!("close: {error}")),
        Leave::Dropped => {
            drop(engine);
            Ok(())
        }
    }
}
