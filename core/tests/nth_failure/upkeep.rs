//! What is done now and then: syncing, sealing, merging, copying, closing.

use crate::openings::open;
use crate::scene::Scene;
use crate::trial::judge_copy;
use crate::verb::*;
use portcask_core::testing::world::Step;
use portcask_core::{Ack, Error, File, MergeProgress, Op, Result, restore};

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
            file.sync()
                .map_err(|source| Error::storage(Op::Sync, None, source))?;
        }
        while let MergeProgress::Working { .. } = store.merge_step(100)? {}
        Ok(String::new())
    }),
    verb("merge_step that starts one", nothing, |scene| {
        scene.store()?.merge_step(1 << 20).map(done)
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

fn auto_merge(scene: &mut Scene) {
    scene.options.merge.auto = true;
    scene.options.sync_every_ms = Some(1);
    reopened(scene);
    buffered(scene);
    scene.wait();
}

/// A value that is read in several pieces: checked first and copied then.
fn large(scene: &mut Scene) {
    let large = Step::Put {
        key: 0,
        bytes: 265_000,
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
