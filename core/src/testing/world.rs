//! One seed, one world: a store on a simulated disk, driven by operations, watched by the oracle.

use super::oracle::{Contents, Oracle, Write, meta_key};
use super::sim::{Dice, Laws, SimDisk};
use crate::prelude::*;
use crate::{Ack, Batch, Engine, Error, Expiry, MergePolicy, Options, Result, Ttl, WriteOptions};

/// The store that a world drives.
pub type Store = Engine<SimDisk>;

/// Worlds use the keys below this number.
pub const KEYS: u8 = 12;

/// The meta key that every batch of a world sets.
const APPLIED: &[u8] = b"applied";

/// One step of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Stores a value of `bytes` bytes, made from the number of the step.
    Put {
        /// Which key.
        key: u8,
        /// How long the value is.
        bytes: usize,
        /// When it is acknowledged.
        ack: Ack,
        /// Life in milliseconds.
        life_ms: Option<u64>,
    },
    /// Deletes a key.
    Delete(u8),
    /// Puts the first keys and deletes the others, together with a meta key.
    Batch(Vec<u8>, Vec<u8>),
    /// Makes everything durable.
    Sync,
    /// Hands the buffer over.
    Flush,
    /// Seals the active segment.
    Rotate,
    /// So many bytes of merging.
    MergeStep(u64),
    /// Merges everything.
    MergeAll,
    /// Background work.
    Tick,
    /// Removes every key.
    Clear,
    /// Closes and opens.
    Reopen,
    /// The process dies and the store is opened again: what the platform has stays.
    Kill,
    /// Time passes.
    Wait(u64),
}

/// A store, its disk, and what it may answer.
pub struct World {
    /// The disk; replaced by every power cut.
    pub disk: SimDisk,
    /// `None` while no process has the store open.
    pub store: Option<Store>,
    /// What it may answer.
    pub oracle: Oracle,
    /// How the store is opened.
    pub options: Options,
    /// Steps made, which the values are made from.
    pub made: u64,
    /// The greatest sequence number seen in any life.
    pub last_seq: u64,
}

impl World {
    /// A new store on a new disk.
    pub fn new(seed: u64, laws: Laws) -> Self {
        Self::on(SimDisk::with_laws(seed, laws))
    }

    /// A store on this disk, opened by the first step that needs it.
    pub fn on(disk: SimDisk) -> Self {
        Self {
            disk,
            store: None,
            oracle: Oracle::new(),
            options: Self::options(),
            made: 0,
            last_seq: 0,
        }
    }

    /// Options under which short histories meet much: merge is due early and takes little.
    pub fn options() -> Options {
        Options {
            merge: MergePolicy {
                fragmentation_trigger_percent: 20,
                fragmentation_threshold_percent: 10,
                min_files: 2,
                max_files: 3,
                ..MergePolicy::default()
            },
            reserve_bytes: 0,
            // With a hash of 16 bits keys do meet; then every write looks before it replaces.
            verify_overwrite: cfg!(feature = "short-hash"),
            ..Options::default()
        }
    }

    /// Opens the store if it is not open.
    pub fn open(&mut self) -> Result<()> {
        if self.store.is_none() {
            self.store = Some(Engine::open(self.disk.clone(), self.options.clone())?);
        }
        Ok(())
    }

    /// Makes a step. An error is the store's refusal; the oracle knows of it.
    pub fn apply(&mut self, step: &Step) -> Result<()> {
        match self.make(step) {
            // Refused, and nothing of it taken: what a cut hash is for.
            Err(Error::KeyCollision { .. }) if cfg!(feature = "short-hash") => Ok(()),
            done => done,
        }
    }

    fn make(&mut self, step: &Step) -> Result<()> {
        self.open()?;
        self.made += 1;
        match step {
            Step::Put {
                key,
                bytes,
                ack,
                life_ms,
            } => self.put(*key, *bytes, *ack, *life_ms),
            Step::Delete(key) => {
                let key = name(*key);
                self.write(Write::Keys(vec![(key.clone(), None)]), |store| {
                    store.delete_with(&key, &WriteOptions::default())
                })
            }
            Step::Batch(puts, deletes) => self.batch(puts, deletes),
            Step::Clear => {
                self.write(Write::Clear, |store| store.clear().map(|_| None))?;
                self.promise();
                Ok(())
            }
            Step::Sync => self.settle(Engine::sync),
            Step::Rotate => self.settle(|store| {
                // An empty segment is not sealed, and so nothing is synced.
                store.sync()?;
                store.rotate()
            }),
            Step::Flush => self.with(Engine::flush),
            Step::MergeStep(bytes) => self.with(|store| store.merge_step(*bytes).map(|_| ())),
            Step::MergeAll => self.with(|store| store.merge_all(|_, _| {}).map(|_| ())),
            Step::Tick => self.with(|store| store.tick().map(|_| ())),
            Step::Reopen => {
                if let Some(store) = self.store.take() {
                    store.close()?;
                    self.promise();
                }
                self.open()
            }
            Step::Kill => {
                // Buffered writes die with the process, so the promise ends with a flush.
                let flushed = self.with(Engine::flush);
                self.store = None;
                flushed?;
                self.open()?;
                self.promise();
                Ok(())
            }
            Step::Wait(ms) => {
                let now = crate::storage::Host::now_ms(&self.disk);
                self.disk.set_now_ms(now.map(|now| now + ms));
                Ok(())
            }
        }
    }

    fn put(&mut self, key: u8, bytes: usize, ack: Ack, life_ms: Option<u64>) -> Result<()> {
        let (key, value) = (name(key), self.value(bytes));
        let how = WriteOptions {
            ack: Some(ack),
            expiry: life_ms.map_or(Expiry::Never, Expiry::AfterMs),
            ..WriteOptions::default()
        };
        let now = self.store().and_then(|store| store.now_ms());
        let expiry = life_ms.and_then(|life| Some(now? + life));
        let edit = (key.clone(), Some((value.clone(), expiry)));
        self.write(Write::Keys(vec![edit]), |store| {
            store.put_with(&key, &value, &how).map(Some)
        })?;
        if ack == Ack::Synced {
            self.promise();
        }
        Ok(())
    }

    fn batch(&mut self, puts: &[u8], deletes: &[u8]) -> Result<()> {
        let mut batch = Batch::new();
        let mut edits = Vec::new();
        let value = self.value(20);
        for key in puts {
            batch.put(name(*key), value.clone());
            edits.push((name(*key), Some((value.clone(), None))));
        }
        for key in deletes {
            batch.delete(name(*key));
            edits.push((name(*key), None));
        }
        let applied = self.made.to_le_bytes().to_vec();
        batch.put_meta(APPLIED, applied.clone());
        edits.push((meta_key(APPLIED), Some((applied, None))));
        self.write(Write::Keys(edits), |store| {
            store.write(&batch).map(|done| Some(done.last_seq))
        })
    }

    /// Makes a write and tells the oracle how it went. Its sequence number must be a new one.
    fn write(
        &mut self,
        write: Write,
        deed: impl FnOnce(&mut Store) -> Result<Option<u64>>,
    ) -> Result<()> {
        self.oracle.attempt(self.disk.changes(), write);
        let done = match &mut self.store {
            Some(store) => deed(store),
            None => Err(Error::ReadOnly),
        };
        match done {
            Ok(seq) => {
                if let Some(seq) = seq {
                    assert!(seq > self.last_seq, "seq {seq} was issued before");
                    self.last_seq = seq;
                }
                Ok(())
            }
            Err(error) => {
                self.oracle.refuse();
                Err(error)
            }
        }
    }

    fn with(&mut self, deed: impl FnOnce(&mut Store) -> Result<()>) -> Result<()> {
        self.store.as_mut().map_or(Ok(()), deed)
    }

    fn settle(&mut self, deed: impl FnOnce(&mut Store) -> Result<()>) -> Result<()> {
        self.with(deed)?;
        self.promise();
        Ok(())
    }

    fn promise(&mut self) {
        self.oracle.promise(self.disk.changes());
    }

    fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    fn value(&self, bytes: usize) -> Vec<u8> {
        let text = format!("{}.", self.made);
        text.bytes().cycle().take(bytes).collect()
    }

    /// Opens the store after a power cut that followed change `at` of the disk before, and judges
    /// what it shows. On success that becomes the new floor.
    pub fn judge_opened(&mut self, at: usize) -> core::result::Result<(), String> {
        self.open()
            .map_err(|error| format!("cannot open: {error}"))?;
        let store = self.store.as_ref().ok_or("not open")?;
        let now = store.now_ms().unwrap_or(0);
        let found = contents(store)?;
        self.oracle.judge(at, &found, now)?;
        if !store.report().damages.is_empty() || store.report().degraded {
            return Err(format!("a crash is not damage: {}", store.report()));
        }
        audit(store)?;
        self.oracle.settle(found);
        Ok(())
    }

    /// Whether the running store shows what it must.
    pub fn judge_running(&self) -> core::result::Result<(), String> {
        let store = self.store.as_ref().ok_or("not open")?;
        let found = contents(store)?;
        let now = store.now_ms().unwrap_or(0);
        let mut shown = self.oracle.shown();
        shown.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now < expiry));
        if shown != found {
            return Err(format!("shows {found:?}, should show {shown:?}"));
        }
        audit(store)
    }
}

/// Everything a store shows, read twice: by iteration and key by key.
pub fn contents(store: &Store) -> core::result::Result<Contents, String> {
    let mut contents = Contents::new();
    for entry in store.iter() {
        let entry = entry.map_err(|error| format!("iteration: {error}"))?;
        let got = store.get(&entry.key).map_err(|error| format!("{error}"))?;
        if got.as_ref() != Some(&entry.value) {
            return Err(format!("iteration and get differ for {:?}", entry.key));
        }
        let ttl = entry.expiry_ms.map_or(Ttl::Forever, Ttl::ExpiresAtMs);
        if store.ttl(&entry.key) != Ok(ttl) {
            return Err(format!("ttl differs for {:?}", entry.key));
        }
        let value = (entry.value, entry.expiry_ms);
        if contents.insert(entry.key, value).is_some() {
            return Err(String::from("iteration shows a key twice"));
        }
    }
    if store.len() != contents.len() as u64 {
        return Err(format!("len {} of {} keys", store.len(), contents.len()));
    }
    for key in (0..KEYS).map(name) {
        let there = match store.contains_key(&key) {
            // Another key's hash is this one's, which was therefore never taken.
            Err(Error::KeyCollision { .. }) if cfg!(feature = "short-hash") => false,
            answer => answer.map_err(|e| format!("{e}"))?,
        };
        if there != contents.contains_key(&key) {
            return Err(format!("iteration misses {key:?}"));
        }
    }
    match store.get_meta(APPLIED) {
        Ok(Some(applied)) => {
            contents.insert(meta_key(APPLIED), (applied, None));
        }
        Ok(None) => {}
        Err(error) => return Err(format!("meta: {error}")),
    }
    Ok(contents)
}

/// What must be true of any healthy store: nothing damaged, and the numbers add up.
pub fn audit(store: &Store) -> core::result::Result<(), String> {
    let report = store
        .verify(|_, _| {})
        .map_err(|e| format!("verify: {e}"))?;
    if !report.is_sound() {
        return Err(format!("verify finds {:?}", report.damages));
    }
    let header = crate::format::file::FILE_HEADER_BYTES as u64;
    let stats = store.stats().map_err(|e| format!("stats: {e}"))?;
    for segment in stats.segments {
        let parts = segment.live_bytes + segment.dead_bytes + segment.tombstone_bytes;
        // Records above 1 KiB are accounted within 0.1 %.
        let slack = segment.size_bytes / 500;
        if parts.abs_diff(segment.size_bytes - header) > slack {
            return Err(format!("numbers do not add up: {segment:?}"));
        }
    }
    Ok(())
}

/// The key of a number.
pub fn name(key: u8) -> Vec<u8> {
    format!("key-{key}").into_bytes()
}

/// A random step.
pub fn random_step(dice: &mut Dice) -> Step {
    let key = |dice: &mut Dice| dice.below(KEYS.into()) as u8;
    let keys = |dice: &mut Dice, most: u64| {
        let count = dice.below(most);
        (0..count).map(|_| key(dice)).collect()
    };
    match dice.below(100) {
        0..38 => Step::Put {
            key: key(dice),
            bytes: match dice.below(12) {
                0 => 0,
                1 => 3_000,
                _ => dice.below(40) as usize,
            },
            ack: match dice.below(6) {
                0 => Ack::Buffered,
                1 => Ack::Synced,
                _ => Ack::Written,
            },
            life_ms: (dice.below(6) == 0).then(|| 1 + dice.below(50)),
        },
        38..52 => Step::Delete(key(dice)),
        52..62 => Step::Batch(keys(dice, 4), keys(dice, 3)),
        62..68 => Step::Sync,
        68..71 => Step::Flush,
        71..79 => Step::Rotate,
        79..87 => Step::MergeStep(1 + dice.below(600)),
        87 => Step::MergeAll,
        88..91 => Step::Tick,
        91 => Step::Clear,
        92..94 => Step::Reopen,
        94..96 => Step::Kill,
        _ => Step::Wait(dice.below(15)),
    }
}
