//! Names of the crates that the page gives to library users: each is used for what it is listed
//! for. A name that nobody listed here fails the page.

use portcask::memory::MemoryStorage;
use portcask::{
    Ack, Batch, Db, DbOptions, Engine, Error, Expiry, FileName, MergePolicy, MergeProgress,
    OpenAccess, OpenMode, Options, SEGMENT_BYTES_MIN, WriteOptions,
};
use std::path::Path;

/// Uses `name` in a directory that holds the sample; panics if it does not do what it should.
pub fn exercise(name: &str, dir: &Path) -> Result<(), String> {
    let (kind, part) = name.split_once("::").unwrap_or((name, ""));
    let is_known = match kind {
        "Db" => with_db(part, &dir.join("store")),
        "Error" => meets_error(part, dir),
        "Options" if part == "read_only" => reads_only(),
        "Options" => opens_with(|options| set_option(options, part)),
        "MergePolicy" => opens_with(|options| set_policy(&mut options.merge, part)),
        "DbOptions" => handle_with(part, &dir.join("store")),
        "Engine" | "MemoryStorage" | "MergeProgress" => on_memory(name),
        _ => false,
    };
    is_known
        .then_some(())
        .ok_or(format!("`{name}` is not known to the test"))
}

/// Every option with its default, as the page writes it.
pub fn defaults() -> Vec<(String, String)> {
    // Taken apart in full, so that a new option cannot be forgotten.
    let DbOptions {
        engine,
        background,
        mapped,
    } = DbOptions::default();
    assert_eq!(engine, Options::default());
    let every = background.map_or("none".to_owned(), |every| {
        format!("{} s", every.as_secs_f32())
    });
    let Options {
        access,
        mode,
        create,
        ack,
        sync_every_ms,
        segment_bytes,
        buffer_bytes,
        recent_bytes,
        key_bytes_max,
        value_bytes_max,
        default_ttl_ms,
        verify_overwrite,
        ordered_index,
        accept_stale,
        trust_clock,
        reserve_bytes,
        merge,
    } = engine;
    let MergePolicy {
        auto,
        fragmentation_trigger_percent,
        dead_bytes_trigger,
        fragmentation_threshold_percent,
        dead_bytes_threshold,
        small_file_bytes,
        min_files,
        max_files,
        max_bytes,
        window_hours,
    } = merge;
    let none = |ms: Option<u64>| ms.map_or("none".to_owned(), |ms| ms.to_string());
    let of_options = [
        ("access", words_of(&format!("{access:?}"))),
        ("mode", words_of(&format!("{mode:?}"))),
        ("create", create.to_string()),
        ("ack", words_of(&format!("{ack:?}"))),
        ("sync_every_ms", none(sync_every_ms)),
        ("segment_bytes", size(segment_bytes)),
        ("buffer_bytes", size(buffer_bytes as u64)),
        ("recent_bytes", size(recent_bytes as u64)),
        ("key_bytes_max", key_bytes_max.to_string()),
        ("value_bytes_max", size(value_bytes_max)),
        ("default_ttl_ms", none(default_ttl_ms)),
        ("verify_overwrite", verify_overwrite.to_string()),
        ("ordered_index", ordered_index.to_string()),
        ("accept_stale", accept_stale.to_string()),
        ("trust_clock", trust_clock.to_string()),
        ("reserve_bytes", size(reserve_bytes)),
    ];
    let window = window_hours.map_or("always".to_owned(), |(from, to)| format!("{from}-{to}"));
    let of_policy = [
        ("auto", auto.to_string()),
        (
            "fragmentation_trigger_percent",
            fragmentation_trigger_percent.to_string(),
        ),
        ("dead_bytes_trigger", size(dead_bytes_trigger)),
        (
            "fragmentation_threshold_percent",
            fragmentation_threshold_percent.to_string(),
        ),
        ("dead_bytes_threshold", size(dead_bytes_threshold)),
        ("small_file_bytes", size(small_file_bytes)),
        ("min_files", min_files.to_string()),
        ("max_files", max_files.to_string()),
        ("max_bytes", size(max_bytes)),
        ("window_hours", window),
    ];
    let of_options = of_options.map(|(name, default)| (format!("Options::{name}"), default));
    let of_policy = of_policy.map(|(name, default)| (format!("MergePolicy::{name}"), default));
    let of_db = [
        ("DbOptions::background".to_owned(), every),
        ("DbOptions::mapped".to_owned(), mapped.to_string()),
    ];
    of_options
        .into_iter()
        .chain(of_policy)
        .chain(of_db)
        .collect()
}

/// `ReadWrite` as `read-write`.
fn words_of(variant: &str) -> String {
    let mut words = String::new();
    for c in variant.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// Bytes in the largest unit that divides them.
fn size(bytes: u64) -> String {
    [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        .into_iter()
        .find(|(_, shift)| bytes >> shift << shift == bytes)
        .map_or(bytes.to_string(), |(unit, shift)| {
            format!("{} {unit}", bytes >> shift)
        })
}

fn with_db(verb: &str, store: &Path) -> bool {
    let db = Db::open(store).unwrap();
    let value = |key: &[u8]| db.get(key).unwrap();
    match verb {
        "open" => assert!(!db.is_empty().unwrap()),
        "get" => assert_eq!(value(b"key").as_deref(), Some(&b"value"[..])),
        "put" => {
            db.put(b"cat", b"meow").unwrap();
            assert_eq!(value(b"cat").as_deref(), Some(&b"meow"[..]));
        }
        "delete" => {
            assert!(db.delete(b"key").unwrap());
            assert!(!db.delete(b"key").unwrap());
            assert_eq!(value(b"key"), None);
        }
        "len" => assert_eq!(db.len().unwrap(), 4),
        "contains_key" => assert!(db.contains_key(b"key").unwrap()),
        "keys" => assert_eq!(db.keys().map(Result::unwrap).count(), 4),
        "write" | "write_with" => {
            let mut batch = Batch::new();
            batch.put("a", "1").put("b", "2").delete("key");
            let done = match verb {
                "write" => db.write(&batch).unwrap(),
                _ => db.write_with(&batch, Some(Ack::Synced)).unwrap(),
            };
            assert!(done.first_seq <= done.last_seq);
            assert_eq!(value(b"b").as_deref(), Some(&b"2"[..]));
        }
        "transaction" => {
            let moved = db.transaction(|t| {
                let held = t.get(b"key")?.unwrap_or_default();
                t.put(b"moved", held);
                t.delete(b"key")
            });
            assert!(moved.unwrap());
            assert_eq!(value(b"moved").as_deref(), Some(&b"value"[..]));
        }
        "close" => {
            db.close().unwrap();
            assert_eq!(db.get(b"key"), Err(Error::Closed));
        }
        _ => return false,
    }
    true
}

fn meets_error(variant: &str, dir: &Path) -> bool {
    let store = dir.join("store");
    match variant {
        "Closed" => {
            let db = Db::open(store).unwrap();
            db.close().unwrap();
            assert_eq!(db.put(b"a", b"b"), Err(Error::Closed));
        }
        "Locked" => {
            let writer = Db::open(&store).unwrap();
            assert!(matches!(Db::open(&store), Err(Error::Locked { .. })));
            let reader = Db::open_with(&store, Options::read_only()).unwrap();
            assert!(reader.contains_key(b"key").unwrap());
            writer.close().unwrap();
        }
        "Storage" => {
            let refused = Db::open(dir.join("no/parent"));
            assert!(matches!(refused, Err(Error::Storage { .. })));
        }
        "Full" => {
            let disk = MemoryStorage::new();
            let mut engine = writer(&disk);
            disk.set_capacity(Some(disk.used_bytes()));
            let refused = engine.put(b"large", &[0; 1 << 20]);
            assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
            disk.set_capacity(None);
            engine.put(b"next", b"fine").unwrap();
            assert_eq!(engine.get(b"next").unwrap().as_deref(), Some(&b"fine"[..]));
            assert_eq!(engine.get(b"large").unwrap(), None);
        }
        "Corrupt" => {
            let disk = MemoryStorage::new();
            let mut engine = writer(&disk);
            engine.put(b"other", b"intact").unwrap();
            engine.rotate().unwrap();
            engine.close().unwrap();
            let segment = FileName::new("segment-0000000001").unwrap();
            let mut bytes = disk.bytes(&segment).unwrap();
            let at = bytes
                .windows(8)
                .position(|part| part == b"keyvalue")
                .unwrap();
            bytes[at + 4] ^= 1;
            disk.set_bytes(&segment, &bytes);
            let engine = writer_of(&disk);
            let refused = engine.get(b"key");
            assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
            assert!(engine.get(b"other").unwrap().is_some());
        }
        _ => return false,
    }
    true
}

fn on_memory(name: &str) -> bool {
    let disk = MemoryStorage::new();
    let mut engine = writer(&disk);
    match name {
        "Engine::open" | "MemoryStorage::new" => {
            engine.close().unwrap();
            assert!(writer_of(&disk).get(b"key").unwrap().is_some());
        }
        "Engine::tick" => {
            let soon = WriteOptions {
                expiry: Expiry::AfterMs(1000),
                ..WriteOptions::default()
            };
            engine.put_with(b"session", b"token", &soon).unwrap();
            assert_eq!(engine.len(), 2);
            disk.set_now_ms(engine.now_ms().map(|now| now + 2000));
            engine.tick().unwrap();
            assert_eq!(engine.len(), 1);
        }
        "MergeProgress::Idle" => {
            let step = engine.merge_step(1 << 20).unwrap();
            assert_eq!(step, MergeProgress::Idle);
        }
        _ => return false,
    }
    true
}

fn reads_only() -> bool {
    let disk = MemoryStorage::new();
    writer(&disk).close().unwrap();
    let mut reader: Engine<_> = Engine::open(disk, Options::read_only()).unwrap();
    assert!(reader.get(b"key").unwrap().is_some());
    assert_eq!(reader.put(b"a", b"b"), Err(Error::ReadOnly));
    true
}

/// Without its background thread a handle does that work when it is told to, and what is stored it finds with mapped
/// files too.
fn handle_with(option: &str, store: &Path) -> bool {
    let mut options = DbOptions::default();
    match option {
        "background" => options.background = None,
        "mapped" => options.mapped = true,
        _ => return false,
    }
    let db = Db::open_with(store, options).unwrap();
    db.tick().unwrap();
    db.close().unwrap();
    true
}

/// Opens a store with one option set, and looks whether the engine took it.
fn opens_with(set: impl FnOnce(&mut Options) -> bool) -> bool {
    let mut options = Options::default();
    if !set(&mut options) {
        return false;
    }
    assert_ne!(options, Options::default(), "the default is no choice");
    let disk = MemoryStorage::new();
    writer(&disk).close().unwrap();
    let engine: Engine<_> = Engine::open(disk, options.clone()).unwrap();
    assert_eq!(engine.options(), &options);
    assert!(engine.get(b"key").unwrap().is_some());
    true
}

fn set_option(options: &mut Options, field: &str) -> bool {
    match field {
        "access" => options.access = OpenAccess::ReadOnly,
        "mode" => options.mode = OpenMode::Strict,
        "create" => options.create = false,
        "ack" => options.ack = Ack::Synced,
        "sync_every_ms" => options.sync_every_ms = Some(15_000),
        "segment_bytes" => options.segment_bytes = SEGMENT_BYTES_MIN,
        "buffer_bytes" => options.buffer_bytes = 1 << 20,
        "recent_bytes" => options.recent_bytes = 0,
        "key_bytes_max" => options.key_bytes_max = 64,
        "value_bytes_max" => options.value_bytes_max = 64 << 10,
        "default_ttl_ms" => options.default_ttl_ms = Some(60_000),
        "verify_overwrite" => options.verify_overwrite = true,
        "ordered_index" => options.ordered_index = true,
        "accept_stale" => options.accept_stale = true,
        "trust_clock" => options.trust_clock = true,
        "reserve_bytes" => options.reserve_bytes = 0,
        _ => return false,
    }
    true
}

fn set_policy(policy: &mut MergePolicy, field: &str) -> bool {
    match field {
        "auto" => policy.auto = false,
        "fragmentation_trigger_percent" => policy.fragmentation_trigger_percent = 50,
        "dead_bytes_trigger" => policy.dead_bytes_trigger = 1 << 28,
        "fragmentation_threshold_percent" => policy.fragmentation_threshold_percent = 33,
        "dead_bytes_threshold" => policy.dead_bytes_threshold = 1 << 26,
        "small_file_bytes" => policy.small_file_bytes = 1 << 20,
        "min_files" => policy.min_files = 3,
        "max_files" => policy.max_files = 5,
        "max_bytes" => policy.max_bytes = 2 << 30,
        "window_hours" => policy.window_hours = Some((1, 5)),
        _ => return false,
    }
    true
}

/// A new store with key=value.
fn writer(disk: &MemoryStorage) -> Engine<MemoryStorage> {
    let mut engine = writer_of(disk);
    engine.put(b"key", b"value").unwrap();
    engine
}

fn writer_of(disk: &MemoryStorage) -> Engine<MemoryStorage> {
    Engine::open(disk.clone(), Options::default()).unwrap()
}
