//! Figures of a run, by workload, engine, metric and round, and what they come to.

use crate::Result;
use crate::workload::{Metric, Workload};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A spread above this part of the median is marked.
const SPREAD_MAX: f64 = 0.25;

/// Figures of a run.
pub struct Results {
    /// Keys of a store.
    pub keys: u64,
    /// Rounds that were asked for.
    pub rounds: usize,
    machine: Value,
    rows: Vec<Row>,
}

/// The figures of an engine at a workload.
struct Row {
    workload: &'static Workload,
    engine: String,
    /// By metric, then by round.
    figures: BTreeMap<String, BTreeMap<usize, f64>>,
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
    pub fn new(keys: u64, rounds: usize, dir: &Path) -> Self {
        Self {
            keys,
            rounds,
            machine: machine(dir),
            rows: Vec::new(),
        }
    }

    /// Adds those of a round.
    pub fn add(
        &mut self,
        workload: &'static Workload,
        engine: &str,
        round: usize,
        figures: Vec<(String, f64)>,
    ) {
        let place = |row: &Row| row.workload.name == workload.name && row.engine == engine;
        let at = self.rows.iter().position(place).unwrap_or_else(|| {
            self.rows.push(Row {
                workload,
                engine: engine.to_owned(),
                figures: BTreeMap::new(),
            });
            self.rows.len() - 1
        });
        for (metric, figure) in figures {
            let rounds = self.rows[at].figures.entry(metric).or_default();
            rounds.insert(round, figure);
        }
    }

    /// The engines that have figures at a workload.
    pub fn engines(&self, workload: &Workload) -> impl Iterator<Item = &str> {
        let rows = self
            .rows
            .iter()
            .filter(|row| row.workload.name == workload.name);
        rows.map(|row| row.engine.as_str())
    }

    /// The median of a metric.
    pub fn median(&self, workload: &Workload, engine: &str, metric: &Metric) -> Option<Median> {
        Median::of(self.rounds(workload, engine, metric)?.values().copied())
    }

    /// The median of what the metric is over the limit's in the same round.
    pub fn over_limit(&self, workload: &Workload, engine: &str, metric: &Metric) -> Option<Median> {
        let limit = self.rounds(workload, "limit", metric)?;
        let own = self.rounds(workload, engine, metric)?;
        let pairs = own
            .iter()
            .filter_map(|(round, figure)| Some(figure / limit.get(round)?));
        Median::of(pairs)
    }

    fn rounds(
        &self,
        workload: &Workload,
        engine: &str,
        metric: &Metric,
    ) -> Option<&BTreeMap<usize, f64>> {
        let of = |row: &&Row| row.workload.name == workload.name && row.engine == engine;
        self.rows.iter().find(of)?.figures.get(metric.name)
    }

    /// Writes them as JSON.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut rows = Vec::new();
        for row in &self.rows {
            for metric in row.workload.metrics {
                let Some(rounds) = row.figures.get(metric.name) else {
                    continue;
                };
                rows.push(json!({
                    "workload": row.workload.name,
                    "engine": row.engine,
                    "metric": metric.name,
                    "unit": metric.unit,
                    "more_is_better": metric.more_is_better,
                    "rounds": rounds,
                }));
            }
        }
        let all = json!({
            "machine": self.machine,
            "keys": self.keys,
            "rounds": self.rounds,
            "rows": rows,
        });
        fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?;
        Ok(())
    }
}

/// What was measured on.
fn machine(dir: &Path) -> Value {
    let first = |file: &str, field: &str| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(field))?;
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
    };
    let kernel = rustix::system::uname();
    json!({
        "cpu": first("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": first("/proc/meminfo", "MemTotal"),
        "system": format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy()),
        "file_system": file_system(dir),
    })
}

/// The type of the file system that `dir` is on.
fn file_system(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let holding = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = words.next().zip(words.next())?;
        dir.starts_with(point)
            .then(|| (point.len(), kind.to_owned()))
    });
    holding.max().map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_marked_when_its_figures_lie_far_apart() {
        let near = Median::of([100.0, 90.0, 110.0]).unwrap();
        assert_eq!(
            near,
            Median {
                figure: 100.0,
                is_spread: false
            }
        );
        let far = Median::of([100.0, 80.0, 110.0]).unwrap();
        assert_eq!(
            far,
            Median {
                figure: 100.0,
                is_spread: true
            }
        );
        assert_eq!(Median::of([1.0, 3.0]).unwrap().figure, 2.0);
        assert_eq!(Median::of([]), None);
    }
}
