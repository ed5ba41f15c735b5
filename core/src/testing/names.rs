//! The promises about names, about many files at once, and about the lock.

use super::contract::{Outcome, Seen, Trial, Verdict, ensure, name, pattern, read};
use crate::prelude::*;
use crate::storage::{
    Access, ErrorKind, FILE_NAME_BYTES_MAX, File, FileName, Storage, StorageError,
};

/// More files than any backend may keep descriptors for.
const MANY_OPEN_FILES: usize = 300;

/// Enough names, long ones, that no platform lists them in the 64 KiB it likes to begin with.
const MANY_NAMES: usize = 800;

/// The trials, in the order of the contract's clauses.
pub(super) fn trials<S: Storage>() -> [Trial<S>; 15] {
    [
        (
            "a created file is empty, listed, and can be opened",
            created_is_there,
        ),
        (
            "create refuses a taken name and leaves its bytes alone",
            create_is_exclusive,
        ),
        ("names of 64 bytes and of one byte work", extreme_names),
        (
            "a missing name is NotFound, for open, rename and remove",
            missing_is_not_found,
        ),
        (
            "a directory of 800 files is listed completely",
            list_is_complete,
        ),
        (
            "files can be removed while walking through a listing",
            remove_while_listing,
        ),
        (
            "rename replaces the target and keeps the bytes",
            rename_replaces,
        ),
        ("rename is atomic for observers", rename_is_atomic),
        (
            "names survive a power loss after sync_namespace",
            names_are_durable,
        ),
        ("300 files can be open at once", many_open_files),
        (
            "an open file stays readable after its rename",
            readable_after_rename,
        ),
        (
            "an open file stays readable after its removal",
            readable_after_removal,
        ),
        (
            "an open file never shows the bytes of a later one of its name",
            name_used_again,
        ),
        (
            "the lock excludes a second writer and names the holder",
            lock_excludes,
        ),
        ("a dropped lock can be taken again", lock_is_released),
    ]
}

fn created_is_there<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("segment-0000000001"))?;
    ensure!(file.len()? == 0, "it is not empty");
    ensure!(
        storage.exists(&name("segment-0000000001"))?,
        "exists says no"
    );
    let listed = storage.list()?;
    ensure!(
        listed == [name("segment-0000000001")],
        "an empty directory and one file listed {listed:?}"
    );
    drop(file);
    storage.open(&name("segment-0000000001"), Access::Read)?;
    storage.open(&name("segment-0000000001"), Access::Write)?;
    Ok(Outcome::Kept)
}

fn create_is_exclusive<S: Storage>(storage: &S) -> Verdict {
    storage.create(&name("a"))?.append(0, b"abc")?;
    refused(storage.create(&name("a")), ErrorKind::Exists, "create")?;
    let file = storage.open(&name("a"), Access::Read)?;
    ensure!(read(&file, 0, 3)? == b"abc", "the bytes changed");
    Ok(Outcome::Kept)
}

fn extreme_names<S: Storage>(storage: &S) -> Verdict {
    let mut longest = String::from("a.b_c-0");
    while longest.len() < FILE_NAME_BYTES_MAX {
        longest.push('z');
    }
    for text in [longest.as_str(), "0", "_", "-"] {
        storage.create(&name(text))?.append(0, text.as_bytes())?;
        let file = storage.open(&name(text), Access::Read)?;
        ensure!(
            read(&file, 0, text.len())? == text.as_bytes(),
            "{text} holds other bytes"
        );
    }
    let count = storage.list()?.len();
    ensure!(count == 4, "4 files listed as {count}");
    Ok(Outcome::Kept)
}

fn missing_is_not_found<S: Storage>(storage: &S) -> Verdict {
    let (a, b) = (name("a"), name("b"));
    ensure!(!storage.exists(&a)?, "exists says yes");
    refused(storage.open(&a, Access::Read), ErrorKind::NotFound, "open")?;
    refused(storage.open(&a, Access::Write), ErrorKind::NotFound, "open")?;
    refused(storage.rename(&a, &b), ErrorKind::NotFound, "rename")?;
    refused(storage.remove(&a), ErrorKind::NotFound, "remove")?;
    storage.create(&a)?;
    storage.remove(&a)?;
    ensure!(!storage.exists(&a)?, "exists says yes after the removal");
    refused(storage.open(&a, Access::Read), ErrorKind::NotFound, "open")?;
    ensure!(storage.list()?.is_empty(), "a removed file is listed");
    Ok(Outcome::Kept)
}

fn list_is_complete<S: Storage>(storage: &S) -> Verdict {
    let names = many_names();
    for name in &names {
        storage.create(name)?;
    }
    let mut listed = storage.list()?;
    listed.sort_unstable();
    ensure!(
        listed == names,
        "{} names listed of {}",
        listed.len(),
        names.len()
    );
    Ok(Outcome::Kept)
}

fn remove_while_listing<S: Storage>(storage: &S) -> Verdict {
    for name in many_names() {
        storage.create(&name)?;
    }
    let mut removed = 0;
    for name in storage.list()? {
        storage.remove(&name)?;
        removed += 1;
    }
    ensure!(removed == MANY_NAMES, "{removed} files were removed");
    let left = storage.list()?.len();
    ensure!(left == 0, "{left} files are left");
    Ok(Outcome::Kept)
}

fn rename_replaces<S: Storage>(storage: &S) -> Verdict {
    let (a, b) = (name("a"), name("b"));
    storage.create(&a)?.append(0, b"new")?;
    storage.create(&b)?.append(0, b"older")?;
    storage.rename(&a, &b)?;
    ensure!(!storage.exists(&a)?, "the old name is still there");
    let file = storage.open(&b, Access::Write)?;
    ensure!(
        file.len()? == 3 && read(&file, 0, 3)? == b"new",
        "the target holds other bytes"
    );
    storage.rename(&b, &b)?;
    ensure!(
        storage.list()? == [b],
        "a rename to its own name lost the file"
    );
    Ok(Outcome::Kept)
}

fn rename_is_atomic<S: Storage>(storage: &S) -> Verdict {
    if storage.capabilities().atomic_rename {
        Ok(Outcome::Claimed)
    } else {
        Ok(Outcome::Declined("an observer may see neither file".into()))
    }
}

fn names_are_durable<S: Storage>(storage: &S) -> Verdict {
    let claimed = storage.capabilities().namespace_sync;
    storage.create(&name("a"))?;
    match storage.sync_namespace() {
        Ok(()) => {
            ensure!(
                claimed,
                "it answers Ok although the capabilities decline it"
            );
            Ok(Outcome::Claimed)
        }
        Err(refusal) if refusal.kind == ErrorKind::Unsupported => {
            ensure!(!claimed, "it is claimed, but refused: {refusal}");
            Ok(Outcome::Declined("a new file may lose its name".into()))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn many_open_files<S: Storage>(storage: &S) -> Verdict {
    let names: Vec<FileName> = many_names().into_iter().take(MANY_OPEN_FILES).collect();
    let mut open = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let file = storage.create(name)?;
        file.append(0, &pattern(at as u8, 10))?;
        open.push(file);
    }
    for (at, file) in open.iter().enumerate().rev() {
        file.append(10, &pattern(!(at as u8), 10))?;
    }
    for (at, file) in open.iter().enumerate() {
        let found = read(file, 0, 20)?;
        ensure!(
            found[..10] == pattern(at as u8, 10)[..] && found[10..] == pattern(!(at as u8), 10)[..],
            "file {at} of {MANY_OPEN_FILES} holds other bytes"
        );
        file.sync()?;
    }
    Ok(Outcome::Kept)
}

fn readable_after_rename<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.append(0, b"abc")?;
    storage.rename(&name("a"), &name("b"))?;
    Ok(observe(&file, b"abc"))
}

fn readable_after_removal<S: Storage>(storage: &S) -> Verdict {
    let file = storage.create(&name("a"))?;
    file.append(0, b"abc")?;
    storage.remove(&name("a"))?;
    Ok(observe(&file, b"abc"))
}

fn name_used_again<S: Storage>(storage: &S) -> Verdict {
    let (removed, replaced) = (name("removed"), name("replaced"));
    let mut old = Vec::new();
    for name in [&removed, &replaced] {
        let file = storage.create(name)?;
        file.append(0, b"old")?;
        old.push(file);
    }
    // Enough other files that a backend with few descriptors has closed the two above.
    let mut others = Vec::new();
    for name in many_names().into_iter().take(MANY_OPEN_FILES) {
        others.push(storage.create(&name)?);
    }
    storage.remove(&removed)?;
    storage.create(&removed)?.append(0, b"new")?;
    storage.create(&name("new"))?.append(0, b"new")?;
    storage.rename(&name("new"), &replaced)?;
    for file in old {
        let mut into = [0; 3];
        let shown = file.pread(0, &mut into);
        ensure!(
            shown.is_err() || into == *b"old",
            "an old handle shows {into:?}"
        );
    }
    Ok(Outcome::Kept)
}

fn lock_excludes<S: Storage>(storage: &S) -> Verdict {
    excludes(storage, storage)
}

fn lock_is_released<S: Storage>(storage: &S) -> Verdict {
    if !storage.capabilities().kernel_lock {
        return Ok(no_lock());
    }
    for _ in 0..3 {
        drop(storage.lock()?);
    }
    Ok(Outcome::Kept)
}

/// Whether `other` is kept out while `one` holds the lock, and only if the capabilities say so.
pub(super) fn excludes<S: Storage>(one: &S, other: &S) -> Verdict {
    let claimed = one.capabilities().kernel_lock;
    let held = match one.lock() {
        Ok(held) => held,
        Err(refusal) if refusal.kind == ErrorKind::Unsupported => {
            ensure!(!claimed, "it is claimed, but refused: {refusal}");
            return Ok(no_lock());
        }
        Err(refusal) => return Err(refusal.into()),
    };
    ensure!(
        claimed,
        "it answers Ok although the capabilities decline it"
    );
    let refusal = refused(other.lock(), ErrorKind::Locked, "a second lock")?;
    ensure!(!refusal.detail.is_empty(), "Locked names no holder");
    drop(held);
    drop(other.lock()?);
    Ok(Outcome::Kept)
}

fn no_lock() -> Outcome {
    Outcome::Declined("two writers are told apart by the fence alone".into())
}

/// `MANY_NAMES` names of the greatest length, in order.
fn many_names() -> Vec<FileName> {
    (0..MANY_NAMES)
        .map(|number| name(&format!("segment-{number:056}")))
        .collect()
}

/// The refusal of a call that has to be refused with this class.
pub(super) fn refused<T>(
    answer: Result<T, StorageError>,
    kind: ErrorKind,
    call: &str,
) -> Result<StorageError, Seen> {
    match answer {
        Err(refusal) if refusal.kind == kind => Ok(refusal),
        Err(refusal) => Err(Seen(format!(
            "{call} answered {:?} instead of {kind:?}: {refusal}",
            refusal.kind
        ))),
        Ok(_) => Err(Seen(format!("{call} succeeded"))),
    }
}

/// Whether a handle still reads what it read, for promises the contract does not ask for.
fn observe<F: File>(file: &F, expected: &[u8]) -> Outcome {
    let mut into = vec![0; expected.len()];
    Outcome::Observed(match file.pread(0, &mut into) {
        Ok(count) if into[..count] == *expected => "yes".into(),
        Ok(count) => format!("no: {count} bytes, other ones"),
        Err(refusal) => format!("no: {refusal}"),
    })
}
