//! Real power cuts: a store on a real file system whose power goes at a random moment.
//!
//! ```text
//!   plan         what a writer does, from a seed                   (known to both sides)
//!   writer       does it, and tells before and after each step  -- tell -->  a pipe that no cut reaches
//!   disk         ext4 or XFS in a file: cut, unmount, mount         (no_disk where that cannot be)
//!   disturbance  what else goes on in a running system, beside the writer
//!   rounds       a life, a cut, perhaps cuts of the recovery, then the judgement; and again
//!   trial        the words of a life, laid before the one oracle
//!   judge        what must be true of any store that is opened
//! ```
//!
//! A seed settles what is written, how the store is opened and which moments are aimed at. What a
//! cut then meets is up to the machine, so a run is not repeated exactly by its seed; therefore a
//! violation keeps what the cut left, byte by byte, and every word of the writer.

#[cfg(target_os = "linux")]
mod disk;
#[cfg(not(target_os = "linux"))]
#[path = "no_disk.rs"]
mod disk;
mod disturbance;
mod judge;
mod plan;
mod rounds;
mod tell;
mod trial;
mod victim;
mod writer;

use writer::Manner;
pub use writer::{OpenerArguments, WriterArguments, reopen, write};

use crate::ledger::Tally;
use clap::{Args, ValueEnum, value_parser};
use disk::Disk;
use rounds::{Ground, Rounds};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Set by an interruption; a round ends before it is heeded.
static STOP: AtomicBool = AtomicBool::new(false);
/// A line of progress is shown every so many cuts.
const PROGRESS_CUTS: u64 = 10;
/// As shells report an interrupted program.
const INTERRUPTED: u8 = 130;
/// As test harnesses are told of a test that could not be made.
const SKIPPED: u8 = 77;

/// What to cut, and how often.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Cuts per file system
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u64).range(1..))]
    cuts: u64,
    /// Which file systems to use
    #[arg(long, value_enum, default_value_t = Systems::All)]
    fs: Systems,
    /// Seed for what is written and when to cut [default: a new one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// Where to make the image, at most 512 MiB [default: in memory, if the system has a place
    /// there: on a device that answers at once, a writer gets ten times as far before the cut]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Kill the process instead of cutting the power; needs no root and no file system of its own.
    /// Then everything acknowledged as written must survive, not only what was synced
    #[arg(long, conflicts_with = "fs")]
    kill: bool,
    /// Print the counts as a line of the ledger
    #[arg(long)]
    json: bool,
    /// Append the counts to the ledger
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    manner: Manner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Systems {
    Ext4,
    Xfs,
    All,
}

impl Systems {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["ext4"],
            Self::Xfs => &["xfs"],
            Self::All => &["ext4", "xfs"],
        }
    }
}

/// How a file system came through.
enum End {
    Sound,
    Skipped,
    Interrupted,
    Violated,
}

/// Runs the campaign. Ends with 1 at the first violation, and with 77 where nothing could be cut.
pub fn run(arguments: &Arguments) -> ExitCode {
    // Where it cannot be set the default stands: the process ends, and so does its mount's use.
    let _ = ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed));
    let seed = arguments.seed.unwrap_or_else(from_clock);
    let name = if arguments.kill { "kill" } else { "powercut" };
    let mut tally = Tally::new(name, arguments.command(seed));
    let labels = match arguments.kill {
        true => &["killed"],
        false => arguments.fs.names(),
    };
    for label in labels {
        match on(label, arguments, seed, &mut tally) {
            End::Sound | End::Skipped => {}
            End::Interrupted => return ExitCode::from(INTERRUPTED),
            End::Violated => return ExitCode::FAILURE,
        }
    }
    if !tally.has_counts() {
        eprintln!("nothing was cut");
        return ExitCode::from(SKIPPED);
    }
    if arguments.json {
        println!("{}", tally.line());
    }
    if arguments.record
        && let Err(error) = tally.record()
    {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// All rounds on one file system.
fn on(label: &'static str, arguments: &Arguments, seed: u64, tally: &mut Tally) -> End {
    let (work, ground) = match prepare(label, arguments) {
        Ok(ready) => ready,
        // It goes to the programs that make the disk as well.
        Err(_) if STOP.load(Ordering::Relaxed) => {
            eprintln!("interrupted before the first cut on {label}");
            return End::Interrupted;
        }
        Err(why) => {
            eprintln!("SKIPPED {label}: {why}");
            return End::Skipped;
        }
    };
    let mut rounds = Rounds::new(label, ground, work.path(), seed, arguments.manner, tally);
    let mut shown = 0;
    while rounds.cuts() < arguments.cuts {
        let done = rounds.round();
        if STOP.load(Ordering::Relaxed) {
            eprintln!("interrupted after {}", rounds.summary());
            return End::Interrupted;
        }
        if let Err(why) = done {
            let evidence = rounds.evidence();
            drop(rounds);
            complain(&why, &evidence, work);
            return End::Violated;
        }
        if rounds.cuts() / PROGRESS_CUTS > shown {
            shown = rounds.cuts() / PROGRESS_CUTS;
            eprintln!("{}", rounds.summary());
        }
    }
    eprintln!("{}: no violation", rounds.summary());
    End::Sound
}

fn prepare(label: &'static str, arguments: &Arguments) -> Result<(TempDir, Ground), String> {
    let folder = arguments.dir.clone().unwrap_or_else(fast_folder);
    let work = tempfile::Builder::new()
        .prefix("portcask-powercut-")
        .tempdir_in(&folder)
        .map_err(|error| format!("no folder in {}: {}", folder.display(), error.kind()))?;
    let ground = match arguments.kill {
        true => Ground::Directory(work.path().to_owned()),
        false => Ground::Disk(Disk::prepare(label, work.path())?),
    };
    Ok((work, ground))
}

/// Says what is wrong and keeps what shows it.
fn complain(why: &str, evidence: &rounds::Evidence, work: TempDir) {
    let work = work.keep();
    eprintln!("VIOLATION: {why}");
    eprintln!("  {}", evidence.place);
    match evidence.keep(&work) {
        Ok(()) => eprintln!(
            "  kept in {}: left/ (the store as the cut left it), told.txt (the writer's words)",
            work.display()
        ),
        Err(error) => eprintln!("  kept in {}, but: {error}", work.display()),
    }
}

impl Arguments {
    /// What a reader types to do the same again.
    fn command(&self, seed: u64) -> String {
        let cuts = self.cuts;
        let systems = match (self.kill, self.fs) {
            (true, _) => " --kill",
            (_, Systems::All) => "",
            (_, Systems::Ext4) => " --fs ext4",
            (_, Systems::Xfs) => " --fs xfs",
        };
        let mapped = match self.manner.mapped {
            true => " --mapped",
            false => "",
        };
        format!("cargo xtask powercut --cuts {cuts}{systems}{mapped} --seed {seed}")
    }
}

fn fast_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    }
}

fn from_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |since| since.as_secs())
}

/// Milliseconds since 1970, as the stores see them.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Copies the files of a folder, which has no folders in it.
fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    if !from.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
