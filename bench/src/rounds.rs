//! Rounds of A B C, each stage of each engine in a process of its own, on a directory of its own.

use crate::Result;
use crate::args::{Args, Stage};
use crate::engine;
use crate::process;
use crate::results::{Machine, Results, Round};
use crate::table;
use crate::workload::sandbox::SANDBOXED;
use crate::workload::{Job, WORKLOADS, Workload};
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a stage and prints its findings as [`Round::read`] expects them.
pub fn child(stage: &Stage) -> Result<()> {
    let job = Job::new(stage);
    match engine::NAMES.contains(&stage.engine.as_str()) {
        true => engine::with(&stage.engine, &job)?,
        false => job.run_alone()?,
    }
    let findings = job.findings();
    let figures: Map<String, Value> = findings
        .figures
        .into_iter()
        .map(|(metric, figure)| (metric.to_owned(), json!(figure)))
        .collect();
    let said = json!({
        "figures": figures,
        "course": findings.course,
        "schedule": process::running_and_waiting_ns(),
    });
    println!("{said}");
    Ok(())
}

/// Runs what was asked for, prints the tables and writes the results. Whether all stages succeeded.
pub fn run(args: &Args) -> Result<bool> {
    let is_asked = args.workloads.iter().any(|name| name == "sandbox");
    if is_asked && args.sandbox().is_none() {
        return Err(
            "the sandbox needs --wasmtime and --guest; `cargo xtask bench` gives both".into(),
        );
    }
    let place = Place::new(args.dir.as_deref())?;
    let mut results = Results::new(args, Machine::here(&place.dir));
    let mut failures = 0;
    for workload in WORKLOADS
        .iter()
        .filter(|workload| is_wanted(args, workload))
    {
        let rounds = args.rounds().min(workload.rounds_max);
        for round in 0..rounds {
            for engine in engines(args, workload) {
                progress(&format!(
                    "{} {}/{rounds}: {engine}",
                    workload.name,
                    round + 1
                ));
                let found = stages(args, &place, workload, engine, round as u64);
                progress("");
                match found {
                    Ok(found) => results.add(workload, engine, round, found),
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
        print!("{}", table::with_heading(&results, workload));
        if let Some(json) = &args.json {
            results.save(json)?;
        }
    }
    Ok(failures == 0)
}

fn is_wanted(args: &Args, workload: &Workload) -> bool {
    let is_possible = workload.name != "sandbox" || args.sandbox().is_some();
    if args.workloads.is_empty() {
        return is_possible && !(args.quick && workload.is_long);
    }
    args.workloads.iter().any(|name| name == workload.name)
}

/// The engines of a workload, in the order of the tables.
fn engines<'a>(args: &'a Args, workload: &Workload) -> Vec<&'a str> {
    if !workload.rows.is_empty() {
        return workload.rows.to_vec();
    }
    let is_asked = |name: &&str| args.engines.is_empty() || args.engines.iter().any(|e| e == name);
    let differs = |name: &&str| !name.starts_with("limit") || workload.limits.contains(name);
    let names = engine::NAMES.iter().copied();
    names.filter(is_asked).filter(differs).collect()
}

fn stages(
    args: &Args,
    place: &Place,
    workload: &Workload,
    engine: &str,
    round: u64,
) -> Result<Round> {
    let dir = place.emptied()?;
    let mut found = Round::default();
    for stage in 0..workload.stages {
        // What others left to be written is none of this stage's work.
        process::write_back(&place.dir)?;
        let (keys, seed) = (args.keys().to_string(), (1000 * (round + 1)).to_string());
        let output = match args.sandbox() {
            Some(sandbox) if engine == SANDBOXED => {
                sandbox.guest(&dir).args([&keys, &seed]).output()?
            }
            _ => Command::new(std::env::current_exe()?)
                .args(["stage", workload.name, &stage.to_string(), engine])
                .arg(&dir)
                .args([&keys, &seed, args.clock().name()])
                .output()?,
        };
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("stage {stage}, {}: {}", output.status, said.trim()).into());
        }
        // A stage that crashes on purpose says nothing.
        if !output.stdout.is_empty() {
            found.read(&serde_json::from_slice(&output.stdout)?)?;
        }
    }
    place.emptied()?;
    Ok(found)
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
