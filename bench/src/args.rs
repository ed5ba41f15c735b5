//! The command line.

use crate::engine;
use crate::workload::WORKLOADS;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures stores under the same verified workloads, in rounds that take turns.
#[derive(Parser)]
#[command(name = "portcask-bench", subcommand_negates_reqs = true)]
pub struct Args {
    /// 200,000 keys and 3 rounds instead of 1,000,000 and 5
    #[arg(long)]
    pub quick: bool,

    /// Engines, separated by commas; all if absent
    #[arg(long, value_delimiter = ',', value_parser = engine::NAMES.to_vec())]
    pub engines: Vec<String>,

    /// Workloads, separated by commas; all that suit the number of keys if absent
    #[arg(long, value_delimiter = ',', value_parser = WORKLOADS.map(|w| w.name).to_vec())]
    pub workloads: Vec<String>,

    /// Rounds of each workload
    #[arg(long)]
    pub rounds: Option<usize>,

    /// Keys of a store
    #[arg(long)]
    pub keys: Option<u64>,

    /// Where the stores are put, in a folder that is removed again [default: beside this program]
    #[arg(long)]
    pub dir: Option<PathBuf>,

    /// Writes the results to this file
    #[arg(long)]
    pub json: Option<PathBuf>,

    #[command(subcommand)]
    pub child: Option<Child>,
}

/// What the program starts itself for.
#[derive(Subcommand)]
pub enum Child {
    /// One stage of one workload with one engine; prints its figures as JSON, one a line
    #[command(hide = true)]
    Stage(Stage),
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
}

impl Args {
    /// Keys of a store.
    pub fn keys(&self) -> u64 {
        self.keys
            .unwrap_or(if self.quick { 200_000 } else { 1_000_000 })
    }

    /// Rounds of each workload.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 })
    }
}
