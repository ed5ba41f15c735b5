//! The promises of the storage contract that a running host can be asked for, tried one by one.

use super::{Tested, Tried, Verdict};
use portcask::storage::{Access, ErrorKind, File, Host};
use portcask::{FileName, Storage, StorageError};
use std::collections::BTreeSet;
use std::fs;
use std::io::{IoSlice, Write};
use std::path::Path;

/// Files created to see whether a listing is complete.
const LISTED: usize = 100;

type Verdicts = Result<(Verdict, String), StorageError>;

/// Tries everything in an empty directory.
pub fn try_all(storage: &Tested, dir: &Path) -> Vec<Tried> {
    let each: [(&str, &dyn Fn() -> Verdicts); 12] = [
        ("files are created exclusively", &|| exclusive(storage)),
        ("what was appended can be read", &|| append(storage)),
        ("a file's bytes can be synced", &|| sync(storage)),
        ("names can be synced", &|| names(storage)),
        ("renaming replaces", &|| rename(storage)),
        ("a listing is complete", &|| list(storage)),
        ("files can be shortened", &|| truncate(storage)),
        ("space can be reserved", &|| preallocate(storage)),
        ("the kernel locks out a second writer", &|| {
            lock(storage, dir)
        }),
        ("gathered writes are whole", &|| gathered(dir)),
        ("there is a clock", &|| Ok(clock(storage))),
        ("there is randomness", &|| entropy(storage)),
    ];
    each.iter()
        .map(|(what, tried)| {
            let (verdict, detail) =
                tried().unwrap_or_else(|error| (Verdict::Broken, error.to_string()));
            Tried {
                what,
                verdict,
                detail,
            }
        })
        .collect()
}

fn kept(detail: &str) -> Verdicts {
    Ok((Verdict::Kept, detail.to_owned()))
}

fn without(detail: &str) -> Verdicts {
    Ok((Verdict::Without, detail.to_owned()))
}

fn broken(detail: impl Into<String>) -> Verdicts {
    Ok((Verdict::Broken, detail.into()))
}

fn name(text: &str) -> Result<FileName, StorageError> {
    FileName::new(text).ok_or(StorageError::new(ErrorKind::Io))
}

fn exclusive(storage: &Tested) -> Verdicts {
    let name = name("exclusive")?;
    storage.create(&name)?;
    match storage.create(&name) {
        Err(error) if error.kind == ErrorKind::Exists => kept("two openers never share a file"),
        Err(error) => Err(error),
        Ok(_) => broken("a second create of the same name succeeded"),
    }
}

fn append(storage: &Tested) -> Verdicts {
    let file = storage.create(&name("append")?)?;
    let first: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    file.append(0, &first)?;
    file.append(first.len() as u64, b"tail")?;
    // After a failed append the engine writes again at the same place.
    file.append(first.len() as u64, b"TAIL")?;
    let mut back = vec![0; first.len() + 10];
    let read = file.pread(0, &mut back)?;
    let (body, tail) = back[..read.min(back.len())].split_at(first.len().min(read));
    if body == first && tail == b"TAIL" {
        return kept("reads and writes reach the right offset");
    }
    broken(format!(
        "{read} bytes came back, not the ones that were written"
    ))
}

fn sync(storage: &Tested) -> Verdicts {
    let file = storage.create(&name("sync")?)?;
    file.append(0, b"synced")?;
    file.sync()?;
    match storage.capabilities().data_sync {
        true => kept("--sync survives a power loss as far as the disk keeps its word"),
        false => without("the host accepts a sync but reaches no disk"),
    }
}

fn names(storage: &Tested) -> Verdicts {
    storage.create(&name("named")?)?;
    match storage.sync_namespace() {
        Ok(()) => kept("a new file survives a power loss"),
        Err(error) if error.kind == ErrorKind::Unsupported => {
            without("a power loss may undo the newest file; recovery notices and reports that")
        }
        Err(error) => Err(error),
    }
}

fn rename(storage: &Tested) -> Verdicts {
    let (from, to) = (name("rename-from")?, name("rename-to")?);
    storage.create(&from)?.append(0, b"new")?;
    storage.create(&to)?.append(0, b"older")?;
    storage.rename(&from, &to)?;
    let mut back = [0; 8];
    let read = storage.open(&to, Access::Read)?.pread(0, &mut back)?;
    if &back[..read] == b"new" && !storage.exists(&from)? {
        return kept("not needed: nothing that commits is ever renamed");
    }
    broken("the target does not hold what was renamed onto it")
}

fn list(storage: &Tested) -> Verdicts {
    let wanted: BTreeSet<FileName> = (0..LISTED)
        .map(|n| name(&format!("listed-{n:04}")))
        .collect::<Result<_, _>>()?;
    for name in &wanted {
        storage.create(name)?;
    }
    let found: BTreeSet<FileName> = storage.list()?.into_iter().collect();
    let missing = wanted.difference(&found).count();
    for name in &wanted {
        storage.remove(name)?;
    }
    match missing {
        0 => kept("an opener sees every file"),
        _ => broken(format!("{missing} of {LISTED} files were not listed")),
    }
}

fn truncate(storage: &Tested) -> Verdicts {
    let file = storage.create(&name("truncate")?)?;
    file.append(0, b"0123456789")?;
    file.truncate(4)?;
    let mut back = [0; 10];
    if file.pread(0, &mut back)? == 4 && &back[..4] == b"0123" {
        return kept("space is freed at once");
    }
    broken("the file is not as short as asked for")
}

fn preallocate(storage: &Tested) -> Verdicts {
    let file = storage.create(&name("preallocate")?)?;
    match file.preallocate(1 << 20) {
        Ok(()) => kept("the reserve for a full disk is certain"),
        Err(error) if error.kind == ErrorKind::Unsupported => {
            without("the reserve for a full disk is written out instead")
        }
        Err(error) => Err(error),
    }
}

fn lock(storage: &Tested, dir: &Path) -> Verdicts {
    match storage.lock() {
        Err(error) if error.kind == ErrorKind::Unsupported => {
            without("a newer writer fences an older one off; each batch is checked")
        }
        Err(error) => Err(error),
        Ok(_held) => {
            let second = Tested::open(dir)?;
            match second.lock() {
                Err(error) if error.kind == ErrorKind::Locked => {
                    kept("a second writer is refused, and learns who the first is")
                }
                Err(error) => Err(error),
                Ok(_) => broken("a second opener got the lock as well"),
            }
        }
    }
}

/// Tells about the host; the engine hands every record over in one piece and does not depend on
/// this.
fn gathered(dir: &Path) -> Verdicts {
    let mut file = fs::File::create(dir.join("gathered"))
        .map_err(|error| StorageError::with_detail(ErrorKind::Io, error.to_string()))?;
    let pieces = [
        IoSlice::new(b"head"),
        IoSlice::new(b""),
        IoSlice::new(b"value"),
    ];
    match file.write_vectored(&pieces) {
        Ok(9) => kept("not needed: a record is written in one piece"),
        Ok(written) => without(&format!(
            "{written} of 9 bytes; not needed: a record is written in one piece"
        )),
        Err(error) => without(&error.to_string()),
    }
}

fn clock(storage: &Tested) -> (Verdict, String) {
    /// 2020-01-01: a clock that is behind this was never set.
    const PLAUSIBLE_MS: u64 = 1_577_836_800_000;
    match storage.now_ms() {
        None => (Verdict::Without, "keys cannot expire here".to_owned()),
        Some(now) if now < PLAUSIBLE_MS => (
            Verdict::Without,
            format!("it says {}, so expiry is off", crate::units::time(now)),
        ),
        Some(now) => (
            Verdict::Kept,
            format!("it says {}", crate::units::time(now)),
        ),
    }
}

fn entropy(storage: &Tested) -> Verdicts {
    let (first, second) = (storage.entropy()?, storage.entropy()?);
    if first != second && first != [0; 16] {
        return kept("no two files can be mistaken for each other");
    }
    broken("the same bytes came twice")
}
