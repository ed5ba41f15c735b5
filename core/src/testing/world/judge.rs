//! What a world's store shows, and whether it may.

use super::{APPLIED, Store, World};
use crate::format::file::{FILE_HEADER_BYTES, FileHeader, FileKind, names};
use crate::prelude::*;
use crate::storage::Storage;
use crate::testing::oracle::{Contents, meta_key};
use crate::testing::steps::{KEYS, name};
use crate::{Engine, Error, FileName, Ttl};

/// What a stranger's file holds.
const STRANGE: &[u8] = b"a stranger's bytes, perhaps under our name";

impl World {
    /// Opens the store after a power cut that followed change `at` of the disk before, and judges
    /// what it shows. On success that becomes the new floor.
    pub fn judge_opened(&mut self, at: usize) -> Result<(), String> {
        let (found, now_ms) = self.find()?;
        self.oracle.judge(at, &found, now_ms)?;
        self.oracle.settle(found);
        self.unbroken()
    }

    /// Whether the running store shows what it must.
    pub fn judge_running(&self) -> Result<(), String> {
        self.judge_shown()?;
        self.judge_files(self.store.as_ref().ok_or("not open")?)
    }

    /// As [`World::judge_running`], after calls had failed: not of a store that says it cannot go on.
    pub fn judge_healed(&mut self) -> Result<(), String> {
        let flushed = self.store.as_mut().map(Engine::flush);
        match flushed {
            Some(Ok(())) => self.judge_running(),
            _ => Ok(()),
        }
    }

    /// As [`World::judge_running`], of a store that opened while calls failed: what it could not
    /// remove is left over until the next opening.
    pub fn judge_shown(&self) -> Result<(), String> {
        let store = self.store.as_ref().ok_or("not open")?;
        let found = contents(store)?;
        let now = store.now_ms().unwrap_or(0);
        let mut shown = self.oracle.shown();
        shown.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now < expiry));
        if shown != found {
            return Err(format!("shows {found:?}, should show {shown:?}"));
        }
        audit(store)?;
        self.unbroken()
    }

    /// Opens the store if it is not open, and answers what it shows and the time by which it hides
    /// keys. Whatever a crash did, there is no damage, and all that is there verifies.
    pub fn find(&mut self) -> Result<(Contents, u64), String> {
        self.open()
            .map_err(|error| format!("cannot open: {error}"))?;
        self.watch_clock();
        let store = self.store.as_ref().ok_or("not open")?;
        let found = contents(store)?;
        let report = store.report();
        if !report.damages.is_empty() || report.degraded {
            return Err(format!("a crash is not damage: {report}"));
        }
        audit(store)?;
        self.judge_files(store)?;
        let next_id = store.state().next_id;
        let now_ms = store.now_ms().unwrap_or(0);
        self.let_strangers_in(next_id);
        Ok((found, now_ms))
    }

    /// What is a stranger's is untouched, and what is ours is known to the manifest.
    fn judge_files(&self, store: &Store) -> Result<(), String> {
        for name in &self.strangers {
            if self.disk.bytes(name).as_deref() != Some(STRANGE) {
                return Err(format!("{name} was a stranger's"));
            }
        }
        if !self.disk.capabilities().namespace_sync {
            // Any name may come back at any time.
            return Ok(());
        }
        let state = store.state();
        let mut manifests = 0;
        for (name, bytes) in self.disk.files() {
            // Whose a file without a whole header of its own is, nobody can tell.
            let header = FileHeader::decode(&bytes).ok();
            let own = |header: &FileHeader| names::parse(&name) == Some((header.kind, header.id));
            let Some(header) = header.filter(own) else {
                continue;
            };
            manifests += u32::from(header.kind == FileKind::Manifest);
            let known = match header.kind {
                FileKind::Manifest => manifests <= 2,
                FileKind::Segment | FileKind::Hint => {
                    state.segment(header.id).is_some()
                        || state.pending.contains(&header.id)
                        || state.condemned.contains(&header.id)
                }
            };
            if !known {
                return Err(format!("{name} is left over and nobody knows of it"));
            }
        }
        Ok(())
    }

    /// Puts files of somebody else beside a store that exists, one of them under a name that the
    /// store comes to soon. (Before it exists, they would look like the rest of a lost one.)
    fn let_strangers_in(&mut self, next_id: u64) {
        if self.strangers.is_empty() {
            self.strangers = [FileName::new("notes"), Some(names::segment(next_id + 1))]
                .into_iter()
                .flatten()
                .collect();
            for name in &self.strangers {
                self.disk.set_bytes(name, STRANGE);
            }
        }
    }

    fn unbroken(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

/// Everything a store shows, read three times: by iteration, key by key, and in pieces where it lies.
pub fn contents<S: Storage>(store: &Engine<S>) -> Result<Contents, String> {
    let mut contents = Contents::new();
    for entry in store.iter() {
        let entry = entry.map_err(|error| format!("iteration: {error}"))?;
        let got = store.get(&entry.key).map_err(|error| format!("{error}"))?;
        if got.as_ref() != Some(&entry.value) {
            return Err(format!("iteration and get differ for {:?}", entry.key));
        }
        let long = store.long_value(&entry.key, 0);
        if let Some(long) = long.map_err(|error| format!("{error}"))? {
            let mut value = vec![0; entry.value.len() + 1];
            let read = long.read_at(0, &mut value);
            let read = read.map_err(|error| format!("{error}"))?;
            if value[..read] != entry.value {
                return Err(format!("a value differs in pieces: {:?}", entry.key));
            }
        }
        let ttl = entry.expiry_ms.map_or(Ttl::Forever, Ttl::ExpiresAtMs);
        if store.ttl(&entry.key) != Ok(ttl) {
            return Err(format!("ttl differs for {:?}", entry.key));
        }
        let value = (entry.value, entry.expiry_ms);
        if contents.insert(entry.key, value).is_some() {
            return Err(String::from("iteration shows a key twice"));
        }
    }
    let (mut cursor, mut scanned) = (0, 0);
    loop {
        let page = store
            .scan(cursor, 3)
            .map_err(|error| format!("scan: {error}"))?;
        scanned += page.entries.len();
        if page.entries.iter().any(|e| !contents.contains_key(&e.key)) || scanned > contents.len() {
            return Err(String::from(
                "a scan shows a key twice, or one that is not there",
            ));
        }
        cursor = page.next;
        if cursor == 0 {
            break;
        }
    }
    if store.len() != contents.len() as u64 || scanned != contents.len() {
        return Err(format!("len {} of {} keys", store.len(), contents.len()));
    }
    for key in (0..KEYS).map(name) {
        let there = match store.contains_key(&key) {
            // Another key's hash is this one's, which was therefore never taken.
            Err(Error::KeyCollision { .. }) if cfg!(feature = "short-hash") => false,
            answer => answer.map_err(|e| format!("{e}"))?,
        };
        if there != contents.contains_key(&key) {
            return Err(format!("iteration misses {key:?}"));
        }
    }
    match store.get_meta(APPLIED) {
        Ok(Some(applied)) => {
            contents.insert(meta_key(APPLIED), (applied, None));
        }
        Ok(None) => {}
        // As above.
        Err(Error::KeyCollision { .. }) if cfg!(feature = "short-hash") => {}
        Err(error) => return Err(format!("meta: {error}")),
    }
    Ok(contents)
}

/// What must be true of any healthy store: nothing damaged, and the numbers add up.
pub fn audit<S: Storage>(store: &Engine<S>) -> Result<(), String> {
    let report = store
        .verify(|_, _| {})
        .map_err(|e| format!("verify: {e}"))?;
    if !report.is_sound() {
        return Err(format!("verify finds {:?}", report.damages));
    }
    let header = FILE_HEADER_BYTES as u64;
    let stats = store.stats().map_err(|e| format!("stats: {e}"))?;
    for segment in stats.segments {
        let parts = segment.live_bytes + segment.dead_bytes + segment.tombstone_bytes;
        // Records above 1 KiB are accounted within 0.1 %.
        let slack = segment.size_bytes / 500;
        if parts.abs_diff(segment.size_bytes - header) > slack {
            return Err(format!("numbers do not add up: {segment:?}"));
        }
    }
    Ok(())
}
