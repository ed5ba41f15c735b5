//! What single calls cost here.

use super::Tested;
use portcask::storage::{ErrorKind, File};
use portcask::{FileName, Storage, StorageError};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Syncs are slow: so much time is spent on them at most.
const SYNC_TIME_MAX: Duration = Duration::from_secs(2);
const SYNCS_MAX: usize = 100;
const RECORD: [u8; 128] = [b'x'; 128];

/// A measured call.
pub struct Cost {
    pub what: &'static str,
    pub median_ns: u64,
    pub p99_ns: u64,
    pub calls: u64,
}

impl Cost {
    fn of(what: &'static str, mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        let at = |share: usize| nanos.get(nanos.len() * share / 100).copied().unwrap_or(0);
        Self {
            what,
            median_ns: at(50),
            p99_ns: at(99),
            calls: nanos.len() as u64,
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "what": self.what,
            "median_ns": self.median_ns,
            "p99_ns": self.p99_ns,
            "calls": self.calls,
        })
    }
}

/// Appends, reads and syncs records of 128 bytes.
pub fn measure(storage: &Tested, calls: usize) -> Result<Vec<Cost>, StorageError> {
    let name = FileName::new("costs").ok_or(StorageError::new(ErrorKind::Io))?;
    let file = storage.create(&name)?;
    let mut end = 0;
    let mut append = || {
        let done = file.append(end, &RECORD);
        end += RECORD.len() as u64;
        done
    };
    let appends = timed(calls, Duration::MAX, &mut append)?;
    let mut at = 0;
    let mut back = [0; RECORD.len()];
    let preads = timed(calls, Duration::MAX, || {
        at = (at + 7919 * RECORD.len() as u64) % (calls as u64 * RECORD.len() as u64);
        file.pread(at, &mut back).map(drop)
    })?;
    let syncs = timed(calls.min(SYNCS_MAX), SYNC_TIME_MAX, || {
        append()?;
        file.sync()
    })?;
    Ok(vec![
        Cost::of("append 128 bytes", appends),
        Cost::of("read 128 bytes (cached)", preads),
        Cost::of("append 128 bytes and sync", syncs),
    ])
}

fn timed(
    calls: usize,
    time_max: Duration,
    mut call: impl FnMut() -> Result<(), StorageError>,
) -> Result<Vec<u64>, StorageError> {
    let started = Instant::now();
    let mut nanos = Vec::with_capacity(calls.min(1 << 20));
    for _ in 0..calls {
        let before = Instant::now();
        call()?;
        nanos.push(u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if started.elapsed() >= time_max || crate::interrupt::was_pressed() {
            break;
        }
    }
    Ok(nanos)
}
