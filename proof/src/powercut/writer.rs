//! The processes that are cut: one that writes, and one that only opens what a cut left.

use super::judge;
use super::plan::{Deed, Life};
use super::tell::{Answer, Word};
use clap::Args;
use portcask::std_files::StdFiles;
use portcask::{
    Ack, Batch, Db, DbOptions, Engine, Error, Expiry, MergeProgress, Options, WriteOptions,
};
use portcask_core::testing::world::{APPLIED, Step};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// Steps that a lone writer goes on after a refusal: a store that lost its disk must go on refusing.
const STEPS_AFTER_REFUSAL: usize = 12;

/// Which life to live, and where.
#[derive(Args, Clone, Debug)]
pub struct WriterArguments {
    /// The store's directory.
    #[arg(long)]
    pub(super) store: PathBuf,
    #[arg(long)]
    pub(super) seed: u64,
    #[arg(long)]
    pub(super) number: u64,
    #[arg(long)]
    pub(super) threads: u64,
    #[arg(long)]
    pub(super) began_ms: u64,
    #[command(flatten)]
    pub(super) manner: Manner,
}

/// How the writers of a campaign do what their lives tell them.
#[derive(Args, Clone, Copy, Debug)]
pub struct Manner {
    /// Let the writer acknowledge what it has not done, so that the judge is judged: the run must fail
    #[arg(long, hide = true)]
    pub(super) lie: bool,
    /// Let the writer map its files; the judge does not
    #[arg(long)]
    pub(super) mapped: bool,
}

impl Manner {
    /// The same as words for a writer's command line.
    pub(super) fn words(self) -> impl Iterator<Item = String> {
        let lie = self.lie.then_some("--lie");
        let mapped = self.mapped.then_some("--mapped");
        lie.into_iter().chain(mapped).map(str::to_owned)
    }
}

/// Where to open.
#[derive(Args, Clone, Debug)]
pub struct OpenerArguments {
    /// The store's directory.
    #[arg(long)]
    pub(super) store: PathBuf,
}

/// Lives until its disk or its listener is gone, or for as many steps as its plan has.
pub fn write(arguments: &WriterArguments) -> ExitCode {
    let life = Life {
        seed: arguments.seed,
        number: arguments.number,
        threads: arguments.threads,
        began_ms: arguments.began_ms,
        terse: arguments.manner.mapped,
    };
    let done = match life.threads {
        1 => alone(life, arguments),
        _ => together(life, arguments),
    };
    // Not returning by way of the store: whatever it holds dies with the process.
    std::process::exit(i32::from(done.is_err()));
}

/// Opens, tells what it sees, and dies.
pub fn reopen(arguments: &OpenerArguments) -> ExitCode {
    let tell = || {
        Word::Opening.say()?;
        match judge::open_and_look(&arguments.store) {
            Ok((_, found)) => Word::Open(Some(found.digest())).say(),
            Err(why) => Word::Refused(why).say(),
        }
    };
    std::process::exit(i32::from(tell().is_err()));
}

/// One engine, with all its verbs.
fn alone(life: Life, arguments: &WriterArguments) -> io::Result<()> {
    Word::Opening.say()?;
    let mut lone = Lone {
        path: &arguments.store,
        options: options(life, arguments),
        mapped: arguments.manner.mapped,
        engine: None,
    };
    if let Err(error) = lone.open() {
        return Word::Refused(error.to_string()).say();
    }
    Word::Open(None).say()?;
    let mut steps_left = usize::MAX;
    for (step, deed) in (0..).zip(life.plan(0)) {
        let done = tell(0, step, &deed, || {
            lone.make(&told_deed(&deed, arguments.manner.lie))
        })?;
        if !done {
            steps_left = steps_left.min(STEPS_AFTER_REFUSAL + 1);
        }
        steps_left -= 1;
        if steps_left == 0 {
            break;
        }
    }
    Ok(())
}

/// Writers on one `Db`, with a background thread that merges.
fn together(life: Life, arguments: &WriterArguments) -> io::Result<()> {
    Word::Opening.say()?;
    let options = DbOptions {
        engine: options(life, arguments),
        background: Some(Duration::from_millis(3)),
        mapped: arguments.manner.mapped,
    };
    let db = match Db::open_with(&arguments.store, options) {
        Ok(db) => db,
        Err(error) => return Word::Refused(error.to_string()).say(),
    };
    Word::Open(None).say()?;
    thread::scope(|scope| {
        let writers: Vec<_> = (0..life.threads)
            .map(|thread| {
                let db = &db;
                scope.spawn(move || {
                    for (step, deed) in (0..).zip(life.plan(thread)) {
                        let make = || make(db, &told_deed(&deed, arguments.manner.lie));
                        if !tell(thread, step, &deed, make)? {
                            break;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        writers.into_iter().try_for_each(|writer| {
            let gone = |_| io::Error::other("a writer panicked");
            writer.join().map_err(gone)?
        })
    })
}

/// The life's options; a liar's store keeps everything in its buffer while that has room.
fn options(life: Life, arguments: &WriterArguments) -> Options {
    let mut options = life.options();
    if arguments.manner.lie {
        options.ack = Ack::Buffered;
        options.sync_every_ms = None;
    }
    options
}

/// The deed, or for a liar the same deed at the weakest level, and no sync.
fn told_deed(deed: &Deed, lie: bool) -> Deed {
    let mut deed = deed.clone();
    if lie {
        match &mut deed {
            Deed::Put { ack, .. } => *ack = Ack::Buffered,
            Deed::Upkeep(Step::Sync | Step::Flush | Step::Rotate) => return Deed::Nothing,
            _ => {}
        }
    }
    deed
}

/// Makes a step between its two lines. Returns whether the store took it.
fn tell(
    thread: u64,
    step: u64,
    deed: &Deed,
    make: impl FnOnce() -> Result<Answer, Error>,
) -> io::Result<bool> {
    if *deed == Deed::Nothing {
        return Ok(true);
    }
    Word::Begin { thread, step }.say()?;
    let (word, taken) = match make() {
        Ok(answer) => (
            Word::Done {
                thread,
                step,
                answer,
            },
            true,
        ),
        Err(error) => {
            let why = error.to_string();
            (Word::Failed { thread, step, why }, false)
        }
    };
    word.say()?;
    Ok(taken)
}

struct Lone<'a> {
    path: &'a Path,
    options: Options,
    mapped: bool,
    /// `None` only after an opening that failed.
    engine: Option<Engine<StdFiles>>,
}

impl Lone<'_> {
    fn open(&mut self) -> Result<(), Error> {
        let mut storage = judge::storage(self.path)?;
        if self.mapped {
            storage = storage.mapped();
        }
        let engine = self
            .engine
            .insert(Engine::open(storage, self.options.clone())?);
        // A cut may meet the opening as files that cannot be read: then the store opens, but only
        // to show what is left, and vouches for nothing.
        engine.flush()
    }

    fn make(&mut self, deed: &Deed) -> Result<Answer, Error> {
        let engine = self.engine.as_mut().ok_or(Error::Closed)?;
        Ok(match deed {
            Deed::Put { key, value, .. } => Answer::Seq(engine.put_with(key, value, &how(deed))?),
            Deed::Delete(key) => written(engine.delete_with(key, &how(deed))?),
            Deed::Batch { .. } => Answer::Seq(engine.write(&batch(deed))?.last_seq),
            Deed::Nothing => Answer::Plain,
            Deed::Upkeep(step) => match step {
                Step::MergeStep(bytes) => progress(&engine.merge_step(*bytes)?),
                Step::MergeAll => {
                    engine.merge_all(|_, _| {})?;
                    Answer::Merged
                }
                Step::Tick => progress(&engine.tick()?.merge),
                Step::Flush => plain(engine.flush())?,
                Step::Sync => plain(engine.sync())?,
                Step::Rotate => plain(engine.sync().and_then(|()| engine.rotate()))?,
                Step::Clear => {
                    engine.clear()?;
                    Answer::Merged
                }
                Step::Reopen | Step::Kill => {
                    // Buffered writes die with a process, so its promise begins with a flush.
                    let flushed = engine.flush();
                    let engine = self.engine.take().ok_or(Error::Closed)?;
                    match step {
                        Step::Reopen => engine.close()?,
                        _ => drop(engine),
                    }
                    flushed?;
                    self.open()?;
                    Answer::Merged
                }
                // No upkeep.
                _ => Answer::Plain,
            },
        })
    }
}

fn make(db: &Db, deed: &Deed) -> Result<Answer, Error> {
    Ok(match deed {
        Deed::Put { key, value, .. } => Answer::Seq(db.put_with(key, value, &how(deed))?),
        Deed::Delete(key) => written(db.delete_with(key, &how(deed))?),
        Deed::Batch { .. } => Answer::Seq(db.write(&batch(deed))?.last_seq),
        Deed::Nothing => Answer::Plain,
        Deed::Upkeep(step) => match step {
            Step::MergeStep(bytes) => progress(&db.merge_step(*bytes)?),
            Step::MergeAll => {
                db.merge_all(|_, _| {})?;
                Answer::Merged
            }
            Step::Tick => plain(db.tick())?,
            Step::Flush => plain(db.flush())?,
            Step::Sync => plain(db.sync())?,
            Step::Rotate => plain(db.sync().and_then(|()| db.rotate()))?,
            // Not in the plan of several writers, or no upkeep.
            _ => Answer::Plain,
        },
    })
}

fn how(deed: &Deed) -> WriteOptions {
    match deed {
        Deed::Put { ack, expiry_ms, .. } => WriteOptions {
            ack: Some(*ack),
            expiry: expiry_ms.map_or(Expiry::Never, Expiry::AtMs),
            ..WriteOptions::default()
        },
        _ => WriteOptions::default(),
    }
}

fn batch(deed: &Deed) -> Batch {
    let mut batch = Batch::new();
    if let Deed::Batch {
        puts,
        value,
        deletes,
        applied,
    } = deed
    {
        for key in puts {
            batch.put(key.clone(), value.clone());
        }
        for key in deletes {
            batch.delete(key.clone());
        }
        if let Some(applied) = applied {
            batch.put_meta(APPLIED, applied.clone());
        }
    }
    batch
}

fn plain(done: Result<(), Error>) -> Result<Answer, Error> {
    done.map(|()| Answer::Plain)
}

fn written(seq: Option<u64>) -> Answer {
    seq.map_or(Answer::Plain, Answer::Seq)
}

fn progress(progress: &MergeProgress) -> Answer {
    match progress {
        MergeProgress::Working { .. } => Answer::Merging,
        MergeProgress::Idle | MergeProgress::Done(_) => Answer::Merged,
    }
}
