//! How long opening takes, with hints and, if asked for, without them.

use crate::Context;
use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::place::refuse_others;
use crate::store::open_for_writing;
use portcask::storage::{Access, Capabilities, ErrorKind, Host};
use portcask::{Engine, Error, FileName, PlatformStorage, RecoveryReport, Storage, StorageError};
use std::time::{Duration, Instant};

/// What opening cost.
pub struct Startup {
    pub elapsed: Duration,
    pub found: FoundAtStart,
    /// The hints were hidden.
    pub is_scan: bool,
}

/// What opening read.
#[derive(Default)]
pub struct FoundAtStart {
    pub keys: u64,
    pub hinted_bytes: u64,
    pub scanned_bytes: u64,
    pub scanned_records: u64,
}

impl FoundAtStart {
    /// What opening reported, and the keys that still live.
    fn of(report: &RecoveryReport, keys: u64) -> Self {
        Self {
            keys,
            hinted_bytes: report.hinted_bytes,
            scanned_bytes: report.scanned_bytes,
            scanned_records: report.scanned_records,
        }
    }
}

/// A server has started long ago: what is measured is the first answer.
#[cfg(not(target_family = "wasm"))]
pub fn of_server(server: &crate::remote::Remote) -> Result<Startup, Failure> {
    let began = Instant::now();
    let found = FoundAtStart {
        keys: server.len()?,
        ..FoundAtStart::default()
    };
    Ok(Startup {
        elapsed: began.elapsed(),
        found,
        is_scan: false,
    })
}

/// Opens the store, and closes it again.
pub fn measure(context: &mut Context, args: &BenchArgs) -> Result<Startup, Failure> {
    let dir = context.store.dir()?.to_owned();
    refuse_others(&dir)?;
    let storage = open_for_writing(&dir)?;
    let refused = |error: Error| Failure::engine(&dir, &error);
    let is_store = portcask::is_store(&storage).map_err(refused)?;
    if !is_store {
        context.store.write(|_| Ok(()))?;
        context.store.close()?;
    }
    // A reader scans and reads hints as a writer does, and leaves the store alone.
    let options = context.store.read_options();
    let began = Instant::now();
    let (elapsed, found) = if args.force_scan {
        let engine: Engine<WithoutHints> =
            Engine::open(WithoutHints(storage), options).map_err(refused)?;
        let elapsed = began.elapsed();
        (elapsed, FoundAtStart::of(engine.report(), engine.len()))
    } else {
        let engine: Engine<PlatformStorage> = Engine::open(storage, options).map_err(refused)?;
        let elapsed = began.elapsed();
        (elapsed, FoundAtStart::of(engine.report(), engine.len()))
    };
    Ok(Startup {
        elapsed,
        found,
        is_scan: args.force_scan,
    })
}

/// The platform's directory with its hint files out of sight.
struct WithoutHints(PlatformStorage);

impl WithoutHints {
    fn is_hidden(name: &FileName) -> bool {
        name.as_str().starts_with("hint-")
    }
}

impl Host for WithoutHints {
    fn now_ms(&self) -> Option<u64> {
        self.0.now_ms()
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        self.0.entropy()
    }
}

impl Storage for WithoutHints {
    type File = <PlatformStorage as Storage>::File;
    type Lock = <PlatformStorage as Storage>::Lock;

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn create(&self, name: &FileName) -> Result<Self::File, StorageError> {
        self.0.create(name)
    }

    fn open(&self, name: &FileName, access: Access) -> Result<Self::File, StorageError> {
        if Self::is_hidden(name) {
            return Err(StorageError::new(ErrorKind::NotFound));
        }
        self.0.open(name, access)
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        Ok(!Self::is_hidden(name) && self.0.exists(name)?)
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        let mut names = self.0.list()?;
        names.retain(|name| !Self::is_hidden(name));
        Ok(names)
    }

    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &FileName) -> Result<(), StorageError> {
        self.0.remove(name)
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        self.0.sync_namespace()
    }

    fn lock(&self) -> Result<Self::Lock, StorageError> {
        self.0.lock()
    }
}
