//! The growing end of the log: the active segment, its buffer, syncing and rotation.

use super::{Engine, HintLog, Role};
use crate::error::{Context, Error, Op, Result};
use crate::fallible;
use crate::format::file::names;
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, Footer, StoreId};
use crate::format::hint;
use crate::format::manifest::{Edit, SegmentEntry, SegmentState};
use crate::format::record::{Head, Kind, Site};
use crate::index::{IndexCell, Segment};
use crate::manifest_log::ManifestLog;
use crate::merge::Job;
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::recovery::may_be_abandoned;
use crate::storage::{ErrorKind, File, Storage, StorageError};

/// Sequence numbers are reserved in the manifest in blocks of this many (design: 2^24).
pub(crate) const SEQ_BLOCK: u64 = 1 << 24;

/// Everything that only the one writer has.
pub(crate) struct WriterState<S: Storage> {
    /// Held until the engine is dropped.
    pub _lock: Option<S::Lock>,
    pub manifest: ManifestLog<S::File>,
    pub active: Active<S::File>,
    /// The last sequence number issued.
    pub seq: u64,
    pub merge: Option<Job<S::File>>,
    /// The next active segment's id. Listed as pending before its file exists, so that a crash in
    /// the middle of a rotation leaves a file that may be deleted.
    pub reserved: u64,
    /// Backups in progress: files may not be removed.
    pub pins: usize,
    /// Wall-clock time of the last sync, for interval sync.
    pub synced_ms: Option<u64>,
    /// Set once a newer opener took over.
    pub fenced: Option<u64>,
    /// Reused by every write.
    pub scratch: Vec<u8>,
}

/// The one segment that grows.
pub(crate) struct Active<F> {
    pub slot: u16,
    pub id: u64,
    pub file: F,
    pub site: Site,
    /// The logical end, buffered bytes included. Never inferred from the file's length.
    pub end: u64,
    /// Bytes below this offset survive a power loss. At most `end`, at a record boundary.
    pub durable: u64,
    /// Where the last record ends that is not a marker: a marker's own durability needs no telling.
    pub records_end: u64,
    /// The durable offset that the newest marker in the file tells.
    pub marked: u64,
    pub records: u64,
    /// An append failed for another reason than space: continue in a new file.
    pub suspect: bool,
    pub hint: HintLog<F>,
}

/// A sync that somebody has to do: [`Engine::begin_sync`] gives it out,
/// [`Engine::finish_sync`] takes its result. In between the writer is free.
pub struct SyncTicket<F> {
    /// Sync this file.
    pub file: F,
    segment: u64,
    upto: u64,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Hands every buffered byte to the platform. Survives the process's death afterwards.
    pub fn flush(&mut self) -> Result<()> {
        self.writable()?;
        self.flush_tail()?;
        self.check_fence()
    }

    /// Makes everything written so far survive a power loss.
    ///
    /// The first error poisons the store: what reached the medium is then unknown, and every
    /// later write answers [`Error::Poisoned`] until the store is opened again.
    pub fn sync(&mut self) -> Result<()> {
        if let Some(ticket) = self.begin_sync()? {
            let mut done = ticket.file.sync();
            if done.is_err() && planted(Bug::FailedSyncRetried) {
                done = ticket.file.sync();
            }
            self.finish_sync(&ticket, done)?;
        }
        Ok(())
    }

    /// The first half of [`Engine::sync`]: flushes, and says which file to sync. `None` if
    /// everything is durable already. A front end syncs outside its lock.
    pub fn begin_sync(&mut self) -> Result<Option<SyncTicket<S::File>>> {
        self.writable()?;
        self.flush_tail()?;
        if self.writer()?.active.suspect {
            // What a failed append left behind the end must not come to life after this answer.
            self.seal_and_continue()?;
        }
        let active = &self.writer()?.active;
        Ok((active.durable < active.end).then(|| SyncTicket {
            file: active.file.clone(),
            segment: active.id,
            upto: active.end,
        }))
    }

    /// The second half of [`Engine::sync`]. Acknowledges nothing if the store was poisoned or
    /// fenced since the first half.
    pub fn finish_sync(
        &mut self,
        ticket: &SyncTicket<S::File>,
        done: Result<(), StorageError>,
    ) -> Result<()> {
        if let Err(source) = done {
            self.poison();
            return Err(Error::storage(
                Op::Sync,
                Some(names::segment(ticket.segment)),
                source,
            ));
        }
        self.writable()?;
        let now = self.storage.now_ms();
        let writer = self.writer_mut()?;
        writer.synced_ms = now;
        if writer.active.id == ticket.segment && writer.active.durable < ticket.upto {
            writer.active.durable = ticket.upto;
            let slot = writer.active.slot;
            self.index.write(|index| {
                if let Some(segment) = index.segment_mut(slot) {
                    segment.durable_end = ticket.upto;
                }
            });
        }
        self.check_fence()
    }

    /// Seals the active segment and starts the next one.
    pub fn rotate(&mut self) -> Result<()> {
        self.writable()?;
        if self.writer()?.active.records == 0 {
            return Ok(());
        }
        self.seal_and_continue()
    }

    /// Writes a marker that tells how much is durable, if the log does not say so yet.
    pub(crate) fn mark(&mut self) -> Result<()> {
        let seq = self.writer()?.seq;
        let active = &self.writer()?.active;
        if active.marked >= active.durable.min(active.records_end) || active.records == 0 {
            return Ok(());
        }
        let wall = self.storage.now_ms().unwrap_or(0).to_le_bytes();
        let offset = active.end;
        let mut head = Head::new(Kind::Marker, seq.max(active.site.base_seq), b"", &wall);
        head.durable = Some(active.durable);
        let mut bytes = Vec::new();
        head.encode(&mut bytes, active.site, offset)?;
        fallible::extend(&mut bytes, &wall)?;
        self.flush_tail()?;
        self.append_at_end(&bytes)?;
        let writer = self.writer_mut()?;
        writer.active.marked = writer.active.durable;
        writer.active.records += 1;
        writer.active.hint.push(&hint::Entry {
            kind: Kind::Marker,
            record_bytes: bytes.len() as u64,
            hash: None,
            expiry_ms: None,
        });
        Ok(())
    }

    /// Appends to the active file at the logical end, which moves only if that succeeded.
    pub(crate) fn append_at_end(&mut self, bytes: &[u8]) -> Result<()> {
        let writer = self.writer_mut()?;
        let active = &mut writer.active;
        if let Err(source) = active.file.append(active.end, bytes) {
            active.suspect |= source.kind != ErrorKind::Full;
            let name = names::segment(active.id);
            return Err(Error::storage(Op::Append, Some(name), source));
        }
        active.end += bytes.len() as u64;
        let (slot, end) = (active.slot, active.end);
        self.index.write(|index| {
            if let Some(segment) = index.segment_mut(slot) {
                segment.end = end;
            }
        });
        Ok(())
    }

    /// Hands the tail to the platform. On an error it stays readable, and the same bytes are tried
    /// again at the same offset.
    pub(crate) fn flush_tail(&mut self) -> Result<()> {
        let (start, bytes) = self
            .index
            .read(|index| Ok::<_, Error>((index.tail.start, fallible::copy(&index.tail.bytes)?)))?;
        if bytes.is_empty() {
            return Ok(());
        }
        let active = &mut self.writer_mut()?.active;
        if let Err(source) = active.file.append(start, &bytes) {
            active.suspect |= source.kind != ErrorKind::Full;
            let name = names::segment(active.id);
            return Err(Error::storage(Op::Append, Some(name), source));
        }
        self.index.write(|index| index.tail.bytes.clear());
        Ok(())
    }

    /// Sync(old) with footer, create next, names, manifest record; only then the first append.
    pub(crate) fn seal_and_continue(&mut self) -> Result<()> {
        self.flush_tail()?;
        let now = self.storage.now_ms().unwrap_or(0);
        let (seq, store) = (self.writer()?.seq, self.store);
        let active = &mut self.writer_mut()?.active;
        let footer = Footer {
            header: header_of(active.id, active.site, store, now),
            data_end: active.end,
            records: active.records,
            first_seq: active.site.base_seq,
            last_seq: seq,
            sealed_ms: now,
        };
        let name = names::segment(active.id);
        active
            .file
            .append(active.end, &footer.encode())
            .during(Op::Append, name)?;
        if let Err(source) = active.file.sync() {
            self.poison();
            return Err(Error::storage(Op::Sync, Some(name), source));
        }
        // Everything up to the footer is durable now, whatever happens to the rotation.
        let (slot, end) = (active.slot, active.end);
        active.durable = end;
        self.index.write(|index| {
            if let Some(segment) = index.segment_mut(slot) {
                segment.durable_end = end;
            }
        });
        let seal = {
            let active = &self.writer()?.active;
            Edit::Seal {
                id: active.id,
                valid_bytes: active.end,
                last_seq: seq,
                records: active.records,
                footer: true,
            }
        };
        self.start_segment(Vec::from([seal]))?;
        self.check_fence()
    }

    /// Gives up a pending id under whose name something lies: what is ours may then be deleted, a
    /// stranger's file stays. What cannot be looked at stays pending, for the next opening to judge.
    pub(crate) fn give_up_id(&mut self, id: u64) -> Result<()> {
        match may_be_abandoned(&self.storage, self.store, id) {
            Ok(true) => self.commit(&[Edit::Condemn(Vec::from([id]))]),
            Ok(false) => self.commit(&Edit::disown(id)),
            Err(_) => Ok(()),
        }
    }

    /// Creates the next active segment and commits it together with `edits`. `Ok` says that the
    /// commit is done; whether a newer writer came in between is for the caller to check, after
    /// its own part of the change.
    pub(crate) fn start_segment(&mut self, mut edits: Vec<Edit>) -> Result<()> {
        let (seq, store) = (self.writer()?.seq, self.store);
        let base_seq = seq.checked_add(1).ok_or(Error::SeqExhausted)?;
        let now = self.storage.now_ms().unwrap_or(0);
        // Nothing is created before there is room to say so.
        fallible::reserve(&mut edits, 4)?;
        let created = loop {
            let id = self.writer()?.reserved;
            let created = create_segment(&self.storage, store, id, base_seq, now);
            match created.inspect_err(|error| self.poison_if_unsynced(error))? {
                Some(created) => break created,
                // Somebody else's file or directory, or what an earlier try could not remove.
                None => {
                    self.give_up_id(id)?;
                    self.writer_mut()?.reserved = self.reserve_id()?;
                }
            }
        };
        let next_id = self.state().next_id;
        self.observe_clock();
        let clock_ms = self.index.read(|index| index.clock.floor_ms());
        let reserved = !planted(Bug::ReservedForgotten);
        let more = [
            Some(Edit::NextId(
                next_id.checked_add(1).ok_or(Error::SeqExhausted)?,
            )),
            reserved.then_some(Edit::Pending(next_id)),
            Some(Edit::Add(SegmentEntry {
                id: created.id,
                salt: created.site.salt,
                base_seq,
                last_seq: seq,
                state: SegmentState::Active,
                valid_bytes: FILE_HEADER_BYTES as u64,
                records: 0,
            })),
            Some(Edit::Clock(clock_ms)),
        ];
        for edit in more.into_iter().flatten() {
            fallible::push(&mut edits, edit)?;
        }
        // Whatever can be refused comes before the commit: nothing may stop halfway behind it.
        let id = created.id;
        let segment = Segment {
            file: created.file.clone(),
            id,
            site: created.site,
            rank: u32::MAX,
            durable_end: FILE_HEADER_BYTES as u64,
            end: FILE_HEADER_BYTES as u64,
            live_bytes: 0,
            live_keys: 0,
            tombstone_bytes: 0,
            damaged: false,
        };
        let added = self.index.write(|index| index.add_segment(segment));
        let committed = added.and_then(|slot| {
            let done = self.commit(&edits);
            if done.is_err() {
                self.index.write(|index| index.remove_segment(slot));
            }
            done.map(|()| slot)
        });
        let slot = match committed {
            Ok(slot) => slot,
            Err(refused) => {
                if !matches!(refused, Error::Poisoned) {
                    // Nobody knows of it: as if it had never been created.
                    let _ = self.storage.remove(&names::segment(id));
                }
                return Err(refused);
            }
        };
        self.index.write(|index| index.clock_told(clock_ms));
        self.writer_mut()?.reserved = next_id;
        // The hint is a cache: failing to write it costs a scan at the next opening, nothing else.
        let _ = self.writer_mut()?.active.hint.finish();
        let hint = HintLog::new(&self.storage, store, id, created.site.salt, now);
        let writer = self.writer_mut()?;
        writer.active = Active {
            slot,
            id,
            file: created.file,
            site: created.site,
            end: FILE_HEADER_BYTES as u64,
            durable: FILE_HEADER_BYTES as u64,
            records_end: FILE_HEADER_BYTES as u64,
            marked: FILE_HEADER_BYTES as u64,
            records: 0,
            suspect: false,
            hint,
        };
        self.rank_segments();
        Ok(())
    }

    /// Lists a new id as pending: what is then created under it may be deleted after a crash.
    pub(crate) fn reserve_id(&mut self) -> Result<u64> {
        let id = self.state().next_id;
        let next = id.checked_add(1).ok_or(Error::SeqExhausted)?;
        self.commit(&[Edit::Pending(id), Edit::NextId(next)])?;
        // A newer writer gives these ids out by its own manifest: to it, a file under one of ours would
        // be proof that its state is not the newest.
        self.check_fence()?;
        Ok(id)
    }

    /// Commits edits of the manifest; where not even the old state is certain, poisons.
    pub(crate) fn commit(&mut self, edits: &[Edit]) -> Result<()> {
        let mut done = self.writer_mut()?.manifest.commit(edits);
        if matches!(done, Err(Error::Full { .. })) && self.spend_reserve() {
            done = self.writer_mut()?.manifest.commit(edits);
        }
        if matches!(done, Err(Error::Poisoned)) {
            self.poison();
        }
        done
    }

    /// Renumbers the index's order of segments after the manifest's.
    pub(crate) fn rank_segments(&mut self) {
        let state = self.state();
        self.index
            .write(|index| index.rank(state.segments.iter().map(|segment| segment.id)));
    }

    /// Issues the next `count` sequence numbers: the first of them. Reserves in the manifest.
    pub(crate) fn issue_seqs(&mut self, count: u64) -> Result<u64> {
        let writer = self.writer()?;
        let first = writer.seq.checked_add(1).ok_or(Error::SeqExhausted)?;
        let last = writer.seq.checked_add(count).ok_or(Error::SeqExhausted)?;
        let bound = writer.manifest.state.seq_bound;
        if last > bound {
            let next = bound
                .max(last)
                .checked_add(SEQ_BLOCK)
                .ok_or(Error::SeqExhausted)?;
            self.commit(&[Edit::SeqBound(next)])?;
        }
        // Burned even if the append fails: a failed append may have reached the medium.
        self.writer_mut()?.seq = last;
        Ok(first)
    }

    /// Refuses unless this opener may write now.
    pub(crate) fn writable(&self) -> Result<()> {
        match &self.role {
            Role::Reader(reader) => Err(reader.refusal.clone()),
            Role::Writer(writer) => match writer.fenced {
                Some(by) => Err(Error::Fenced { by }),
                None if self.index.read(|index| index.poisoned) => Err(Error::Poisoned),
                None => Ok(()),
            },
        }
    }

    /// After a write and before its acknowledgement: nobody newer has taken over. Where that cannot
    /// be read, the write is in the log and cannot be acknowledged, so nothing may follow it.
    pub(crate) fn check_fence(&mut self) -> Result<()> {
        let checked = self.writer()?.manifest.check_fence();
        match checked {
            _ if planted(Bug::FenceUnchecked) => return Ok(()),
            Ok(()) => {}
            Err(Error::Fenced { by }) => self.writer_mut()?.fenced = Some(by),
            Err(_) => self.poison(),
        }
        checked
    }

    /// The first failed sync of anything poisons: the medium is sick, and what it holds is unknown.
    pub(crate) fn poison_if_unsynced(&mut self, error: &Error) {
        if let Error::Storage {
            op: Op::Sync | Op::SyncNamespace,
            ..
        } = error
        {
            self.poison();
        }
    }

    pub(crate) fn poison(&mut self) {
        if planted(Bug::PoisonSkipped) {
            return;
        }
        self.index.write(|index| index.poisoned = true);
    }

    pub(crate) fn writer(&self) -> Result<&WriterState<S>> {
        match &self.role {
            Role::Writer(writer) => Ok(writer),
            Role::Reader(reader) => Err(reader.refusal.clone()),
        }
    }

    pub(crate) fn writer_mut(&mut self) -> Result<&mut WriterState<S>> {
        match &mut self.role {
            Role::Writer(writer) => Ok(writer),
            Role::Reader(reader) => Err(reader.refusal.clone()),
        }
    }
}

/// A new segment file with its header, name synced where that can be done.
pub(crate) struct Created<F> {
    pub id: u64,
    pub file: F,
    pub site: Site,
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
