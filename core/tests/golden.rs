//! The golden directory: a store's bytes, committed. A change of the format shows here, and every
//! host reads these same files (`wasi-cli/tests/golden.rs`, `hosts/tests/golden.rs`).
//!
//! `PORTCASK_REGENERATE=1 cargo test -p portcask-core --test golden` writes it anew: in a commit of
//! its own, as long as the format is a draft.

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

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn files(disk: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list().unwrap();
    let stored = names.iter().filter(|name| name.as_str() != "lock");
    stored
        .map(|name| (name.to_string(), disk.bytes(name).unwrap()))
        .collect()
}

fn committed() -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder()).unwrap();
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
    if std::env::var_os("PORTCASK_REGENERATE").is_some() {
        let _ = std::fs::remove_dir_all(folder());
        std::fs::create_dir_all(folder()).unwrap();
        for (name, bytes) in &made {
            std::fs::write(folder().join(name), bytes).unwrap();
        }
    }
    let committed = committed();
    assert!(made.keys().eq(committed.keys()), "{:?}", made.keys());
    for (name, bytes) in made {
        assert!(bytes == committed[&name], "{name} has other bytes");
    }
}

#[test]
fn the_committed_bytes_hold_what_was_written() {
    let disk = MemoryStorage::with_seed(1);
    disk.set_now_ms(Some(NOW_MS));
    for (name, bytes) in committed() {
        disk.set_bytes(&FileName::new(&name).unwrap(), &bytes);
    }
    let store: Engine<_> = Engine::open(disk, Options::read_only()).unwrap();
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
