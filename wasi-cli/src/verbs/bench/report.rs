//! What a run says: a line now and then, profiles as CSV, and the numbers at the end.

use super::samples::Percentiles;
use super::startup::Startup;
use super::target::Target;
use super::worker::{Shared, Worker};
use crate::Context;
use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::host::{memory_bytes, peak_memory_bytes, processor_ms};
use crate::term::Table;
use crate::units;
use portcask::Stats;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const KINDS: [&str; 3] = ["read", "write", "delete"];

/// What happens now and then during a run.
pub struct Periodic {
    print: Every,
    profile: Every,
    merge: Every,
    cpu: Option<Profile>,
    memory: Option<Profile>,
    printed_ops: u64,
    profiled_ops: u64,
    /// Merges that were started.
    pub merges: u64,
}

impl Periodic {
    /// Creates the files of the profiles.
    pub fn new(args: &BenchArgs) -> Result<Self, Failure> {
        let cpu = "seconds,operations,operations_per_second,user_ms,system_ms";
        let memory = "seconds,memory_bytes,key_memory_bytes,store_bytes,live_bytes,keys";
        Ok(Self {
            print: Every::new(args.print_every),
            profile: Every::new(1000),
            merge: Every::new(args.compact_every),
            cpu: Profile::new(args.cpuprofile.as_deref(), cpu)?,
            memory: Profile::new(args.memprofile.as_deref(), memory)?,
            printed_ops: 0,
            profiled_ops: 0,
            merges: 0,
        })
    }

    /// Does what is due.
    pub fn tick(
        &mut self,
        context: &mut Context,
        target: &Target,
        shared: &Shared,
    ) -> Result<(), Failure> {
        let seconds = shared.started.elapsed().as_secs_f64();
        let ops = shared.done.load(Ordering::Relaxed);
        if let Some(period) = self.print.passed() {
            let rate = units::rate(ops - self.printed_ops, period);
            self.printed_ops = ops;
            if !context.json && !context.quiet {
                let ops = units::count(ops);
                let rate = units::count(rate);
                context.out.line(format!(
                    "{seconds:>7.1} s  {ops:>13} ops  {rate:>11} per second"
                ))?;
                context.out.flush()?;
            }
        }
        if let Some(period) = self.profile.passed() {
            self.profile(target, shared, period)?;
        }
        Ok(())
    }

    /// Adds a row to the profiles: every second, and at the end of the run.
    pub fn profile(
        &mut self,
        target: &Target,
        shared: &Shared,
        period: Duration,
    ) -> Result<(), Failure> {
        let seconds = shared.started.elapsed().as_secs_f64();
        let ops = shared.done.load(Ordering::Relaxed);
        let rate = units::rate(ops - self.profiled_ops, period);
        self.profiled_ops = ops;
        let field = |number: Option<u64>| number.map_or(String::new(), |n| n.to_string());
        if let Some(profile) = &mut self.cpu {
            let (user, system) = processor_ms().unzip();
            let times = [field(user), field(system)].join(",");
            profile.row(&format!("{seconds:.3},{ops},{rate},{times}"))?;
        }
        if let Some(profile) = &mut self.memory
            && let Ok(stats) = target.stats()
        {
            profile.row(&format!(
                "{seconds:.3},{},{},{},{},{}",
                field(memory_bytes()),
                stats.memory_bytes,
                stats.total_bytes,
                stats.live_bytes,
                stats.keys
            ))?;
        }
        Ok(())
    }

    /// How long ago the profiles got their last row.
    pub fn since_profile(&self) -> Duration {
        self.profile.last.elapsed()
    }

    /// Whether to merge now.
    pub fn is_merge_due(&mut self) -> bool {
        let is_due = self.merge.passed().is_some();
        self.merges += u64::from(is_due);
        is_due
    }
}

/// Something that is due again after a period; never, if that is 0.
struct Every {
    period: Duration,
    last: Instant,
}

impl Every {
    fn new(ms: u64) -> Self {
        Self {
            period: Duration::from_millis(ms),
            last: Instant::now(),
        }
    }

    fn passed(&mut self) -> Option<Duration> {
        let elapsed = self.last.elapsed();
        if self.period.is_zero() || elapsed < self.period {
            return None;
        }
        self.last = Instant::now();
        Some(elapsed)
    }
}

struct Profile {
    path: PathBuf,
    file: File,
}

impl Profile {
    fn new(path: Option<&Path>, header: &str) -> Result<Option<Self>, Failure> {
        let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
            return Ok(None);
        };
        let file = File::create(path).map_err(|error| Failure::file("write", path, &error))?;
        let mut profile = Self {
            path: path.to_owned(),
            file,
        };
        profile.row(header)?;
        Ok(Some(profile))
    }

    fn row(&mut self, row: &str) -> Result<(), Failure> {
        writeln!(self.file, "{row}").map_err(|error| Failure::file("write", &self.path, &error))
    }
}

/// How long opening took.
pub fn startup(context: &mut Context, startup: &Startup) -> Result<(), Failure> {
    if context.json {
        return context
            .out
            .json(&json!({ "startup": startup_json(startup) }));
    }
    let found = &startup.found;
    context.out.line(format!(
        "opened in {}: {}, {} from hints, {} read record by record{}",
        units::nanos(startup.elapsed.as_nanos() as u64),
        units::counted(found.keys, "key"),
        units::size(found.hinted_bytes),
        units::size(found.scanned_bytes),
        if startup.is_scan {
            " (hints hidden)"
        } else {
            ""
        },
    ))
}

fn startup_json(startup: &Startup) -> Value {
    json!({
        "seconds": startup.elapsed.as_secs_f64(),
        "keys": startup.found.keys,
        "hinted_bytes": startup.found.hinted_bytes,
        "scanned_bytes": startup.found.scanned_bytes,
        "scanned_records": startup.found.scanned_records,
        "hints_hidden": startup.is_scan,
    })
}

/// The numbers at the end.
pub fn final_report(
    context: &mut Context,
    args: &BenchArgs,
    startup: &Startup,
    workers: Vec<Worker>,
    elapsed: Duration,
    stats: &Stats,
    periodic: &Periodic,
) -> Result<(), Failure> {
    let each: Vec<(&str, Percentiles)> = KINDS
        .iter()
        .enumerate()
        .map(|(at, kind)| {
            (
                *kind,
                Percentiles::of(workers.iter().map(|w| &w.samples[at])),
            )
        })
        .collect();
    let all = Percentiles::of(workers.iter().flat_map(|worker| &worker.samples));
    let (hits, bytes) = workers.iter().fold((0, 0), |(hits, bytes), worker| {
        (hits + worker.hits, bytes + worker.bytes)
    });
    if context.json {
        let mut kinds = Map::new();
        for (kind, found) in each.iter().copied().chain([("all", all)]) {
            kinds.insert(kind.to_owned(), percentiles_json(found));
        }
        return context.out.json(&json!({
            "startup": startup_json(startup),
            "seconds": elapsed.as_secs_f64(),
            "threads": workers.len(),
            "operations": all.count,
            "operations_per_second": units::rate(all.count, elapsed),
            "latencies_ns": kinds,
            "read_hits": hits,
            "value_bytes": bytes,
            "merges": periodic.merges,
            "store_bytes": stats.total_bytes,
            "live_bytes": stats.live_bytes,
            "keys": stats.keys,
            "key_memory_bytes": stats.memory_bytes,
            "peak_memory_bytes": peak_memory_bytes(),
        }));
    }
    context.out.line(format!(
        "{} in {}: {} per second, {} per second of values, {}",
        units::counted(all.count, "operation"),
        units::duration(elapsed.as_millis() as u64),
        units::count(units::rate(all.count, elapsed)),
        units::size(units::rate(bytes, elapsed)),
        units::counted(workers.len() as u64, "thread"),
    ))?;
    let mut table = Table::new(&["", ">count", ">share", ">p50", ">p95", ">p99", ">max"]);
    for (kind, found) in each.into_iter().chain([("all", all)]) {
        table.row([
            kind.to_owned(),
            units::count(found.count),
            units::percent(found.count, all.count),
            units::nanos(found.p50),
            units::nanos(found.p95),
            units::nanos(found.p99),
            units::nanos(found.max),
        ]);
    }
    context.out.table(&table)?;
    let reads = workers.iter().map(|worker| worker.samples[0].seen()).sum();
    let mut line = format!(
        "{} of reads found their key; the store has {} in {}, {} of it live",
        units::percent(hits, reads),
        units::counted(stats.keys, "key"),
        units::size(stats.total_bytes),
        units::percent(stats.live_bytes, stats.total_bytes),
    );
    if args.compact_every > 0 {
        line.push_str(&format!(
            "; merged {}",
            units::counted(periodic.merges, "time")
        ));
    }
    if let Some(peak) = peak_memory_bytes() {
        line.push_str(&format!("; peak memory {}", units::size(peak)));
    }
    context.out.line(line)
}

fn percentiles_json(found: Percentiles) -> Value {
    json!({
        "count": found.count,
        "p50": found.p50,
        "p95": found.p95,
        "p99": found.p99,
        "max": found.max,
    })
}
