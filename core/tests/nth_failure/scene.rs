//! The store that every verb meets: two sealed segments and a growing one, with batches, tombstones,
//! lives that end, hints, and a buffer.

use portcask_core::testing::oracle::{Contents, Write};
use portcask_core::testing::sim::{AllKept, Laws, SimDisk};
use portcask_core::testing::world::{KEYS, Step, Store, World, name};
use portcask_core::{Ack, Error, FileName, Host, Options, Result};
use std::cell::OnceCell;

/// A world, and what some verbs need beside it.
pub struct Scene {
    pub world: World,
    /// Where copies go.
    pub other: SimDisk,
    /// Somebody who reads beside the writer.
    pub reader: Option<Store>,
    pub options: Options,
    /// The files of the store, for verbs that are told which.
    pub files: Vec<FileName>,
}

impl Scene {
    /// A scene whose store is open for writing.
    pub fn new() -> Self {
        thread_local! {
            static PAST: OnceCell<(SimDisk, Contents, u64)> = const { OnceCell::new() };
        }
        let (disk, floor, last_seq) = PAST.with(|past| {
            let (disk, floor, last_seq) = past.get_or_init(past_of_the_store);
            (disk.crash(&mut AllKept), floor.clone(), *last_seq)
        });
        let mut world = World::on(disk);
        world.oracle.settle(floor);
        world.last_seq = last_seq;
        // Values of this life differ from those of the one before.
        world.made = 1000;
        let mut scene = Self {
            options: world.options.clone(),
            world,
            other: SimDisk::new(99),
            reader: None,
            files: Vec::new(),
        };
        scene.world.open().expect("the scene opens");
        scene
    }

    /// Makes a step that must succeed.
    pub fn step(&mut self, step: Step) -> &mut Self {
        if let Err(error) = self.world.apply(&step) {
            panic!("{step:?}: {error}");
        }
        self
    }

    /// Time passes, so that the key that was put last with a short life is no more.
    pub fn wait(&mut self) -> &mut Self {
        self.step(Step::Wait(50))
    }

    /// The process dies; the store is not opened again.
    pub fn kill(&mut self) -> &mut Self {
        self.world.store = None;
        self
    }

    pub fn store(&mut self) -> Result<&mut Store> {
        self.world.store.as_mut().ok_or(Error::Closed)
    }

    /// Tells the oracle of a write, makes it, and tells the oracle how it went.
    pub fn write<T>(
        &mut self,
        write: Write,
        deed: impl FnOnce(&mut Store) -> Result<T>,
    ) -> Result<T> {
        self.world.oracle.attempt(self.world.disk.changes(), write);
        let done = self.store().and_then(deed);
        if done.is_err() {
            self.world.oracle.refuse();
        }
        done
    }

    /// Does what makes everything durable.
    pub fn promise<T>(&mut self, deed: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let done = deed(self)?;
        self.world.oracle.promise(self.world.disk.changes());
        Ok(done)
    }

    /// What the running store shows now, expired keys left out.
    pub fn shown(&self) -> Contents {
        let now = Host::now_ms(&self.world.disk);
        let mut shown = self.world.oracle.shown();
        shown.retain(|_, (_, expiry)| expiry.zip(now).is_none_or(|(expiry, now)| now < expiry));
        shown
    }
}

pub fn put(key: u8, ack: Ack) -> Step {
    Step::Put {
        key,
        bytes: 12,
        ack,
        life_ms: None,
    }
}

pub fn put_for(key: u8, life_ms: u64) -> Step {
    Step::Put {
        key,
        bytes: 12,
        ack: Ack::Written,
        life_ms: Some(life_ms),
    }
}

/// All keys that scenes use.
pub fn keys() -> impl Iterator<Item = Vec<u8>> {
    (0..KEYS).map(name)
}

fn past_of_the_store() -> (SimDisk, Contents, u64) {
    let mut world = World::new(7, Laws::DISK);
    let steps = [
        put(0, Ack::Written),
        put(1, Ack::Written),
        Step::Batch(vec![1, 2, 3], vec![0]),
        put_for(4, 1_000_000),
        put(6, Ack::Written),
        Step::Rotate,
        Step::Delete(1),
        put(2, Ack::Written),
        put_for(5, 20),
        Step::Batch(vec![7, 8], vec![6]),
        Step::Rotate,
        put(3, Ack::Synced),
        Step::Tick,
        put_for(9, 500_000),
        Step::Delete(7),
        put(1, Ack::Synced),
    ];
    for step in steps {
        world.apply(&step).expect("the past happens");
    }
    let floor = world.oracle.shown();
    (world.disk.clone(), floor, world.last_seq)
}
