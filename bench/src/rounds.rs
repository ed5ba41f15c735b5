//! Rounds of A B C, each stage of each engine in a process of its own, on a directory of its own.

use crate::Result;
use crate::args::{Args, Child};
use crate::engine;
use crate::process;
use crate::results::Results;
use crate::table;
use crate::workload::{Job, WORKLOADS, Workload};
use serde_json::json;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a stage and prints its figures: `{"metric":NAME,"figure":NUMBER}`, one a line.
pub fn child(child: &Child) -> Result<()> {
    let Child::Stage(stage) = child;
    let job = Job::new(stage);
    engine::with(&stage.engine, &job)?;
    for (metric, figure) in job.found() {
        println!("{}", json!({ "metric": metric, "figure": figure }));
    }
    Ok(())
}

/// Runs what was asked for, prints the tables and writes the results. Whether all stages succeeded.
pub fn run(args: &Args) -> Result<bool> {
    let place = Place::new(args.dir.as_deref())?;
    let mut results = Results::new(args.keys(), args.rounds(), &place.dir);
    let mut failures = 0;
    for workload in WORKLOADS
        .iter()
        .filter(|workload| is_wanted(args, workload))
    {
        for round in 0..args.rounds() {
            for engine in engines(args, workload) {
                progress(&format!(
                    "{} {}/{}: {engine}",
                    workload.name,
                    round + 1,
                    args.rounds()
                ));
                let found = stages(args, &place, workload, engine, round as u64);
                progress("");
                match found {
                    Ok(figures) => results.add(workload, engine, round, figures),
                    Err(error) => {
                        failures += 1;
                        eprintln!(
                            "{engine} failed at {} in round {}: {error}",
                            workload.name,
                            round + 1
                        );
                    }
                }
            }
        }
        print!("{}", table::of(&results, workload));
        if let Some(json) = &args.json {
            results.save(json)?;
        }
    }
    Ok(failures == 0)
}

fn is_wanted(args: &Args, workload: &Workload) -> bool {
    if args.workloads.is_empty() {
        return !(args.quick && workload.is_long);
    }
    args.workloads.iter().any(|name| name == workload.name)
}

/// The engines of a workload, in the order of the tables.
fn engines<'a>(args: &'a Args, workload: &Workload) -> Vec<&'a str> {
    if workload.name == "harness" {
        return vec!["limit"];
    }
    let is_asked = |name: &&str| args.engines.is_empty() || args.engines.iter().any(|e| e == name);
    let differs = |name: &&str| !name.starts_with("limit") || workload.limits.contains(name);
    let names = engine::NAMES.iter().copied();
    names.filter(is_asked).filter(differs).collect()
}

/// Figures of one engine in one round.
type Figures = Vec<(String, f64)>;

fn stages(
    args: &Args,
    place: &Place,
    workload: &Workload,
    engine: &str,
    round: u64,
) -> Result<Figures> {
    let dir = place.emptied()?;
    let mut figures = Figures::new();
    for stage in 0..workload.stages {
        // What others left to be written is none of this stage's work.
        process::write_back(&place.dir)?;
        let output = Command::new(std::env::current_exe()?)
            .args(["stage", workload.name, &stage.to_string(), engine])
            .arg(&dir)
            .args([args.keys().to_string(), (1000 * (round + 1)).to_string()])
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("stage {stage}, {}: {}", output.status, said.trim()).into());
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let found: serde_json::Value = serde_json::from_str(line)?;
            let parts = found["metric"].as_str().zip(found["figure"].as_f64());
            let (metric, figure) = parts.ok_or_else(|| format!("not a figure: {line}"))?;
            figures.push((metric.to_owned(), figure));
        }
    }
    place.emptied()?;
    Ok(figures)
}

/// Shows what is being done, on a terminal only.
fn progress(words: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{words}");
    }
}

/// The folder that the stores are put into; removed in the end.
struct Place {
    dir: PathBuf,
}

impl Place {
    fn new(wanted: Option<&Path>) -> Result<Self> {
        let beside = std::env::current_exe()?;
        let parent = match wanted {
            Some(dir) => dir.to_owned(),
            // The target directory: TARGET/release/portcask-bench.
            None => beside
                .ancestors()
                .nth(2)
                .unwrap_or(Path::new("."))
                .join("bench"),
        };
        let dir = parent.join(std::process::id().to_string());
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    /// An empty directory for the next store.
    fn emptied(&self) -> Result<PathBuf> {
        let store = self.dir.join("store");
        if store.exists() {
            fs::remove_dir_all(&store)?;
        }
        fs::create_dir(&store)?;
        Ok(store)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed stays where its owner said it should be.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
