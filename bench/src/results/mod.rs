//! Figures of a run, by workload, engine, metric and round, and what they come to.

mod file;
mod machine;

pub use machine::Machine;

use crate::Result;
use crate::args::Args;
use crate::clock::Clock;
use crate::workload::{Metric, Point, Workload};
use serde_json::Value;
use std::collections::BTreeMap;

/// A spread above this part of the median is marked.
const SPREAD_MAX: f64 = 0.25;

/// Figures of a run.
pub struct Results {
    /// Keys of a store.
    pub keys: u64,
    /// Rounds that were asked for.
    pub rounds: usize,
    /// What single threads were timed by.
    pub clock: Clock,
    /// What was measured on.
    pub machine: Machine,
    rows: Vec<Row>,
}

/// The figures of an engine at a workload.
struct Row {
    workload: &'static Workload,
    engine: String,
    /// By metric, then by round.
    figures: BTreeMap<String, BTreeMap<usize, f64>>,
    /// How its last round went, if it tells.
    course: Vec<Point>,
    schedule: Schedule,
}

/// What an engine's stages found in one round.
#[derive(Default)]
pub struct Round {
    figures: BTreeMap<String, f64>,
    course: Vec<Point>,
    schedule: Schedule,
}

/// Nanoseconds on a processor, and nanoseconds that were lost to others.
#[derive(Clone, Copy, Default)]
struct Schedule {
    running: u64,
    waiting: u64,
}

impl Round {
    /// Adds what a stage said.
    pub fn read(&mut self, said: &Value) -> Result<()> {
        let figures: BTreeMap<String, f64> = serde_json::from_value(said["figures"].clone())?;
        self.figures.extend(figures);
        // A guest in a sandbox knows only its figures.
        let course: Option<Vec<Point>> = serde_json::from_value(said["course"].clone())?;
        self.course.extend(course.unwrap_or_default());
        let schedule: Option<(u64, u64)> = serde_json::from_value(said["schedule"].clone())?;
        let (running, waiting) = schedule.unwrap_or_default();
        self.schedule.running += running;
        self.schedule.waiting += waiting;
        Ok(())
    }
}

/// A median, and whether the figures behind it lie far apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Median {
    /// The figure in the middle.
    pub figure: f64,
    /// (max - min) / median is above 25 %.
    pub is_spread: bool,
}

impl Median {
    /// Of these figures, if there are any.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut all: Vec<f64> = figures.into_iter().collect();
        all.sort_unstable_by(f64::total_cmp);
        let (first, last) = (*all.first()?, *all.last()?);
        let figure = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
        let is_spread = last - first > SPREAD_MAX * figure;
        Some(Self { figure, is_spread })
    }
}

impl Results {
    /// None yet.
    pub fn new(args: &Args, machine: Machine) -> Self {
        Self {
            keys: args.keys(),
            rounds: args.rounds(),
            clock: args.clock(),
            machine,
            rows: Vec::new(),
        }
    }

    /// Adds those of a round.
    pub fn add(&mut self, workload: &'static Workload, engine: &str, number: usize, round: Round) {
        let at = self.place(workload, engine).unwrap_or_else(|| {
            self.rows.push(Row {
                workload,
                engine: engine.to_owned(),
                figures: BTreeMap::new(),
                course: Vec::new(),
                schedule: Schedule::default(),
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[at];
        for (metric, figure) in round.figures {
            row.figures
                .entry(metric)
                .or_default()
                .insert(number, figure);
        }
        row.course = round.course;
        row.schedule.running += round.schedule.running;
        row.schedule.waiting += round.schedule.waiting;
    }

    /// The engines that have figures at a workload.
    pub fn engines(&self, workload: &Workload) -> impl Iterator<Item = &str> {
        self.rows_of(workload).map(|row| row.engine.as_str())
    }

    /// How a workload went with each engine that tells.
    pub fn courses(&self, workload: &Workload) -> impl Iterator<Item = (&str, &[Point])> {
        let rows = self.rows_of(workload).filter(|row| !row.course.is_empty());
        rows.map(|row| (row.engine.as_str(), row.course.as_slice()))
    }

    /// The median of a metric.
    pub fn median(&self, workload: &Workload, engine: &str, metric: &Metric) -> Option<Median> {
        Median::of(self.figures(workload, engine, metric)?.values().copied())
    }

    /// The median of what the metric is over the reference's, mostly the limit's, in the same round.
    pub fn over_reference(
        &self,
        workload: &Workload,
        engine: &str,
        metric: &Metric,
    ) -> Option<Median> {
        let reference = self.figures(workload, workload.reference, metric)?;
        let own = self.figures(workload, engine, metric)?;
        let pairs = own
            .iter()
            .filter_map(|(round, figure)| Some(figure / reference.get(round)?));
        Median::of(pairs)
    }

    /// The part of their time that a workload's processes were ready to run and had no processor.
    pub fn waited(&self, workload: &Workload) -> f64 {
        let sum = |of: fn(&Schedule) -> u64| -> u64 {
            self.rows_of(workload).map(|row| of(&row.schedule)).sum()
        };
        let (running, waiting) = (sum(|s| s.running), sum(|s| s.waiting));
        waiting as f64 / (running + waiting).max(1) as f64
    }

    fn figures(
        &self,
        workload: &Workload,
        engine: &str,
        metric: &Metric,
    ) -> Option<&BTreeMap<usize, f64>> {
        let row = &self.rows[self.place(workload, engine)?];
        row.figures.get(metric.name)
    }

    fn place(&self, workload: &Workload, engine: &str) -> Option<usize> {
        let is_it = |row: &Row| row.workload.name == workload.name && row.engine == engine;
        self.rows.iter().position(is_it)
    }

    fn rows_of(&self, workload: &Workload) -> impl Iterator<Item = &Row> {
        let name = workload.name;
        self.rows
            .iter()
            .filter(move |row| row.workload.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload;

    #[test]
    fn a_median_is_marked_when_its_figures_lie_far_apart() {
        let median = |figures: [f64; 3]| Median::of(figures).map(|m| (m.figure, m.is_spread));
        assert_eq!(median([100.0, 90.0, 110.0]), Some((100.0, false)));
        assert_eq!(median([100.0, 80.0, 110.0]), Some((100.0, true)));
        assert_eq!(Median::of([1.0, 3.0]).map(|m| m.figure), Some(2.0));
        assert_eq!(Median::of([]), None);
    }

    #[test]
    fn a_ratio_compares_figures_of_the_same_round() {
        let (fill, mut results) = (workload::named("fill").unwrap(), Results::example());
        for (round, limit, own) in [(0, 10.0, 5.0), (1, 100.0, 50.0), (2, 1000.0, 500.0)] {
            for (engine, figure) in [("limit", limit), ("portcask", own)] {
                let figures = BTreeMap::from([("put".to_owned(), figure)]);
                let round_of = Round {
                    figures,
                    ..Round::default()
                };
                results.add(fill, engine, round, round_of);
            }
        }
        let over = results.over_reference(fill, "portcask", &fill.metrics[0]);
        assert_eq!(
            over.map(|over| (over.figure, over.is_spread)),
            Some((0.5, false))
        );
    }
}
