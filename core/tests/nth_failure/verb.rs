//! One verb: how it is prepared, what it does, what it answers.

use crate::scene::{Scene, keys, put};
use portcask_core::testing::world::{Step, Store};
use portcask_core::{Ack, Result};

/// Judges a scene after a verb; told whether the verb succeeded.
pub type Check = fn(&mut Scene, bool) -> core::result::Result<(), String>;

/// One verb.
pub struct Verb {
    pub name: &'static str,
    /// Before anything fails.
    pub prepare: fn(&mut Scene),
    /// What is tried; the answer as text.
    pub act: fn(&mut Scene) -> Result<String>,
    /// Which disk fails.
    pub fails: Where,
    /// What must be true when the failure is over, beside what is true of every store.
    pub afterwards: Option<Check>,
    /// Which failures that are borne may show in the answer.
    pub shows: Shows,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    Nothing,
    FailedCalls,
    Anything,
}

#[derive(Clone, Copy)]
pub enum Where {
    Store,
    Other,
}

pub const fn verb(
    name: &'static str,
    prepare: fn(&mut Scene),
    act: fn(&mut Scene) -> Result<String>,
) -> Verb {
    Verb {
        name,
        prepare,
        act,
        fails: Where::Store,
        afterwards: None,
        shows: Shows::Nothing,
    }
}

impl Verb {
    pub const fn on_the_other_disk(mut self) -> Self {
        self.fails = Where::Other;
        self
    }

    pub const fn then(mut self, check: Check) -> Self {
        self.afterwards = Some(check);
        self
    }

    pub const fn showing(mut self, shows: Shows) -> Self {
        self.shows = shows;
        self
    }
}

pub fn nothing(_: &mut Scene) {}

pub fn done<T>(_: T) -> String {
    String::from("done")
}

/// A record that only the buffer has.
pub fn buffered(scene: &mut Scene) {
    scene.step(put(2, Ack::Buffered));
}

pub fn expired(scene: &mut Scene) {
    scene.wait();
}

pub fn ordered(scene: &mut Scene) {
    scene.options.ordered_index = true;
    reopened(scene);
}

pub fn reopened(scene: &mut Scene) {
    scene.kill().world.options = scene.options.clone();
    scene.world.open().expect("opens");
}

pub fn killed(scene: &mut Scene) {
    scene.step(put(2, Ack::Synced)).step(put(6, Ack::Written));
    scene.kill();
}

pub fn closed(scene: &mut Scene) {
    let store = scene.world.store.take().expect("open");
    store.close().expect("closes");
}

/// Everything a store answers to reads by key and by iteration.
pub fn all_of(store: &Store) -> Result<String> {
    let mut answer = String::new();
    for entry in store.iter() {
        let entry = entry?;
        answer += &format!("{entry:?}");
    }
    for key in keys() {
        answer += &format!("{:?}", store.get(&key)?);
    }
    Ok(answer)
}

/// A merge that has copied something and is not committed.
pub fn merging(scene: &mut Scene) {
    assert_eq!(scene.store().expect("open").begin_merge_all(), Ok(true));
    scene.step(Step::MergeStep(60));
}

/// A merge that is committed and not published.
pub fn committed(scene: &mut Scene) {
    merging(scene);
    let segments = |scene: &mut Scene| {
        let stats = scene.store().expect("open").stats().expect("memory");
        stats
            .segments
            .iter()
            .map(|segment| segment.id)
            .collect::<Vec<_>>()
    };
    let before = segments(scene);
    while segments(scene) == before {
        scene.step(Step::MergeStep(60));
    }
}
