//! The manifest on disk: the commit point of every change to the set of files, and the fence
//! between writers.
//!
//! Each opening for write creates `manifest-<n+1>`, marks every older manifest as superseded, and
//! only then reads any state; so a former writer that checks its own mark after a write and before
//! the acknowledgement can never acknowledge what the new one did not see.

mod survey;

pub(crate) use survey::{Loaded, Places, Survey, closed, inspect, survey};

use crate::error::{Context, Error, Op, Result};
use crate::fallible;
use crate::format::counter;
use crate::format::file::names;
use crate::format::file::{
    FENCE_BYTES, FENCE_OFFSET, FILE_HEADER_BYTES, FileHeader, FileKind, StoreId, decode_fence,
    encode_fence,
};
use crate::format::manifest::{
    self, Edit, EditDamage, MANIFEST_HEAD_BYTES, MANIFEST_RECORDS_OFFSET, State,
};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// The manifest reserves sequence numbers in blocks of this many.
pub(crate) const SEQ_BLOCK: u64 = 1 << 24;

/// The manifest that this opener writes.
pub(crate) struct ManifestLog<F> {
    pub epoch: u64,
    pub state: Box<State>,
    file: F,
    salt: u64,
    end: u64,
}

/// Creates the next manifest and marks all older ones as superseded. After this, state may be
/// read: nothing acknowledged later by an older writer can be missed.
pub(crate) fn claim<S: Storage>(storage: &S, listed: &[FileName]) -> Result<(u64, S::File)> {
    let older = older_epochs(storage, listed)?;
    let mut epoch = older.iter().copied().max().unwrap_or(0);
    let file = loop {
        epoch = counter::after(epoch, 1)?;
        let name = names::manifest(epoch);
        match storage.create(&name) {
            Ok(file) => break file,
            Err(error) if error.kind == ErrorKind::Exists => {}
            Err(error) => return Err(Error::storage(Op::Create, Some(name), error)),
        }
    };
    // A racing opener may have created epochs between the listing and ours: mark those too.
    let lowest = older.iter().copied().max().unwrap_or(0).saturating_add(1);
    for old in older.into_iter().chain(lowest..epoch) {
        if let Err(error) = mark_superseded(storage, old, epoch) {
            let _ = storage.remove(&names::manifest(epoch));
            return Err(error);
        }
    }
    Ok((epoch, file))
}

/// The name that [`claim`] will ask for.
pub(crate) fn next_name<S: Storage>(storage: &S, listed: &[FileName]) -> Result<FileName> {
    let older = older_epochs(storage, listed)?;
    let newest = older.into_iter().max().unwrap_or(0);
    Ok(names::manifest(counter::after(newest, 1)?))
}

/// The epochs of all manifests that are there.
fn older_epochs<S: Storage>(storage: &S, listed: &[FileName]) -> Result<Vec<u64>> {
    let mut older = Vec::new();
    for name in listed {
        if let Some((FileKind::Manifest, epoch)) = names::parse(name)
            && may_be_ours(storage, *name, epoch)?
        {
            fallible::push(&mut older, epoch)?;
        }
    }
    Ok(older)
}

/// Whether a file is a manifest of this epoch, or one that an opener has only begun. A stranger's
/// must not push our epochs up to its own.
fn may_be_ours<S: Storage>(storage: &S, name: FileName, epoch: u64) -> Result<bool> {
    let file = match storage.open(&name, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::storage(Op::Open, Some(name), error)),
    };
    let mut header = [0; FILE_HEADER_BYTES];
    let got = file.pread(0, &mut header).during(Op::Read, name)?;
    let begun = got < FILE_HEADER_BYTES || header == [0; FILE_HEADER_BYTES];
    Ok(begun || survey::header_of(&header).is_some_and(|(header, _)| header.id == epoch))
}

fn mark_superseded<S: Storage>(storage: &S, old: u64, by: u64) -> Result<()> {
    let name = names::manifest(old);
    let file = match storage.open(&name, Access::Write) {
        Ok(file) => file,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
        // A directory or a link of that name fences nobody.
        Err(_) if matches!(storage.exists(&name), Ok(false)) => return Ok(()),
        Err(error) => return Err(Error::storage(Op::Open, Some(name), error)),
    };
    if is_ours(&file, name)? {
        file.append(FENCE_OFFSET, &encode_fence(by))
            .during(Op::Append, name)?;
    }
    Ok(())
}

/// Whether this is a manifest, or an opener that races us has just created it; anything else under
/// its name is a stranger's file.
pub(crate) fn is_ours<F: File>(file: &F, name: FileName) -> Result<bool> {
    let mut header = [0; FILE_HEADER_BYTES];
    let got = file.pread(0, &mut header).during(Op::Read, name)?;
    let unwritten = header[..got].iter().all(|byte| *byte == 0);
    Ok(unwritten || survey::header_of(&header[..got]).is_some())
}

/// The error for an edit that cannot be made.
fn edit_error(damage: EditDamage, file: FileName, offset: u64) -> Error {
    match damage {
        EditDamage::OutOfMemory => Error::OutOfMemory,
        EditDamage::TooMany => Error::TooManySegments,
        _ => Error::damaged(file, offset, crate::error::Damage::Manifest),
    }
}

impl<F: File> ManifestLog<F> {
    /// Writes the header and the complete state into the claimed file, and syncs it.
    /// The caller syncs the name.
    pub(crate) fn start(
        claimed: (u64, F),
        store: StoreId,
        salt: u64,
        created_ms: u64,
        state: Box<State>,
    ) -> Result<Box<Self>> {
        let (epoch, file) = claimed;
        let name = names::manifest(epoch);
        let header = FileHeader {
            kind: FileKind::Manifest,
            required: 0,
            optional: 0,
            id: epoch,
            salt,
            store,
            created_ms,
            base_seq: 0,
        };
        let mut bytes = Vec::new();
        fallible::extend(&mut bytes, &header.encode())?;
        // The fence stays as it is: a newer opener may already have written it.
        file.append(0, &bytes).during(Op::Append, name)?;
        let record = manifest::encode_record(&state.snapshot()?, salt, MANIFEST_RECORDS_OFFSET)?;
        file.append(MANIFEST_RECORDS_OFFSET, &record)
            .during(Op::Append, name)?;
        file.sync().during(Op::Sync, name)?;
        Ok(Box::new(Self {
            epoch,
            state,
            file,
            salt,
            end: MANIFEST_RECORDS_OFFSET + record.len() as u64,
        }))
    }

    /// Makes one change of the set of files: it exists when this returns `Ok`.
    ///
    /// An error leaves the old state in force. [`Error::Poisoned`] means that not even that is
    /// certain, and nothing more may be written.
    pub(crate) fn commit(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        let mut next = Box::new(self.state.try_clone()?);
        for edit in edits {
            next.apply(edit)
                .map_err(|damage| edit_error(damage, self.name(), self.end))?;
        }
        // What the next opener would not believe must never be committed.
        next.check_invariants()
            .map_err(|damage| edit_error(damage, self.name(), self.end))?;
        let record = manifest::encode_record(edits, self.salt, self.end)?;
        if let Err(error) = self.file.append(self.end, &record) {
            let refused = Error::storage(Op::Append, Some(self.name()), error);
            return Err(self.take_back().map_or(Error::Poisoned, |()| refused));
        }
        if !planted(Bug::CommitUnsynced) && self.file.sync().is_err() {
            return Err(Error::Poisoned);
        }
        self.end += record.len() as u64;
        self.state = next;
        Ok(())
    }

    /// Overwrites the head of a record whose append failed, or cuts it off where there is no room
    /// even for that, so that no crash can bring it to life after its change was given up.
    fn take_back(&mut self) -> Option<()> {
        let blank = [0; MANIFEST_HEAD_BYTES];
        let blanked = self.file.append(self.end, &blank);
        blanked.or_else(|_| self.file.truncate(self.end)).ok()?;
        self.file.sync().ok()
    }

    fn name(&self) -> FileName {
        names::manifest(self.epoch)
    }

    /// Bytes of it that are durable.
    pub(crate) fn durable_bytes(&self) -> u64 {
        self.end
    }

    /// [`Error::Fenced`] if a newer opener has taken over.
    pub(crate) fn check_fence(&self) -> Result<()> {
        let mut fence = [0; FENCE_BYTES];
        // Each write comes here: the name is made where it is needed.
        self.file
            .pread(FENCE_OFFSET, &mut fence)
            .map_err(|source| Error::storage(Op::Read, Some(self.name()), source))?;
        match decode_fence(&fence) {
            0 => Ok(()),
            by => Err(Error::fenced(by)),
        }
    }
}

const _: () = assert!(FENCE_OFFSET == FILE_HEADER_BYTES as u64);
const _: () = assert!(FENCE_OFFSET + FENCE_BYTES as u64 == MANIFEST_RECORDS_OFFSET);
