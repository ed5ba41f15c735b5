//! Openers that meet: in one directory at once, or one taking over from the other.

use crate::common::{Script, name_of};
use portcask_core::testing::sim::{Laws, SimDisk};
use portcask_core::testing::world::Store;
use portcask_core::{Engine, Error, MergeProgress, Options};

#[test]
fn the_second_writer_is_told_who_holds_the_store_and_changes_nothing() {
    let mut world = Script::new();
    world.run("put a 1");
    let before = world.disk.files();
    let refused: Result<Store, Error> = Engine::open(world.disk.clone(), Options::default());
    let error = refused.map(|_| ()).unwrap_err();
    assert_eq!(name_of(&error), "Locked");
    assert!(error.to_string().contains("held by"), "{error}");
    assert_eq!(world.disk.files(), before);
    // The lock dies with its holder.
    world.check("kill; put b 2; get a", "a=1");
}

#[test]
fn a_reader_beside_a_writer_keeps_a_consistent_view_or_says_that_it_changed() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; rotate; put a 3");
    let mut reader: Store = Engine::open(world.disk.clone(), Options::read_only()).unwrap();
    let before = world.disk.files();
    assert_eq!(reader.get(b"a").unwrap().as_deref(), Some(&b"3"[..]));
    reader.refresh().unwrap();
    assert_eq!(world.disk.files(), before, "a reader changes nothing");
    world.run("put a 4; put c 5; rotate; merge; put d 6");
    for (key, old) in [(b"a", b"3"), (b"b", b"2")] {
        match reader.get(key) {
            Ok(value) => assert_eq!(value.as_deref(), Some(&old[..])),
            Err(Error::Changed) => {}
            Err(other) => panic!("{other}"),
        }
    }
    reader.refresh().unwrap();
    let now = [(b"a", "4"), (b"b", "2"), (b"c", "5"), (b"d", "6")];
    for (key, value) in now {
        assert_eq!(reader.get(key).unwrap().as_deref(), Some(value.as_bytes()));
    }
    assert!(matches!(reader.put(b"x", b""), Err(Error::ReadOnly)));
    assert!(matches!(reader.merge_all(|_, _| {}), Err(Error::ReadOnly)));
    reader.close().unwrap();
    // The writer's tail is in flight for a reader, not torn.
    world.run("put half x*100");
    let segment = world.store().unwrap().history(b"half").unwrap()[0].file;
    let bytes = world.disk.bytes(&segment).unwrap();
    let copy = SimDisk::holding(5, Laws::DISK, world.disk.files());
    copy.set_bytes(&segment, &bytes[..bytes.len() - 30]);
    let reader: Store = Engine::open(copy, Options::read_only()).unwrap();
    assert_eq!(reader.report().torn_bytes, 0);
    assert!(!reader.report().degraded);
    assert_eq!(reader.get(b"half").unwrap(), None);
    assert_eq!(reader.get(b"d").unwrap().as_deref(), Some(&b"6"[..]));
}

#[test]
fn a_merge_of_a_writer_that_was_taken_over_leaves_nothing_that_looks_like_a_newer_state() {
    for steps in 0..6 {
        let disk = SimDisk::with_laws(1, Laws::GUEST);
        let mut first = Script::on(disk.clone());
        first.options.segment_bytes = 1 << 20;
        for key in ["a", "b", "c", "d"] {
            first.run(&format!("put {key} v*700000; rotate"));
        }
        assert_eq!(first.store().unwrap().begin_merge_all(), Ok(true));
        let mut second = Script::on(disk.clone());
        second.check("len", "4");
        for _ in 0..steps {
            let _ = first.store().unwrap().merge_step(10);
        }
        drop(first);
        second.check("close; report; put e 1; len", "clean 5");
    }
}

#[test]
fn a_merge_of_a_writer_that_was_taken_over_is_not_committed() {
    let disk = SimDisk::with_laws(1, Laws::GUEST);
    let mut first = Script::on(disk.clone());
    // With nothing left to copy, the commit is the first that can notice.
    first.run("put a 1; del a");
    let mut first = first.store.unwrap();
    assert_eq!(first.begin_merge_all(), Ok(true));
    Script::on(disk).check("len", "0");
    let ended = loop {
        match first.merge_step(1 << 20) {
            Ok(MergeProgress::Working { .. }) => {}
            ended => break ended,
        }
    };
    assert_eq!(ended, Err(Error::fenced(2)));
}
