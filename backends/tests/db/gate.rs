//! Standard files whose segment appends and syncs can be held at a gate, made to fail, and counted.

use portcask::std_files::{StdFile, StdFiles, StdLock};
use portcask::storage::{
    Access, Capabilities, ErrorKind, File, FileName, Host, Storage, StorageError,
};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Far longer than anything here takes: a test that gets there has hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// What can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Append,
    Sync,
    /// The next read alone.
    Read,
}

#[derive(Clone, Debug)]
pub struct Gates {
    files: StdFiles,
    control: Arc<Control>,
}

#[derive(Clone, Debug)]
pub struct GatedFile {
    file: StdFile,
    /// Segments alone are gated.
    control: Option<Arc<Control>>,
}

#[derive(Debug, Default)]
struct Control {
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// What the gates have seen so far; all of segment files alone.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    holds_appends: bool,
    holds_syncs: bool,
    holds_next_read: bool,
    read_is_held: bool,
    panics: Option<Call>,
    fails_syncs_from: Option<u64>,
    now_ms: Option<u64>,
    /// Appends that went through.
    pub appends: u64,
    /// Syncs that began.
    pub syncs: u64,
    /// Calls that stand at their gate.
    pub held_appends: u64,
    pub held_syncs: u64,
    pub held_reads: u64,
}

impl Gates {
    pub fn new(dir: &Path) -> Self {
        let mut files = StdFiles::open(dir).unwrap();
        if super::MAPPED {
            files = files.mapped();
        }
        Self {
            files,
            control: Arc::default(),
        }
    }

    pub fn hold(&self, call: Call) {
        self.set(call, true);
    }

    pub fn release(&self, call: Call) {
        self.set(call, false);
    }

    /// Lets every sync fail whose number, counted from 1, is this or above.
    pub fn fail_syncs_from(&self, number: u64) {
        self.control.seen().fails_syncs_from = Some(number);
    }

    /// Lets every such call panic from now on, which the contract forbids.
    pub fn panic_at(&self, call: Call) {
        self.control.seen().panics = Some(call);
    }

    pub fn calm_down(&self) {
        self.control.seen().panics = None;
    }

    pub fn set_now_ms(&self, now_ms: u64) {
        self.control.seen().now_ms = Some(now_ms);
    }

    pub fn seen(&self) -> Seen {
        self.control.seen().clone()
    }

    /// Waits until what was seen is as `wanted`.
    pub fn wait_until(&self, wanted: impl Fn(&Seen) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.control.seen();
        while !wanted(&seen) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain: {seen:?}");
            seen = self.control.changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    fn set(&self, call: Call, held: bool) {
        let mut seen = self.control.seen();
        match call {
            Call::Append => seen.holds_appends = held,
            Call::Sync => seen.holds_syncs = held,
            Call::Read if held => seen.holds_next_read = true,
            Call::Read => {
                seen.holds_next_read = false;
                seen.read_is_held = false;
            }
        }
        drop(seen);
        self.control.changed.notify_all();
    }

    fn gated(&self, name: &FileName, file: StdFile) -> GatedFile {
        let is_segment = name.as_str().starts_with("segment-");
        GatedFile {
            file,
            control: is_segment.then(|| Arc::clone(&self.control)),
        }
    }
}

impl Control {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn panic_if_told(&self, call: Call) {
        let told = self.seen().panics == Some(call);
        assert!(!told, "a backend's panic, on purpose");
    }

    fn pass_read(&self) {
        let mut seen = self.seen();
        if !std::mem::take(&mut seen.holds_next_read) {
            return;
        }
        seen.read_is_held = true;
        seen.held_reads += 1;
        self.changed.notify_all();
        let until = Instant::now() + PATIENCE;
        while seen.read_is_held {
            assert!(Instant::now() < until, "a read was never released");
            seen = self.changed.wait_timeout(seen, PATIENCE).unwrap().0;
        }
        seen.held_reads -= 1;
    }

    fn pass_append(&self) {
        let mut seen = self.seen();
        seen.held_appends += 1;
        self.changed.notify_all();
        let until = Instant::now() + PATIENCE;
        while seen.holds_appends {
            assert!(Instant::now() < until, "an append was never released");
            seen = self.changed.wait_timeout(seen, PATIENCE).unwrap().0;
        }
        seen.held_appends -= 1;
    }

    fn appended(&self) {
        self.seen().appends += 1;
        self.changed.notify_all();
    }

    fn pass_sync(&self) -> Result<(), StorageError> {
        let mut seen = self.seen();
        seen.syncs += 1;
        let number = seen.syncs;
        seen.held_syncs += 1;
        self.changed.notify_all();
        let until = Instant::now() + PATIENCE;
        while seen.holds_syncs {
            assert!(Instant::now() < until, "a sync was never released");
            seen = self.changed.wait_timeout(seen, PATIENCE).unwrap().0;
        }
        seen.held_syncs -= 1;
        if seen.fails_syncs_from.is_some_and(|from| number >= from) {
            return Err(StorageError::with_detail(ErrorKind::Io, "the disk is gone"));
        }
        Ok(())
    }
}

impl File for GatedFile {
    fn append(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        if let Some(control) = &self.control {
            control.panic_if_told(Call::Append);
            control.pass_append();
        }
        self.file.append(offset, bytes)?;
        if let Some(control) = &self.control {
            control.appended();
        }
        Ok(())
    }

    fn pread(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        if let Some(control) = &self.control {
            control.pass_read();
        }
        self.file.pread(offset, into)
    }

    fn sync(&self) -> Result<(), StorageError> {
        if let Some(control) = &self.control {
            control.panic_if_told(Call::Sync);
            control.pass_sync()?;
        }
        self.file.sync()
    }

    fn len(&self) -> Result<u64, StorageError> {
        self.file.len()
    }

    fn truncate(&self, len: u64) -> Result<(), StorageError> {
        self.file.truncate(len)
    }

    fn lengthen(&self, end: u64, bytes: u64) -> Result<u64, StorageError> {
        self.file.lengthen(end, bytes)
    }
}

impl Storage for Gates {
    type File = GatedFile;
    type Lock = StdLock;

    fn capabilities(&self) -> Capabilities {
        self.files.capabilities()
    }

    fn create(&self, name: &FileName) -> Result<GatedFile, StorageError> {
        Ok(self.gated(name, self.files.create(name)?))
    }

    fn open(&self, name: &FileName, access: Access) -> Result<GatedFile, StorageError> {
        Ok(self.gated(name, self.files.open(name, access)?))
    }

    fn exists(&self, name: &FileName) -> Result<bool, StorageError> {
        self.files.exists(name)
    }

    fn list(&self) -> Result<Vec<FileName>, StorageError> {
        self.files.list()
    }

    fn rename(&self, from: &FileName, to: &FileName) -> Result<(), StorageError> {
        self.files.rename(from, to)
    }

    fn remove(&self, name: &FileName) -> Result<(), StorageError> {
        self.files.remove(name)
    }

    fn sync_namespace(&self) -> Result<(), StorageError> {
        self.files.sync_namespace()
    }

    fn lock(&self) -> Result<StdLock, StorageError> {
        self.files.lock()
    }
}

impl Host for Gates {
    fn now_ms(&self) -> Option<u64> {
        let set = self.control.seen().now_ms;
        set.or_else(|| self.files.now_ms())
    }

    fn entropy(&self) -> Result<[u8; 16], StorageError> {
        self.files.entropy()
    }
}
