//! The verbs: how each is prepared, what it does, what it answers.

use crate::scene::{Scene, keys, put, put_for};
use crate::trial::judge_copy;
use portcask_core::index::{Index, IndexCell, Local};
use portcask_core::testing::oracle::{Write, meta_key};
use portcask_core::testing::sim::{SimDisk, SimFile};
use portcask_core::testing::world::{Step, Store, name};
use portcask_core::{
    Ack, Batch, Condition, Engine, Error, Expiry, File, MergeProgress, OpenAccess, OpenMode,
    Options, Result, WriteOptions, dump, is_store, restore, salvage,
};
use std::rc::Rc;

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
    pub afterwards: Option<fn(&mut Scene, bool) -> core::result::Result<(), String>>,
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

const fn verb(
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
    const fn on_the_other_disk(mut self) -> Self {
        self.fails = Where::Other;
        self
    }

    const fn then(
        mut self,
        check: fn(&mut Scene, bool) -> core::result::Result<(), String>,
    ) -> Self {
        self.afterwards = Some(check);
        self
    }

    const fn showing(mut self, shows: Shows) -> Self {
        self.shows = shows;
        self
    }
}

fn nothing(_: &mut Scene) {}

fn done<T>(_: T) -> String {
    String::from("done")
}

/// A record that only the buffer has.
fn buffered(scene: &mut Scene) {
    scene.step(put(2, Ack::Buffered));
}

fn expired(scene: &mut Scene) {
    scene.wait();
}

fn ordered(scene: &mut Scene) {
    scene.options.ordered_index = true;
    reopened(scene);
}

fn reopened(scene: &mut Scene) {
    scene.kill().world.options = scene.options.clone();
    scene.world.open().expect("opens");
}

fn killed(scene: &mut Scene) {
    scene.step(put(2, Ack::Synced)).step(put(6, Ack::Written));
    scene.kill();
}

fn closed(scene: &mut Scene) {
    let store = scene.world.store.take().expect("open");
    store.close().expect("closes");
}

/// Everything a store answers to reads by key and by iteration.
fn all_of(store: &Store) -> Result<String> {
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

fn open(scene: &mut Scene) -> Result<String> {
    scene.world.open()?;
    let store = scene.store()?;
    all_of(store)
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

pub const OPENINGS: &[Verb] = &[
    verb("open after a kill", killed, open),
    verb("open after a close", closed, open),
    verb(
        "open a new store",
        |scene| {
            scene.kill().world.disk = SimDisk::new(3);
            scene.world.oracle = Default::default();
            scene.world.last_seq = 0;
        },
        open,
    ),
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

pub const READS: &[Verb] = &[
    verb("get", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.get(&name(2))?))
    }),
    verb("get from the buffer", buffered, |scene| {
        Ok(format!("{:?}", scene.store()?.get(&name(2))?))
    }),
    verb("get an absent key", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.get(b"absent")?))
    }),
    verb("get an expired key", expired, |scene| {
        Ok(format!("{:?}", scene.store()?.get(&name(5))?))
    }),
    verb("get_into", nothing, |scene| {
        let mut value = Vec::new();
        let there = scene.store()?.get_into(&name(3), &mut value)?;
        Ok(format!("{there} {value:?}"))
    }),
    verb("get_entry", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.get_entry(&name(4))?))
    }),
    verb("get_many", nothing, |scene| {
        let keys: Vec<Vec<u8>> = keys().collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        Ok(format!("{:?}", scene.store()?.get_many(&keys)?))
    }),
    verb("contains_key", nothing, |scene| {
        Ok(format!("{}", scene.store()?.contains_key(&name(8))?))
    }),
    verb("get_meta", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.get_meta(b"applied")?))
    }),
    verb("ttl", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.ttl(&name(4))?))
    }),
    verb("scan", buffered, |scene| {
        let store = scene.store()?;
        let first = store.scan(0, 3)?;
        let second = store.scan(first.next, 100)?;
        Ok(format!("{first:?} {second:?}"))
    }),
    verb("scan_keys", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.scan_keys(0, 100)?))
    }),
    verb("visit", nothing, |scene| {
        let mut met = String::new();
        let next = scene.store()?.visit(0, 100, |entry| {
            met += &format!("{:?}", entry?);
            Ok(())
        })?;
        Ok(format!("{met} {next}"))
    }),
    verb("iter", buffered, |scene| {
        let all: Result<Vec<_>> = scene.store()?.iter().collect();
        Ok(format!("{:?}", all?))
    }),
    verb("keys", expired, |scene| {
        let all: Result<Vec<_>> = scene.store()?.keys().collect();
        Ok(format!("{:?}", all?))
    }),
    verb("scan_prefix", nothing, |scene| {
        let all: Result<Vec<_>> = scene.store()?.scan_prefix(b"key-").collect();
        Ok(format!("{:?}", all?))
    }),
    verb("scan_prefix of the ordered index", ordered, |scene| {
        let all: Result<Vec<_>> = scene.store()?.scan_prefix(b"key-").collect();
        Ok(format!("{:?}", all?))
    }),
    verb("range", nothing, |scene| {
        let all: Result<Vec<_>> = scene.store()?.range(name(2)..name(8))?.collect();
        Ok(format!("{:?}", all?))
    }),
    verb("range of the ordered index", ordered, |scene| {
        let all: Result<Vec<_>> = scene.store()?.range(name(2)..=name(8))?.collect();
        Ok(format!("{:?}", all?))
    }),
    verb("len", nothing, |scene| {
        Ok(format!("{}", scene.store()?.len()))
    }),
    // What could not be looked at is still counted.
    verb("len with expired keys", expired, |scene| {
        Ok(format!("{}", scene.store()?.len()))
    })
    .showing(Shows::Anything),
    verb("sweep", expired, |scene| {
        Ok(format!("{}", scene.store()?.sweep(10)))
    }),
];

pub const HISTORY: &[Verb] = &[
    verb("changes", buffered, |scene| {
        let store = scene.store()?;
        let first = store.changes(0, 4)?;
        Ok(format!(
            "{first:?} {:?}",
            store.changes(first.next_seq, 100)?
        ))
    }),
    verb("history", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.history(&name(2))?))
    }),
    verb("stats", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.stats()?))
    }),
    verb("merge_plan", nothing, |scene| {
        Ok(format!("{:?}", scene.store()?.merge_plan()?))
    }),
    // Bytes that cannot be read are damage in its report.
    verb("verify", buffered, |scene| {
        let report = scene.store()?.verify(|_, _| {})?;
        Ok(format!("{:?}", (report.records, report.live_records)))
    })
    .showing(Shows::FailedCalls),
    verb("salvage", killed, |scene| {
        let mut saved = String::new();
        let report = salvage(scene.world.disk.clone(), |entry| {
            saved += &format!("{entry:?}");
            Ok(())
        })?;
        Ok(format!("{saved} {report:?}"))
    })
    .showing(Shows::FailedCalls),
    verb(
        "dump",
        |scene| {
            killed(scene);
            scene.files = scene.world.disk.files().into_keys().collect();
        },
        |scene| {
            let mut text = String::new();
            for file in &scene.files {
                dump(&scene.world.disk, file, |line| {
                    text += line;
                    Ok(())
                })?;
            }
            Ok(text)
        },
    ),
];

fn value() -> Vec<u8> {
    b"a new value".to_vec()
}

fn put_edit(key: u8) -> Write {
    Write::Keys(vec![(name(key), Some((value(), None)))])
}

pub const WRITES: &[Verb] = &[
    verb("put", buffered, |scene| {
        scene
            .write(put_edit(2), |store| store.put(&name(2), &value()))
            .map(done)
    }),
    verb("put a new key", nothing, |scene| {
        scene
            .write(put_edit(0), |store| store.put(&name(0), &value()))
            .map(done)
    }),
    verb("put over a life", nothing, |scene| {
        scene
            .write(put_edit(4), |store| store.put(&name(4), &value()))
            .map(done)
    }),
    verb("put into the buffer", buffered, |scene| {
        scene.world.apply(&put(3, Ack::Buffered)).map(done)
    }),
    verb("put and sync", buffered, |scene| {
        scene.world.apply(&put(3, Ack::Synced)).map(done)
    }),
    verb("put with a life", nothing, |scene| {
        scene.world.apply(&put_for(3, 70_000)).map(done)
    }),
    verb("put into the ordered index", ordered, |scene| {
        scene.world.apply(&put(0, Ack::Written)).map(done)
    }),
    verb(
        "put after an append that failed",
        |scene| {
            let fault = portcask_core::testing::sim::Fault::once(1, portcask_core::ErrorKind::Io);
            scene
                .world
                .disk
                .inject(fault.on(portcask_core::testing::sim::Call::Append));
            scene
                .world
                .apply(&put(2, Ack::Written))
                .expect_err("the append fails");
            scene.world.disk.heal();
        },
        |scene| scene.world.apply(&put(3, Ack::Written)).map(done),
    ),
    verb("put if present", nothing, |scene| {
        let how = WriteOptions {
            condition: Some(Condition::Present),
            ack: Some(Ack::Synced),
            ..WriteOptions::default()
        };
        scene
            .promise(|scene| {
                scene.write(put_edit(8), |store| {
                    store.put_with(&name(8), &value(), &how)
                })
            })
            .map(done)
    }),
    verb("put refused by its condition", buffered, |scene| {
        let how = WriteOptions {
            condition: Some(Condition::Absent),
            ack: Some(Ack::Synced),
            ..WriteOptions::default()
        };
        match scene.store()?.put_with(&name(8), &value(), &how) {
            Err(Error::ConditionFailed { .. }) => scene.promise(|_| Ok("refused".into())),
            other => other.map(done),
        }
    }),
    verb("delete", nothing, |scene| {
        let write = Write::Keys(vec![(name(3), None)]);
        scene.write(write, |store| store.delete(&name(3))).map(done)
    }),
    verb("delete an absent key", nothing, |scene| {
        Ok(format!("{}", scene.store()?.delete(b"absent")?))
    }),
    verb("delete with the ordered index", ordered, |scene| {
        scene.world.apply(&Step::Delete(4)).map(done)
    }),
    verb("batch", buffered, |scene| {
        scene
            .world
            .apply(&Step::Batch(vec![0, 2, 9], vec![3, 4, 0]))
            .map(done)
    }),
    verb("batch with the ordered index", ordered, |scene| {
        scene
            .world
            .apply(&Step::Batch(vec![0, 7], vec![3, 4]))
            .map(done)
    }),
    verb("batch with conditions and a meta key", nothing, |scene| {
        let mut batch = Batch::new();
        batch
            .put(name(0), value())
            .put_with(name(3), value(), Expiry::Never);
        batch
            .delete(name(8))
            .put_meta(b"applied", value())
            .delete_meta(b"absent");
        batch
            .require(name(0), Condition::Absent)
            .require(name(8), Condition::Present);
        let write = Write::Keys(vec![
            (name(0), Some((value(), None))),
            (name(3), Some((value(), None))),
            (name(8), None),
            (meta_key(b"applied"), Some((value(), None))),
        ]);
        scene
            .promise(|scene| {
                scene.write(write, |store| store.write_with(&batch, Some(Ack::Synced)))
            })
            .map(done)
    }),
    verb("expire", nothing, |scene| {
        let at = scene.store()?.now_ms().unwrap_or(0) + 90_000;
        let old = scene
            .shown()
            .remove(&name(3))
            .map(|(value, _)| (value, Some(at)));
        let write = Write::Keys(vec![(name(3), old)]);
        scene
            .write(write, |store| store.expire(&name(3), Expiry::AtMs(at)))
            .map(done)
    }),
    verb("persist", nothing, |scene| {
        let old = scene
            .shown()
            .remove(&name(4))
            .map(|(value, _)| (value, None));
        let write = Write::Keys(vec![(name(4), old)]);
        scene
            .write(write, |store| store.persist(&name(4)))
            .map(done)
    }),
    verb("clear", buffered, |scene| {
        scene.world.apply(&Step::Clear).map(done)
    }),
    verb("clear in the middle of a merge", merging, |scene| {
        scene.world.apply(&Step::Clear).map(done)
    }),
];

/// A merge that has copied something and is not committed.
fn merging(scene: &mut Scene) {
    assert_eq!(scene.store().expect("open").begin_merge_all(), Ok(true));
    scene.step(Step::MergeStep(60));
}

/// A merge that is committed and not published.
fn committed(scene: &mut Scene) {
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

fn auto_merge(scene: &mut Scene) {
    scene.options.merge.auto = true;
    scene.options.sync_every_ms = Some(1);
    reopened(scene);
    buffered(scene);
    scene.wait();
}

pub const UPKEEP: &[Verb] = &[
    verb("flush", buffered, |scene| scene.store()?.flush().map(done)),
    verb("sync", buffered, |scene| {
        scene.promise(|scene| scene.store()?.sync()).map(done)
    }),
    verb("begin_sync and finish_sync", buffered, |scene| {
        scene
            .promise(|scene| {
                let store = scene.store()?;
                match store.begin_sync()? {
                    Some(ticket) => {
                        let synced = ticket.file.sync();
                        store.finish_sync(&ticket, synced)
                    }
                    None => Ok(()),
                }
            })
            .map(done)
    }),
    verb("rotate", buffered, |scene| {
        scene.promise(|scene| scene.store()?.rotate()).map(done)
    }),
    verb("tick", auto_merge, |scene| scene.store()?.tick().map(done)),
    verb("tick_sync", auto_merge, |scene| {
        scene.store()?.tick_sync().map(done)
    }),
    verb("close", buffered, close),
    verb("close in the middle of a merge", merging, close),
    verb("close behind the commit of a merge", committed, close),
    verb(
        "hold_files and release_files",
        |scene| {
            scene.store().expect("open").hold_files();
            scene.step(Step::MergeAll);
        },
        |scene| {
            scene.store()?.release_files();
            Ok(String::new())
        },
    ),
];

fn close(scene: &mut Scene) -> Result<String> {
    scene
        .promise(|scene| {
            let store = scene.world.store.take().ok_or(Error::Closed)?;
            store.close()
        })
        .map(done)
}

pub const MERGES: &[Verb] = &[
    verb("merge_all", expired, |scene| {
        scene.store()?.merge_all(|_, _| {}).map(done)
    }),
    verb("begin_merge_all", buffered, |scene| {
        Ok(format!("{}", scene.store()?.begin_merge_all()?))
    }),
    verb(
        "begin_merge_all in the middle of a merge",
        merging,
        |scene| Ok(format!("{}", scene.store()?.begin_merge_all()?)),
    ),
    verb("begin_merge_all behind a commit", committed, |scene| {
        Ok(format!("{}", scene.store()?.begin_merge_all()?))
    }),
    verb("merge_step to the end", merging, |scene| {
        let store = scene.store()?;
        for file in store.merge_files_to_sync() {
            file.sync().map_err(|source| Error::Storage {
                op: portcask_core::Op::Sync,
                file: None,
                source,
            })?;
        }
        while let MergeProgress::Working { .. } = store.merge_step(100)? {}
        Ok(String::new())
    }),
    verb("merge_step that starts one", nothing, |scene| {
        scene.store()?.merge_step(1 << 20).map(done)
    }),
];

/// A value that is read in several pieces: checked first and copied then.
fn large(scene: &mut Scene) {
    let large = Step::Put {
        key: 0,
        bytes: 300_000,
        ack: Ack::Written,
        life_ms: None,
    };
    scene.step(large);
}

pub const LARGE: &[Verb] = &[
    verb(
        "open after a kill with a large value",
        |scene| {
            large(scene);
            scene.kill();
        },
        open,
    ),
    verb("merge_all of a large value", large, |scene| {
        scene.store()?.merge_all(|_, _| {}).map(done)
    }),
];

pub const COPIES: &[Verb] = &[
    verb("backup", buffered, back_up).then(judge_copy),
    verb("backup to a failing disk", buffered, back_up)
        .on_the_other_disk()
        .then(judge_copy),
    verb("restore", closed, |scene| {
        restore(&scene.world.disk, &scene.other, |_, _| {}).map(done)
    })
    .then(judge_copy),
    verb("restore to a failing disk", closed, |scene| {
        restore(&scene.world.disk, &scene.other, |_, _| {}).map(done)
    })
    .on_the_other_disk()
    .then(judge_copy),
];

fn back_up(scene: &mut Scene) -> Result<String> {
    let other = scene.other.clone();
    let plan = scene.promise(|scene| scene.store()?.begin_backup())?;
    let copied = plan.copy_to(&other, |_, _| {});
    scene.store()?.end_backup(plan);
    copied.map(done)
}
