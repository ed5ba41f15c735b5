//! A store in a directory: finds the directory, opens it as late and with as few rights as the verb
//! allows, repeats a read when the writer has moved files meanwhile, and reports what recovery found.

use crate::args::{MergePolicyArgs, StoreArgs};
use crate::failure::{Exit, Failure, plain};
use crate::place::refuse_others;
use crate::remote::Remote;
use crate::term::complain;
use portcask::storage::ErrorKind;
use portcask::{Ack, Entry, Error, Options, PlatformStorage, RecoveryReport, StorageError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The engine on this platform.
pub type Engine = portcask::Engine<PlatformStorage>;

/// Entries asked of a server at once; it does not say how long they are.
const SERVER_ENTRIES: usize = 64;
/// How often a read is tried again while a writer merges under it.
const TRIES: u32 = 20;
/// After this a store that another process writes to is tried again.
const LOOKS_AGAIN: Duration = Duration::from_millis(10);

/// A store that is opened when it is first needed: read-only for the first read, as the writer
/// for the first write.
pub struct Store {
    args: StoreArgs,
    policy: MergePolicyArgs,
    open: Option<Handle>,
    remark: String,
    is_hushed: bool,
    line_ack: Option<Ack>,
    /// The server, once it is reached.
    server: Option<Remote>,
    /// A store may be made beside files that are no store's.
    is_new_among_others: bool,
}

struct Handle {
    engine: Engine,
    is_writer: bool,
}

/// Part of a walk over all keys.
pub struct Page<T> {
    /// What was picked from each entry.
    pub items: Vec<T>,
    /// Records that could not be read.
    pub damaged: Vec<Error>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<u64>,
}

impl Store {
    /// Nothing is opened yet.
    pub fn new(args: StoreArgs) -> Self {
        Self {
            args,
            policy: MergePolicyArgs::default(),
            open: None,
            remark: String::new(),
            is_hushed: false,
            line_ack: None,
            server: None,
            is_new_among_others: false,
        }
    }

    /// Lets a writer make a store beside files that are no store's: somebody asked for just that.
    pub fn allow_new_among_others(&mut self) {
        self.is_new_among_others = true;
    }

    /// The merge policy of a writer that is opened from now on.
    pub fn set_policy(&mut self, policy: &MergePolicyArgs) {
        self.policy = policy.clone();
    }

    /// Takes over what a line of the REPL says for itself: how its writes are acknowledged.
    pub fn set_line_args(&mut self, line: &StoreArgs) {
        self.line_ack = line.ack_level();
    }

    /// How a single write is acknowledged, if that differs from how the store was opened.
    pub fn ack(&self) -> Option<Ack> {
        self.line_ack
    }

    /// The server that this is, reached when it is first needed; `None` for a directory.
    pub fn server(&mut self) -> Result<Option<Remote>, Failure> {
        let Some(url) = self.args.server()? else {
            return Ok(None);
        };
        Remote::check(&self.args, &self.policy)?;
        if self.server.is_none() {
            self.server = Some(Remote::open(url, &self.args)?);
        }
        Ok(self.server.clone())
    }

    /// Whether it is a server's.
    pub fn is_remote(&self) -> Result<bool, Failure> {
        Ok(self.args.server()?.is_some())
    }

    /// Whether a line of the REPL means this store, and not another one.
    pub fn is_meant_by(&self, line: &StoreArgs) -> bool {
        let is_dir = line.dir.is_none() || line.dir == self.args.dir;
        let is_url = line.url.is_none() || line.url == self.args.url;
        let from_outside = |name| std::env::var_os(name).is_some_and(|it| !it.is_empty());
        (is_dir || line.dir == std::env::var_os("PORTCASK_DIR").map(Into::into))
            && (is_url || from_outside("PORTCASK_URL"))
    }

    /// The directory or the server, for people.
    pub fn name(&mut self) -> Result<String, Failure> {
        match self.server()? {
            Some(server) => Ok(server.name().to_owned()),
            None => Ok(self.dir()?.display().to_string()),
        }
    }

    /// The directory, or the error that shows what to type.
    pub fn dir(&self) -> Result<&Path, Failure> {
        if self.is_remote()? {
            return Err(Failure::usage(
                "this needs the files of a store, and --url names a server: use --dir on its machine",
            ));
        }
        match self.args.dir.as_deref() {
            Some(dir) if !dir.as_os_str().is_empty() => Ok(dir),
            _ => Err(Failure::usage(
                "which store? name its directory (portcask --dir DIR ..., \
                 or export PORTCASK_DIR=DIR) or a server (--url URL)",
            )),
        }
    }

    /// The options of a writer.
    pub fn write_options(&self) -> Options {
        let mut options = self.args.write_options();
        self.policy.apply(&mut options.merge);
        options
    }

    /// The options of a reader.
    pub fn read_options(&self) -> Options {
        let mut options = self.args.read_options();
        self.policy.apply(&mut options.merge);
        options
    }

    /// Reads. The question is asked again, after reopening, when the writer replaced files under
    /// it; it must not have effects of its own.
    pub fn read<T>(
        &mut self,
        mut ask: impl FnMut(&Engine) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        self.read_mut(|engine| ask(engine))
    }

    /// As [`Store::read`], for what the engine does with a reader but needs it whole for.
    pub fn read_mut<T>(
        &mut self,
        mut ask: impl FnMut(&mut Engine) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let mut tries = 0;
        loop {
            let is_writer = self.open.as_ref().is_some_and(|handle| handle.is_writer);
            let answer = self.reader_or_writer().and_then(|engine| Ok(ask(engine)?));
            let moved = matches!(&answer, Err(Refusal::Engine(error)) if has_moved(error));
            if is_writer || !moved || tries == TRIES {
                return answer.map_err(|refusal| self.explain(refusal));
            }
            tries += 1;
            self.open = None;
            std::thread::sleep(Duration::from_millis(u64::from(tries)));
        }
    }

    /// Writes, becoming the writer if this process is not yet.
    pub fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Engine) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let answer = self.writer().and_then(|engine| Ok(change(engine)?));
        answer.map_err(|refusal| self.explain(refusal))
    }

    /// The entries after `cursor`, about `limit` of them.
    pub fn page<T>(
        &mut self,
        cursor: u64,
        limit: usize,
        mut pick: impl FnMut(Entry) -> T,
    ) -> Result<Page<T>, Failure> {
        self.read(|engine| {
            let mut page = Page {
                items: Vec::new(),
                damaged: Vec::new(),
                next: None,
            };
            let next = engine.visit(cursor, limit, |entry| {
                match entry {
                    Ok(entry) => page.items.push(pick(entry)),
                    Err(error) if is_of_one_key(&error) => page.damaged.push(error),
                    Err(error) => return Err(error),
                }
                Ok(())
            })?;
            page.next = (next != 0).then_some(next);
            Ok(page)
        })
    }

    /// How many entries to hold in memory at once, values included.
    pub fn page_entries(&mut self) -> Result<usize, Failure> {
        if self.is_remote()? {
            return Ok(SERVER_ENTRIES);
        }
        let stats = self.read(|engine| engine.stats())?;
        let average = stats.live_bytes / stats.keys.max(1) + 1;
        Ok(((4 << 20) / average).clamp(1, 1024) as usize)
    }

    /// What opening found. Opens read-only if nothing is open.
    pub fn report(&mut self) -> Result<RecoveryReport, Failure> {
        self.read(|engine| Ok(engine.report().clone()))
    }

    /// Opens for writing, and leaves it to the caller to say what that found.
    pub fn recover(&mut self) -> Result<RecoveryReport, Failure> {
        self.is_hushed = true;
        // A missing directory is a mistake here, not a store to be made.
        let found = self.read(|_| Ok(()));
        let found = found.and_then(|()| {
            self.write(|engine| {
                // As every other verb counts: what expired since is no key any more.
                let keys = engine.len();
                let found = engine.report().clone();
                Ok(RecoveryReport { keys, ..found })
            })
        });
        self.is_hushed = false;
        found
    }

    /// Sees what the writer did since the last question. Only a long session needs this.
    pub fn refresh(&mut self) {
        if self.open.as_ref().is_some_and(|handle| !handle.is_writer) {
            self.open = None;
        }
    }

    /// Closes what is open. A writer syncs and leaves a store that opens without a scan.
    pub fn close(&mut self) -> Result<(), Failure> {
        match self.open.take() {
            Some(Handle {
                engine,
                is_writer: true,
            }) => engine
                .close()
                .map_err(|error| self.explain(Refusal::Engine(error))),
            _ => Ok(()),
        }
    }

    /// The failure that an engine's error is to a person.
    pub fn failure(&self, error: &Error) -> Failure {
        Failure::engine(self.args.dir.as_deref().unwrap_or(Path::new(".")), error)
    }

    fn reader_or_writer(&mut self) -> Result<&mut Engine, Refusal> {
        if self.open.is_none() {
            let dir = self.dir()?.to_owned();
            let storage = open_for_reading(&dir)?;
            let engine = Engine::open(storage, self.read_options())?;
            self.install(engine, false);
        }
        self.installed()
    }

    fn writer(&mut self) -> Result<&mut Engine, Refusal> {
        if !self.open.as_ref().is_some_and(|handle| handle.is_writer) {
            let dir = self.dir()?.to_owned();
            self.open = None;
            if !self.is_new_among_others {
                refuse_others(&dir)?;
            }
            let patience = Duration::from_millis(self.args.wait.unwrap_or_default());
            let began = Instant::now();
            let engine = loop {
                let opened = Engine::open(open_for_writing(&dir)?, self.write_options());
                let left = patience.saturating_sub(began.elapsed());
                match opened {
                    Err(Error::Locked { .. }) if !left.is_zero() => {
                        std::thread::sleep(LOOKS_AGAIN.min(left));
                    }
                    opened => break opened?,
                }
            };
            self.install(engine, true);
        }
        self.installed()
    }

    fn install(&mut self, engine: Engine, is_writer: bool) {
        let mut report = engine.report().clone();
        if !is_writer {
            // Beside a writer this may be a file it has created and not listed yet.
            report.orphans.clear();
        }
        if !report.is_spotless() {
            let remark = remark_on(&report);
            if remark != self.remark && !self.is_hushed {
                let dir = self.args.dir.as_deref().unwrap_or(Path::new("."));
                complain(&format!("{}: {remark}", dir.display()));
                self.remark = remark;
            }
        }
        self.open = Some(Handle { engine, is_writer });
    }

    fn installed(&mut self) -> Result<&mut Engine, Refusal> {
        match &mut self.open {
            Some(handle) => Ok(&mut handle.engine),
            None => Err(Refusal::Engine(Error::NoStore)),
        }
    }

    fn explain(&self, refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Said(failure) => failure,
            Refusal::Engine(error) => self.failure(&error),
        }
    }
}

/// What an opening found, and what to do about a clock that is not trusted. That comes last.
fn remark_on(report: &RecoveryReport) -> String {
    match report.clock_jump {
        Some(_) => format!("{report}; if the clock is right, write with --trust-clock once"),
        None => report.to_string(),
    }
}

/// A directory that must exist, for reading.
pub fn open_for_reading(dir: &Path) -> Result<PlatformStorage, Failure> {
    must_be_directory(dir)?;
    PlatformStorage::open_existing(dir).map_err(|error| refused(dir, &error))
}

/// A directory for writing, created if only its last component is missing.
pub fn open_for_writing(dir: &Path) -> Result<PlatformStorage, Failure> {
    match std::fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => parent_must_exist(dir)?,
        _ => must_be_directory(dir)?,
    }
    PlatformStorage::open(dir).map_err(|error| refused(dir, &error))
}

/// Only the last component of a path is ever created.
pub fn parent_must_exist(path: &Path) -> Result<(), Failure> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => return Ok(()),
    };
    if parent.is_dir() {
        return Ok(());
    }
    let (path, parent) = (path.display(), parent.display());
    let why = match cfg!(target_family = "wasm") {
        // A guest also lacks what its host has and did not hand over.
        true => format!(
            "it would be made in {parent}, which is not a directory here; the WASI host must hand that one over: \
             wasmtime run --dir {parent} portcask.wasm ..."
        ),
        false => format!(
            "its parent is not a directory, and only the last component is created: mkdir -p {parent}"
        ),
    };
    Err(Failure::new(Exit::System, format!("{path}: {why}")))
}

fn must_be_directory(dir: &Path) -> Result<(), Failure> {
    match std::fs::metadata(dir) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Failure::new(
            Exit::System,
            format!(
                "{}: this is a file, but a store is a directory; name the directory",
                dir.display()
            ),
        )),
        Err(error) if cfg!(target_family = "wasm") => Err(Failure::new(
            Exit::System,
            not_handed_over(dir, &plain(&error)),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::new(
            Exit::System,
            format!(
                "{}: no such directory; check --dir, or create a store: portcask --dir {0} init",
                dir.display()
            ),
        )),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::new(
            Exit::System,
            format!(
                "{}: permission denied; check the permissions of this directory",
                dir.display()
            ),
        )),
        Err(error) => Err(Failure::new(
            Exit::System,
            not_handed_over(dir, &plain(&error)),
        )),
    }
}

fn refused(dir: &Path, error: &StorageError) -> Failure {
    let advice = match error.kind {
        ErrorKind::Denied => "; check the permissions of the directory",
        ErrorKind::NotFound => "; check --dir",
        _ => "",
    };
    let exit = if error.kind == ErrorKind::Locked {
        Exit::Locked
    } else {
        Exit::System
    };
    Failure::new(exit, not_handed_over(dir, &format!("{error}{advice}")))
}

/// Under WASI the commonest mistake is a directory that the host did not hand over.
fn not_handed_over(dir: &Path, reason: &str) -> String {
    let dir = dir.display();
    if cfg!(target_family = "wasm") {
        return format!(
            "{dir}: {reason}; the WASI host must give access to the directory: \
             wasmtime run --dir {dir} portcask.wasm --dir {dir} ..."
        );
    }
    format!("{dir}: {reason}")
}

/// The writer replaced or removed files that a reader was about to use.
fn has_moved(error: &Error) -> bool {
    matches!(error, Error::Changed) || error.storage_kind() == Some(ErrorKind::NotFound)
}

/// Damage that concerns one key and lets all others be read.
pub fn is_of_one_key(error: &Error) -> bool {
    matches!(
        error,
        Error::Corrupt { .. } | Error::KeyCollision { .. } | Error::MaybeStale { .. }
    )
}

enum Refusal {
    Said(Failure),
    Engine(Error),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Said(failure)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_not_trusted_is_told_with_the_option_that_confirms_it() {
        let mut report = RecoveryReport::default();
        assert!(!remark_on(&report).contains("--trust-clock"));
        report.clock_jump = Some((0, 72 * 3_600_000));
        let remark = remark_on(&report);
        assert!(remark.contains("moved by 72 h"), "{remark}");
        assert!(remark.ends_with("--trust-clock once"), "{remark}");
    }
}
