//! The golden directories: two stores' bytes, committed. A change of the format shows here, and every
//! host reads these same files (`wasi-cli/tests/golden.rs`, `hosts/tests/golden.rs`).
//!
//! `PORTCASK_REGENERATE=1 cargo test -p portcask-core --test golden` wrote it. The format is frozen, so
//! nothing but a new version, with a directory of its own, is a reason to do so again: an engine that
//! writes other bytes of version 1 keeps these readable.

// The cut hash of that feature makes other hints.
#![cfg(not(feature = "short-hash"))]

use portcask_core::memory::MemoryStorage;
use portcask_core::{Ack, Batch, Engine, Expiry, FileName, Options, Storage, Ttl, WriteOptions};
use std::collections::BTreeMap;
use std::path::PathBuf;

const NOW_MS: u64 = 1_767_225_600_000;
/// The first moment of the year 2100.
const FAR_MS: u64 = 4_102_444_800_000;

fn options() -> Options {
    Options {
        reserve_bytes: 0,
        ..Options::default()
    }
}

/// Two sealed segments with hints and an active one: puts, deletes, a batch, lives, an empty value,
/// an empty key, bytes that are no text, a system key, durable markers.
fn make() -> MemoryStorage {
    let disk = MemoryStorage::with_seed(42);
    disk.set_now_ms(Some(NOW_MS));
    let mut store: Engine<_> = Engine::open(disk.clone(), options()).unwrap();
    store.put(b"cat", b"meow").unwrap();
    store.put(b"dog", b"woof").unwrap();
    store.put(b"cow", b"moo").unwrap();
    store.sync().unwrap();
    store.put(b"", b"an empty key").unwrap();
    store.put(b"empty", b"").unwrap();
    store.delete(b"dog").unwrap();
    store.rotate().unwrap();
    let mut batch = Batch::new();
    batch.put("batch-1", "one").put("batch-2", "two");
    batch.delete("cow").put_meta("applied", "7");
    store.write_with(&batch, Some(Ack::Synced)).unwrap();
    let far = WriteOptions {
        expiry: Expiry::AtMs(FAR_MS),
        ..WriteOptions::default()
    };
    store.put_with(b"year-2100", b"still here", &far).unwrap();
    store.rotate().unwrap();
    store.put(&[0, 255, 10], &[0xF0, 0x9F, 0, 13]).unwrap();
    store.put(b"cat", b"purr").unwrap();
    store.close().unwrap();
    disk
}

/// A store that was cleared, merged, killed with half a record behind its end, continued, and left
/// without being closed: all that a manifest can tell.
fn make_lived() -> MemoryStorage {
    let disk = MemoryStorage::with_seed(43);
    disk.set_now_ms(Some(NOW_MS));
    let open = || -> Engine<_> { Engine::open(disk.clone(), options()).unwrap() };
    let mut store = open();
    store.put(b"before", b"the clearing").unwrap();
    store.clear().unwrap();
    for round in 0..3_u8 {
        for key in 0..6_u8 {
            store.put(&[b'k', key], &[round; 9]).unwrap();
        }
        store.delete(&[b'k', round]).unwrap();
        store.rotate().unwrap();
    }
    store.merge_all(|_, _| {}).unwrap();
    store.put(b"after", b"the merge").unwrap();
    store.close().unwrap();
    let mut store = open();
    store.put(b"last", b"whole").unwrap();
    drop(store);
    let written = files(&disk)
        .into_iter()
        .find(|(_, bytes)| bytes.ends_with(b"lastwhole"));
    let (active, bytes) = written.unwrap();
    let active = FileName::new(&active).unwrap();
    disk.set_bytes(&active, &[bytes, vec![7; 20]].concat());
    let mut store = open();
    assert!(store.report().torn_bytes > 0, "{}", store.report());
    store.put(b"then", b"goes on").unwrap();
    drop(store);
    disk
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn files(disk: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list().unwrap();
    let stored = names.iter().filter(|name| name.as_str() != "lock");
    stored
        .map(|name| (name.to_string(), disk.bytes(name).unwrap()))
        .collect()
}

fn committed(name: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder(name)).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_same_writes_make_the_committed_bytes() {
    let made = files(&make());
    regenerate("v1", &made);
    let committed = committed("v1");
    assert!(made.keys().eq(committed.keys()), "{:?}", made.keys());
    for (name, bytes) in made {
        assert!(bytes == committed[&name], "{name} has other bytes");
    }
}

/// What a merge takes and when a segment ends may change with the engine, so nobody asks for the same
/// bytes again.
#[test]
fn a_store_that_has_lived_holds_what_was_acknowledged() {
    regenerate("v1-lived", &files(&make_lived()));
    let disk = holding("v1-lived");
    let read = |disk: &MemoryStorage, options| {
        let store: Engine<_> = Engine::open(disk.clone(), options).unwrap();
        assert!(store.verify(|_, _| {}).unwrap().is_sound());
        let entries = store.iter().map(Result::unwrap);
        let mut found: Vec<_> = entries.map(|entry| (entry.key, entry.value)).collect();
        found.sort();
        found
    };
    let mut wanted: Vec<(Vec<u8>, Vec<u8>)> = [0, 1, 3, 4, 5]
        .map(|key| (vec![b'k', key], vec![2; 9]))
        .to_vec();
    for (key, value) in [
        ("after", "the merge"),
        ("last", "whole"),
        ("then", "goes on"),
    ] {
        wanted.push((key.into(), value.into()));
    }
    wanted.sort();
    assert_eq!(read(&disk, Options::read_only()), wanted);
    assert_eq!(read(&disk, options()), wanted);
}

/// Writes a folder anew where that was asked for.
fn regenerate(name: &str, made: &BTreeMap<String, Vec<u8>>) {
    if std::env::var_os("PORTCASK_REGENERATE").is_none() {
        return;
    }
    let _ = std::fs::remove_dir_all(folder(name));
    std::fs::create_dir_all(folder(name)).unwrap();
    for (file, bytes) in made {
        std::fs::write(folder(name).join(file), bytes).unwrap();
    }
}

/// A disk that holds a committed folder.
fn holding(name: &str) -> MemoryStorage {
    let disk = MemoryStorage::with_seed(1);
    disk.set_now_ms(Some(NOW_MS));
    for (name, bytes) in committed(name) {
        disk.set_bytes(&FileName::new(&name).unwrap(), &bytes);
    }
    disk
}

#[test]
fn the_committed_bytes_hold_what_was_written() {
    let store: Engine<_> = Engine::open(holding("v1"), Options::read_only()).unwrap();
    assert!(store.report().clean && store.report().is_spotless());
    assert!(store.report().hinted_bytes > 0);
    let mut found: Vec<_> = store
        .iter()
        .map(|entry| entry.map(|entry| (entry.key, entry.value)).unwrap())
        .collect();
    found.sort();
    let expected: [(&[u8], &[u8]); 7] = [
        (b"", b"an empty key"),
        (&[0, 255, 10], &[0xF0, 0x9F, 0, 13]),
        (b"batch-1", b"one"),
        (b"batch-2", b"two"),
        (b"cat", b"purr"),
        (b"empty", b""),
        (b"year-2100", b"still here"),
    ];
    assert_eq!(found.len(), expected.len());
    for ((key, value), (wanted_key, wanted)) in found.iter().zip(expected) {
        assert_eq!((key.as_slice(), value.as_slice()), (wanted_key, wanted));
    }
    assert_eq!(store.ttl(b"year-2100"), Ok(Ttl::ExpiresAtMs(FAR_MS)));
    assert_eq!(
        store.get_meta(b"applied").unwrap().as_deref(),
        Some(&b"7"[..])
    );
    assert_eq!(store.history(b"cat").unwrap().len(), 2);
    assert!(store.verify(|_, _| {}).unwrap().is_sound());
}
