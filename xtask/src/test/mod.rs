//! `cargo xtask test`: every check of the project, as steps.
//!
//! A step that fails does not stop the others; those that need it are marked failed with the reason. What a machine
//! cannot have is skipped with the reason and counted in neither number. The last line of the output is always
//! `N passed, N failed`.

mod steps;

use std::cell::OnceCell;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::disk;
use crate::hosts::Wasmtime;
use crate::repo::Repo;
use crate::setup::{Consent, Target, WasmToolchain};
use crate::shell::{Failure, Result};

/// What the parts are called on the command line.
const PARTS: [&str; 12] = [
    "engine", "server", "proof", "lint", "bench", "nostd", "wasm", "wasi", "web", "docs", "demo",
    "package",
];

/// What a machine should have free before a first run, in mebibytes: twice what one was seen to fill.
const ROOM_MIB: u64 = 14_000;

/// One check.
struct Step {
    name: &'static str,
    part: &'static str,
    /// Steps that must have passed; they are run too when only a part is asked for.
    needs: &'static [&'static str],
    run: fn(&World<'_>) -> Result<Done>,
}

/// How a step ends when nothing is wrong.
enum Done {
    Passed,
    /// Passed, with something worth a word in the table.
    Noted(String),
    /// This machine cannot do it, and need not.
    Skipped(String),
}

/// What steps share: the machine's abilities are looked for once.
struct World<'a> {
    repo: &'a Repo,
    consent: Consent,
    wasip1: OnceCell<WasmToolchain>,
    wasmtime: OnceCell<Wasmtime>,
}

impl World<'_> {
    /// The compiler for WASI. The step "wasi target" has it made first, with the reason if it cannot be had.
    fn wasip1(&self) -> Result<&WasmToolchain> {
        once(&self.wasip1, || {
            WasmToolchain::ready(self.repo, Target::Wasip1, self.consent)
        })
    }

    /// The compiler for browsers. Found anew in a second once it was made.
    fn browser_target(&self) -> Result<WasmToolchain> {
        WasmToolchain::ready(self.repo, Target::Unknown, self.consent)
    }

    /// The wasmtime to use.
    fn wasmtime(&self) -> Result<&Wasmtime> {
        once(&self.wasmtime, || Wasmtime::find(self.repo))
    }
}

fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// A step that was run, or could not be.
struct Outcome {
    step: &'static Step,
    result: Result<Done>,
    took: Duration,
    /// Mebibytes left on the disk afterwards, where that can be told.
    room: Option<u64>,
}

/// Runs the steps of the named parts, or all.
pub fn command(repo: &Repo, parts: &[&str]) -> Result<ExitCode> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        return Err(Failure::new(format!(
            "there is no part \"{unknown}\"; the parts are: {}",
            PARTS.join(" ")
        )));
    }
    let world = World {
        repo,
        consent: Consent::new(false),
        wasip1: OnceCell::new(),
        wasmtime: OnceCell::new(),
    };
    let chosen = choose(steps::STEPS, parts);
    let room = || disk::free_mib(&repo.root).ok();
    if let Some(free) = room().filter(|free| *free < ROOM_MIB) {
        println!("{free} MiB are free on this disk; a first run is safe with {ROOM_MIB}");
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (at, step) in chosen.iter().copied().enumerate() {
        println!(
            "\n== {}/{} {}: {}",
            at + 1,
            chosen.len(),
            step.part,
            step.name
        );
        flush();
        let start = Instant::now();
        let result = match blocked(step, &outcomes) {
            Some(reason) => Err(Failure::new(reason)),
            None => (step.run)(&world),
        };
        let outcome = Outcome {
            step,
            result,
            took: start.elapsed(),
            room: room(),
        };
        println!("== {} {}", step.name, verdict(&outcome));
        outcomes.push(outcome);
    }
    Ok(report(&outcomes))
}

/// The steps of the parts and what they need, in the order of the list.
fn choose(steps: &'static [Step], parts: &[&str]) -> Vec<&'static Step> {
    let mut wanted: Vec<bool> = steps
        .iter()
        .map(|step| parts.is_empty() || parts.contains(&step.part))
        .collect();
    // A step needs only earlier ones, so one walk from the end finds them all.
    for at in (0..steps.len()).rev() {
        if wanted[at] {
            for need in steps[at].needs {
                let place = steps.iter().position(|step| step.name == *need);
                wanted[place.expect("a step needs steps of the list")] = true;
            }
        }
    }
    let pairs = steps.iter().zip(wanted);
    pairs
        .filter(|(_, wanted)| *wanted)
        .map(|(step, _)| step)
        .collect()
}

/// Why a step cannot be run, if something it needs did not pass.
fn blocked(step: &Step, outcomes: &[Outcome]) -> Option<String> {
    let failed =
        |outcome: &&Outcome| step.needs.contains(&outcome.step.name) && outcome.result.is_err();
    let need = outcomes.iter().find(failed)?.step.name;
    Some(format!("not run, because \"{need}\" failed"))
}

fn verdict(outcome: &Outcome) -> String {
    let seconds = outcome.took.as_secs_f32();
    match &outcome.result {
        Ok(Done::Passed) => format!("passed in {seconds:.1} s"),
        Ok(Done::Noted(note)) => format!("passed in {seconds:.1} s: {note}"),
        Ok(Done::Skipped(reason)) => format!("skipped: {reason}"),
        Err(failure) => format!("FAILED after {seconds:.1} s: {failure}"),
    }
}

/// The table, the failures in words, and the line that machines read.
fn report(outcomes: &[Outcome]) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    println!("\n{:<9}{:<28}{:>9}  result", "part", "step", "seconds");
    for outcome in outcomes {
        let word = match &outcome.result {
            Ok(Done::Skipped(reason)) => format!("skipped: {reason}"),
            Ok(Done::Passed) => "passed".to_owned(),
            Ok(Done::Noted(note)) => format!("passed: {note}"),
            Err(_) => "FAILED".to_owned(),
        };
        match &outcome.result {
            Ok(Done::Passed | Done::Noted(_)) => passed += 1,
            Ok(Done::Skipped(_)) => {}
            Err(_) => failed += 1,
        }
        let Step { name, part, .. } = outcome.step;
        println!(
            "{part:<9}{name:<28}{:>9.1}  {word}",
            outcome.took.as_secs_f32()
        );
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    println!("{:<37}{:>9.1}", "all", total.as_secs_f32());
    let rooms = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome.room?, outcome.step.name)));
    if let Some((room, step)) = rooms.min() {
        println!("at the least {room} MiB were free on the disk, after \"{step}\"");
    }
    for outcome in outcomes {
        if let Err(failure) = &outcome.result {
            println!("\nFAILED {}: {failure}", outcome.step.name);
            if let Some(room) = outcome.room.filter(|room| *room < 100) {
                println!("    the disk was full: {room} MiB free");
            }
        }
    }
    println!("\n{passed} passed, {failed} failed");
    flush();
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Our lines must come before those of the programs we start.
fn flush() {
    // A closed standard output is no reason to stop a test run.
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_known_part_and_needs_only_earlier_steps() {
        for (at, step) in steps::STEPS.iter().enumerate() {
            assert!(PARTS.contains(&step.part), "{}", step.name);
            for need in step.needs {
                assert!(
                    steps::STEPS[..at]
                        .iter()
                        .any(|earlier| earlier.name == *need),
                    "{need}"
                );
            }
        }
    }

    #[test]
    fn every_part_has_a_step() {
        for part in PARTS {
            assert!(steps::STEPS.iter().any(|step| step.part == part), "{part}");
        }
    }

    #[test]
    fn a_part_brings_what_it_needs_and_nothing_else() {
        let names: Vec<_> = choose(steps::STEPS, &["wasm"])
            .iter()
            .map(|step| step.name)
            .collect();
        assert_eq!(names, ["wasi target", "portcask.wasm", "plugin's size"]);
        assert_eq!(choose(steps::STEPS, &[]).len(), steps::STEPS.len());
    }

    #[test]
    fn a_step_is_blocked_by_a_failed_need_and_says_which() {
        let step = |name: &str| steps::STEPS.iter().find(|step| step.name == name).unwrap();
        let failed = Outcome {
            step: step("wasi target"),
            result: Err(Failure::new("no compiler")),
            took: Duration::ZERO,
            room: None,
        };
        let reason = blocked(step("portcask.wasm"), &[failed]).unwrap();
        assert_eq!(reason, "not run, because \"wasi target\" failed");
    }
}
