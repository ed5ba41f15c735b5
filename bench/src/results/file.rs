//! Results as a file: JSON, one row a line, so that a difference between two runs can be read.

use super::{Machine, Results, Row, Schedule};
use crate::Result;
use crate::clock::Clock;
use crate::workload::{self, Point};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

impl Results {
    /// Writes them.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(fs::write(path, self.to_text())?)
    }

    /// Reads them.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
        Self::from_text(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn to_text(&self) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| row.to_json().to_string())
            .collect();
        format!(
            "{{\"machine\":{},\n\"keys\":{},\"rounds\":{},\"clock\":\"{}\",\"rows\":[\n{}\n]}}\n",
            self.machine.to_json(),
            self.keys,
            self.rounds,
            self.clock.name(),
            rows.join(",\n")
        )
    }

    fn from_text(text: &str) -> Result<Self> {
        let all: Value = serde_json::from_str(text)?;
        let count = |name: &str| {
            all[name]
                .as_u64()
                .ok_or_else(|| format!("it has no {name}"))
        };
        let rows = all["rows"].as_array().ok_or("it has no rows")?;
        Ok(Self {
            keys: count("keys")?,
            rounds: count("rounds")? as usize,
            clock: Clock::from_str(all["clock"].as_str().unwrap_or_default(), false)?,
            machine: Machine::from_json(&all["machine"]),
            rows: rows.iter().map(Row::from_json).collect::<Result<_>>()?,
        })
    }
}

impl Row {
    fn to_json(&self) -> Value {
        let mut figures = self.figures.clone();
        let all = figures.values_mut().flat_map(|rounds| rounds.values_mut());
        all.for_each(|figure| *figure = rounded(*figure));
        let course: Vec<Point> = self.course.iter().map(|point| point.map(rounded)).collect();
        json!({
            "workload": self.workload.name,
            "engine": self.engine,
            "running_ns": self.schedule.running,
            "waiting_ns": self.schedule.waiting,
            "figures": figures,
            "course": course,
        })
    }

    fn from_json(json: &Value) -> Result<Self> {
        let name = json["workload"].as_str().unwrap_or_default();
        let count = |name: &str| json[name].as_u64().unwrap_or_default();
        Ok(Self {
            workload: workload::named(name).ok_or_else(|| format!("no workload is \"{name}\""))?,
            engine: serde_json::from_value(json["engine"].clone())?,
            figures: serde_json::from_value(json["figures"].clone())?,
            course: serde_json::from_value(json["course"].clone())?,
            schedule: Schedule {
                running: count("running_ns"),
                waiting: count("waiting_ns"),
            },
        })
    }
}

/// To five digits, which is more than any figure here is good for.
fn rounded(figure: f64) -> f64 {
    format!("{figure:.4e}").parse().unwrap_or(figure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use crate::results::Round;
    use clap::Parser;

    impl Results {
        /// Nothing but a machine.
        pub fn example() -> Self {
            let machine = Machine {
                processor: "a processor".into(),
                commit: "0123456789".into(),
                ..Machine::default()
            };
            Self::new(&Args::parse_from(["portcask-bench", "--quick"]), machine)
        }
    }

    #[test]
    fn what_was_saved_is_what_is_loaded() {
        let mut results = Results::example();
        let said = json!({
            "figures": { "first_second": 123_456.0 },
            "course": [[0.1, 5.0, 1.5]],
            "schedule": [70, 30],
        });
        let mut round = Round::default();
        round.read(&said).unwrap();
        let workload = workload::named("sustained").unwrap();
        results.add(workload, "portcask", 0, round);
        let again = Results::from_text(&results.to_text()).unwrap();
        assert_eq!(again.to_text(), results.to_text());
        assert_eq!(again.waited(workload), 0.3);
        let metric = workload
            .metrics
            .iter()
            .find(|m| m.name == "first_second")
            .unwrap();
        let median = again.median(workload, "portcask", metric).unwrap();
        assert_eq!(median.figure, 123_460.0);
        assert_eq!(again.courses(workload).count(), 1);
    }
}
