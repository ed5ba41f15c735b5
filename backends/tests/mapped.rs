//! What a mapped file promises beyond the storage contract, and the price that it names.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use portcask::std_files::{StdFile, StdFiles};
use portcask::storage::{Access, File, FileName, Storage};
use portcask::{Db, DbOptions};
use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Set in the child process of the test of signals: the directory, and whether to map its files.
const VICTIM_DIR: &str = "PORTCASK_TEST_VICTIM_DIR";
const VICTIM_MAPS: &str = "PORTCASK_TEST_VICTIM_MAPS";

/// Set in the child process that dies: the directory.
const DYING_DIR: &str = "PORTCASK_TEST_DYING_DIR";

const SIGABRT: i32 = 6;
const SIGBUS: i32 = 7;

fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

/// A directory with mapped files, unless its file system is none of those that have them.
fn mapped(home: &Path) -> Option<StdFiles> {
    let storage = StdFiles::open(home).unwrap().mapped();
    if !storage.is_mapped() {
        eprintln!(
            "skipped: {} is on a file system that is not mapped",
            home.display()
        );
        return None;
    }
    Some(storage)
}

/// The byte of a file at this offset.
fn byte_at(offset: u64) -> u8 {
    (offset % 251) as u8 + 1
}

fn bytes_at(offset: u64, bytes: usize) -> Vec<u8> {
    (offset..offset + bytes as u64).map(byte_at).collect()
}

fn read(file: &StdFile, offset: u64, bytes: usize) -> Vec<u8> {
    let mut one = vec![0; bytes];
    let got = file.pread(offset, &mut one).unwrap();
    one.truncate(got);
    let mut other = Vec::with_capacity(bytes);
    file.pread_into(offset, bytes, &mut other).unwrap();
    assert_eq!(one, other, "both ways of reading answer the same");
    one
}

#[test]
fn files_are_mapped_only_where_that_was_asked_for() {
    let home = TempDir::new().unwrap();
    assert!(!StdFiles::open(home.path()).unwrap().is_mapped());
}

#[test]
fn nothing_behind_the_files_end_is_touched_while_it_grows() {
    let home = TempDir::new().unwrap();
    let Some(storage) = mapped(home.path()) else {
        return;
    };
    let file = storage.create(&name("a")).unwrap();
    let mut end = 0;
    // Ends on, just before and just behind the ends of pages.
    for step in [1, 4094, 1, 1, 4095, 4096, 8191, 1, 60_000, 5] {
        file.append(end, &bytes_at(end, step)).unwrap();
        end += step as u64;
        for bytes in [1, 16, 4096, 10_000, 40_000] {
            for start in [
                0,
                end.saturating_sub(bytes as u64),
                end - 1,
                end,
                end + 9000,
            ] {
                let there = end.saturating_sub(start).min(bytes as u64);
                assert_eq!(read(&file, start, bytes), bytes_at(start, there as usize));
            }
        }
    }
}

#[test]
fn what_another_handle_appends_is_read_to_the_new_end() {
    let home = TempDir::new().unwrap();
    let Some(storage) = mapped(home.path()) else {
        return;
    };
    let writer = storage.create(&name("a")).unwrap();
    writer.append(0, &bytes_at(0, 100)).unwrap();
    let reader = storage.open(&name("a"), Access::Read).unwrap();
    writer.append(100, &bytes_at(100, 9000)).unwrap();
    assert_eq!(read(&reader, 0, 100), bytes_at(0, 100));
    assert_eq!(read(&reader, 50, 9050), bytes_at(50, 9050));
    assert_eq!(read(&reader, 9000, 1000), bytes_at(9000, 100));
}

#[test]
fn what_another_handle_overwrites_is_seen_by_the_next_read() {
    let home = TempDir::new().unwrap();
    let Some(storage) = mapped(home.path()) else {
        return;
    };
    let fenced = storage.create(&name("manifest")).unwrap();
    fenced.append(0, &[0; 4096]).unwrap();
    let other = StdFiles::open(home.path()).unwrap();
    let other = other.open(&name("manifest"), Access::Write).unwrap();
    for mark in 1..100_u8 {
        assert_eq!(read(&fenced, 64, 16), [mark - 1; 16]);
        other.append(64, &[mark; 16]).unwrap();
        assert_eq!(read(&fenced, 64, 16), [mark; 16]);
    }
}

#[test]
fn a_file_cut_before_it_is_opened_is_short_and_no_signal() {
    let home = TempDir::new().unwrap();
    let Some(storage) = mapped(home.path()) else {
        return;
    };
    fs::write(home.path().join("a"), bytes_at(0, 50_000)).unwrap();
    let cut = OpenOptions::new()
        .write(true)
        .open(home.path().join("a"))
        .unwrap();
    cut.set_len(5000).unwrap();
    for access in [Access::Read, Access::Write] {
        let file = storage.open(&name("a"), access).unwrap();
        assert_eq!(read(&file, 0, 10_000), bytes_at(0, 5000));
        assert_eq!(read(&file, 40_000, 100), b"");
    }
    cut.set_len(0).unwrap();
    let empty = storage.open(&name("a"), Access::Read).unwrap();
    assert_eq!(read(&empty, 0, 100), b"");
}

#[test]
fn a_cut_through_the_handle_is_no_signal_for_those_who_are_reading() {
    let home = TempDir::new().unwrap();
    let Some(storage) = mapped(home.path()) else {
        return;
    };
    const BYTES: usize = 1 << 20;
    let file = storage.create(&name("a")).unwrap();
    file.append(0, &bytes_at(0, BYTES)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2_u64 {
            let (file, done) = (file.clone(), &done);
            scope.spawn(move || {
                let mut at = thread * 4096;
                while !done.load(Ordering::Relaxed) {
                    let mut into = [0; 300];
                    let got = file.pread(at, &mut into).unwrap();
                    // What is being cut reads as it was, as zeros, or not at all.
                    for (byte, offset) in into[..got].iter().zip(at..) {
                        assert!(*byte == byte_at(offset) || *byte == 0);
                    }
                    at = (at + 8192) % BYTES as u64;
                }
            });
        }
        for len in (100..BYTES as u64)
            .step_by(30_011)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            file.truncate(len).unwrap();
            assert_eq!(file.len(), Ok(len));
            assert_eq!(read(&file, len - 100, 400), bytes_at(len - 100, 100));
        }
        done.store(true, Ordering::Relaxed);
    });
    let end = file.len().unwrap();
    file.append(end, &bytes_at(end, 20_000)).unwrap();
    assert_eq!(read(&file, 0, 16_000), bytes_at(0, 16_000));
    assert_eq!(read(&file, end, 16_000), bytes_at(end, 16_000));
}

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

#[test]
fn small_appends_read_back_whatever_comes_between_them() {
    let home = TempDir::new().unwrap();
    let Some(storage) = mapped(home.path()) else {
        return;
    };
    let path = home.path().join("a");
    let mut windows = 0;
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut file = storage.create(&name("a")).unwrap();
        let mut model: Vec<u8> = Vec::new();
        for _ in 0..100 {
            let end = model.len() as u64;
            match dice.below(10) {
                0..5 => {
                    for _ in 0..dice.below(200) {
                        let bytes = bytes_at(model.len() as u64 + seed, dice.below(400) as usize);
                        file.append(model.len() as u64, &bytes).unwrap();
                        model.extend(bytes);
                    }
                    windows += u32::from(fs::metadata(&path).unwrap().len() > model.len() as u64);
                }
                5 => {
                    let bytes = bytes_at(end, dice.below(100_000) as usize);
                    file.append(end, &bytes).unwrap();
                    model.extend(bytes);
                }
                6 if end > 16 => {
                    let at = dice.below(end - 16) as usize;
                    file.append(at as u64, &[9; 16]).unwrap();
                    model[at..at + 16].fill(9);
                }
                7 => {
                    file.sync().unwrap();
                    assert_eq!(
                        fs::metadata(&path).unwrap().len(),
                        end,
                        "synced at its length"
                    );
                }
                8 => {
                    let len = dice.below(end + 100);
                    file.truncate(len).unwrap();
                    model.truncate(len as usize);
                }
                _ => {
                    drop(file);
                    assert!(fs::read(&path).unwrap() == model, "seed {seed}");
                    file = storage.open(&name("a"), Access::Write).unwrap();
                }
            }
            assert_eq!(file.len(), Ok(model.len() as u64), "seed {seed}");
            let at = dice.below(model.len() as u64 + 1);
            let there = &model[at as usize..];
            for bytes in [1, 300, 70_000] {
                let expected = &there[..there.len().min(bytes)];
                assert!(read(&file, at, bytes) == expected, "seed {seed}");
            }
        }
        drop(file);
        assert!(fs::read(&path).unwrap() == model, "seed {seed}");
        storage.remove(&name("a")).unwrap();
    }
    let unknown = "here no file is appended to through a window";
    assert!(
        windows > 100 || !has_windows(home.path()),
        "{windows}: {unknown}"
    );
}

/// Whether small appends to files of this directory go through a window.
fn has_windows(home: &Path) -> bool {
    let file = mapped(home).unwrap().create(&name("probe")).unwrap();
    for at in 0..100 {
        file.append(at, b"x").unwrap();
    }
    fs::metadata(home.join("probe")).unwrap().len() > 100
}

#[test]
fn a_reader_is_given_no_signal_by_a_writer_that_cuts_what_it_had_set_aside() {
    let home = TempDir::new().unwrap();
    let Some(storage) = mapped(home.path()) else {
        return;
    };
    let writer = storage.create(&name("a")).unwrap();
    let mut end = 0;
    for _ in 0..1000 {
        writer.append(end, &bytes_at(end, 100)).unwrap();
        end += 100;
    }
    let readers = [Access::Read, Access::Write].map(|access| {
        let others = StdFiles::open(home.path()).unwrap().mapped();
        others.open(&name("a"), access).unwrap()
    });
    let around = |reader: &StdFile, after: u64| {
        for (offset, bytes) in [(after - 300, 300), (after - 300, 16_000), (after, 4096)] {
            let mut found = read(reader, offset, bytes);
            found.truncate((after - offset) as usize);
            assert_eq!(
                found,
                bytes_at(offset, bytes.min((after - offset) as usize))
            );
        }
    };
    readers.iter().for_each(|reader| around(reader, end));
    writer.sync().unwrap();
    readers.iter().for_each(|reader| around(reader, end));
    for reader in &readers {
        assert_eq!(read(reader, end + 5000, 100), b"");
    }
}

#[test]
fn a_process_that_dies_leaves_what_it_appended_and_nothing_but_zeros_behind_it() {
    let home = TempDir::new().unwrap();
    let Some(storage) = mapped(home.path()) else {
        return;
    };
    let mut dying = Command::new(std::env::current_exe().unwrap());
    dying.args(["--exact", "dying_process"]);
    let status = dying.env(DYING_DIR, home.path()).output().unwrap().status;
    assert_eq!(status.signal(), Some(SIGABRT));

    let left = fs::read(home.path().join("a")).unwrap();
    let (appended, rest) = left.split_at(100_000);
    assert!(appended == bytes_at(0, 100_000));
    assert!(rest.iter().all(|byte| *byte == 0));
    let file = storage.open(&name("a"), Access::Read).unwrap();
    assert_eq!(read(&file, 99_900, 100), bytes_at(99_900, 100));
}

#[test]
fn a_store_whose_process_died_in_the_middle_of_small_appends_opens_with_all_of_them() {
    let home = TempDir::new().unwrap();
    let (living, left) = (home.path().join("living"), home.path().join("left"));
    let options = DbOptions {
        mapped: true,
        background: None,
        ..DbOptions::default()
    };
    let db = Db::open_with(&living, options.clone()).unwrap();
    let key = |n: u32| n.to_le_bytes();
    for n in 0..10_000 {
        db.put(&key(n), &bytes_at(n.into(), 100)).unwrap();
    }
    // What the system has now is what it has when the process dies now.
    fs::create_dir(&left).unwrap();
    for file in fs::read_dir(&living).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), left.join(file.file_name())).unwrap();
    }
    for options in [DbOptions::default(), options] {
        let db = Db::open_with(&left, options).unwrap();
        let report = db.report().unwrap();
        assert!(!report.degraded && report.damages.is_empty(), "{report}");
        for n in 0..10_000 {
            let found = db.get(&key(n)).unwrap();
            assert_eq!(found.as_deref(), Some(&bytes_at(n.into(), 100)[..]));
        }
        assert!(db.verify(|_, _| {}).unwrap().is_sound());
        db.close().unwrap();
    }
}

/// Not a promise: a process that appends, and dies without a destructor.
#[test]
fn dying_process() {
    let Ok(dir) = std::env::var(DYING_DIR) else {
        return;
    };
    let storage = StdFiles::open(dir).unwrap().mapped();
    let file = storage.create(&name("a")).unwrap();
    for at in (0..100_000).step_by(100) {
        file.append(at, &bytes_at(at, 100)).unwrap();
    }
    std::process::abort();
}

/// The price: also a test, so that nobody forgets it.
#[test]
fn a_file_that_somebody_else_cuts_while_it_is_open_is_short_or_where_mapped_a_signal() {
    let home = TempDir::new().unwrap();
    if mapped(home.path()).is_none() {
        return;
    }
    assert!(victim(home.path(), false).success());
    assert_eq!(victim(home.path(), true).signal(), Some(SIGBUS));
}

/// This test binary again, as a process whose file is cut behind its back.
fn victim(dir: &Path, maps: bool) -> ExitStatus {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", "victim_process"]);
    victim.env(VICTIM_DIR, dir);
    if maps {
        victim.env(VICTIM_MAPS, "1");
    }
    victim.output().unwrap().status
}

/// Not a promise: what [`victim`] runs in the child.
#[test]
fn victim_process() {
    let Ok(dir) = std::env::var(VICTIM_DIR) else {
        return;
    };
    let mut storage = StdFiles::open(&dir).unwrap();
    if std::env::var(VICTIM_MAPS).is_ok() {
        storage = storage.mapped();
    }
    fs::write(Path::new(&dir).join("a"), bytes_at(0, 50_000)).unwrap();
    let file = storage.open(&name("a"), Access::Read).unwrap();
    assert_eq!(read(&file, 40_000, 100), bytes_at(40_000, 100));
    let path = Path::new(&dir).join("a");
    let cut = OpenOptions::new().write(true).open(path).unwrap();
    cut.set_len(100).unwrap();
    assert_eq!(read(&file, 40_000, 100), b"");
}
