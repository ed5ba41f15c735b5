//! What a directory of ordinary files promises beyond the storage contract.
#![cfg(not(target_family = "wasm"))]

use portcask::std_files::StdFiles;
use portcask::storage::{Access, ErrorKind, File, FileName, Storage, StorageError};
use portcask::testing::contract;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Set in the child process that the lock test starts: the directory to lock.
const HOLDER_DIR: &str = "PORTCASK_TEST_HOLDER_DIR";

fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

fn refusal<T>(answer: Result<T, StorageError>) -> StorageError {
    answer.err().expect("this call is refused")
}

/// Runs the contract with this way of opening a directory.
fn keeps_the_contract(open: impl Fn(&Path) -> StdFiles) {
    let home = TempDir::new().unwrap();
    let mut count = 0;
    let promises = contract::check_shared(
        || {
            count += 1;
            open(&home.path().join(count.to_string()))
        },
        |one| open(one.path()),
    );
    print!("{}", contract::text_table(&promises));
    let broken: Vec<_> = contract::broken(&promises).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn std_files_keep_the_storage_contract() {
    keeps_the_contract(|path| StdFiles::open(path).unwrap());
}

#[test]
fn std_files_with_six_descriptors_keep_the_storage_contract() {
    keeps_the_contract(|path| StdFiles::open_capped(path, 6).unwrap());
}

#[test]
fn mapped_files_keep_the_storage_contract() {
    keeps_the_contract(|path| StdFiles::open(path).unwrap().mapped());
}

#[test]
fn mapped_files_with_six_descriptors_keep_the_storage_contract() {
    keeps_the_contract(|path| StdFiles::open_capped(path, 6).unwrap().mapped());
}

#[test]
fn a_thousand_open_files_share_ten_descriptors() {
    let home = TempDir::new().unwrap();
    let storage = StdFiles::open_capped(home.path(), 10).unwrap();
    let mut files = Vec::new();
    for number in 0..1_000_u64 {
        let file = storage.create(&name(&format!("f{number}"))).unwrap();
        file.append(0, &number.to_le_bytes()).unwrap();
        files.push(file);
    }
    for (number, file) in files.iter().enumerate().rev() {
        let mut into = [0; 8];
        assert_eq!(file.pread(0, &mut into), Ok(8));
        assert_eq!(u64::from_le_bytes(into), number as u64);
        assert!(storage.open_descriptors() <= 10);
    }
    drop(files);
    assert_eq!(storage.open_descriptors(), 0);
}

#[test]
fn threads_read_the_right_bytes_while_descriptors_are_taken_away_and_names_change() {
    let home = TempDir::new().unwrap();
    let storage = StdFiles::open_capped(home.path(), 8).unwrap();
    let files: Vec<_> = (0..40_u64)
        .map(|number| {
            let file = storage.create(&name(&format!("f{number}"))).unwrap();
            file.append(0, &[number as u8; 100]).unwrap();
            file
        })
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let files = &files;
            scope.spawn(move || {
                for step in 0..2_000 {
                    let number = (step * 7 + thread * 13) % files.len();
                    let mut into = [0; 100];
                    let read = files[number].pread(0, &mut into);
                    assert_eq!(read, Ok(100), "file {number}");
                    assert_eq!(into, [number as u8; 100], "file {number}");
                    if step % 50 == 0 {
                        files[number].sync().unwrap();
                    }
                }
            });
        }
        for round in 0..20 {
            for number in 20..40 {
                let (old, new) = (format!("f{number}"), format!("g{number}"));
                let (from, to) = if round % 2 == 0 {
                    (old, new)
                } else {
                    (new, old)
                };
                storage.rename(&name(&from), &name(&to)).unwrap();
            }
        }
    });
}

#[test]
fn a_descriptor_that_was_closed_never_comes_back_as_another_file() {
    let home = TempDir::new().unwrap();
    let storage = StdFiles::open_capped(home.path(), 4).unwrap();
    let files: Vec<_> = (0..50)
        .map(|number| {
            let file = storage.create(&name(&format!("f{number}"))).unwrap();
            file.append(0, b"old").unwrap();
            file
        })
        .collect();
    // Behind the opener's back, as another process would.
    for number in 0..50 {
        let path = home.path().join(format!("f{number}"));
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"new").unwrap();
    }
    let mut closed = 0;
    for file in &files {
        let mut into = [0; 3];
        match file.pread(0, &mut into) {
            Ok(_) => assert_eq!(&into, b"old"),
            Err(refusal) => {
                assert_eq!(refusal.kind, ErrorKind::Closed, "{refusal}");
                closed += 1;
            }
        }
    }
    assert!(closed >= 46, "{closed}");
}

#[test]
fn only_the_last_component_is_created_and_only_by_a_writer() {
    let home = TempDir::new().unwrap();
    let (child, grandchild) = (home.path().join("a"), home.path().join("a/b"));

    let missing = refusal(StdFiles::open(&grandchild));
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.detail.contains("create that first"), "{missing}");
    assert_eq!(refusal(StdFiles::open("")).kind, ErrorKind::NotFound);
    assert_eq!(
        refusal(StdFiles::open_existing(&child)).kind,
        ErrorKind::NotFound
    );
    assert!(!child.exists());

    StdFiles::open(&child).unwrap();
    StdFiles::open(&grandchild).unwrap();
    let reader = StdFiles::open_existing(&child).unwrap();
    for refused in [
        refusal(reader.create(&name("x"))),
        refusal(reader.remove(&name("x"))),
        refusal(reader.rename(&name("x"), &name("y"))),
        refusal(reader.lock()),
        refusal(reader.open(&name("x"), Access::Write)),
    ] {
        assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
    }
    assert_eq!(reader.list(), Ok(vec![]));
}

#[test]
fn a_file_in_the_directorys_place_is_refused_by_name() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("file");
    fs::write(&file, b"precious").unwrap();
    for refused in [
        refusal(StdFiles::open(&file)),
        refusal(StdFiles::open_existing(&file)),
    ] {
        assert_eq!(refused.kind, ErrorKind::Exists);
        assert!(
            refused.detail.ends_with("file is a file, not a directory"),
            "{refused}"
        );
    }
    assert!(StdFiles::open(file.join("below")).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn foreign_names_are_not_listed_and_not_touched() {
    let home = TempDir::new().unwrap();
    for foreign in ["README.md", ".hidden", "with space", "größe"] {
        fs::write(home.path().join(foreign), b"x").unwrap();
    }
    fs::create_dir(home.path().join("directory")).unwrap();
    fs::write(home.path().join("segment-0000000001"), b"x").unwrap();
    let storage = StdFiles::open(home.path()).unwrap();
    assert_eq!(storage.list(), Ok(vec![name("segment-0000000001")]));
    assert_eq!(storage.exists(&name("directory")), Ok(false));
    assert_eq!(
        refusal(storage.create(&name("directory"))).kind,
        ErrorKind::Exists
    );
}

#[cfg(unix)]
#[test]
fn symbolic_links_and_pipes_in_a_files_place_are_refused_at_once() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    let home = TempDir::new().unwrap();
    let outside = home.path().join("outside");
    fs::write(&outside, b"precious").unwrap();
    let inside = home.path().join("store");
    let storage = StdFiles::open(&inside).unwrap();
    symlink(&outside, inside.join("link")).unwrap();
    symlink("/nowhere/at/all", inside.join("dangling")).unwrap();
    fs::write(inside.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), b"x").unwrap();
    let piped = Command::new("mkfifo").arg(inside.join("pipe")).status();
    assert!(piped.unwrap().success());

    assert_eq!(storage.list(), Ok(vec![]));
    for special in ["link", "pipe"] {
        let refused = refusal(storage.open(&name(special), Access::Read));
        assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
    }
    for taken in ["link", "dangling", "pipe"] {
        let refused = refusal(storage.create(&name(taken)));
        assert_eq!(refused.kind, ErrorKind::Exists, "{refused}");
    }
    assert_eq!(fs::read(&outside).unwrap(), b"precious");

    // The directory itself may be a link: it is resolved once.
    symlink(&inside, home.path().join("alias")).unwrap();
    let alias = StdFiles::open(home.path().join("alias")).unwrap();
    assert_eq!(alias.path(), storage.path());
    symlink("/nowhere/at/all", home.path().join("broken")).unwrap();
    let broken = refusal(StdFiles::open(home.path().join("broken")));
    assert!(broken.detail.contains("link to nowhere"), "{broken}");
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_read_is_denied() {
    use std::os::unix::fs::PermissionsExt;

    let home = TempDir::new().unwrap();
    let shut = home.path().join("shut");
    fs::create_dir(&shut).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&shut).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    let refused = refusal(StdFiles::open_existing(&shut));
    assert_eq!(refused.kind, ErrorKind::Denied);
    assert!(refused.detail.contains("shut"), "{refused}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_runs_full_says_full_and_keeps_what_fitted() {
    let Ok(small) = std::env::var("PORTCASK_TEST_SMALL_DISK") else {
        eprintln!("skipped: PORTCASK_TEST_SMALL_DISK names no directory on a small file system");
        return;
    };
    let small = Path::new(&small);
    runs_full(&StdFiles::open(small.join("full")).unwrap(), 1 << 20);
    let mapped = StdFiles::open(small.join("full-mapped")).unwrap().mapped();
    assert!(mapped.is_mapped());
    for piece in [1 << 20, 4096, 500] {
        runs_full(&mapped, piece);
    }
}

#[cfg(target_os = "linux")]
fn runs_full(storage: &StdFiles, piece: usize) {
    let file = storage.create(&name("a")).unwrap();
    let bytes: Vec<u8> = (0..1 << 21).map(|at: u32| (at % 251) as u8).collect();
    let at = |offset: u64, bytes_wanted: usize| &bytes[(offset % 251) as usize..][..bytes_wanted];
    let mut end = 0;
    let refused = loop {
        match file.append(end, at(end, piece)) {
            Ok(()) => end += piece as u64,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.kind, ErrorKind::Full, "{refused}");
    assert!(file.len().unwrap() >= end);
    assert_eq!(refusal(file.preallocate(1 << 40)).kind, ErrorKind::Full);
    for start in (0..end).step_by(piece) {
        let mut into = vec![0; piece];
        assert_eq!(file.pread(start, &mut into), Ok(piece));
        assert!(into == at(start, piece), "at {start}");
    }
    drop(file);
    storage.remove(&name("a")).unwrap();
}

#[test]
fn the_lock_names_its_holder_and_dies_with_it() {
    let home = TempDir::new().unwrap();
    let mut holder = start_holder(home.path());
    let storage = StdFiles::open(home.path()).unwrap();
    let locked = refusal(storage.lock());
    assert_eq!(locked.kind, ErrorKind::Locked);
    let process = format!("process {} (", holder.id());
    assert!(locked.detail.contains(&process), "{locked}");
    assert!(locked.detail.contains(" UTC"), "{locked}");

    holder.kill().unwrap();
    holder.wait().unwrap();
    let lock = storage.lock().expect("a dead holder holds nothing");
    let own = refusal(storage.lock());
    let process = format!("process {} (", std::process::id());
    assert!(own.detail.contains(&process), "{own}");
    drop(lock);
    drop(storage.lock().unwrap());
}

/// This test binary again, as a process that takes the lock and then waits to be killed.
fn start_holder(dir: &Path) -> Child {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder_process", "--nocapture"])
        .env(HOLDER_DIR, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let ready = lines
        .map_while(Result::ok)
        .any(|line| line.contains("locked"));
    assert!(ready, "the holder took the lock");
    holder
}

/// Not a promise: what [`start_holder`] runs in the child.
#[test]
fn holder_process() {
    let Ok(dir) = std::env::var(HOLDER_DIR) else {
        return;
    };
    let _lock = StdFiles::open(dir).unwrap().lock().unwrap();
    println!("\nlocked");
    std::io::stdout().flush().unwrap();
    // Ends when the test kills this process or goes away itself.
    let _ = std::io::stdin().lines().count();
}

#[cfg(target_os = "linux")]
#[test]
fn zeros_written_behind_small_appends_are_not_shown_and_a_sync_cuts_them_off() {
    let home = TempDir::new().unwrap();
    let storage = StdFiles::open(home.path()).unwrap();
    let file = storage.create(&name("log")).unwrap();
    let path = home.path().join("log");
    let (mut model, mut ahead) = (Vec::new(), 0);
    let mut state = 7_u64;
    for round in 0..2_000_u32 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let piece = vec![round as u8 | 1; (state >> 33) as usize % 300];
        file.append(model.len() as u64, &piece).unwrap();
        model.extend_from_slice(&piece);
        let found = fs::read(&path).unwrap();
        let (written, zeros) = found.split_at(model.len());
        assert!(written == model && zeros.iter().all(|byte| *byte == 0));
        assert!(zeros.len() <= 32 << 10);
        ahead += u32::from(!zeros.is_empty());
        assert_eq!(file.len(), Ok(model.len() as u64));
        let mut into = vec![9; 500];
        let at = model.len().saturating_sub(200);
        assert_eq!(file.pread(at as u64, &mut into), Ok(model.len() - at));
        match round % 400 {
            200 => file.sync().unwrap(),
            300 => {
                model.truncate(model.len() - 7);
                file.truncate(model.len() as u64).unwrap();
            }
            _ => continue,
        }
        assert_eq!(fs::read(&path).unwrap(), model);
    }
    assert!(ahead > 500, "it was longer {ahead} times");
    let end = model.len() as u64;
    let to = file.lengthen(end, 100_000).unwrap_or(end);
    for at in end..end + 100 {
        file.append(at, b"x").unwrap();
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), to.max(end + 100));
    file.truncate(end + 100).unwrap();
    for at in end + 100..end + 200 {
        file.append(at, b"y").unwrap();
    }
    assert!(fs::metadata(&path).unwrap().len() > end + 200);
    drop(file);
    assert_eq!(fs::metadata(&path).unwrap().len(), end + 200);
}

#[cfg(unix)]
#[test]
fn what_is_synced_into_a_removed_directory_is_not_acknowledged() {
    let home = TempDir::new().unwrap();
    let (here, moved) = (home.path().join("here"), home.path().join("moved"));
    let storage = StdFiles::open(&here).unwrap();
    let file = storage.create(&name("file")).unwrap();
    // Under another name the files can still be found.
    fs::rename(&here, &moved).unwrap();
    file.append(0, b"one").unwrap();
    file.sync().unwrap();
    fs::remove_dir_all(&moved).unwrap();
    file.append(3, b"two").unwrap();
    let refused = refusal(file.sync());
    assert_eq!(refused.kind, ErrorKind::Closed, "{refused:?}");
    assert!(refused.detail.contains("was removed"), "{refused:?}");
    assert_eq!(refusal(storage.sync_namespace()).kind, ErrorKind::Closed);
}
