//! What a power cut left behind, told apart by its bytes, and what opening it showed.

use portcask_core::testing::oracle::Contents;
use portcask_core::testing::sim::{Laws, SimDisk};
use portcask_core::testing::world::World;
use portcask_core::{Ack, Host, RecoveryReport, WriteOptions};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

/// A hash of all names and bytes. Images with the same one are taken for the same: at a million
/// images the chance that any two are not is 3e-8.
pub fn fingerprint(disk: &SimDisk) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, bytes) in disk.files() {
        name.as_str().hash(&mut hasher);
        bytes.hash(&mut hasher);
    }
    hasher.finish()
}

/// The images met so far, by all threads together.
pub struct Distinct {
    shards: Vec<Mutex<HashSet<u64>>>,
}

impl Distinct {
    /// None yet.
    pub fn new() -> Self {
        Self {
            shards: (0..64).map(|_| Mutex::default()).collect(),
        }
    }

    /// Notes an image; whether it is a new one.
    pub fn insert(&self, image: u64) -> bool {
        let shard = &self.shards[(image % self.shards.len() as u64) as usize];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.insert(image)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        let len = |shard: &Mutex<HashSet<u64>>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.len() as u64
        };
        self.shards.iter().map(len).sum()
    }
}

/// What opening an image showed: enough for an oracle to judge it, however it came about.
#[derive(Clone)]
pub struct Recovered {
    /// What the store held.
    pub contents: Rc<Contents>,
    /// What the store took for the time, which hides keys.
    pub now_ms: u64,
}

/// Opens images, each only once: what is found follows from the bytes and the clock.
pub struct Openings {
    laws: Laws,
    known: HashMap<(u64, Option<u64>), Result<Recovered, String>>,
    /// The kinds of recovery reports met.
    pub reports: BTreeSet<String>,
}

impl Openings {
    /// None was opened yet.
    pub fn new(laws: Laws) -> Self {
        Self {
            laws,
            known: HashMap::new(),
            reports: BTreeSet::new(),
        }
    }

    /// What opening `disk`, whose fingerprint is `image`, shows. Whatever an oracle says of that:
    /// it opens, nothing is damaged, opening again changes nothing, and it takes a durable write.
    pub fn open(&mut self, image: u64, disk: &SimDisk) -> Result<Recovered, String> {
        let key = (image, disk.now_ms());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let recovered = self.recover(image, disk);
        self.known.insert(key, recovered.clone());
        recovered
    }

    fn recover(&mut self, image: u64, disk: &SimDisk) -> Result<Recovered, String> {
        let mut world = World::on(next_life(image, disk, self.laws));
        let (contents, now_ms) = world.find()?;
        if let Some(store) = world.store.take() {
            self.reports.insert(kind_of(store.report()));
        }
        let (again, _) = world.find().map_err(|e| format!("opened again: {e}"))?;
        if again != contents {
            return Err(format!("holds {contents:?}, and opened again {again:?}"));
        }
        let durable = WriteOptions {
            ack: Some(Ack::Synced),
            ..WriteOptions::default()
        };
        if let Some(store) = &mut world.store {
            store
                .put_with(b"after all", b"alive", &durable)
                .map_err(|error| format!("then it takes no write: {error}"))?;
        }
        Ok(Recovered {
            contents: Rc::new(contents),
            now_ms,
        })
    }
}

/// The disk on which an image lives on. Its entropy follows from the image, so the same image has one
/// future.
pub fn next_life(image: u64, disk: &SimDisk, laws: Laws) -> SimDisk {
    let next = SimDisk::holding(image, laws, disk.files());
    next.set_now_ms(disk.now_ms());
    next
}

/// A report without its numbers.
pub fn kind_of(report: &RecoveryReport) -> String {
    let words = [
        ("created", report.created),
        ("clean", report.clean),
        ("unclean", !report.clean),
        ("hinted", report.hinted_bytes > 0),
        ("scanned", report.scanned_records > 0),
        ("torn", report.torn_bytes > 0),
        ("whole records in the torn tail", report.torn_records > 0),
        ("undecidable", report.undecidable_bytes > 0),
        ("kept undecidable", report.undecidable_records > 0),
        ("rewritten", report.rewritten_records > 0),
        ("damaged", !report.damages.is_empty()),
        ("orphans", !report.orphans.is_empty()),
        ("stepped back", report.stepped_back),
        ("degraded", report.degraded),
        ("clock jump", report.clock_jump.is_some()),
    ];
    let met = words.iter().filter(|(_, met)| *met);
    met.map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}
