//! Stores in which everything checks and something is not true: records and states that nobody wrote, as a
//! medium leaves them that loses a write, and as only somebody with the salts could make them.

mod common;

use common::forging::{heads, newest, open, options, overwrite};
use portcask_core::format::file::{FileHeader, FileKind, names};
use portcask_core::format::manifest::{
    Edit, MANIFEST_RECORDS_OFFSET, State, decode_record, encode_record,
};
use portcask_core::format::record::{Head, Kind};
use portcask_core::memory::MemoryStorage;
use portcask_core::{
    Ack, Condition, Damage, Engine, Error, Expiry, FileName, Location, Options, WriteOptions,
};

const SYNCED: WriteOptions = WriteOptions {
    ack: Some(Ack::Synced),
    expiry: Expiry::Never,
    condition: None,
};

#[test]
fn a_record_that_is_older_than_those_before_it_is_damage_to_a_merge() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    for key in [b"a", b"b", b"c"] {
        store.put(key, b"1").unwrap();
    }
    store.put(b"a", b"2").unwrap();
    store.rotate().unwrap();
    let written = store.stats().unwrap().segments[0].id;
    store.close().unwrap();

    // The third record says that it was the first, behind a right check.
    let name = names::segment(written);
    let (_, heads) = heads(&disk.bytes(&name).unwrap());
    let puts = heads.iter().filter(|(_, head)| head.kind.is_put());
    let puts: Vec<_> = puts.copied().collect();
    let (at, mut head) = puts[2];
    head.seq = puts[0].1.seq;
    overwrite(&disk, &name, at, head, b"");

    let mut store = open(&disk);
    let refused = store.merge_all(|_, _| ());
    assert!(
        matches!(&refused, Err(Error::Corrupt { found }) if found.at == Location { file: name, offset: at as u64 }),
        "{refused:?}"
    );
    for (key, value) in [(b"a", b"2"), (b"b", b"1"), (b"c", b"1")] {
        assert_eq!(store.get(key).unwrap().as_deref(), Some(&value[..]));
    }
}

/// Three sealed segments: in the first `k` is "1", the second holds what `change` makes of it, the
/// third something else. Returns the second one's name and the place of its record, in which there
/// is then another one.
///
/// That is what an append that failed on a full disk leaves if the medium later loses the write that
/// went over it: everything checks, and only the hint knows better.
fn lost_overwrite(
    disk: &MemoryStorage,
    change: impl FnOnce(&mut Engine<MemoryStorage>),
    left: (&[u8], &[u8]),
) -> (FileName, u64) {
    let mut store = open(disk);
    store.put(b"k", b"1").unwrap();
    store.put(b"beside", b"1").unwrap();
    store.rotate().unwrap();
    change(&mut store);
    store.rotate().unwrap();
    store.put(b"other", b"1").unwrap();
    store.rotate().unwrap();
    let name = names::segment(store.stats().unwrap().segments[1].id);
    store.close().unwrap();
    let (at, was) = heads(&disk.bytes(&name).unwrap()).1[0];
    let (key, value) = left;
    let head = Head::new(Kind::Put, was.seq, key, value);
    overwrite(disk, &name, at, head, &[key, value].concat());
    (name, at as u64)
}

/// Merges until nothing is left to merge. Returns whether it was told that the hint disagrees here.
fn merge_and_be_told(store: &mut Engine<MemoryStorage>, place: (FileName, u64)) -> bool {
    let mut told = false;
    for _ in 0..4 {
        if let Err(Error::Corrupt { found }) = store.merge_all(|_, _| ())
            && found.damage == Damage::Hint
        {
            told |= (found.at.file, found.at.offset) == place;
        }
    }
    told
}

#[test]
fn a_delete_that_only_the_hint_still_knows_is_not_merged_away() {
    let disk = MemoryStorage::new();
    let delete = |store: &mut Engine<_>| assert!(store.delete(b"k").unwrap());
    let place = lost_overwrite(&disk, delete, (b"k", b""));
    // The oldest segment holds damage, so merge leaves it alone, and with it what was deleted.
    let oldest = names::segment(1);
    let mut bytes = disk.bytes(&oldest).unwrap();
    let (beside, _) = heads(&bytes).1[1];
    bytes[beside] ^= 0x55;
    disk.set_bytes(&oldest, &bytes);
    for _ in 0..2 {
        let mut store = open(&disk);
        assert_eq!(store.get(b"k"), Ok(None));
        assert!(merge_and_be_told(&mut store, place));
        assert_eq!(store.get(b"k"), Ok(None));
        store.close().unwrap();
    }
}

#[test]
fn a_key_whose_record_is_another_ones_is_not_merged_away() {
    let disk = MemoryStorage::new();
    let change = |store: &mut Engine<_>| assert!(store.put(b"k", b"2").is_ok());
    let place = lost_overwrite(&disk, change, (b"z", b"2"));
    for _ in 0..2 {
        let mut store = open(&disk);
        assert!(matches!(store.get(b"k"), Err(Error::KeyCollision { .. })));
        assert!(merge_and_be_told(&mut store, place));
        assert!(matches!(store.get(b"k"), Err(Error::KeyCollision { .. })));
        assert!(!store.verify(|_, _| ()).unwrap().is_sound());
        store.close().unwrap();
    }
}

#[test]
fn a_key_whose_record_is_a_delete_is_no_empty_value_and_no_absence() {
    let disk = MemoryStorage::new();
    let change = |store: &mut Engine<_>| assert!(store.put(b"k", b"").is_ok());
    let (name, at) = lost_overwrite(&disk, change, (b"k", b""));
    let (_, was) = heads(&disk.bytes(&name).unwrap()).1[0];
    let delete = Head::new(Kind::Tombstone, was.seq, b"k", b"");
    overwrite(&disk, &name, at as usize, delete, b"k");
    for ordered_index in [false, true] {
        let options = Options {
            ordered_index,
            ..options()
        };
        let mut store = Engine::<_>::open(disk.clone(), options).unwrap();
        let refused = Error::corrupt(name, at, Damage::Hint);
        assert_eq!(store.get(b"k"), Err(refused.clone()));
        assert_eq!(store.contains_key(b"k"), Err(refused.clone()));
        let listed: Vec<_> = store.scan_prefix(b"k").collect();
        assert_eq!(listed, [Err(refused.clone())]);
        let there = Condition::Present;
        let how = WriteOptions {
            condition: Some(there),
            ..SYNCED
        };
        assert_eq!(store.put_with(b"k", b"3", &how), Err(refused));
        assert!(merge_and_be_told(&mut store, (name, at)));
    }
    // As with other damage, a new value or a delete puts it right.
    let mut store = open(&disk);
    store.put(b"k", b"3").unwrap();
    store.close().unwrap();
    assert_eq!(open(&disk).get(b"k"), Ok(Some(b"3".to_vec())));
}

#[test]
fn no_seq_is_issued_again_under_a_bound_that_was_lost() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    for n in 0..20 {
        store.put(b"k", &[n]).unwrap();
    }
    let last = store.stats().unwrap().last_seq;
    store.close().unwrap();
    // An unclean state that knows the last seq and no bound: nobody writes one.
    let name = newest(&disk, FileKind::Manifest);
    let mut bytes = disk.bytes(&name).unwrap();
    let salt = FileHeader::decode(&bytes).unwrap().salt;
    let at = MANIFEST_RECORDS_OFFSET;
    let mut state = State::empty();
    let (edits, _) = decode_record(&bytes[at as usize..], salt, at).unwrap();
    state.apply_all(edits).unwrap();
    let edits = [
        Edit::HashKey(state.hash_key),
        Edit::NextId(100),
        Edit::LastSeq(last),
    ];
    bytes.truncate(at as usize);
    bytes.extend(encode_record(&edits, salt, at).unwrap());
    disk.set_bytes(&name, &bytes);

    let mut store = open(&disk);
    assert!(store.put(b"new", b"1").unwrap() > last);
    store.rotate().unwrap();
    store.close().unwrap();
    let store = open(&disk);
    assert!(!store.report().degraded, "{}", store.report());
    assert!(store.contains_key(b"new").unwrap());
}

#[test]
fn a_segment_is_only_continued_above_its_base() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"k", b"1").unwrap();
    store.close().unwrap();
    // The clean state says that the segment begins far above the last seq: nobody writes one.
    let name = newest(&disk, FileKind::Manifest);
    let mut bytes = disk.bytes(&name).unwrap();
    let salt = FileHeader::decode(&bytes).unwrap().salt;
    let (mut state, mut at) = (State::empty(), MANIFEST_RECORDS_OFFSET);
    while let Ok((edits, length)) = decode_record(&bytes[at as usize..], salt, at) {
        state.apply_all(edits).unwrap();
        at += length as u64;
    }
    state.segments.last_mut().unwrap().base_seq += 1_000;
    let at = MANIFEST_RECORDS_OFFSET;
    bytes.truncate(at as usize);
    bytes.extend(encode_record(&state.snapshot().unwrap(), salt, at).unwrap());
    disk.set_bytes(&name, &bytes);

    let mut store = open(&disk);
    store.put(b"new", b"2").unwrap();
    store.close().unwrap();
    let store = open(&disk);
    assert_eq!(store.get(b"new").unwrap().as_deref(), Some(&b"2"[..]));
    assert!(store.verify(|_, _| ()).unwrap().is_sound());
}
