//! New segment files, and the files of new segments that came to nothing.

use crate::error::{Context, Error, Op, Result};
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, HeaderDamage, StoreId};
use crate::format::manifest::{SegmentEntry, SegmentState};
use crate::format::record::Site;
use crate::planted::{Bug, planted};
use crate::storage::{Access, ErrorKind, File, Storage};

/// A new segment file with its header, name synced where that can be done.
pub(crate) struct Created<F> {
    pub id: u64,
    pub file: F,
    pub site: Site,
}

impl<F> Created<F> {
    /// How a manifest lists it while it is written to: so many records that end at `end`, the last with this number.
    pub(crate) fn entry(&self, last_seq: u64, end: u64, records: u64) -> SegmentEntry {
        SegmentEntry {
            id: self.id,
            salt: self.site.salt,
            base_seq: self.site.base_seq,
            last_seq,
            state: SegmentState::Active,
            valid_bytes: end,
            records,
        }
    }
}

/// Creates `segment-<id>`, writes and syncs its header and its name; `None` if something of that
/// name is there already. After an error the file is gone again, where that can be done.
pub(crate) fn create_segment<S: Storage>(
    storage: &S,
    store: StoreId,
    id: u64,
    base_seq: u64,
    now_ms: u64,
) -> Result<Option<Created<S::File>>> {
    let salt = fresh_salt(storage)?;
    let name = names::segment(id);
    let file = match storage.create(&name) {
        Ok(file) => file,
        Err(error) if error.kind == ErrorKind::Exists => return Ok(None),
        Err(error) => return Err(Error::storage(Op::Create, Some(name), error)),
    };
    let site = Site { salt, base_seq };
    let header = header_of(id, site, store, now_ms).encode();
    let written = file
        .append(0, &header)
        .during(Op::Append, name)
        .and_then(|()| file.sync().during(Op::Sync, name))
        .and_then(|()| sync_names(storage));
    if let Err(error) = written {
        let _ = storage.remove(&name);
        return Err(error);
    }
    Ok(Some(Created { id, file, site }))
}

/// Whether the file of a pending id may be deleted: not if somebody else put one there. An error if
/// it cannot be looked at.
pub(crate) fn may_be_abandoned<S: Storage>(storage: &S, store: StoreId, id: u64) -> Result<bool> {
    let name = names::segment(id);
    let file = match storage.open(&name, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(true),
        // A directory or a link of that name.
        Err(_) if matches!(storage.exists(&name), Ok(false)) => return Ok(false),
        Err(error) => return Err(Error::storage(Op::Open, Some(name), error)),
    };
    let mut header = [0; FILE_HEADER_BYTES];
    let got = file.pread(0, &mut header).during(Op::Read, name)?;
    let blank = header[..got].iter().all(|byte| *byte == 0);
    Ok(blank || FileHeader::decode(&header[..got]).is_ok_and(|h| (h.store, h.id) == (store, id)))
}

/// What a file says of itself. One that cannot be read says nothing.
pub(crate) fn header_in<F: File>(file: &F) -> core::result::Result<FileHeader, HeaderDamage> {
    let mut header = [0; FILE_HEADER_BYTES];
    let got = file.pread(0, &mut header).unwrap_or(0);
    FileHeader::decode(&header[..got])
}

/// Makes names durable where the platform can; where it cannot, the report has said so.
pub(crate) fn sync_names<S: Storage>(storage: &S) -> Result<()> {
    if planted(Bug::DirectorySyncSkipped) {
        return Ok(());
    }
    match storage.sync_namespace() {
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(()),
        done => done.during_any(Op::SyncNamespace),
    }
}

pub(crate) fn fresh_salt<S: Storage>(storage: &S) -> Result<u64> {
    let bytes = storage.entropy().during_any(Op::Entropy)?;
    let (salt, _) = bytes.split_at(8);
    Ok(u64::from_le_bytes(salt.try_into().unwrap_or_default()))
}

pub(crate) fn header_of(id: u64, site: Site, store: StoreId, now_ms: u64) -> FileHeader {
    FileHeader {
        kind: FileKind::Segment,
        required: 0,
        optional: 0,
        id,
        salt: site.salt,
        store,
        created_ms: now_ms,
        base_seq: site.base_seq,
    }
}
