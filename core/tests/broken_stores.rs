//! Stores that somebody tried to break, and what must have become of them. Each test was a bug.

mod common;

use common::forging::{files, newest, open, options};
#[cfg(feature = "short-hash")]
use portcask_core::Batch;
use portcask_core::format::file::{FileKind, names};
use portcask_core::memory::MemoryStorage;
use portcask_core::testing::sim::SimDisk;
use portcask_core::{
    Ack, Engine, Error, Expiry, OpenAccess, Options, Storage, WriteOptions, salvage,
};

const SYNCED: WriteOptions = WriteOptions {
    ack: Some(Ack::Synced),
    expiry: Expiry::Never,
    condition: None,
};

#[test]
fn a_crash_in_the_middle_of_a_rotation_leaves_no_file_for_ever() {
    for begun in [&b""[..], &[0; 80]] {
        let disk = MemoryStorage::new();
        let mut store = open(&disk);
        store.put(b"k", b"v").unwrap();
        drop(store);
        let (_, active) = names::parse(&newest(&disk, FileKind::Segment)).unwrap();
        disk.set_bytes(&names::segment(active + 1), begun);
        let store = open(&disk);
        assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(
            files(&disk, FileKind::Segment).len(),
            store.stats().unwrap().segments.len(),
            "{begun:?}"
        );
    }
}

#[test]
fn a_strangers_file_under_the_next_name_is_kept_and_passed_over() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"k", b"v").unwrap();
    let (_, active) = names::parse(&newest(&disk, FileKind::Segment)).unwrap();
    for next in 1..4 {
        disk.set_bytes(&names::segment(active + next), &[7; 100]);
    }
    store.rotate().unwrap();
    store.put(b"l", b"w").unwrap();
    store.merge_all(|_, _| ()).unwrap();
    drop(store);
    for _ in 0..2 {
        let store = open(&disk);
        assert!(!store.report().degraded);
        assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(store.get(b"l").unwrap().as_deref(), Some(&b"w"[..]));
        for next in 1..4 {
            let kept = disk.bytes(&names::segment(active + next));
            assert_eq!(kept.as_deref(), Some(&[7; 100][..]));
        }
    }
}

/// Killed while it waited for older writers to be marked: its manifest has a name and nothing else.
#[test]
fn an_opener_that_was_stopped_before_it_wrote_leaves_nothing_in_doubt() {
    for begun in [&b""[..], &[0; 300]] {
        let disk = MemoryStorage::new();
        let mut store = open(&disk);
        store.put(b"k", b"v").unwrap();
        drop(store);
        let (_, epoch) = names::parse(&newest(&disk, FileKind::Manifest)).unwrap();
        disk.set_bytes(&names::manifest(epoch + 1), begun);
        for _ in 0..2 {
            let store = open(&disk);
            assert!(store.report().is_spotless(), "{}", store.report());
            assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        }
    }
}

/// What lies in a segment that only the lost manifest knew is not silently gone.
fn assert_lost_state_is_told(disk: &MemoryStorage) {
    let before: Vec<_> = files(disk, FileKind::Segment);
    let mut store = open(disk);
    assert!(store.report().degraded && store.report().stepped_back);
    let refused = store.get(b"new").unwrap_err();
    assert!(matches!(refused, Error::MaybeStale { .. }));
    assert!(refused.to_string().contains("does not know"), "{refused}");
    assert!(matches!(store.get(b"k"), Err(Error::MaybeStale { .. })));
    assert!(matches!(store.put(b"x", b""), Err(Error::Degraded { .. })));
    drop(store);
    assert_eq!(files(disk, FileKind::Segment), before, "nothing is deleted");
    let mut saved = Vec::new();
    salvage(disk.clone(), |entry| {
        saved.push((entry.key, entry.value));
        Ok(())
    })
    .unwrap();
    saved.sort();
    let pair = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    assert_eq!(saved, [pair(b"k", b"2"), pair(b"new", b"3")]);
}

#[test]
fn a_lost_newest_manifest_is_told_where_the_log_went_on_without_it() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"k", b"1").unwrap();
    store.close().unwrap();
    let mut store = open(&disk);
    store.rotate().unwrap();
    store.put_with(b"k", b"2", &SYNCED).unwrap();
    store.put_with(b"new", b"3", &SYNCED).unwrap();
    drop(store);
    disk.remove(&newest(&disk, FileKind::Manifest)).unwrap();
    assert_lost_state_is_told(&disk);
}

#[test]
fn a_rotten_manifest_record_does_not_turn_the_active_segment_into_a_leftover() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put_with(b"k", b"1", &SYNCED).unwrap();
    drop(store);
    // After the crash the active segment is a new one, listed as pending before it is added.
    let mut store = open(&disk);
    store.put_with(b"k", b"2", &SYNCED).unwrap();
    store.put_with(b"new", b"3", &SYNCED).unwrap();
    drop(store);
    let manifest = newest(&disk, FileKind::Manifest);
    let sound = disk.bytes(&manifest).unwrap();
    // The last byte rots, by more than the one bit that can be put right; or the file is cut short,
    // wherever that may be in its last record.
    let mut rotten = sound.clone();
    *rotten.last_mut().unwrap() ^= 3;
    disk.set_bytes(&manifest, &rotten);
    assert_lost_state_is_told(&disk.deep_clone());
    for cut in 1..60 {
        disk.set_bytes(&manifest, &sound[..sound.len() - cut]);
        assert_lost_state_is_told(&disk.deep_clone());
    }
}

#[test]
fn a_flipped_bit_of_a_manifest_costs_nothing_and_is_told() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put_with(b"k", b"1", &SYNCED).unwrap();
    store.rotate().unwrap();
    store.put_with(b"new", b"2", &SYNCED).unwrap();
    drop(store);
    let manifest = newest(&disk, FileKind::Manifest);
    let sound = disk.bytes(&manifest).unwrap();
    for at in (0..80).chain(96..sound.len()) {
        let mut rotten = sound.clone();
        rotten[at] ^= 1 << (at % 8);
        let disk = disk.deep_clone();
        disk.set_bytes(&manifest, &rotten);
        let mut store = open(&disk);
        let report = store.report();
        assert!(!report.degraded && !report.is_spotless(), "{at}: {report}");
        assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(store.get(b"new").unwrap().as_deref(), Some(&b"2"[..]));
        store.put(b"k", b"3").unwrap();
        let found = store.verify(|_, _| {}).unwrap();
        let mut places = found.damages.iter().chain(&found.undecided);
        assert!(places.any(|place| place.file == manifest), "{at}");
    }
}

#[test]
fn a_manifest_record_that_was_durable_and_is_lost_degrades_the_store() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put_with(b"k", b"1", &SYNCED).unwrap();
    store.close().unwrap();
    let mut store = open(&disk);
    // No record is written after it that could tell.
    store.clear().unwrap();
    store.close().unwrap();
    let manifest = newest(&disk, FileKind::Manifest);
    let mut bytes = disk.bytes(&manifest).unwrap();
    let sound = bytes.clone();
    for at in 96..bytes.len() - 40 {
        bytes.copy_from_slice(&sound);
        bytes[at..at + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
        let disk = disk.deep_clone();
        disk.set_bytes(&manifest, &bytes);
        let store = open(&disk);
        let report = store.report();
        assert!(report.degraded && report.stepped_back, "{at}: {report}");
        assert!(matches!(store.get(b"k"), Err(Error::MaybeStale { .. })));
    }
}

#[test]
fn the_change_feed_resumes_at_the_last_change_before_a_crash() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"a", b"1").unwrap();
    let last = store.put_with(b"b", b"2", &SYNCED).unwrap();
    store.tick_sync().unwrap();
    drop(store);
    let mut store = open(&disk);
    store.put(b"c", b"3").unwrap();
    let page = store.changes(last, 10).unwrap();
    let keys: Vec<_> = page.changes.iter().map(|change| &change.key[..]).collect();
    assert_eq!(keys, [b"b", b"c"]);
}

#[test]
fn a_strangers_manifest_with_a_huge_number_does_not_push_ours_out_of_sight() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"k", b"1").unwrap();
    store.close().unwrap();
    let stranger = names::manifest((1 << 62) - 1);
    let ours = disk.bytes(&newest(&disk, FileKind::Manifest)).unwrap();
    for content in [&[9; 200][..], &ours] {
        disk.set_bytes(&stranger, content);
        for round in 0..3_u8 {
            let mut store = open(&disk);
            store.put(b"k", &[round]).unwrap();
            store.rotate().unwrap();
            store.merge_all(|_, _| ()).unwrap();
            drop(store);
            assert_eq!(open(&disk).get(b"k").unwrap(), Some(vec![round]));
        }
        assert_eq!(disk.bytes(&stranger).as_deref(), Some(content));
    }
}

#[test]
fn salvage_does_not_bring_back_what_a_merge_is_done_with() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"deleted", b"v").unwrap();
    store.put(b"kept", b"v").unwrap();
    store.rotate().unwrap();
    store.delete(b"deleted").unwrap();
    store.begin_merge_all().unwrap();
    store.hold_files(); // as if killed between the commit and the removals
    while store.merge_step(1 << 20).is_ok_and(|done| {
        !matches!(
            done,
            portcask_core::MergeProgress::Done(_) | portcask_core::MergeProgress::Idle
        )
    }) {}
    drop(store);
    let mut saved = Vec::new();
    salvage(disk, |entry| {
        saved.push(entry.key);
        Ok(())
    })
    .unwrap();
    assert_eq!(saved, [b"kept"]);
}

#[test]
fn salvage_tells_of_a_segment_that_is_cut_between_two_records() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"a", b"1").unwrap();
    let first = store.stats().unwrap().segments[0].size_bytes;
    store.put(b"b", b"2").unwrap();
    store.close().unwrap();
    let segment = newest(&disk, FileKind::Segment);
    let whole = disk.bytes(&segment).unwrap();
    disk.set_bytes(&segment, &whole[..first as usize]);
    let report = salvage(disk, |_| Ok(())).unwrap();
    assert_eq!((report.keys, report.damages.len()), (1, 1));
}

#[test]
fn after_a_crash_on_a_full_disk_keys_can_be_deleted_and_merged_away() {
    let disk = MemoryStorage::new();
    let options = Options {
        reserve_bytes: 1 << 20,
        ..options()
    };
    let reopen = || Engine::<_>::open(disk.clone(), options.clone());
    let mut store = reopen().unwrap();
    disk.set_capacity(Some(6 << 20));
    let key = |i: u32| format!("key{i}").into_bytes();
    let mut keys = 0;
    while store.put(&key(keys), &[1; 40_000]).is_ok() {
        keys += 1;
    }
    drop(store);
    disk.set_capacity(Some(disk.used_bytes()));

    let mut store = reopen().expect("the reserve makes room for an opener");
    assert_eq!(store.len(), u64::from(keys));
    for i in 0..keys / 3 {
        assert!(store.delete(&key(i)).expect("a delete fits"));
    }
    let before = disk.used_bytes();
    let report = store.merge_all(|_, _| ()).expect("one segment at a time");
    assert!(report.bytes_after < report.bytes_before);
    assert!(disk.used_bytes() < before);
    store
        .put(b"again", &[2; 4000])
        .expect("there is room again");
    drop(store);
    let store = reopen().unwrap();
    for i in 0..keys {
        let there = store.get(&key(i)).unwrap().is_some();
        assert_eq!(there, i >= keys / 3, "{i}");
    }
    assert!(store.verify(|_, _| ()).unwrap().is_sound());
}

#[test]
fn failing_on_a_full_disk_again_and_again_leaves_nothing_behind() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"k", b"v").unwrap();
    disk.set_capacity(Some(disk.used_bytes() + 100));
    let before = disk.list().unwrap().len();
    for _ in 0..50 {
        assert!(store.put(b"big", &[0; 4000]).is_err());
        let _ = store.rotate();
        let _ = store.merge_all(|_, _| ());
        let _ = store.clear();
    }
    assert!(disk.list().unwrap().len() <= before + 1);
    disk.set_capacity(None);
    store.put(b"big", &[0; 4000]).unwrap();
    drop(store);
    let store = open(&disk);
    assert!(store.contains_key(b"big").unwrap());
    assert_eq!(
        files(&disk, FileKind::Segment).len(),
        store.stats().unwrap().segments.len()
    );
}

#[test]
fn a_follower_that_had_seen_everything_learns_that_the_store_was_cleared() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put(b"a", b"1").unwrap();
    let next = store.changes(0, 10).unwrap().next_seq;
    store.clear().unwrap();
    store.put(b"b", b"2").unwrap();
    for _ in 0..2 {
        let Err(Error::Gap { missed }) = store.changes(next, 10) else {
            panic!("the feed hides the clear");
        };
        let oldest = missed.oldest;
        assert_eq!(store.changes(oldest, 10).unwrap().changes.len(), 1);
        drop(store);
        store = open(&disk);
    }
}

#[test]
fn what_cannot_be_read_behind_the_last_marker_is_not_a_torn_tail() {
    let disk = SimDisk::new(1);
    let mut store: Engine<SimDisk> = Engine::open(disk.clone(), options()).unwrap();
    store.put(b"k", b"1").unwrap();
    store.sync().unwrap();
    store.rotate().unwrap();
    store.put_with(b"k", b"2", &SYNCED).unwrap();
    let active = names::segment(store.stats().unwrap().segments.last().unwrap().id);
    drop(store);
    disk.make_unreadable(&active, 80..200);
    for access in [OpenAccess::ReadOnly, OpenAccess::ReadWrite] {
        let options = Options {
            access,
            ..options()
        };
        let store: Engine<SimDisk> = Engine::open(disk.clone(), options).unwrap();
        assert!(store.report().degraded, "{}", store.report());
        assert!(matches!(store.get(b"k"), Err(Error::MaybeStale { .. })));
    }
    // The medium was only busy: nothing was given up meanwhile.
    disk.heal();
    let store: Engine<SimDisk> = Engine::open(disk, options()).unwrap();
    assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn salvage_hands_out_the_newest_version_that_can_be_read() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    store.put_with(b"k", b"the older", &SYNCED).unwrap();
    store.rotate().unwrap();
    store.put_with(b"k", b"the newer", &SYNCED).unwrap();
    store.close().unwrap();
    let newer = newest(&disk, FileKind::Segment);
    let mut bytes = disk.bytes(&newer).unwrap();
    let at = bytes.windows(9).position(|w| w == b"the newer").unwrap();
    bytes[at] ^= 0x20;
    disk.set_bytes(&newer, &bytes);
    let mut saved = Vec::new();
    let report = salvage(disk, |entry| {
        saved.push(entry.value);
        Ok(())
    })
    .unwrap();
    assert_eq!(saved, [b"the older"]);
    assert_eq!(report.damages[0].key.as_deref(), Some(&b"k"[..]));
    assert!(report.damages[0].live, "a newer version is lost");
}

#[cfg(feature = "short-hash")]
#[test]
fn two_keys_of_one_hash_in_one_batch_are_refused_and_neither_is_lost() {
    let disk = MemoryStorage::new();
    let mut store = open(&disk);
    let mut refused = 0;
    for from in (0..20_000_u32).step_by(400) {
        let mut batch = Batch::new();
        for key in from..from + 400 {
            batch.put(key.to_le_bytes(), b"");
        }
        let before = store.len();
        match store.write(&batch) {
            Ok(_) => store.clear().map(|_| ()).unwrap(),
            Err(Error::KeyCollision { .. }) => {
                refused += 1;
                assert_eq!(store.len(), before);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        refused > 10,
        "400 keys of 16 bits meet in most batches: {refused}"
    );
}

#[test]
fn what_a_merge_dropped_for_its_age_is_not_young_again_after_a_crash() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    const START_MS: u64 = 1_700_000_000_000;
    let disk = MemoryStorage::new();
    disk.set_now_ms(Some(START_MS));
    let mut store = open(&disk);
    let short = WriteOptions {
        expiry: Expiry::AfterMs(16),
        ..SYNCED
    };
    store.put_with(b"k", b"v", &short).unwrap();
    store.rotate().unwrap();
    disk.set_now_ms(Some(START_MS + DAY_MS - 1));
    store.merge_all(|_, _| ()).unwrap();
    drop(store);
    // Now the clock is not believed, and what is believed must not lie before the merge.
    disk.set_now_ms(Some(START_MS + 3 * DAY_MS));
    let store = open(&disk);
    assert!(store.report().clock_jump.is_some());
    assert_eq!(store.now_ms(), Some(START_MS + DAY_MS - 1));
}
