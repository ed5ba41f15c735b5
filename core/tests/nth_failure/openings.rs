//! Opening, in each mode and on each past.

use crate::scene::{Scene, keys, put};
use crate::verb::*;
use portcask_core::index::{Index, IndexCell, Local};
use portcask_core::testing::sim::{SimDisk, SimFile};
use portcask_core::testing::world::{Step, Store};
use portcask_core::{Ack, Engine, Error, OpenAccess, OpenMode, Options, Result, is_store};
use std::rc::Rc;

pub const OPENINGS: &[Verb] = &[
    verb("open after a kill", killed, open),
    verb("open after a close", closed, open),
    verb("open a new store", emptied, open),
    verb("create a store", emptied, |scene| {
        let store: Store = Engine::create(scene.world.disk.clone(), scene.options.clone())?;
        all_of(&store)
    }),
    verb(
        "open with a reserve to lay",
        |scene| {
            scene.options.reserve_bytes = 100_000;
            killed(scene);
        },
        open,
    ),
    verb(
        "open with the ordered index",
        |scene| {
            scene.options.ordered_index = true;
            killed(scene);
        },
        open,
    ),
    verb(
        "open strictly",
        |scene| {
            scene.options.mode = OpenMode::Strict;
            killed(scene);
        },
        open,
    )
    .showing(Shows::FailedCalls),
    verb("open for reading beside a writer", nothing, |scene| {
        open_with(scene, |options| options.access = OpenAccess::ReadOnly)
    }),
    verb("open for reading after a kill", killed, |scene| {
        open_with(scene, |options| options.access = OpenAccess::ReadOnly)
    }),
    verb("open to salvage", killed, |scene| {
        open_with(scene, |options| {
            options.access = OpenAccess::ReadOnly;
            options.mode = OpenMode::Salvage;
            options.accept_stale = true;
        })
    })
    .showing(Shows::FailedCalls),
    verb("view", nothing, |scene| {
        let options = Options {
            access: OpenAccess::ReadOnly,
            ..scene.options.clone()
        };
        let engine: Engine<SimDisk, Held> = Engine::open_shared(scene.world.disk.clone(), options)?;
        let view = engine.view()?;
        let mut answer = String::new();
        for key in keys() {
            answer += &format!("{:?}", view.get(&key)?);
        }
        Ok(answer)
    }),
    verb(
        "refresh",
        |scene| {
            let options = Options {
                access: OpenAccess::ReadOnly,
                ..scene.options.clone()
            };
            scene.reader = Some(Engine::open(scene.world.disk.clone(), options).expect("opens"));
            scene.step(put(2, Ack::Written)).step(Step::Rotate);
        },
        |scene| {
            let reader = scene.reader.as_mut().ok_or(Error::Closed)?;
            reader.refresh()?;
            all_of(reader)
        },
    ),
    verb("is_store", nothing, |scene| {
        Ok(format!("{}", is_store(&scene.world.disk)?))
    }),
];

pub fn open(scene: &mut Scene) -> Result<String> {
    scene.world.open()?;
    let store = scene.store()?;
    all_of(store)
}

/// Nothing lies there, and nothing is expected.
fn emptied(scene: &mut Scene) {
    scene.kill().world.disk = SimDisk::new(3);
    scene.world.oracle = Default::default();
    scene.world.last_seq = 0;
}

fn open_with(scene: &mut Scene, change: impl FnOnce(&mut Options)) -> Result<String> {
    let mut options = scene.options.clone();
    change(&mut options);
    let store: Store = Engine::open(scene.world.disk.clone(), options)?;
    all_of(&store)
}

/// A cell that a view can share.
#[derive(Clone)]
struct Held(Rc<Local<SimFile>>);

impl IndexCell<SimFile> for Held {
    fn new(index: Index<SimFile>) -> Self {
        Self(Rc::new(Local::new(index)))
    }

    fn read<R>(&self, look: impl FnOnce(&Index<SimFile>) -> R) -> R {
        self.0.read(look)
    }

    fn write<R>(&self, change: impl FnOnce(&mut Index<SimFile>) -> R) -> R {
        self.0.write(change)
    }
}
