//! A store that was fine, with all that may be asked of it once it is damaged.

use super::oracle::{Contents, Write, apply};
use super::regions::{Files, Map, one_record};
use super::sim::{Dice, Laws, SimDisk};
use super::world::{Step, Store, World, contents, random_step};
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, names};
use crate::format::record::Site;
use crate::prelude::*;
use crate::storage::{FileName, Host};
use crate::{Ack, Batch, Engine, Expiry, Options, Result, WriteOptions};
use compat::collections::{BTreeMap, BTreeSet};

/// Every value that was ever written to a key, as far as files can show it.
pub type Ever = BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>;

/// The files of a sound store and what they hold.
pub struct Specimen {
    /// The files.
    pub files: Files,
    /// Some of them as they once were.
    pub older: Files,
    /// What their bytes are for.
    pub map: Map,
    /// What each key ever held.
    pub ever: Ever,
    /// The time at which it is looked at.
    pub now_ms: u64,
    /// What is shown after so many of the writes to the active segment; the last is all of them.
    pub states: Vec<Contents>,
}

/// How a specimen was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Closed: everything is durable and the manifest says so.
    Closed,
    /// Killed in the middle of writing, some time after a sync that a marker tells of.
    Killed,
}

/// Options of every specimen: with a reserve, and merge due early.
pub fn options() -> Options {
    Options {
        reserve_bytes: 256,
        ..World::options()
    }
}

impl Specimen {
    /// The specimen that these files are. `None` if they are not sound, or the newest manifest and
    /// the segments do not agree.
    pub fn of(files: Files, older: Files, now_ms: u64) -> Option<Self> {
        let map = Map::of(&files)?;
        let mut ever = Ever::new();
        gather(&mut ever, &files);
        gather(&mut ever, &older);
        let limits = match &map.active {
            Some(active) => [&[active.first], &active.writes[..]].concat(),
            None => vec![map.records.len()],
        };
        let mut state = Contents::new();
        let mut done = 0;
        let mut states = Vec::new();
        for limit in limits {
            for record in &map.records[done..limit] {
                let value = (record.value.clone(), record.head.expiry_ms);
                let value = record.head.kind.is_put().then_some(value);
                if record.has_key() {
                    apply(&mut state, &Write::Keys(vec![(record.key.clone(), value)]));
                }
            }
            done = limit;
            let mut alive = state.clone();
            alive.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now_ms < expiry));
            states.push(alive);
        }
        Some(Self {
            files,
            older,
            map,
            ever,
            now_ms,
            states,
        })
    }

    /// What it shows undamaged.
    pub fn held(&self) -> &Contents {
        &self.states[self.states.len() - 1]
    }

    /// A disk with these files.
    pub fn disk(&self, files: &Files) -> SimDisk {
        let disk = SimDisk::holding(1, Laws::DISK, files.clone());
        disk.set_now_ms(Some(self.now_ms));
        disk
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// A store of about `kib` KiB with everything a store can have: several segments, merged,
    /// sealed by rotation and sealed after a crash, with and without hints; live, replaced, expired
    /// and deleted keys, batches, system keys; two manifests; and an active segment.
    pub fn rich(kib: usize, left: Left) -> Result<Self> {
        let mut maker = Maker::new(kib)?;
        // To be merged: some of it replaced, some deleted.
        maker.round(0..12)?;
        maker.store.rotate()?;
        maker.round(4..16)?;
        maker.store.rotate()?;
        maker.store.merge_all(|_, _| {})?;
        maker.round(10..20)?;
        maker.store.rotate()?;
        // Sealed after a crash that tore its tail; no footer.
        maker.round(16..24)?;
        maker.crash()?;
        // Kept for `older`.
        let older = maker.disk.files();
        maker.round(0..6)?;
        maker.store.rotate()?;
        // A clean close, so that the older manifest is a whole one.
        maker.round(24..30)?;
        maker.reopen()?;
        maker.round(28..32)?;
        maker.store.sync()?;
        maker.store.tick_sync()?;
        match left {
            Left::Closed => maker.store.close()?,
            Left::Killed => {
                maker.round(30..34)?;
                maker.tail()?;
                drop(maker.store);
            }
        }
        let mut files = maker.disk.files();
        // One sealed segment has lost its hint and is read record by record.
        let hints = |name: &&FileName| matches!(names::parse(name), Some((FileKind::Hint, _)));
        if let Some(second) = files.keys().filter(hints).nth(1).copied() {
            files.remove(&second);
        }
        Ok(Self::of(files, older, maker.now_ms).expect("what was just written is sound"))
    }

    /// A store with a random history in which everything is durable and known to be. Returns what
    /// its own store showed, to be compared with what its files hold.
    pub fn random(seed: u64, left: Left) -> core::result::Result<(Self, Contents), String> {
        Self::lived(seed, left, random_step)
    }

    /// As [`Specimen::random`], of steps like these.
    pub fn lived(
        seed: u64,
        left: Left,
        step: impl Fn(&mut Dice) -> Step,
    ) -> core::result::Result<(Self, Contents), String> {
        let told = |error: crate::Error| format!("{error}");
        let mut dice = Dice::new(seed);
        let mut world = World::new(seed, Laws::DISK);
        let mut older = Files::new();
        for _ in 0..10 + dice.below(50) {
            let step = match step(&mut dice) {
                // An expiry would make a right value an absence.
                Step::Put {
                    key, bytes, ack, ..
                } => Step::Put {
                    key,
                    bytes,
                    ack,
                    life_ms: None,
                },
                Step::Clear => Step::Rotate,
                step => step,
            };
            world.apply(&step).map_err(told)?;
            if dice.below(8) == 0 {
                older = world.disk.files();
            }
        }
        world.open().map_err(told)?;
        let mut store = world.store.take().ok_or("not open")?;
        let mut shown = contents(&store)?;
        if left == Left::Killed {
            store.put(b"the last", b"").map_err(told)?;
            shown.insert(b"the last".to_vec(), (Vec::new(), None));
            store.sync().map_err(told)?;
            store.tick_sync().map_err(told)?;
        }
        let now_ms = store.now_ms().unwrap_or(0);
        match left {
            Left::Closed => store.close().map_err(told)?,
            Left::Killed => drop(store),
        }
        let specimen = Self::of(world.disk.files(), older, now_ms);
        Ok((specimen.ok_or("its files are not sound")?, shown))
    }
}

/// Writes a specimen.
struct Maker {
    disk: SimDisk,
    store: Store,
    now_ms: u64,
    rounds: u8,
    /// The length of a long value.
    long: usize,
}

impl Maker {
    fn new(kib: usize) -> Result<Self> {
        let disk = SimDisk::new(64);
        let now_ms = disk.now_ms().unwrap_or(0);
        Ok(Self {
            store: Engine::open(disk.clone(), options())?,
            disk,
            now_ms,
            rounds: 0,
            // Everything else takes about 8 KiB, and a specimen has as much as 15 such values.
            long: (kib * 1024).saturating_sub(8 << 10) / 15,
        })
    }

    /// One of everything that can be written, over these keys.
    fn round(&mut self, keys: core::ops::Range<u8>) -> Result<()> {
        self.rounds += 1;
        let round = self.rounds;
        for key in keys.clone() {
            let long = self.long + usize::from(key) * 7;
            let bytes = [long, long / 3, 0, 20][usize::from(key + round) % 4];
            let life = match key % 5 {
                // Over before the specimen is looked at.
                0 if round.is_multiple_of(2) => Expiry::AtMs(self.now_ms.saturating_sub(1)),
                0 | 1 => Expiry::AtMs(self.now_ms + 1_000_000),
                _ => Expiry::Never,
            };
            let how = WriteOptions {
                ack: Some(Ack::Written),
                expiry: life,
                ..WriteOptions::default()
            };
            self.store
                .put_with(&user(key), &value(round, key, bytes), &how)?;
        }
        let mut batch = Batch::new();
        batch
            .put(user(keys.start), value(round, 100, 30))
            .put(format!("batch-{round}"), value(round, 101, 0))
            .delete(user(keys.start + 1))
            .put_meta(b"applied", value(round, 102, 9))
            .put_meta(format!("meta-{round}"), value(round, 103, 20))
            .delete_meta(format!("meta-{}", round - 1));
        self.store.write(&batch)?;
        self.store.delete(&user(keys.end - 1))?;
        self.store.sync()?;
        // It carries the durable offset.
        self.store.put(b"after the sync", &[round])?;
        Ok(())
    }

    /// What no sync follows: written over keys that are settled, and over its own.
    fn tail(&mut self) -> Result<()> {
        let round = self.rounds + 1;
        for key in [30, 3, 30] {
            self.store.put(&user(key), &value(round, key, 60))?;
        }
        let mut batch = Batch::new();
        batch
            .put(user(4), value(round, 100, 30))
            .delete(user(30))
            .put_meta(b"applied", value(round, 102, 9));
        self.store.write(&batch)?;
        self.store.delete(&user(5))?;
        self.store.put(&user(6), &value(round, 6, 60))?;
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        let next = SimDisk::holding(65, Laws::DISK, Files::new());
        let store = core::mem::replace(&mut self.store, Engine::open(next, options())?);
        store.close()?;
        self.store = Engine::open(self.disk.clone(), options())?;
        Ok(())
    }

    /// The process dies, and the last record is torn.
    fn crash(&mut self) -> Result<()> {
        self.store.put(b"torn", &value(self.rounds, 104, 200))?;
        let active = self
            .store
            .stats()?
            .segments
            .last()
            .map(|segment| segment.id);
        let name = names::segment(active.unwrap_or(0));
        let next = SimDisk::holding(66, Laws::DISK, Files::new());
        drop(core::mem::replace(
            &mut self.store,
            Engine::open(next, options())?,
        ));
        let mut files = self.disk.files();
        if let Some(bytes) = files.get_mut(&name) {
            bytes.truncate(bytes.len().saturating_sub(50));
        }
        self.disk = SimDisk::holding(67, Laws::DISK, files);
        self.disk.set_now_ms(Some(self.now_ms));
        self.store = Engine::open(self.disk.clone(), options())?;
        Ok(())
    }
}

fn user(key: u8) -> Vec<u8> {
    // Keys of different lengths, the empty one among them.
    let text = format!("key {key}, and what makes it longer");
    let bytes = usize::from(key) * 5 % (text.len() + 1);
    match key {
        0 => Vec::new(),
        _ => [&[key], &text.as_bytes()[..bytes]].concat(),
    }
}

/// Unlike any other value, and not of one kind of byte.
fn value(round: u8, key: u8, bytes: usize) -> Vec<u8> {
    let mut dice = Dice::new(u64::from(round) << 8 | u64::from(key));
    (0..bytes).map(|_| dice.below(256) as u8).collect()
}

/// Notes every value that any segment holds anywhere.
fn gather(ever: &mut Ever, files: &Files) {
    for (name, bytes) in files {
        let (Some((FileKind::Segment, _)), Ok(header)) =
            (names::parse(name), FileHeader::decode(bytes))
        else {
            continue;
        };
        let site = Site {
            salt: header.salt,
            base_seq: header.base_seq,
        };
        for at in FILE_HEADER_BYTES as u64..bytes.len() as u64 {
            if let Some(record) = one_record(bytes, *name, site, at)
                && record.head.kind.is_put()
            {
                ever.entry(record.key).or_default().insert(record.value);
            }
        }
    }
}
