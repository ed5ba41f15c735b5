//! What is measured: each workload is a list of stages, and each stage a process of its own.

mod batch;
mod delete;
mod durable;
mod fill;
mod large;
mod load;
mod own_cost;
mod read;
mod reopen;
pub mod sandbox;
mod sustained;
mod threads;
mod ycsb;

use crate::Result;
use crate::args::Stage;
use crate::clock::Clock;
use crate::engine::{Engine, Task};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A workload and the columns of its table.
#[derive(Clone, Copy)]
pub struct Workload {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Its table's heading.
    pub title: &'static str,
    /// How many processes follow one another on the same directory.
    pub stages: usize,
    /// More rounds than these tell nothing new, and take long.
    pub rounds_max: usize,
    /// The engine that the others are compared with.
    pub reference: &'static str,
    /// Of the limit's variants, those that differ here.
    pub limits: &'static [&'static str],
    /// If there are any, these are its rows, and no engines.
    pub rows: &'static [&'static str],
    /// What its stages report, in the order of the columns.
    pub metrics: &'static [Metric],
    /// Not part of a run with `--quick`.
    pub is_long: bool,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether more is better.
    pub more_is_better: bool,
}

const fn rate(name: &'static str, unit: &'static str) -> Metric {
    let more_is_better = true;
    Metric {
        name,
        unit,
        more_is_better,
    }
}

const fn cost(name: &'static str, unit: &'static str) -> Metric {
    let more_is_better = false;
    Metric {
        name,
        unit,
        more_is_better,
    }
}

/// What most are compared with.
pub const LIMIT: &str = "limit";

const MAPPED: &[&str] = &["limit", "limit-mmap"];
const ALL_LIMITS: &[&str] = &["limit", "limit-mmap", "limit-falloc"];

/// Every workload, in the order of the tables.
pub static WORKLOADS: [Workload; 13] = [
    own_cost::WORKLOAD,
    fill::SMALL,
    fill::MIDDLE,
    batch::WORKLOAD,
    durable::WORKLOAD,
    read::WORKLOAD,
    ycsb::WORKLOAD,
    delete::WORKLOAD,
    sustained::WORKLOAD,
    large::WORKLOAD,
    reopen::WORKLOAD,
    reopen::LONG,
    sandbox::WORKLOAD,
];

/// The workload of this name.
pub fn named(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

/// One stage, in the process that runs it.
pub struct Job {
    /// The workload's name.
    pub workload: String,
    /// The stage's number.
    pub stage: usize,
    /// The store's directory; it exists.
    pub dir: PathBuf,
    /// Keys of a store of small values.
    pub keys: u64,
    /// Another one in every round.
    pub seed: u64,
    /// What single threads are timed by.
    pub clock: Clock,
    findings: Mutex<Findings>,
}

/// What a stage has found.
#[derive(Default)]
pub struct Findings {
    /// Figures by metric.
    pub figures: Vec<(&'static str, f64)>,
    /// How it went: seconds, operations per second, space.
    pub course: Vec<Point>,
}

/// A moment of a long run.
pub type Point = [f64; 3];

impl Job {
    /// The stage that was asked for.
    pub fn new(stage: &Stage) -> Self {
        Self {
            workload: stage.workload.clone(),
            stage: stage.stage,
            dir: stage.dir.clone(),
            keys: stage.keys,
            seed: stage.seed,
            clock: stage.clock,
            findings: Mutex::default(),
        }
    }

    /// Does what needs no engine.
    pub fn run_alone(&self) -> Result<()> {
        match self.workload.as_str() {
            "harness" => own_cost::run(self),
            "sandbox" => sandbox::run(self),
            other => Err(format!("\"{other}\" is no workload without an engine").into()),
        }
    }

    /// What was reported.
    pub fn findings(self) -> Findings {
        self.findings
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports a figure.
    pub fn report(&self, metric: &'static str, figure: f64) {
        self.with(|findings| findings.figures.push((metric, figure)));
    }

    /// Reports how it went.
    pub fn report_course(&self, points: Vec<Point>) {
        self.with(|findings| findings.course = points);
    }

    /// Reports how many there were in a second.
    pub fn report_rate(&self, metric: &'static str, count: u64, time: Duration) {
        self.report(metric, count as f64 / time.as_secs_f64());
    }

    fn with(&self, note: impl FnOnce(&mut Findings)) {
        note(&mut self.findings.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Task for Job {
    fn run<E: Engine>(&self) -> Result<()> {
        match self.workload.as_str() {
            "fill" => fill::run::<E>(self, guest::data::SMALL, self.keys),
            "fill1k" => fill::run::<E>(self, guest::data::MIDDLE, self.keys / 5),
            "fillbatch" => batch::run::<E>(self),
            "durable" => durable::run::<E>(self),
            "read" => read::run::<E>(self),
            "ycsb" => ycsb::run::<E>(self),
            "delete" => delete::run::<E>(self),
            "sustained" => sustained::run::<E>(self),
            "large" => large::run::<E>(self),
            "reopen" => reopen::run::<E>(self, self.keys),
            "reopen5m" => reopen::run::<E>(self, 5 * self.keys),
            unknown => Err(format!("there is no workload \"{unknown}\"").into()),
        }
    }
}
