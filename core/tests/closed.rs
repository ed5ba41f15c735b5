//! `Engine::reopen`: an opening of what was closed in an orderly way.

use portcask_core::format::file::names;
use portcask_core::storage::{ErrorKind, FileName};
use portcask_core::testing::sim::{AllKept, Call, Fault, Laws, SimDisk};
use portcask_core::{
    Ack, Batch, Engine, Error, Expiry, OpenMode, Options, RecoveryReport, WriteOptions,
};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

type Store = Engine<SimDisk>;
type Files = BTreeMap<FileName, Vec<u8>>;

fn options() -> Options {
    Options {
        segment_bytes: 1 << 20,
        ..Options::default()
    }
}

fn reopened(disk: &SimDisk) -> Result<Option<Store>, Error> {
    Store::reopen(disk.clone(), options())
}

fn opened(disk: &SimDisk) -> Result<Store, Error> {
    Store::open_writer(disk.clone(), options())
}

/// Another disk that holds the same.
fn copy(files: &Files) -> SimDisk {
    SimDisk::holding(9, Laws::DISK, files.clone())
}

/// What an opening made of these files: its report, every change, the files; and the same after a put, a merge and a
/// close.
type Life = (RecoveryReport, Vec<String>, Files, String, Files);

fn life(disk: &SimDisk, mut store: Store) -> Life {
    let (report, told, files) = (store.report().clone(), disk.told(), disk.files());
    store.put(b"one more", b"value").unwrap();
    let merged = format!("{:?}", store.merge_all(|_, _| {}));
    store.close().unwrap();
    (report, told, files, merged, disk.files())
}

/// Reopens these files and opens them: both come to the same. Answers whether they could be reopened.
fn agree(files: &Files, what: &str) -> bool {
    let disk = copy(files);
    let Some(store) = reopened(&disk).unwrap_or_else(|error| panic!("{what}: {error}")) else {
        assert_eq!((disk.files(), disk.changes()), (files.clone(), 0), "{what}");
        return false;
    };
    assert!(
        store.report().clean && store.report().is_spotless(),
        "{what}"
    );
    let reopened = life(&disk, store);
    let disk = copy(files);
    let store = opened(&disk).unwrap();
    assert_eq!(reopened, life(&disk, store), "{what}");
    true
}

/// A small store with some of everything: closed, opened and closed again.
fn rich() -> SimDisk {
    let disk = SimDisk::new(4);
    let mut store = opened(&disk).unwrap();
    for n in 0..30_u8 {
        store.put(&[n % 20, 1], &[n; 20]).unwrap();
    }
    let expiring = WriteOptions {
        expiry: Expiry::AfterMs(1_000_000),
        ..WriteOptions::default()
    };
    store.put_with(b"until", b"then", &expiring).unwrap();
    let mut batch = Batch::new();
    batch.put_meta(b"system", b"own");
    store.write(&batch).unwrap();
    store.rotate().unwrap();
    store.delete(&[3, 1]).unwrap();
    store.rotate().unwrap();
    store.close().unwrap();
    let mut store = opened(&disk).unwrap();
    store.put(b"late", b"value").unwrap();
    store.close().unwrap();
    disk
}

#[test]
fn a_closed_store_is_opened_change_for_change_as_an_opening_opens_it() {
    let disk = SimDisk::new(4);
    Store::create(disk.clone(), options())
        .unwrap()
        .close()
        .unwrap();
    assert!(agree(&disk.files(), "an empty store"));
    assert!(agree(&rich().files(), "some of everything"));
    let mut store = reopened(&disk).unwrap().unwrap();
    for round in 0..3_000_u32 {
        store
            .put(&(round % 700).to_be_bytes(), &[7; 1_000])
            .unwrap();
        if round % 1_000 == 999 {
            store.close().unwrap();
            assert!(agree(&disk.files(), "a larger one"), "{round}");
            store = reopened(&disk).unwrap().unwrap();
        }
    }
    store.merge_all(|_, _| {}).unwrap();
    store.close().unwrap();
    assert!(agree(&disk.files(), "a merged one"));
}

#[test]
fn a_store_that_was_reopened_holds_what_it_held() {
    let disk = rich();
    let store = reopened(&disk).unwrap().unwrap();
    assert_eq!(store.get(&[7, 1]).unwrap().as_deref(), Some(&[27; 20][..]));
    assert_eq!(store.get(&[3, 1]).unwrap(), None);
    assert_eq!(store.get(b"until").unwrap().as_deref(), Some(&b"then"[..]));
    assert_eq!(
        store.get_meta(b"system").unwrap().as_deref(),
        Some(&b"own"[..])
    );
    assert_eq!(store.len(), 21);
    let report = store.report();
    assert_eq!((report.scanned_records, report.keys), (0, 21));
}

#[test]
fn a_store_that_was_not_closed_is_left_as_it_is() {
    for acknowledges in [Ack::Written, Ack::Synced] {
        let disk = rich();
        let mut store = opened(&disk).unwrap();
        let how = WriteOptions {
            ack: Some(acknowledges),
            ..WriteOptions::default()
        };
        store.put_with(b"cat", b"meow", &how).unwrap();
        let killed = disk.crash(&mut AllKept);
        assert!(!agree(&killed.files(), "killed"));
        store.rotate().unwrap();
        assert!(!agree(&disk.crash(&mut AllKept).files(), "killed later"));
    }
}

#[test]
fn where_no_store_lies_or_one_that_nobody_may_open_so_nothing_is_written() {
    let mut files = Files::new();
    assert!(!agree(&files, "nothing"));
    files.insert(FileName::new("notes").unwrap(), b"mine".to_vec());
    assert!(!agree(&files, "a stranger's file"));
    files.insert(names::manifest(4), b"a stranger's".to_vec());
    assert!(!agree(&files, "a stranger's manifest"));
    let disk = rich();
    let salvage = Options {
        mode: OpenMode::Salvage,
        ..options()
    };
    assert!(matches!(
        Store::reopen(disk, salvage),
        Err(Error::BadOption { .. })
    ));
}

#[test]
fn whichever_bit_has_flipped_it_is_opened_as_an_opening_opens_it_or_left_as_it_is() {
    let files = rich().files();
    let (mut opens, mut bits) = (0, 0);
    for (name, bytes) in &files {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
            opens += usize::from(agree(&flipped, &format!("{name}, bit {bit}")));
            bits += 1;
        }
    }
    // Values, the reserve and the fences of older manifests are not looked at by openings.
    assert!(
        bits > 24_000 && opens > bits / 20 && opens < bits * 19 / 20,
        "{opens} of {bits}"
    );
}

#[test]
fn wherever_a_file_is_cut_or_longer_it_is_opened_as_an_opening_opens_it_or_left_as_it_is() {
    let files = rich().files();
    for (name, bytes) in &files {
        for to in 0..bytes.len() {
            let mut cut = files.clone();
            cut.get_mut(name).unwrap().truncate(to);
            agree(&cut, &format!("{name} cut at {to}"));
        }
        for more in [&[0; 1][..], &[0; 50], b"x", &bytes[80.min(bytes.len())..]] {
            let mut longer = files.clone();
            longer.get_mut(name).unwrap().extend_from_slice(more);
            agree(&longer, &format!("{name} longer by {}", more.len()));
        }
        let mut gone = files.clone();
        gone.remove(name);
        agree(&gone, &format!("without {name}"));
    }
}

#[test]
fn a_file_of_this_store_that_no_manifest_lists_is_for_an_opening_to_judge() {
    let files = rich().files();
    for (from, to) in [
        (names::segment(1), names::segment(40)),
        (names::hint(1), names::hint(40)),
        (names::segment(1), names::segment(4_000_000_000)),
    ] {
        let mut more = files.clone();
        more.insert(to, files[&from].clone());
        assert!(!agree(&more, &format!("{to}")));
    }
    // An older manifest, and one that was only begun.
    let newest = files
        .keys()
        .filter(|name| name.as_str().starts_with("manifest"))
        .max();
    let bytes = files[newest.unwrap()].clone();
    let mut more = files.clone();
    more.insert(names::manifest(90), Vec::new());
    assert!(!agree(&more, "a manifest that was begun"));
    more.insert(names::manifest(90), bytes);
    assert!(!agree(&more, "another epoch's manifest"));
}

#[test]
fn whichever_call_is_refused_an_opening_goes_on_from_what_is_left() {
    for kind in [ErrorKind::Io, ErrorKind::Full] {
        for forever in [false, true] {
            for nth in 1.. {
                let disk = copy(&rich().files());
                let fault = Fault::once(nth, kind);
                disk.inject(Fault { forever, ..fault });
                let store = reopened(&disk);
                if disk.struck() == 0 {
                    assert!(nth > 30, "{nth}");
                    break;
                }
                let came = store.as_ref().is_ok_and(Option::is_some);
                drop(store);
                disk.heal();
                let store = opened(&disk).unwrap();
                assert_eq!(store.report().keys, 21, "{nth} {came}");
                assert!(
                    store.report().damages.is_empty(),
                    "{nth}: {}",
                    store.report()
                );
                assert_eq!(store.get(b"late").unwrap().as_deref(), Some(&b"value"[..]));
            }
        }
    }
}

#[test]
fn on_a_full_disk_it_is_left_to_an_opening_which_makes_room() {
    let disk = rich();
    disk.inject(Fault::from(1, ErrorKind::Full).on(Call::Create));
    assert!(reopened(&disk).unwrap().is_none());
    disk.heal();
    assert!(reopened(&disk).unwrap().is_some());
}

/// Another opener comes in before the `nth` call of a reopening. Answers whether it came.
fn overtake(nth: u64, laws: Laws, closes: bool) -> bool {
    let disk = SimDisk::holding(9, laws, rich().files());
    let wrote = Rc::new(Cell::new(false));
    let noted = Rc::clone(&wrote);
    disk.interrupt(nth, move |disk| {
        // Where there are locks, it may find one.
        let Ok(mut other) = opened(disk) else { return };
        other.put(b"other", b"was here").unwrap();
        noted.set(true);
        if closes {
            other.close().unwrap();
        }
    });
    let mut acknowledged = false;
    match reopened(&disk) {
        Ok(Some(mut store)) => acknowledged = store.put(b"mine", b"too").is_ok(),
        Ok(None) | Err(Error::Fenced { .. }) => {}
        Err(error) => panic!("{nth}: {error}"),
    }
    if disk.is_waiting() {
        return false;
    }
    let other: Option<&[u8]> = wrote.get().then_some(b"was here");
    let store = opened(&disk).unwrap();
    assert!(store.report().is_spotless(), "{nth}: {}", store.report());
    assert_eq!(store.get(b"other").unwrap().as_deref(), other, "{nth}");
    if acknowledged {
        assert_eq!(store.get(b"mine").unwrap().as_deref(), Some(&b"too"[..]));
    }
    assert_eq!(store.get(b"late").unwrap().as_deref(), Some(&b"value"[..]));
    true
}

#[test]
fn whenever_another_opener_comes_in_nothing_acknowledged_is_lost() {
    for laws in [Laws::DISK, Laws::GUEST] {
        for closes in [true, false] {
            let last = (1..).find(|nth| !overtake(*nth, laws, closes)).unwrap();
            assert!(last > 30, "{last}");
        }
    }
}
