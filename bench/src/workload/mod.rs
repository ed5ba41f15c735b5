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
mod threads;
mod ycsb;

use crate::Result;
use crate::args::Stage;
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
    /// Of the limit's variants, those that differ here.
    pub limits: &'static [&'static str],
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

const MAPPED: &[&str] = &["limit", "limit-mmap"];
const ALL_LIMITS: &[&str] = &["limit", "limit-mmap", "limit-falloc"];

/// Every workload, in the order of the tables.
pub const WORKLOADS: [Workload; 11] = [
    own_cost::WORKLOAD,
    fill::SMALL,
    fill::MIDDLE,
    batch::WORKLOAD,
    durable::WORKLOAD,
    read::WORKLOAD,
    ycsb::WORKLOAD,
    delete::WORKLOAD,
    large::WORKLOAD,
    reopen::WORKLOAD,
    reopen::LONG,
];

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
    found: Mutex<Vec<(&'static str, f64)>>,
}

impl Job {
    /// The stage that was asked for.
    pub fn new(stage: &Stage) -> Self {
        Self {
            workload: stage.workload.clone(),
            stage: stage.stage,
            dir: stage.dir.clone(),
            keys: stage.keys,
            seed: stage.seed,
            found: Mutex::default(),
        }
    }

    /// What was reported.
    pub fn found(self) -> Vec<(&'static str, f64)> {
        self.found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports a figure.
    pub fn report(&self, metric: &'static str, figure: f64) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.push((metric, figure));
    }

    /// Reports how many there were in a second.
    pub fn report_rate(&self, metric: &'static str, count: u64, time: Duration) {
        self.report(metric, count as f64 / time.as_secs_f64());
    }
}

impl Task for Job {
    fn run<E: Engine>(&self) -> Result<()> {
        match self.workload.as_str() {
            "harness" => own_cost::run(self),
            "fill" => fill::run::<E>(self, crate::data::SMALL, self.keys),
            "fill1k" => fill::run::<E>(self, crate::data::MIDDLE, self.keys / 5),
            "fillbatch" => batch::run::<E>(self),
            "durable" => durable::run::<E>(self),
            "read" => read::run::<E>(self),
            "ycsb" => ycsb::run::<E>(self),
            "delete" => delete::run::<E>(self),
            "large" => large::run::<E>(self),
            "reopen" => reopen::run::<E>(self, self.keys),
            "reopen5m" => reopen::run::<E>(self, 5 * self.keys),
            unknown => Err(format!("there is no workload \"{unknown}\"").into()),
        }
    }
}
