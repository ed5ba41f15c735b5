//! What went wrong, in one line, and the exit code that says the same to a script.
//!
//! With `--json` the line is an object with `code`, `class` and `message`: see [`term::fail`](crate::term::fail).

use portcask::Error;
use portcask::storage::ErrorKind;
use std::io;
use std::path::Path;

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The key does not exist or a condition did not hold.
    No = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Stored data is damaged or lost.
    Damaged = 3,
    /// Somebody else is the writer.
    Locked = 4,
    /// The system refused.
    System = 5,
    /// The input is invalid.
    Input = 6,
    /// Not possible on this host or with this build.
    Unable = 7,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The exit code in a word, for programs.
    pub fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::No => "no",
            Self::Usage => "usage",
            Self::Damaged => "damaged",
            Self::Locked => "locked",
            Self::System => "system",
            Self::Input => "input",
            Self::Unable => "unable",
            Self::Interrupted => "interrupted",
        }
    }

    /// What is said for a verb whose answer tells the rest.
    pub fn of_answer(self) -> &'static str {
        match self {
            Self::Damaged => {
                "stored data is damaged or lost: the answer on standard output tells more"
            }
            _ => "not everything is well: the answer on standard output tells more",
        }
    }
}

/// What the engine's options are called on the command line.
const FLAGS: [(&str, &str); 7] = [
    ("segment_bytes", "--segment-size"),
    ("key_bytes_max", "--max-key"),
    ("value_bytes_max", "--max-value"),
    (
        "merge percentages",
        "the percentages --fragmentation-trigger and --fragmentation-threshold",
    ),
    ("merge min_files", "--min-files"),
    ("max_files", "--max-files"),
    ("merge window hours", "the hours of --window"),
];

/// A verb that could not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// To be said on standard error.
    Said {
        /// The class.
        exit: Exit,
        /// One sentence, without the program's name.
        message: String,
    },
    /// The reader of our output went away: nothing to say, nothing wrong.
    ClosedPipe,
}

/// What a verb returns.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure of this class.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Said {
            exit,
            message: message.into(),
        }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The input is invalid.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    /// Writing to standard output failed.
    pub fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe || is_closed_for_guest(error) {
            return Self::ClosedPipe;
        }
        Self::new(
            Exit::System,
            format!("cannot write the output: {}", plain(error)),
        )
    }

    /// The system refused something about a file that is not the store's.
    pub fn file(deed: &str, path: &Path, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::NotFound if cfg!(target_family = "wasm") => {
                "; under WASI the host must give access to its directory (wasmtime run --dir DIR)"
            }
            io::ErrorKind::StorageFull => "; free some space and try again",
            _ => "",
        };
        Self::new(
            Exit::System,
            format!("cannot {deed} {}: {}{advice}", path.display(), plain(error)),
        )
    }

    /// The engine refused; `dir` is the store it was about, or the archive of one.
    pub fn engine(dir: &Path, error: &Error) -> Self {
        let is_archive = dir.is_file();
        let dir = dir.display();
        let exit = exit_of(error);
        if let Error::BadOption { what } = error {
            let what = what.to_string();
            let told = FLAGS
                .iter()
                .fold(what.clone(), |told, (name, flag)| told.replace(name, flag));
            if told != what {
                return Self::new(exit, told);
            }
        }
        let advice = match error {
            Error::Corrupt { .. } => format!(
                "; other keys are not affected: portcask --dir {dir} verify lists all damage"
            ),
            Error::MaybeStale { .. } => "; --accept-stale returns the older version".to_owned(),
            Error::Damaged { .. } | Error::NoManifest { .. } if is_archive => {
                "; to save what is readable, unpack it into a new directory and run salvage on that"
                    .to_owned()
            }
            Error::Damaged { .. } | Error::NoManifest { .. } | Error::Degraded { .. } => {
                format!("; to save what is readable: portcask --dir {dir} salvage --to NEW_DIR")
            }
            Error::Locked { holder } if holder.contains("(portcask-server)") => {
                "; a server has it open: use --url redis://HOST:PORT (127.0.0.1:6379 by default)"
                    .to_owned()
            }
            Error::Locked { .. } => {
                "; verbs that only read still work, and --wait 30s waits for it".to_owned()
            }
            Error::NoStore => {
                format!("; to create one: portcask --dir {dir} init (so does the first put)")
            }
            Error::Full { .. } => "; free some space, or delete keys and merge".to_owned(),
            Error::KeyTooLong { .. } => "; nothing was written (--max-key)".to_owned(),
            Error::ValueTooLarge { .. } => "; nothing was written (--max-value)".to_owned(),
            Error::BatchTooLarge { .. } => "; raise --segment-size".to_owned(),
            Error::Gap { missed } => {
                format!("; start over with a scan, or with --from {}", missed.oldest)
            }
            Error::NotEmpty => "; use an empty or a new directory".to_owned(),
            Error::Changed => "; the writer merges faster than this can read: try again".to_owned(),
            _ if error.storage_kind() == Some(ErrorKind::Denied) && is_no_file(error) => {
                "; put the file itself in its place, or restore a backup".to_owned()
            }
            _ if error.storage_kind() == Some(ErrorKind::Denied) => {
                "; check the permissions of the directory and its files".to_owned()
            }
            _ => String::new(),
        };
        Self::new(exit, format!("{dir}: {error}{advice}"))
    }
}

/// Whether a link, a directory or the like lies where the store has a file: no matter of permissions. The backends say
/// so in words alone.
fn is_no_file(error: &Error) -> bool {
    let words = error.to_string();
    ["is a symbolic link", "is not a regular file"]
        .iter()
        .any(|known| words.contains(known))
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::ConditionFailed { .. } => Exit::No,
        Error::BadOption { .. } => Exit::Usage,
        Error::Corrupt { .. }
        | Error::MaybeStale { .. }
        | Error::KeyCollision { .. }
        | Error::Degraded { .. }
        | Error::Damaged { .. }
        | Error::NoManifest { .. }
        | Error::Gap { .. } => Exit::Damaged,
        Error::Locked { .. } | Error::Fenced { .. } => Exit::Locked,
        Error::KeyTooLong { .. } | Error::ValueTooLarge { .. } | Error::BatchTooLarge { .. } => {
            Exit::Input
        }
        Error::NewerFormat { .. }
        | Error::UnknownFeature { .. }
        | Error::NoClock
        | Error::TooLarge
        | Error::SeqExhausted
        | Error::TooManySegments => Exit::Unable,
        _ => Exit::System,
    }
}

/// A WASI host answers EIO to a write into a closed pipe, so a guest cannot tell it from a device
/// that failed: it is as quiet, but [`CLOSED_PIPE_EXIT`] is no success there.
fn is_closed_for_guest(error: &io::Error) -> bool {
    const EIO: i32 = 29;
    cfg!(target_family = "wasm") && error.raw_os_error() == Some(EIO)
}

/// How a verb ends whose reader went away.
pub const CLOSED_PIPE_EXIT: Exit = if cfg!(target_family = "wasm") {
    Exit::System
} else {
    Exit::Done
};

/// The system's words without Rust's "(os error 2)".
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}
