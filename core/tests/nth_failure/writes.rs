//! Writes of one key, of several, and of all.

use crate::scene::{put, put_for};
use crate::verb::*;
use portcask_core::testing::oracle::{Write, meta_key};
use portcask_core::testing::sim::{Call, Fault};
use portcask_core::testing::world::{Step, name};
use portcask_core::{Ack, Batch, Condition, Error, ErrorKind, Expiry, WriteOptions};

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
            let fault = Fault::once(1, ErrorKind::Io);
            scene.world.disk.inject(fault.on(Call::Append));
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
