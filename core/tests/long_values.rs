//! Values that are read in pieces where they lie.

use portcask_core::format::file::names;
use portcask_core::testing::sim::{Laws, SimDisk, SimFile};
use portcask_core::{
    Ack, Engine, Error, ErrorKind, Expiry, Found, LongValue, Options, WriteOptions,
};

type Store = Engine<SimDisk>;

/// More than is read at once while a value is checked, by a bit.
const LONG: usize = (64 << 10) * 2 + 77;

fn film() -> Vec<u8> {
    (0..LONG).map(|n| (n % 251) as u8).collect()
}

fn store(disk: &SimDisk) -> Store {
    Store::open(disk.clone(), Options::default()).unwrap()
}

/// From any place, and so unchecked.
fn all_of(value: &LongValue<SimFile>, piece: usize) -> Result<Vec<u8>, Error> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        let read = value.read_at(all.len() as u64, &mut buffer)?;
        all.extend_from_slice(&buffer[..read]);
        if read < piece {
            return Ok(all);
        }
    }
}

#[test]
fn a_long_value_is_the_same_in_pieces_of_any_size() {
    let disk = SimDisk::new(1);
    let mut store = store(&disk);
    store.put(b"film", &film()).unwrap();
    let value = store.long_value(b"film", 0).unwrap().unwrap();
    assert_eq!(value.len(), LONG as u64);
    let entry = store.get_entry(b"film").unwrap().unwrap();
    assert_eq!((value.seq(), value.expiry_ms()), (entry.seq, None));
    for piece in [LONG / 2 + 1, LONG, LONG + 1, 4096, 1000] {
        assert_eq!(all_of(&value, piece).unwrap(), film(), "{piece}");
    }
    let mut buffer = [7; 10];
    for (offset, there) in [(LONG - 3, 3), (LONG, 0), (LONG + 1, 0), (usize::MAX, 0)] {
        let read = value.read_at(offset as u64, &mut buffer).unwrap();
        assert_eq!(&buffer[..read], &film()[LONG.min(offset)..][..there]);
    }
}

#[test]
fn what_has_changed_since_it_was_found_is_never_taken_to_its_end() {
    let disk = SimDisk::new(6);
    let mut store = store(&disk);
    store.put(b"film", &film()).unwrap();
    let segment = names::segment(1);
    let whole = disk.bytes(&segment).unwrap();
    let from = whole.windows(4).position(|it| it == b"film").unwrap() + 4;
    for (at, piece) in [
        (0, LONG),
        (LONG - 1, LONG),
        (LONG / 2, 4096),
        (LONG - 1, 1000),
    ] {
        disk.set_bytes(&segment, &whole);
        let mut value = store.long_value(b"film", 0).unwrap().unwrap();
        disk.flip(&segment, from + at, 1);
        let (mut buffer, mut taken) = (vec![0; piece], 0);
        let refused = loop {
            match value.read_next(&mut buffer) {
                Ok(read) => taken += read,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
        assert!(taken < LONG);
    }
    disk.set_bytes(&segment, &whole);
    let mut value = store.long_value(b"film", 0).unwrap().unwrap();
    let mut buffer = vec![0; LONG];
    assert_eq!(value.read_next(&mut buffer), Ok(LONG));
    assert_eq!((buffer, value.read_next(&mut [0])), (film(), Ok(0)));
}

#[test]
fn a_value_that_is_asked_for_either_way_is_the_value() {
    let disk = SimDisk::new(7);
    disk.set_now_ms(Some(1_000_000));
    let mut store = store(&disk);
    store.put(b"film", &film()).unwrap();
    store.put(b"short", b"value").unwrap();
    let buffered = WriteOptions {
        ack: Some(Ack::Buffered),
        expiry: Expiry::AfterMs(10),
        ..WriteOptions::default()
    };
    store.put_with(b"new", b"unwritten", &buffered).unwrap();
    let mut buffer = b"left over from before".to_vec();
    for least in [0, 1, 4096, LONG as u64, 2 * LONG as u64, u64::MAX] {
        for (key, told) in [
            (&b"film"[..], &film()[..]),
            (b"short", b"value"),
            (b"new", b"unwritten"),
        ] {
            let found = store.get_or_long(key, least, &mut buffer).unwrap().unwrap();
            let all = match found {
                Found::Buffered(value) => buffer[value].to_vec(),
                Found::Long(value) => all_of(&value, 4096).unwrap(),
            };
            assert_eq!(all, told, "{least}");
        }
        assert!(
            store
                .get_or_long(b"none", least, &mut buffer)
                .unwrap()
                .is_none()
        );
    }
    disk.set_now_ms(Some(1_000_010));
    assert!(store.get_or_long(b"new", 0, &mut buffer).unwrap().is_none());
    disk.flip(&names::segment(1), LONG / 2, 1);
    for least in [0, u64::MAX] {
        let told = store.get_or_long(b"film", least, &mut buffer);
        assert!(matches!(told, Err(Error::Corrupt { .. })));
    }
}

#[test]
fn what_is_not_long_and_in_a_file_is_for_get() {
    let disk = SimDisk::new(2);
    disk.set_now_ms(Some(1_000_000));
    let mut store = store(&disk);
    store.put(b"film", &film()).unwrap();
    store.put(b"short", b"value").unwrap();
    store.put(b"empty", b"").unwrap();
    let brief = WriteOptions {
        expiry: Expiry::AfterMs(10),
        ..WriteOptions::default()
    };
    store.put_with(b"brief", &film(), &brief).unwrap();
    let buffered = WriteOptions {
        ack: Some(Ack::Buffered),
        ..WriteOptions::default()
    };
    store.put_with(b"new", b"value", &buffered).unwrap();
    let found = |key: &[u8], least| store.long_value(key, least).unwrap().map(|it| it.len());
    assert_eq!(found(b"film", LONG as u64), Some(LONG as u64));
    assert_eq!(found(b"film", 2 * LONG as u64), None);
    assert_eq!(found(b"short", 4096), None);
    assert_eq!(found(b"short", 0), Some(5));
    assert_eq!(found(b"empty", 0), Some(0));
    assert_eq!(found(b"absent", 0), None);
    assert_eq!(found(b"new", 0), None);
    let value = store.long_value(b"brief", 0).unwrap().unwrap();
    assert_eq!(value.expiry_ms(), Some(1_000_010));
    disk.set_now_ms(Some(1_000_010));
    assert!(store.long_value(b"brief", 0).unwrap().is_none());
}

#[test]
fn the_version_that_was_found_is_read_to_its_end_whatever_happens_to_the_key() {
    let disk = SimDisk::with_laws(3, Laws::DISK);
    let mut store = store(&disk);
    store.put(b"film", &film()).unwrap();
    let value = store.long_value(b"film", 0).unwrap().unwrap();
    store.put(b"film", b"another").unwrap();
    store.delete(b"film").unwrap();
    store.clear().unwrap();
    store.rotate().unwrap();
    store.merge_all(|_, _| {}).unwrap();
    assert_eq!(disk.bytes(&names::segment(1)), None, "it was not merged");
    assert_eq!(all_of(&value, 4096).unwrap(), film());
    store.close().unwrap();
    assert_eq!(all_of(&value, 4096).unwrap(), film());
}

#[test]
fn a_value_with_any_byte_wrong_is_not_shown_at_all() {
    let disk = SimDisk::new(4);
    let mut first = store(&disk);
    first.put(b"film", &film()).unwrap();
    first.close().unwrap();
    let segment = names::segment(1);
    let whole = disk.bytes(&segment).unwrap();
    let from = whole.windows(4).position(|it| it == b"film").unwrap();
    let head = 40.min(from);
    // The head, the key, and places all over the value.
    let places = (from - head..from + 4).chain((from + 4..from + 4 + LONG).step_by(997));
    let (mut refused, mut opened) = (0, 0);
    for at in places {
        disk.set_bytes(&segment, &whole);
        let store = store(&disk);
        opened += 1;
        disk.flip(&segment, at, 0x10);
        match store.long_value(b"film", 0) {
            Ok(None) => {
                refused += 1;
                let told = store.get(b"film");
                assert!(matches!(told, Err(Error::Corrupt { .. })), "{at}: {told:?}");
            }
            // What lies before the record is no part of it.
            Ok(Some(value)) => assert_eq!(all_of(&value, 4096).unwrap(), film(), "{at}"),
            Err(error) => panic!("{at}: {error}"),
        }
    }
    assert!(refused > 150 && opened - refused < head, "{refused}");
}

#[test]
fn a_file_that_becomes_shorter_or_unreadable_is_an_error_and_never_other_bytes() {
    let disk = SimDisk::new(5);
    let mut store = store(&disk);
    store.put(b"film", &film()).unwrap();
    let value = store.long_value(b"film", 0).unwrap().unwrap();
    let segment = names::segment(1);
    let whole = disk.bytes(&segment).unwrap();
    disk.set_bytes(&segment, &whole[..LONG / 2]);
    let cut = value.read_at(LONG as u64 / 2, &mut [0; 100]);
    assert!(matches!(cut, Err(Error::Corrupt { .. })), "{cut:?}");
    disk.set_bytes(&segment, &whole);
    disk.make_unreadable(&segment, LONG as u64 - 100..LONG as u64);
    let refused = all_of(&value, 4096).unwrap_err();
    assert_eq!(refused.storage_kind(), Some(ErrorKind::Io));
}
