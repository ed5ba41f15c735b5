//! One seed, one world: a store on a simulated disk, driven by operations, watched by the oracle.

use super::oracle::{Contents, Oracle, Write, meta_key};
use super::sim::{Laws, SimDisk};
pub use super::steps::{KEYS, Step, merging_step, name, random_step};
use crate::format::file::{FileHeader, FileKind, names};
use crate::prelude::*;
use crate::storage::{Host, Storage};
use crate::{
    Ack, Batch, Engine, Error, Expiry, FileName, JUMP_MS, MergePolicy, Options, Result, Ttl,
    WriteOptions,
};

/// The store that a world drives.
pub type Store = Engine<SimDisk>;

/// What a stranger's file holds.
const STRANGE: &[u8] = b"a stranger's bytes, perhaps under our name";

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

    /// Opens the store after a power cut that followed change `at` of the disk before, and judges
    /// what it shows. On success that becomes the new floor.
    pub fn judge_opened(&mut self, at: usize) -> core::result::Result<(), String> {
        let (found, now_ms) = self.find()?;
        self.oracle.judge(at, &found, now_ms)?;
        self.oracle.settle(found);
        self.unbroken()
    }

    /// Opens the store if it is not open, and answers what it shows and the time by which it hides
    /// keys. Whatever a crash did, there is no damage, and all that is there verifies.
    pub fn find(&mut self) -> core::result::Result<(Contents, u64), String> {
        self.open()
            .map_err(|error| format!("cannot open: {error}"))?;
        self.watch_clock();
        let store = self.store.as_ref().ok_or("not open")?;
        let found = contents(store)?;
        let report = store.report();
        if !report.damages.is_empty() || report.degraded {
            return Err(format!("a crash is not damage: {report}"));
        }
        audit(store)?;
        self.judge_files(store)?;
        let next_id = store.state().next_id;
        let now_ms = store.now_ms().unwrap_or(0);
        self.let_strangers_in(next_id);
        Ok((found, now_ms))
    }

    /// As [`World::judge_running`], after calls had failed: not of a store that says it cannot go on.
    pub fn judge_healed(&mut self) -> core::result::Result<(), String> {
        let flushed = self.store.as_mut().map(Engine::flush);
        match flushed {
            Some(Ok(())) => self.judge_running(),
            _ => Ok(()),
        }
    }

    /// Whether the running store shows what it must.
    pub fn judge_running(&self) -> core::result::Result<(), String> {
        self.judge_shown()?;
        self.judge_files(self.store.as_ref().ok_or("not open")?)
    }

    /// As [`World::judge_running`], of a store that opened while calls failed: what it could not
    /// remove is left over until the next opening.
    pub fn judge_shown(&self) -> core::result::Result<(), String> {
        let store = self.store.as_ref().ok_or("not open")?;
        let found = contents(store)?;
        let now = store.now_ms().unwrap_or(0);
        let mut shown = self.oracle.shown();
        shown.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now < expiry));
        if shown != found {
            return Err(format!("shows {found:?}, should show {shown:?}"));
        }
        audit(store)?;
        self.unbroken()
    }

    /// What is a stranger's is untouched, and what is ours is known to the manifest.
    fn judge_files(&self, store: &Store) -> core::result::Result<(), String> {
        for name in &self.strangers {
            if self.disk.bytes(name).as_deref() != Some(STRANGE) {
                return Err(format!("{name} was a stranger's"));
            }
        }
        if !self.disk.capabilities().namespace_sync {
            // Any name may come back at any time.
            return Ok(());
        }
        let state = store.state();
        let mut manifests = 0;
        for (name, bytes) in self.disk.files() {
            // Whose a file without a whole header of its own is, nobody can tell.
            let header = FileHeader::decode(&bytes).ok();
            let own = |header: &FileHeader| names::parse(&name) == Some((header.kind, header.id));
            let Some(header) = header.filter(own) else {
                continue;
            };
            manifests += u32::from(header.kind == FileKind::Manifest);
            let known = match header.kind {
                FileKind::Manifest => manifests <= 2,
                FileKind::Segment | FileKind::Hint => {
                    state.segment(header.id).is_some()
                        || state.pending.contains(&header.id)
                        || state.condemned.contains(&header.id)
                }
            };
            if !known {
                return Err(format!("{name} is left over and nobody knows of it"));
            }
        }
        Ok(())
    }

    /// Puts files of somebody else beside a store that exists, one of them under a name that the
    /// store comes to soon. (Before it exists, they would look like the rest of a lost one.)
    fn let_strangers_in(&mut self, next_id: u64) {
        if self.strangers.is_empty() {
            self.strangers = [FileName::new("notes"), Some(names::segment(next_id + 1))]
                .into_iter()
                .flatten()
                .collect();
            for name in &self.strangers {
                self.disk.set_bytes(name, STRANGE);
            }
        }
    }

    fn unbroken(&self) -> core::result::Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

/// Everything a store shows, read twice: by iteration and key by key.
pub fn contents<S: Storage>(store: &Engine<S>) -> core::result::Result<Contents, String> {
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
    let (mut cursor, mut scanned) = (0, 0);
    loop {
        let page = store
            .scan(cursor, 3)
            .map_err(|error| format!("scan: {error}"))?;
        scanned += page.entries.len();
        if page.entries.iter().any(|e| !contents.contains_key(&e.key)) || scanned > contents.len() {
            return Err(String::from(
                "a scan shows a key twice, or one that is not there",
            ));
        }
        cursor = page.next;
        if cursor == 0 {
            break;
        }
    }
    if store.len() != contents.len() as u64 || scanned != contents.len() {
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
        // As above.
        Err(Error::KeyCollision { .. }) if cfg!(feature = "short-hash") => {}
        Err(error) => return Err(format!("meta: {error}")),
    }
    Ok(contents)
}

/// What must be true of any healthy store: nothing damaged, and the numbers add up.
pub fn audit<S: Storage>(store: &Engine<S>) -> core::result::Result<(), String> {
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
