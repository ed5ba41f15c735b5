//! The portcask command.
//!
//! One source serves native systems and WASI guests:
//!
//! ```text
//!   args       what can be typed; spelling: other ways to type it, and what is wrong with it
//!   verbs      what is done, one file per group of verbs
//!   repl       verbs one after another on one open store
//!   door       what verbs ask of a store, wherever it is: in a directory or behind a server
//!   store      a directory: finds and opens it, repeats a read when the writer moved files
//!   remote     a server instead of a directory
//!   formats    JSON Lines, CSV and TSV, for import and export; tarball: backups in one file
//!   host       files outside the store, and what the host reports about this process
//!   place      a new store, whole under its name or not at all
//!   partial    what both of them build as NAME.partial, by one process at a time
//!   term       standard output and standard error: tables, remarks, progress
//!   text       keys and values as text; units: sizes, durations and times
//!   interrupt  Ctrl-C, and what to say about the work it stops
//!   random     random numbers that a seed repeats, for bench and fill
//!   failure    how a verb ends: one line on standard error and an exit code
//! ```

mod args;
mod door;
mod failure;
mod formats;
mod host;
mod interrupt;
mod partial;
mod place;
mod random;
#[cfg_attr(target_family = "wasm", path = "remote/guest.rs")]
mod remote;
mod repl;
mod spelling;
mod store;
mod tarball;
mod term;
mod text;
mod units;
mod verbs;

use args::{Cli, ReplArgs, StoreArgs};
use clap::Parser;
use failure::{CLOSED_PIPE_EXIT, Exit, Failure, Outcome};
use std::process::ExitCode;
use store::Store;
use term::{Output, complain, fail};

/// What every verb works with.
pub struct Context {
    /// Where answers go.
    pub out: Output,
    /// The store.
    pub store: Store,
    /// Answers are JSON.
    pub json: bool,
    /// No progress, no remarks.
    pub quiet: bool,
    /// The verb was typed inside the REPL.
    pub in_repl: bool,
    /// The code that `exit CODE` in the REPL asks for.
    pub chosen_exit: Option<u8>,
}

impl Context {
    fn new(store: StoreArgs) -> Self {
        Self {
            out: Output::new(),
            json: store.json,
            quiet: store.quiet,
            store: Store::new(store),
            in_repl: false,
            chosen_exit: None,
        }
    }

    /// Says something that is neither an answer nor an error.
    pub fn remark(&self, text: &str) {
        if !self.quiet {
            complain(text);
        }
    }

    /// Ends a verb with code 1, for a reason that `--quiet` leaves out unless a program reads it.
    pub fn no(&self, why: &str) -> Outcome {
        match self.quiet && !self.json {
            true => Ok(Exit::No),
            false => Err(Failure::new(Exit::No, why)),
        }
    }
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        term::fail_internally(&format!(
            "internal error, please report it; the store is safe, as after a crash: {info}"
        ));
    }));
    interrupt::outlive_file_limits();
    let args = spelling::normalised(std::env::args_os());
    term::complain_in_json(spelling::asks_for_json(&args));
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(spelling::refuse(&error, &args) as u8),
    };
    term::complain_in_json(cli.store.json);
    let mut context = Context::new(cli.store);
    let outcome = match cli.verb {
        Some(verb) => verbs::run(&mut context, verb),
        None => repl::repl(&mut context, &ReplArgs::default()),
    };
    // Closing is part of the work: what it refuses is an error even after a good answer.
    let closed = context.store.close();
    let flushed = context.out.flush();
    let mut said = Vec::new();
    let exit = [
        outcome.map(Some),
        closed.map(|()| None),
        flushed.map(|()| None),
    ]
    .into_iter()
    .map(|outcome| settle(outcome, &mut said))
    .reduce(|first, then| first.or(then));
    let exit = exit.flatten().map(|exit| exit as u8);
    ExitCode::from(exit.or(context.chosen_exit).unwrap_or(Exit::Done as u8))
}

/// Says what is to be said, once. `None` if there is nothing to report.
fn settle(outcome: Result<Option<Exit>, Failure>, said: &mut Vec<String>) -> Option<Exit> {
    match outcome {
        Ok(exit) => exit.filter(|exit| *exit != Exit::Done),
        Err(Failure::ClosedPipe) => Some(CLOSED_PIPE_EXIT),
        Err(Failure::Said { exit, message }) => {
            if !said.contains(&message) {
                fail(exit, &message);
                said.push(message);
            }
            Some(exit)
        }
    }
}
