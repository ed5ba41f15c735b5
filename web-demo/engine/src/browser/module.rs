//! A store and the two buffers that calls go through.

use super::codes::{ABSENT, REFUSED, TOLD_BYTES, told};
use super::parts::{Parts, push_u32, push_whole};
use super::report;
use alloc::vec::Vec;
use portcask::opfs::Imports;
use portcask::{
    Ack, Batch, Condition, Engine, Error, ErrorKind, Expiry, FileName, MergePolicy, MergeProgress,
    Op, Options, PlatformStorage, StorageError, fallible, files_ahead, files_of_new_store,
};

/// New segments that one write needs at most, and one step of merge: for sealing the active one, and to copy to.
const WRITE_SEGMENTS: usize = 1;
const MERGE_SEGMENTS: usize = 3;
/// Segments to have ready unless more are asked for: some writes may go on while the next ones are opened.
const SEGMENTS_AHEAD: usize = 4;

/// The head of one operation of a batch.
const HEAD_BYTES: usize = 1 + 4 + 4 + 8;

/// Operations for which there is room at once, whatever the first ones of a batch promise: less than a mebibyte.
const BATCH_OPS_AHEAD: usize = 1 << 14;

/// Stands for a handle where something that is no file has the name.
const NO_FILE: u32 = u32::MAX;

/// What lives between two calls.
pub(super) struct Module {
    pub dir: PlatformStorage,
    pub store: Option<Engine<PlatformStorage>>,
    pub room: Vec<u8>,
    pub answer: Vec<u8>,
    /// The last refusal.
    pub refused: [u8; TOLD_BYTES],
    /// Segments to have ready; more when JavaScript asked for more.
    ahead: usize,
    /// The directory's number of changes when so many segments were last seen to be ready.
    ready_at: Option<(u32, usize)>,
    /// What the parts that were checked so far have told.
    #[cfg(feature = "full")]
    pub verified: portcask::VerifyReport,
}

pub(super) type Answer = Result<i32, Error>;

impl Module {
    pub fn new() -> Self {
        Self {
            dir: PlatformStorage::new(Imports),
            store: None,
            room: Vec::new(),
            answer: Vec::new(),
            refused: [0; TOLD_BYTES],
            ahead: SEGMENTS_AHEAD,
            ready_at: None,
            #[cfg(feature = "full")]
            verified: portcask::VerifyReport::default(),
        }
    }

    /// What JavaScript is told: the number, or that a refusal is written down.
    pub fn tell(&mut self, done: Answer) -> i32 {
        done.unwrap_or_else(|error| {
            self.refused = told(&error);
            REFUSED
        })
    }

    /// Makes room for `bytes` bytes and answers where.
    pub fn room(&mut self, bytes: usize) -> *mut u8 {
        if self.room.len() < bytes && fallible::resize(&mut self.room, bytes).is_err() {
            return core::ptr::null_mut();
        }
        self.room.as_mut_ptr()
    }

    pub fn store(&self) -> Result<&Engine<PlatformStorage>, Error> {
        self.store.as_ref().ok_or(Error::Closed)
    }

    pub fn given(&self, bytes: usize) -> Result<&[u8], Error> {
        self.room.get(..bytes).ok_or(Error::TooLarge)
    }

    pub fn seat(&mut self, handle: u32, name_bytes: usize) -> Answer {
        let Some(name) = FileName::of(self.given(name_bytes)?) else {
            return Ok(0);
        };
        let seated = match handle {
            NO_FILE => self.dir.block(name),
            handle => self.dir.seat(name, handle),
        };
        seated
            .map_err(|source| storage(Op::Open, source))
            .map(|()| 1)
    }

    /// What an open store creates next, or a new one.
    fn names_ahead(&self) -> Result<Vec<FileName>, Error> {
        match &self.store {
            Some(store) => store.files_ahead(self.ahead),
            None => files_of_new_store(self.ahead),
        }
    }

    /// The names that JavaScript has to seat before the engine can go on, one a line.
    pub fn wanted(&mut self, segments: usize) -> Answer {
        self.ahead = segments.max(SEGMENTS_AHEAD);
        let ahead = self.names_ahead();
        self.want(ahead)
    }

    /// Likewise, before what lies in the directory is opened.
    pub fn wanted_to_open(&mut self) -> Answer {
        let ahead = files_ahead(&self.dir, self.ahead);
        self.want(ahead)
    }

    fn want(&mut self, ahead: Result<Vec<FileName>, Error>) -> Answer {
        self.answer.clear();
        let mut names = self.dir.wanted();
        match ahead {
            Ok(ahead) => {
                for name in ahead {
                    if !names.contains(&name) {
                        fallible::push(&mut names, name)?;
                    }
                }
            }
            // A store that cannot be opened or written to creates nothing.
            Err(_) if names.is_empty() => {}
            Err(error) => return Err(error),
        }
        for name in names {
            if !self.dir.is_seated(&name) {
                fallible::extend(&mut self.answer, name.as_bytes())?;
                fallible::push(&mut self.answer, b'\n')?;
            }
        }
        Ok(self.answer.len() as i32)
    }

    /// A handle whose empty file nobody needs, for JavaScript to close; [`ABSENT`] if there is none. All of them
    /// before closing, and else those that are not needed ahead.
    pub fn give_back(&mut self, all: bool) -> Answer {
        let keep = match all {
            true => Vec::new(),
            false => self.names_ahead()?,
        };
        Ok(self
            .dir
            .give_back(&keep)
            .map_or(ABSENT, |handle| handle as i32))
    }

    /// Another number whenever a file has come or gone.
    pub fn changes(&mut self) -> Answer {
        Ok((self.dir.changes() & 0x7fff_ffff) as i32)
    }

    /// Refuses before anything is written, unless the next files are ready.
    fn ready(&mut self, segments: usize) -> Result<(), Error> {
        let changes = self.dir.changes();
        if segments == 0 {
            return Ok(());
        }
        if self
            .ready_at
            .is_some_and(|(at, ready)| at == changes && ready >= segments)
        {
            return Ok(());
        }
        let ahead = self.store()?.files_ahead(segments)?;
        if ahead.iter().any(|name| !self.dir.is_seated(name)) {
            let refusal = StorageError::new(ErrorKind::NotReady);
            return Err(storage(Op::Create, refusal));
        }
        self.ready_at = Some((changes, segments));
        Ok(())
    }

    fn writer(&mut self, segments: usize) -> Result<&mut Engine<PlatformStorage>, Error> {
        self.ready(segments)?;
        self.store.as_mut().ok_or(Error::Closed)
    }

    /// Opens whatever lies in the directory.
    pub fn open(&mut self, bytes: usize) -> Answer {
        let (options, flags) = self.options(bytes)?;
        // Others than writers open to look only.
        #[cfg(feature = "full")]
        let options = super::full::look_only(options, flags);
        #[cfg(feature = "full")]
        let store = Engine::open(self.dir.clone(), options)?;
        #[cfg(not(feature = "full"))]
        let store = {
            let _ = flags;
            Engine::open_writer(self.dir.clone(), options)?
        };
        self.opened(store)
    }

    /// Begins a store in a directory where none lies.
    pub fn create(&mut self, bytes: usize) -> Answer {
        let (options, _) = self.options(bytes)?;
        let store = Engine::create(self.dir.clone(), options)?;
        self.opened(store)
    }

    /// Opens a store that was closed in an orderly way; 0, with nothing changed, where anything else lies.
    pub fn reopen(&mut self, bytes: usize) -> Answer {
        let (options, _) = self.options(bytes)?;
        match Engine::reopen(self.dir.clone(), options)? {
            Some(store) => self.opened(store),
            None => Ok(0),
        }
    }

    fn opened(&mut self, store: Engine<PlatformStorage>) -> Answer {
        self.answer.clear();
        report::recovery(&mut self.answer, store.report())?;
        self.store = Some(store);
        Ok(self.answer.len() as i32)
    }

    /// The options in the room, and the flags that some of them came from.
    fn options(&self, bytes: usize) -> Result<(Options, u8), Error> {
        let mut parts = Parts(self.given(bytes)?);
        let flags = parts.byte()?;
        let mut options = Options {
            segment_bytes: parts.whole()?,
            key_bytes_max: parts.whole()? as usize,
            value_bytes_max: parts.whole()?,
            default_ttl_ms: Some(parts.whole()?).filter(|ttl| *ttl > 0),
            reserve_bytes: parts.whole()?,
            create: flags & 1 != 0,
            accept_stale: flags & 2 != 0,
            trust_clock: flags & 4 != 0,
            verify_overwrite: flags & 8 != 0,
            ..Options::default()
        };
        options.merge = policy(options.segment_bytes);
        Ok((options, flags))
    }

    pub fn get(&mut self, key_bytes: usize) -> Answer {
        let store = self.store.as_ref().ok_or(Error::Closed)?;
        let key = self.room.get(..key_bytes).ok_or(Error::TooLarge)?;
        if !store.get_into(key, &mut self.answer)? {
            return Ok(ABSENT);
        }
        i32::try_from(self.answer.len()).map_err(|_| Error::TooLarge)
    }

    /// The sequence number and the expiry (0 for none), then the value.
    pub fn entry(&mut self, key_bytes: usize) -> Answer {
        let Some(entry) = self.store()?.get_entry(self.given(key_bytes)?)? else {
            return Ok(ABSENT);
        };
        self.answer.clear();
        push_whole(&mut self.answer, entry.seq)?;
        push_whole(&mut self.answer, entry.expiry_ms.unwrap_or(0))?;
        fallible::extend(&mut self.answer, &entry.value)?;
        i32::try_from(self.answer.len()).map_err(|_| Error::TooLarge)
    }

    pub fn get_meta(&mut self, key_bytes: usize) -> Answer {
        let Some(value) = self.store()?.get_meta(self.given(key_bytes)?)? else {
            return Ok(ABSENT);
        };
        self.answer = value;
        Ok(self.answer.len() as i32)
    }

    /// A batch, as [`batch_of`] reads it.
    pub fn commit(&mut self, bytes: usize, synced: bool) -> Answer {
        self.ready(WRITE_SEGMENTS)?;
        let store = self.store.as_mut().ok_or(Error::Closed)?;
        let batch = batch_of(self.room.get(..bytes).ok_or(Error::TooLarge)?)?;
        store.write_with(&batch, Some(ack(synced))).map(|_| 0)
    }

    /// Needs a new file only after an append that failed, and then says so itself.
    pub fn sync(&mut self) -> Answer {
        self.writer(0)?.sync().map(|()| 0)
    }

    /// The cursor, the number of entries, whether values are wanted, the prefix. The answer: the next cursor, then
    /// each entry's lengths and bytes.
    pub fn scan(&mut self, bytes: usize) -> Answer {
        let store = self.store.as_ref().ok_or(Error::Closed)?;
        let mut parts = Parts(self.room.get(..bytes).ok_or(Error::TooLarge)?);
        let (cursor, limit, values) = (parts.u64()?, parts.u32()?, parts.byte()? != 0);
        let prefix = parts.0;
        let answer = &mut self.answer;
        answer.clear();
        fallible::extend(answer, &[0; 8])?;
        let next = store.visit(cursor, limit as usize, |entry| {
            let entry = entry?;
            if !entry.key.starts_with(prefix) {
                return Ok(());
            }
            let value = if values { &entry.value[..] } else { &[] };
            push_u32(answer, entry.key.len())?;
            push_u32(answer, value.len())?;
            fallible::extend(answer, &entry.key)?;
            Ok(fallible::extend(answer, value)?)
        })?;
        answer[..8].copy_from_slice(&next.to_le_bytes());
        i32::try_from(answer.len()).map_err(|_| Error::TooLarge)
    }

    pub fn stats(&mut self) -> Answer {
        let stats = self.store()?.stats()?;
        let handles = self.dir.handles();
        self.answer.clear();
        report::stats(&mut self.answer, &stats, handles)?;
        Ok(self.answer.len() as i32)
    }

    /// 0 when nothing is due, 1 while there is more to do, else the length of a complete merge's report.
    pub fn merge_step(&mut self, budget_bytes: f64) -> Answer {
        let step = self
            .writer(MERGE_SEGMENTS)?
            .merge_step(budget_bytes as u64)?;
        self.answer.clear();
        Ok(match step {
            MergeProgress::Idle => 0,
            MergeProgress::Working { .. } => 1,
            MergeProgress::Done(done) => {
                report::merge(&mut self.answer, &done)?;
                self.answer.len() as i32
            }
        })
    }

    /// Begins to merge everything; 1 if there is something to merge.
    pub fn merge_all(&mut self) -> Answer {
        self.writer(MERGE_SEGMENTS)?
            .begin_merge_all()
            .map(i32::from)
    }

    /// Merges everything at once, one segment after another where there is no room for more; the answer is the report's
    /// length.
    pub fn merge_in_need(&mut self) -> Answer {
        let done = self.writer(MERGE_SEGMENTS)?.merge_all(|_, _| {})?;
        self.answer.clear();
        report::merge(&mut self.answer, &done)?;
        Ok(self.answer.len() as i32)
    }

    /// The small work of an idle moment, merging aside: the marker that tells how much is durable.
    pub fn tick(&mut self) -> Answer {
        let store = self.writer(WRITE_SEGMENTS)?;
        store.sweep(256);
        store.tick_sync().map(|()| 0)
    }

    pub fn retune(&mut self, segment_bytes: f64) -> Answer {
        let bytes = segment_bytes as u64;
        self.writer(0)?.retune(bytes, policy(bytes)).map(|()| 0)
    }

    pub fn clear(&mut self) -> Answer {
        self.writer(WRITE_SEGMENTS)?.clear().map(|_| 0)
    }

    pub fn confirm_clock(&mut self) -> Answer {
        self.writer(WRITE_SEGMENTS)?.confirm_clock();
        Ok(0)
    }

    pub fn close(&mut self) -> Answer {
        self.ready_at = None;
        let store = self.store.take();
        store.map_or(Ok(0), |store| store.close().map(|()| 0))
    }
}

/// Every segment costs two handles: those that are small beside the others are joined.
fn policy(segment_bytes: u64) -> MergePolicy {
    MergePolicy {
        small_file_bytes: segment_bytes / 2 + 1,
        dead_bytes_trigger: segment_bytes / 2,
        dead_bytes_threshold: segment_bytes / 4,
        ..MergePolicy::default()
    }
}

fn ack(synced: bool) -> Ack {
    if synced { Ack::Synced } else { Ack::Written }
}

fn storage(op: Op, source: StorageError) -> Error {
    Error::storage(op, None, source)
}

/// Groups of operations: how many, then the head of each, and then the keys and values of all, each value behind its key.
/// A head is a kind, the lengths of key and value, and a double:
///
/// ```text
/// 1 put, living for so many ms (0: the store's default, below: for ever)    2 delete
/// 3 put, living until this time                                             4 put in the system key space
/// 5 delete there    6 the key must be absent    7 present    8 at this sequence number
/// ```
fn batch_of(bytes: &[u8]) -> Result<Batch<&[u8]>, Error> {
    let mut groups = Parts(bytes);
    let mut batch = Batch::borrowed();
    while !groups.is_empty() {
        let before = groups.0.len();
        let heads = groups.u32()? as usize;
        let mut heads = Parts(groups.take(heads.saturating_mul(HEAD_BYTES))?);
        while !heads.is_empty() {
            let (kind, key_bytes, value_bytes) = (heads.byte()?, heads.u32()?, heads.u32()?);
            let number = f64::from_bits(heads.u64()?);
            let key = groups.take(key_bytes as usize)?;
            let value = groups.take(value_bytes as usize)?;
            add(&mut batch, kind, key, value, number);
        }
        if before == bytes.len() {
            // The groups of a long batch are mostly alike.
            let more = groups.0.len() / (before - groups.0.len()) * batch.len();
            batch.reserve(more.min(BATCH_OPS_AHEAD));
        }
    }
    Ok(batch)
}

fn add<'a>(batch: &mut Batch<&'a [u8]>, kind: u8, key: &'a [u8], value: &'a [u8], number: f64) {
    let whole = number as u64;
    match kind {
        1 | 3 => {
            let expiry = match kind {
                3 => Expiry::AtMs(whole),
                _ if number < 0.0 => Expiry::Never,
                _ if whole == 0 => Expiry::Default,
                _ => Expiry::AfterMs(whole),
            };
            batch.put_with(key, value, expiry)
        }
        2 => batch.delete(key),
        4 => batch.put_meta(key, value),
        5 => batch.delete_meta(key),
        6 => batch.require(key, Condition::Absent),
        7 => batch.require(key, Condition::Present),
        _ => batch.require(key, Condition::Seq(whole)),
    };
}
