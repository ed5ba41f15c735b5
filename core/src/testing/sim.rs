//! A simulated disk: honest while the power is on, as cruel as its laws allow when it fails.
//!
//! ```text
//!   live     what a running process sees                        (a MemoryStorage)
//!   base     what was durable when this disk came to life
//!   changes  every write, truncation, name and sync since then, in order
//!   crash    base + what changes made durable + what luck keeps of the rest  -> another disk
//! ```
//!
//! Because the changes are kept, a test runs a workload once and then cuts the power after every
//! single change of it ([`SimDisk::crash_at`]). Everything follows from the seed and the luck; no
//! time passes unless it is set.
//!
//! What a power cut may do, per file, to everything since the last successful sync: lose any
//! write, tear it at any byte, keep its length without its data, undo a truncation. Names are
//! created, renamed and removed each on their own, or not, until
//! [`sync_namespace`](crate::storage::Storage::sync_namespace). A
//! failed sync leaves what was written before it in doubt for ever.

mod fault;
mod file;
mod luck;
mod medium;

pub use fault::{Call, Fault, Leaves};
pub use file::SimFile;
pub use luck::{AllKept, Dice, EveryChoice, Kept, Luck, NothingKept, Torn};

use crate::memory::{MemoryFile, MemoryStorage};
use crate::prelude::*;
use crate::storage::{Capabilities, FileName, Host, StorageError};
use compat::collections::BTreeMap;
use compat::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::ops::Range;
use fault::Plan;
use medium::{Change, Image, Inode};

/// What a simulated disk promises, so that it can stand for each real backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laws {
    /// What it says of itself, and keeps.
    pub capabilities: Capabilities,
    /// A sync of any file makes earlier names durable, as journaling file systems happen to do.
    pub syncs_commit_names: bool,
}

impl Laws {
    /// A local disk under an operating system: everything the contract knows.
    pub const DISK: Self = Self {
        capabilities: Capabilities {
            namespace_sync: true,
            atomic_rename: true,
            kernel_lock: true,
            preallocate: true,
            data_sync: true,
        },
        syncs_commit_names: false,
    };
    /// A directory lent to a sandbox: no lock, names cannot be synced, but follow file syncs.
    pub const GUEST: Self = Self {
        capabilities: Capabilities {
            namespace_sync: false,
            kernel_lock: false,
            preallocate: false,
            ..Self::DISK.capabilities
        },
        syncs_commit_names: true,
    };
    /// As [`Laws::GUEST`], and any name may be lost or come back at any power cut.
    pub const FORGETFUL: Self = Self {
        syncs_commit_names: false,
        ..Self::GUEST
    };
}

/// A simulated disk. A clone is the same disk, so a test drops a store and opens it again, or opens
/// two at once.
#[derive(Clone)]
pub struct SimDisk {
    world: Rc<World>,
    /// What this host of the disk can do.
    capabilities: Capabilities,
}

struct World {
    live: MemoryStorage,
    laws: Laws,
    seed: u64,
    base: Image,
    changes: RefCell<Vec<Change>>,
    inodes: RefCell<BTreeMap<FileName, Inode>>,
    next_inode: Cell<Inode>,
    steps: Cell<u64>,
    struck: Cell<u64>,
    plan: RefCell<Plan>,
    interrupt: RefCell<Option<Interrupt>>,
    unreadable: RefCell<Vec<(Inode, Range<u64>)>>,
}

/// Runs at the given step.
type Interrupt = (u64, Box<dyn FnOnce(&SimDisk)>);

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SimDisk(seed {}, {} steps)",
            self.world.seed,
            self.steps()
        )
    }
}

impl SimDisk {
    /// An empty local disk; its entropy follows from the seed.
    pub fn new(seed: u64) -> Self {
        Self::with_laws(seed, Laws::DISK)
    }

    /// An empty disk with other laws.
    pub fn with_laws(seed: u64, laws: Laws) -> Self {
        Self::holding(seed, laws, BTreeMap::new())
    }

    /// A disk on which these files are durable.
    pub fn holding(seed: u64, laws: Laws, files: BTreeMap<FileName, Vec<u8>>) -> Self {
        let live = MemoryStorage::with_seed(seed).with_capabilities(laws.capabilities);
        let mut base = Image::default();
        for (inode, (name, bytes)) in (0..).zip(files) {
            live.set_bytes(&name, &bytes);
            base.names.insert(name, inode);
            base.contents.insert(inode, bytes);
        }
        Self {
            capabilities: laws.capabilities,
            world: Rc::new(World {
                live,
                laws,
                seed,
                inodes: RefCell::new(base.names.clone()),
                next_inode: Cell::new(base.names.len() as u64),
                base,
                changes: RefCell::default(),
                steps: Cell::new(0),
                struck: Cell::new(0),
                plan: RefCell::default(),
                interrupt: RefCell::default(),
                unreadable: RefCell::default(),
            }),
        }
    }

    /// The same disk, seen by a host that can do less: calls behind a `false` are refused there.
    #[must_use]
    pub fn seen_with(&self, capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            ..self.clone()
        }
    }

    /// Storage calls made so far, failed ones included.
    pub fn steps(&self) -> u64 {
        self.world.steps.get()
    }

    /// Calls so far that failed because of an injected fault.
    pub fn struck(&self) -> u64 {
        self.world.struck.get()
    }

    /// Calls so far that changed something or made it durable: the points for
    /// [`SimDisk::crash_at`].
    pub fn changes(&self) -> usize {
        self.world.changes.borrow().len()
    }

    /// The changes so far in words, one each: what a person reads beside a violation.
    pub fn told(&self) -> Vec<String> {
        let names = self.world.inodes.borrow();
        let name = |inode| {
            let found = names.iter().find(|(_, of)| **of == inode);
            found.map_or_else(|| format!("file {inode}"), |(name, _)| format!("{name}"))
        };
        let changes = self.world.changes.borrow();
        changes.iter().map(|change| change.told(&name)).collect()
    }

    /// The disk after a power cut now. This one stays as it is, so many ends can be tried.
    pub fn crash(&self, luck: &mut dyn Luck) -> Self {
        self.crash_at(self.changes(), luck)
    }

    /// The disk after a power cut that followed the first `at` changes.
    pub fn crash_at(&self, at: usize, luck: &mut dyn Luck) -> Self {
        let World { base, laws, .. } = &*self.world;
        let changes = self.world.changes.borrow();
        let at = at.min(changes.len());
        let files = base.after_power_cut(&changes[..at], laws.syncs_commit_names, luck);
        // No salt is drawn twice in a disk's lives.
        let seed = self.world.seed.wrapping_mul(31).wrapping_add(1 + at as u64);
        let disk = Self::holding(seed, *laws, files);
        disk.set_now_ms(self.now_ms());
        disk
    }

    /// All files as a running process sees them now.
    pub fn files(&self) -> BTreeMap<FileName, Vec<u8>> {
        let names = self.world.inodes.borrow();
        let live = &self.world.live;
        names
            .keys()
            .filter_map(|name| Some((*name, live.bytes(name)?)))
            .collect()
    }

    /// One file as a running process sees it now.
    pub fn bytes(&self, name: &FileName) -> Option<Vec<u8>> {
        self.world.live.bytes(name)
    }

    /// Makes `bytes` the durable content of a file, under a durable name: damage, or another's work.
    pub fn set_bytes(&self, name: &FileName, bytes: &[u8]) {
        let known = self.world.inodes.borrow().get(name).copied();
        let inode = known.unwrap_or_else(|| self.world.enter_name(*name));
        self.world.live.set_bytes(name, bytes);
        self.world.note(Change::Cut { inode, len: 0 });
        let bytes = bytes.to_vec();
        self.world.note(Change::Write {
            inode,
            offset: 0,
            bytes,
        });
        self.world.note(Change::Sync(inode));
        self.world.note(Change::SyncName(*name));
    }

    /// Flips bits of one byte of a file, durably. `false` if the file has no such byte.
    pub fn flip(&self, name: &FileName, offset: usize, mask: u8) -> bool {
        let Some(mut bytes) = self.bytes(name) else {
            return false;
        };
        let Some(byte) = bytes.get_mut(offset) else {
            return false;
        };
        *byte ^= mask;
        self.set_bytes(name, &bytes);
        true
    }

    /// Reads of these bytes of a file fail with `ErrorKind::Io` from now on.
    pub fn make_unreadable(&self, name: &FileName, range: Range<u64>) {
        if let Some(inode) = self.world.inodes.borrow().get(name) {
            self.world.unreadable.borrow_mut().push((*inode, range));
        }
    }

    /// Adds a call that is to fail.
    pub fn inject(&self, fault: Fault) {
        self.world.plan.borrow_mut().add(fault);
    }

    /// Takes all faults back.
    pub fn heal(&self) {
        self.world.plan.borrow_mut().clear();
        self.world.unreadable.borrow_mut().clear();
    }

    /// Runs `other` in the middle of whatever is going on, just before the `nth` call from now: a
    /// second process. The calls that it makes count as well.
    pub fn interrupt(&self, nth: u64, other: impl FnOnce(&SimDisk) + 'static) {
        *self.world.interrupt.borrow_mut() = Some((self.steps() + nth, Box::new(other)));
    }

    /// Whether an [`SimDisk::interrupt`] is still to come.
    pub fn is_waiting(&self) -> bool {
        self.world.interrupt.borrow().is_some()
    }

    /// Limits the bytes of all files together, as a disk that fills up.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world.live.set_capacity(bytes);
    }

    /// Bytes that all files are charged for.
    pub fn used_bytes(&self) -> u64 {
        self.world.live.used_bytes()
    }

    /// Sets the clock, in milliseconds since 1970; `None` takes it away.
    pub fn set_now_ms(&self, now_ms: Option<u64>) {
        self.world.live.set_now_ms(now_ms);
    }

    fn enter(&self, call: Call) -> Result<(), StorageError> {
        self.meet(call).map_err(|(error, _)| error)
    }

    fn meet(&self, call: Call) -> Result<(), (StorageError, Leaves)> {
        let world = &*self.world;
        let due = world
            .interrupt
            .borrow_mut()
            .take_if(|(at, _)| *at <= world.steps.get() + 1);
        if let Some((_, other)) = due {
            other(self);
        }
        world.steps.set(world.steps.get() + 1);
        let met = world.plan.borrow_mut().meet(call);
        let struck = world.struck.get() + u64::from(met.is_some());
        world.struck.set(struck);
        met.map_or(Ok(()), Err)
    }

    fn handle(&self, inode: Inode, file: MemoryFile) -> SimFile {
        SimFile {
            disk: self.clone(),
            inode,
            file,
        }
    }
}

impl World {
    fn note(&self, change: Change) {
        self.changes.borrow_mut().push(change);
    }

    /// A new file under this name.
    fn enter_name(&self, name: FileName) -> Inode {
        let inode = self.next_inode.get();
        self.next_inode.set(inode + 1);
        self.inodes.borrow_mut().insert(name, inode);
        self.note(Change::Entry(name, Some(inode)));
        inode
    }
}
