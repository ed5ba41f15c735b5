//! `Engine::create`: an opening that has nothing to recover.

use portcask_core::storage::{ErrorKind, FileName};
use portcask_core::testing::sim::{AllKept, Fault, SimDisk};
use portcask_core::{Engine, Error, Options};

type Store = Engine<SimDisk>;
type Begin = fn(SimDisk) -> Result<Store, Error>;

fn created(disk: SimDisk) -> Result<Store, Error> {
    Store::create(disk, Options::default())
}

fn opened(disk: SimDisk) -> Result<Store, Error> {
    Store::open_writer(disk, Options::default())
}

#[test]
fn a_new_store_is_made_change_for_change_as_an_opening_makes_it() {
    let lives = [created as Begin, opened].map(|begin| {
        let disk = SimDisk::new(7);
        let mut store = begin(disk.clone()).unwrap();
        let (report, made) = (store.report().clone(), disk.told());
        assert!(report.created && report.clean && report.is_spotless());
        store.put(b"cat", b"meow").unwrap();
        store.close().unwrap();
        (report, made, disk.told(), disk.files())
    });
    assert_eq!(lives[0], lives[1]);
}

#[test]
fn what_a_new_store_was_given_is_there_when_it_is_opened_whether_it_was_closed_or_not() {
    for closes in [true, false] {
        let disk = SimDisk::new(3);
        let mut store = created(disk.clone()).unwrap();
        for n in 0..100_u8 {
            store.put(&[n], &[n; 50]).unwrap();
        }
        store.sync().unwrap();
        if closes {
            store.close().unwrap();
        }
        let store = opened(disk.crash(&mut AllKept)).unwrap();
        assert_eq!((store.report().clean, store.report().keys), (closes, 100));
        assert_eq!(store.get(&[77]).unwrap().as_deref(), Some(&[77; 50][..]));
    }
}

#[test]
fn where_any_file_has_a_name_of_a_store_nothing_is_written() {
    for name in [
        "manifest-0000000004",
        "segment-0000000001",
        "hint-0000000009",
    ] {
        let disk = SimDisk::new(1);
        disk.set_bytes(&FileName::new(name).unwrap(), b"a stranger's");
        let (files, changes) = (disk.files(), disk.changes());
        let refused = created(disk.clone()).map(drop).unwrap_err();
        assert_eq!(refused.storage_kind(), Some(ErrorKind::Exists), "{name}");
        assert_eq!((disk.files(), disk.changes()), (files, changes), "{name}");
    }
    let disk = SimDisk::new(1);
    drop(created(disk.clone()).unwrap());
    let changes = disk.changes();
    let refused = created(disk.clone()).map(drop).unwrap_err();
    assert_eq!(refused.storage_kind(), Some(ErrorKind::Exists));
    assert_eq!(disk.changes(), changes);
}

#[test]
fn a_directory_that_must_not_become_a_store_stays_empty() {
    let disk = SimDisk::new(1);
    let options = Options {
        create: false,
        ..Options::default()
    };
    let refused = Store::create(disk.clone(), options).map(drop).unwrap_err();
    assert_eq!((refused, disk.files().len()), (Error::NoStore, 0));
}

#[test]
fn a_stranger_s_file_of_another_name_is_left_alone() {
    let disk = SimDisk::new(1);
    let name = FileName::new("notes").unwrap();
    disk.set_bytes(&name, b"mine");
    created(disk.clone()).unwrap().close().unwrap();
    assert_eq!(disk.bytes(&name).unwrap(), b"mine");
    assert!(!opened(disk).unwrap().report().created);
}

#[test]
fn whichever_call_is_refused_an_opening_goes_on_from_what_is_left() {
    for forever in [false, true] {
        for nth in 1.. {
            let disk = SimDisk::new(5);
            let fault = Fault::once(nth, ErrorKind::Io);
            disk.inject(Fault { forever, ..fault });
            let store = created(disk.clone());
            if disk.struck() == 0 {
                assert!(nth > 15, "{nth}");
                break;
            }
            drop(store);
            disk.heal();
            let mut store = opened(disk.clone()).unwrap();
            assert_eq!(store.report().keys, 0, "{nth}");
            store.put(b"cat", b"meow").unwrap();
            store.close().unwrap();
            let store = opened(disk).unwrap();
            assert!(store.report().is_spotless(), "{nth}: {}", store.report());
        }
    }
}
