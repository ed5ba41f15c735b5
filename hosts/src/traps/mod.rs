//! A crash at every host call: the `portcask` command as a guest of wasmtime, stopped at its k-th
//! call to WASI, and what it left judged by the oracle.
//!
//! ```text
//! script    lines for the guest's REPL; an answer that the host has seen is a promise
//!    | run, stopped before call k, after it, or within the write that it makes
//! image     the files as they then are
//!    |
//! judges    natively: reader, writer, verify, a write, and all again; on Node: the same contents
//!    |
//! nested    another guest starts on the image, and is stopped at each of its own calls
//! ```
//!
//! Only the process dies here: what the host was given stays, so every write that was answered at
//! the level `written` has to be there. Being stopped after a call and before the next are two ways
//! to the same files, and both are tried.

mod image;
mod judges;
mod script;

use crate::{Guest, Moment, Output, Preopen, STATUS_TRAPPED, cache, guests, node};
use image::Image;
use portcask::testing::oracle::Contents;
use script::{INPUTS, Script, put_inputs};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// What the guest knows the store's directory by.
const STORE: &str = "store";

/// What was counted, by name.
pub type Counts = BTreeMap<&'static str, u64>;

type Verdict<T> = Result<T, String>;

/// How much of everything is tried. Every number above 0 keeps the share evenly spread.
#[derive(Clone, Debug)]
pub struct Share {
    /// Of the workload's calls, every so many-th is a place to stop at; 1 is each of them.
    pub calls: usize,
    /// Within each write, at most so many places where it may be torn.
    pub cuts: usize,
    /// Of the places to stop at, every so many-th is also shown to Node: the image after the call
    /// and one where its write is torn. 0 is none.
    pub node: usize,
    /// Of the places to stop at that changed a file, every so many-th has another guest started on
    /// it. 0 is none.
    pub nested: usize,
    /// Of that guest's calls, every so many-th is a place to stop at.
    pub nested_calls: usize,
    /// Threads.
    pub threads: usize,
}

/// The guest, its scripts, and what it reads.
pub struct Traps {
    guest: Guest,
    module: PathBuf,
    /// The level of lines that name none.
    ack: &'static str,
    workload: Script,
    revisit: Script,
    keys: BTreeSet<Vec<u8>>,
    inputs: TempDir,
}

/// A guest that was stopped, or came to its end.
struct Stopped {
    /// The files before the call that it was stopped at.
    before: Image,
    /// The files as it left them.
    after: Image,
    /// The answers that the host saw.
    answered: usize,
    calls: usize,
    output: Output,
}

impl Traps {
    /// Loads the command: the module of [`guests::portcask`].
    pub fn load() -> io::Result<Self> {
        let module = guests::portcask()?;
        let guest = cache::load_or_compile(&std::fs::read(&module)?).map_err(io::Error::other)?;
        let inputs = scratch()?;
        put_inputs(inputs.path())?;
        let (workload, revisit) = (Script::workload(), Script::revisit());
        let keys = &workload.keys() | &revisit.keys();
        Ok(Self {
            guest,
            module,
            ack: "written",
            workload,
            revisit,
            keys,
            inputs,
        })
    }

    /// Stops the guest at its calls and has what it left judged, as much as `share` says, and tells
    /// `progress` the calls done with and in all. Returns what was counted; an `Err` is the first
    /// violation, with the place it was found at.
    pub fn run(
        &self,
        share: &Share,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Counts, String> {
        let whole = self.whole(&self.workload, &Image::default(), &Contents::new())?;
        let is_node_asked = share.node > 0 && node::version().is_some();
        let next = AtomicUsize::new(0);
        let sum = Mutex::new(Counts::from([
            ("calls of the workload", whole.calls as u64),
            ("answers of the workload", whole.answered as u64),
        ]));
        let failed = Mutex::new(None);
        let work = || {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let call = 1 + place * share.calls;
                if call > whole.calls || failed.lock().unwrap().is_some() {
                    break;
                }
                progress(call - 1, whole.calls);
                let mut counts = Counts::new();
                let is_for_node = is_node_asked && place.is_multiple_of(share.node);
                match self.at_call(call, place, is_for_node, share, &mut counts) {
                    Ok(()) => merge(&mut sum.lock().unwrap(), counts),
                    Err(why) => *failed.lock().unwrap() = Some(format!("call {call}: {why}")),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..share.threads {
                scope.spawn(work);
            }
        });
        match failed.into_inner().unwrap() {
            Some(why) => Err(why),
            None => Ok(sum.into_inner().unwrap()),
        }
    }

    /// All that is tried at one call of the workload.
    fn at_call(
        &self,
        call: usize,
        place: usize,
        is_for_node: bool,
        share: &Share,
        counts: &mut Counts,
    ) -> Verdict<()> {
        let (script, floor) = (&self.workload, Contents::new());
        let empty = Image::default();
        let before = self.stopped(script, &empty, Moment::Before(call))?;
        add(counts, "stopped before a call", 1);
        self.natively(script, &floor, before.answered, &before.after, counts)
            .map_err(at("stopped before it"))?;

        let after = self.stopped(script, &empty, Moment::After(call))?;
        add(counts, "stopped after a call", 1);
        let has_changed = after.before != after.after;
        add(counts, "calls that changed a file", has_changed.into());
        let found = self
            .natively(script, &floor, after.answered, &after.after, counts)
            .map_err(at("stopped after it"))?;

        // The write had not come back when it was torn: the answers are those before it.
        let torn = after.before.torn(&after.after, share.cuts);
        add(counts, "stopped within a write", torn.len() as u64);
        let mut torn_found = Vec::new();
        for (cut, image) in torn.iter().enumerate() {
            let found = self
                .natively(script, &floor, before.answered, image, counts)
                .map_err(at(format!("torn, {} of {}", cut + 1, torn.len())))?;
            torn_found.push(found);
        }
        let middle = torn.len() / 2;
        if is_for_node {
            add(counts, "judged on Node", 1);
            judges::on_node(&self.module, &after.after, &found).map_err(at("stopped after it"))?;
            if let Some(image) = torn.get(middle) {
                add(counts, "judged on Node", 1);
                judges::on_node(&self.module, image, &torn_found[middle]).map_err(at("torn"))?;
            }
        }
        let is_nested = share.nested > 0 && place.is_multiple_of(share.nested);
        if is_nested && has_changed {
            self.nested(&after.after, &found, share, counts)
                .map_err(at("another guest on what it left"))?;
            if let Some(image) = torn.get(middle) {
                self.nested(image, &torn_found[middle], share, counts)
                    .map_err(at("another guest on the torn write"))?;
            }
        }
        Ok(())
    }

    /// Another guest on an image that holds `found`: it must show just that whenever it is stopped,
    /// and what it wrote itself.
    fn nested(
        &self,
        image: &Image,
        found: &Contents,
        share: &Share,
        counts: &mut Counts,
    ) -> Verdict<()> {
        let script = &self.revisit;
        let whole = self.whole(script, image, found)?;
        add(counts, "judged on wasmtime", 1);
        for call in (1..=whole.calls).step_by(share.nested_calls) {
            let stopped = self.stopped(script, image, Moment::After(call))?;
            add(counts, "nested: stopped after a call", 1);
            self.natively(script, found, stopped.answered, &stopped.after, counts)
                .map_err(at(format!("stopped after its call {call}")))?;
            let torn = stopped.before.torn(&stopped.after, 1);
            add(counts, "nested: stopped within a write", torn.len() as u64);
            for image in &torn {
                self.natively(script, found, stopped.answered, image, counts)
                    .map_err(at(format!("torn at its call {call}")))?;
            }
        }
        Ok(())
    }

    fn natively(
        &self,
        script: &Script,
        floor: &Contents,
        answered: usize,
        image: &Image,
        counts: &mut Counts,
    ) -> Verdict<Contents> {
        add(counts, "judged natively", 1);
        judges::native(image, &script.oracle(floor, answered), &self.keys)
    }

    /// Runs a script to its end: every line is answered, and the store shows all of it.
    fn whole(&self, script: &Script, image: &Image, floor: &Contents) -> Verdict<Stopped> {
        let run = self.guest_on(script, image, None)?;
        let said = String::from_utf8_lossy(&run.output.stderr);
        if run.output.status != 0 || run.answered != script.lines() {
            let status = run.output.status;
            let answers = String::from_utf8_lossy(&run.output.stdout);
            return Err(format!(
                "the whole run ended with {status}: {answers}{said}"
            ));
        }
        let oracle = script.oracle(floor, run.answered);
        let found = judges::native(&run.after, &oracle, &self.keys)?;
        let mut shown = oracle.shown();
        shown.retain(|_, (_, expiry)| expiry.is_none_or(|ms| ms > script::PAST_MS));
        match found == shown {
            true => Ok(run),
            false => Err(format!("the whole run left {found:?}")),
        }
    }

    fn stopped(&self, script: &Script, image: &Image, moment: Moment) -> Verdict<Stopped> {
        let run = self.guest_on(script, image, Some(moment))?;
        let said = String::from_utf8_lossy(&run.output.stderr);
        // Any other trap is the guest's own, and a finding.
        let is_ours = said.contains(&moment.words());
        match run.output.status {
            STATUS_TRAPPED if is_ours => Ok(run),
            status => Err(format!(
                "the guest ended with {status} and not {}: {said}",
                moment.words()
            )),
        }
    }

    /// Runs a script on a copy of the image, up to a moment or to its end.
    fn guest_on(&self, script: &Script, image: &Image, stop: Option<Moment>) -> Verdict<Stopped> {
        let dir = scratch().map_err(words)?;
        image.lay_out(dir.path()).map_err(words)?;
        let preopens: [Preopen; 2] = [
            (dir.path().into(), STORE.into()),
            (self.inputs.path().into(), INPUTS.into()),
        ];
        let seen = std::sync::Arc::new(Mutex::new((0, Image::default())));
        let watch = {
            let (seen, dir) = (seen.clone(), PathBuf::from(dir.path()));
            move |moment| {
                let mut seen = seen.lock().unwrap();
                if let Moment::Before(call) = moment {
                    seen.0 = call;
                    if matches!(stop, Some(Moment::After(last)) if last == call) {
                        seen.1 = Image::of(&dir).expect("the directory can be read");
                    }
                }
                match stop == Some(moment) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            }
        };
        let args = [
            "portcask", "--dir", STORE, "--ack", self.ack, "--json", "repl",
        ];
        let stdin = script.stdin();
        let output = self
            .guest
            .run_watched(&args, &[], &preopens, stdin.as_bytes(), watch)
            .map_err(words)?;
        let (calls, before) = std::mem::take(&mut *seen.lock().unwrap());
        Ok(Stopped {
            before,
            after: Image::of(dir.path()).map_err(words)?,
            answered: output.stdout.iter().filter(|byte| **byte == b'\n').count(),
            calls,
            output,
        })
    }
}

/// A directory of its own, in memory where the system has such: power is not what fails here.
fn scratch() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => TempDir::new_in(memory),
        false => TempDir::new(),
    }
}

fn add(counts: &mut Counts, what: &'static str, more: u64) {
    *counts.entry(what).or_default() += more;
}

fn merge(sum: &mut Counts, counts: Counts) {
    for (what, count) in counts {
        add(sum, what, count);
    }
}

fn words(error: impl Display) -> String {
    error.to_string()
}

/// Puts the place before the words.
fn at(place: impl Display) -> impl FnOnce(String) -> String {
    move |why| format!("{place}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    // A checker that catches nothing checks nothing.

    #[test]
    fn a_guest_that_answers_before_it_hands_over_is_caught() {
        let traps = Traps {
            ack: "buffered",
            ..Traps::load().unwrap()
        };
        let share = Share {
            calls: 40,
            cuts: 1,
            node: 0,
            nested: 0,
            nested_calls: 1,
            threads: 1,
        };
        let why = traps.run(&share, |_, _| ()).unwrap_err();
        assert!(why.contains("should be"), "{why}");
    }

    #[test]
    fn an_answered_write_that_is_not_in_the_files_is_missed() {
        let traps = Traps::load().unwrap();
        let (script, floor) = (&traps.revisit, Contents::new());
        let stopped = (1..)
            .map(|call| traps.stopped(script, &Image::default(), Moment::After(call)))
            .find_map(|run| run.ok().filter(|run| run.answered == script.lines()))
            .unwrap();
        let lost = stopped.after.without_last_byte_of("segment-");
        let judged = |answered| {
            let oracle = script.oracle(&floor, answered);
            judges::native(&lost, &oracle, &traps.keys)
        };
        let why = judged(script.lines()).unwrap_err();
        assert!(why.contains("once-more should be"), "{why}");
        judged(script.lines() - 1).unwrap();
    }
}
