//! One seed, one world: a store on a simulated disk, driven by operations, watched by the oracle.

mod judge;

pub use super::steps::{KEYS, Step, merging_step, name, random_step};
pub use judge::{audit, contents};

use super::oracle::{Oracle, Write, meta_key};
use super::sim::{Laws, SimDisk};
use crate::prelude::*;
use crate::storage::{Host, Storage};
use crate::{
    Ack, Batch, Engine, Error, Expiry, FileName, JUMP_MS, MergePolicy, Options, Result,
    WriteOptions,
};

/// The store that a world drives.
pub type Store = Engine<SimDisk>;

/// The meta key that every batch of a world sets.
pub const APPLIED: &[u8] = b"applied";

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
    /// Allocations are made to fail.
    pub memory_refused: bool,
    /// A segment is sealed before it would get more records than this.
    pub records_per_segment: Option<u64>,
    /// The newest segment, and the records that this world put there.
    filled: (Option<u64>, u64),
    /// Files of strangers, which must be there for ever.
    strangers: Vec<FileName>,
    /// The time that the store trusted when it was last looked at.
    trusted_ms: Option<u64>,
    /// A promise that was broken outside what the oracle watches; the next judgement tells.
    broken: Option<String>,
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
            memory_refused: false,
            records_per_segment: None,
            filled: (None, 0),
            strangers: Vec::new(),
            trusted_ms: None,
            broken: None,
        }
    }

    /// Options under which short histories meet much: merge is due early and takes little, and as few
    /// segments count as small, it often leaves older ones alone.
    pub fn options() -> Options {
        Options {
            merge: MergePolicy {
                fragmentation_trigger_percent: 20,
                fragmentation_threshold_percent: 10,
                small_file_bytes: 120,
                min_files: 2,
                max_files: 3,
                ..MergePolicy::default()
            },
            reserve_bytes: 0,
            // So that every read meets the disk.
            recent_bytes: 0,
            value_bytes_max: 1 << 20,
            // With a hash of 16 bits keys do meet; then every write looks before it replaces.
            verify_overwrite: cfg!(feature = "short-hash"),
            ..Options::default()
        }
    }

    /// Opens the store if it is not open.
    pub fn open(&mut self) -> Result<()> {
        if self.store.is_none() {
            let store = Engine::open(self.disk.clone(), self.options.clone())?;
            if store.report().created {
                self.trusted_ms = None;
            }
            self.store = Some(store);
        }
        Ok(())
    }

    /// Makes a step. An error is the store's refusal; the oracle knows of it.
    pub fn apply(&mut self, step: &Step) -> Result<()> {
        let done = self.make(step);
        self.watch_clock();
        match done {
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
            Step::Reopen => self.reopen(),
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
                let now = self.disk.now_ms();
                self.disk.set_now_ms(now.map(|now| now + ms));
                Ok(())
            }
            Step::Expire(key, life_ms) => self.expire(*key, *life_ms),
            Step::SecondOpener => self.second_opener(),
            Step::SetClock(now_ms) => {
                self.disk.set_now_ms(Some(*now_ms));
                Ok(())
            }
            Step::Fail(fault) => {
                self.disk.inject(*fault);
                Ok(())
            }
            Step::Heal => {
                self.disk.heal();
                Ok(())
            }
        }
    }

    /// What was closed in order opens as such, unless something was made to fail.
    fn reopen(&mut self) -> Result<()> {
        let Some(store) = self.store.take() else {
            return self.open();
        };
        store.close()?;
        self.promise();
        self.open()?;
        let clean = self.store.as_ref().is_some_and(|it| it.report().clean);
        if !clean && !self.memory_refused && self.disk.struck() == 0 {
            self.broken = Some("closed in order, and yet it opens as after a crash".to_string());
        }
        Ok(())
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

    fn expire(&mut self, key: u8, life_ms: u64) -> Result<()> {
        let key = name(key);
        let Some(store) = &self.store else {
            return Err(Error::ReadOnly);
        };
        let (now, held) = (store.now_ms(), store.get(&key)?);
        let (Some(now), Some(value)) = (now, held) else {
            return Ok(());
        };
        let edit = (key.clone(), Some((value, Some(now + life_ms))));
        self.write(Write::Keys(vec![edit]), |store| {
            store.expire(&key, Expiry::AfterMs(life_ms)).map(|_| None)
        })
    }

    /// What the first opener answered is the second one's to keep, and the first one's next write
    /// must be refused.
    fn second_opener(&mut self) -> Result<()> {
        // The second one cannot know what the first holds back.
        self.with(Engine::flush)?;
        match Engine::open(self.disk.clone(), self.options.clone()) {
            Err(Error::Locked { .. }) if self.disk.capabilities().kernel_lock => Ok(()),
            Err(error) => Err(error),
            Ok(_) if self.disk.capabilities().kernel_lock => {
                self.broken = Some(String::from("the lock let a second opener in"));
                Ok(())
            }
            Ok(second) => {
                let first = self.store.replace(second);
                self.promise();
                let began = self.disk.changes();
                match first.map(|mut first| first.put(b"late", b"late")) {
                    Some(Ok(_)) => {
                        self.broken = Some(String::from("the fenced opener took a write"));
                    }
                    None | Some(Err(Error::Fenced { .. })) => {}
                    // Calls fail: the second one may not have become a writer, and then the first
                    // one's write is refused like any other.
                    Some(Err(_)) => {
                        let value = (b"late".to_vec(), None);
                        let edit = (b"late".to_vec(), Some(value));
                        self.oracle.attempt(began, Write::Keys(vec![edit]));
                        self.oracle.refuse();
                    }
                }
                Ok(())
            }
        }
    }

    /// Makes a write and tells the oracle how it went. Its sequence number must be a new one.
    fn write(
        &mut self,
        write: Write,
        deed: impl FnOnce(&mut Store) -> Result<Option<u64>>,
    ) -> Result<()> {
        let records = match &write {
            Write::Keys(edits) => edits.len() as u64,
            Write::Clear => 0,
        };
        self.make_room(records)?;
        self.oracle.attempt(self.disk.changes(), write);
        let Some(store) = &mut self.store else {
            return Err(Error::ReadOnly);
        };
        let before = store.last_seq();
        match deed(store) {
            Ok(_) if store.last_seq() == before => {
                self.oracle.withdraw();
                Ok(())
            }
            Ok(seq) => {
                if let Some(seq) = seq {
                    if seq <= self.last_seq {
                        self.broken = Some(format!("seq {seq} was issued before"));
                    }
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

    /// Seals the segment that holds as many records as this world allows.
    fn make_room(&mut self, records: u64) -> Result<()> {
        let Some((most, store)) = self.records_per_segment.zip(self.store.as_mut()) else {
            return Ok(());
        };
        let newest = |store: &Store| -> Result<_> {
            Ok(store.stats()?.segments.last().map(|segment| segment.id))
        };
        if self.filled.0 != newest(store)? {
            self.filled = (newest(store)?, 0);
        }
        if self.filled.1 + records > most {
            store.rotate()?;
            self.filled = (newest(store)?, 0);
        }
        self.filled.1 += records;
        Ok(())
    }

    /// A host's clock that jumps must not be believed.
    fn watch_clock(&mut self) {
        let now = self.store().and_then(|store| store.now_ms());
        if let (Some(before), Some(now)) = (self.trusted_ms, now)
            && now > before + JUMP_MS
        {
            self.broken = Some(format!("a jump from {before} to {now} ms was believed"));
        }
        self.trusted_ms = now.or(self.trusted_ms);
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
}
