//! The command line.

use crate::clock::Clock;
use crate::engine;
use crate::workload::WORKLOADS;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Measure stores under the same verified workloads, in alternating rounds
#[derive(Parser)]
#[command(name = "portcask-bench", args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Use 200,000 keys and 3 rounds instead of 1,000,000 and 5
    #[arg(long)]
    pub quick: bool,

    /// Engines, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_parser = engine::NAMES.to_vec())]
    pub engines: Vec<String>,

    /// Workloads, separated by commas [default: all that suit the number of keys]
    #[arg(long, value_delimiter = ',', value_parser = workload_names())]
    pub workloads: Vec<String>,

    /// Rounds per workload
    #[arg(long)]
    pub rounds: Option<usize>,

    /// Keys per store
    #[arg(long)]
    pub keys: Option<u64>,

    /// Where to put the stores, in a folder that is removed afterwards [default: beside this program]
    #[arg(long)]
    pub dir: Option<PathBuf>,

    /// Write the results to this file
    #[arg(long)]
    pub json: Option<PathBuf>,

    /// Time single threads by processor time: comparable even on a busy machine, but no longer the time a user waits
    #[arg(long)]
    pub processor_time: bool,

    /// A wasmtime command for the workload "sandbox"; `cargo xtask bench` finds one
    #[arg(long, requires = "guest")]
    pub wasmtime: Option<PathBuf>,

    /// The guest for that workload; `cargo xtask bench` builds it
    #[arg(long, requires = "wasmtime")]
    pub guest: Option<PathBuf>,

    #[command(subcommand)]
    pub other: Option<Other>,
}

/// What else the program does.
#[derive(Subcommand)]
pub enum Other {
    /// Put the committed results into docs/PERFORMANCE.md and draw its charts
    Page(Page),
    /// Run one stage of one workload with one engine; print its figures as JSON, one per line
    #[command(hide = true)]
    Stage(Stage),
}

/// The page.
#[derive(clap::Args)]
pub struct Page {
    /// Write nothing; fail if the page or a chart does not match the results
    #[arg(long)]
    pub check: bool,
}

/// A stage.
#[derive(clap::Args)]
pub struct Stage {
    /// The workload's name
    pub workload: String,
    /// The stage's number
    pub stage: usize,
    /// The engine's name
    pub engine: String,
    /// The store's directory
    pub dir: PathBuf,
    /// Keys of the store
    pub keys: u64,
    /// Seeds what is random
    pub seed: u64,
    /// What single threads are timed by
    pub clock: Clock,
}

impl Args {
    /// Keys of a store.
    pub fn keys(&self) -> u64 {
        self.keys
            .unwrap_or(if self.quick { 200_000 } else { 1_000_000 })
    }

    /// What single threads are timed by.
    pub fn clock(&self) -> Clock {
        match self.processor_time {
            true => Clock::Processor,
            false => Clock::Wall,
        }
    }

    /// What the workload "sandbox" needs.
    pub fn sandbox(&self) -> Option<Sandbox<'_>> {
        let (wasmtime, guest) = (self.wasmtime.as_deref()?, self.guest.as_deref()?);
        Some(Sandbox { wasmtime, guest })
    }

    /// Rounds of each workload.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 })
    }
}

/// A WASI host and a guest.
pub struct Sandbox<'a> {
    wasmtime: &'a Path,
    guest: &'a Path,
}

impl Sandbox<'_> {
    /// The guest on a directory, ready for the rest of its arguments.
    pub fn guest(&self, dir: &Path) -> Command {
        let mut preopen = OsString::from(dir);
        preopen.push("::store");
        let mut command = Command::new(self.wasmtime);
        command.args(["run", "--dir"]).arg(preopen);
        command.arg(self.guest).arg("store");
        command
    }
}

fn workload_names() -> Vec<&'static str> {
    WORKLOADS.iter().map(|workload| workload.name).collect()
}
