//! Housekeeping: the tick, the reserve for a full disk, removing what is condemned, closing.

use super::{Engine, Role};
use crate::error::Result;
use crate::fallible;
use crate::format::file::FileKind;
use crate::format::file::names;
use crate::format::manifest::Edit;
use crate::index::IndexCell;
use crate::manifest_log;
use crate::merge::MergeProgress;
use crate::options::{MergePolicy, Options};
use crate::planted::{Bug, planted};
use crate::prelude::*;
use crate::recovery;
use crate::segment::create::sync_names;
use crate::storage::{Access, ErrorKind, File, FileName, Storage};

/// Bytes of merging done by one tick.
const TICK_MERGE_BYTES: u64 = 4 << 20;
/// Where removed names may come back after a power loss, this many stay listed as condemned.
const CONDEMNED_KEPT: usize = 4096;
/// The reserve is written in pieces of this size.
const RESERVE_PIECE_BYTES: usize = 64 << 10;

/// What a [`Engine::tick`] did, so that a caller can pace itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Merging that is due or in progress.
    pub merge: MergeProgress,
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// Background work in one bounded piece, for hosts without threads to call when idle: interval
    /// sync, the durable marker, the sweep of expired keys, a step of merge.
    pub fn tick(&mut self) -> Result<Tick> {
        self.writable()?;
        self.sweep_expired();
        self.tick_sync()?;
        let merge = if self.options.merge.auto {
            self.merge_step(TICK_MERGE_BYTES)?
        } else {
            MergeProgress::Idle
        };
        Ok(Tick { merge })
    }

    /// Takes another segment size and merge policy from the next segment on, as a store that grows may want.
    /// Errors with [`Error::BadOption`](crate::Error::BadOption) and changes nothing if they make no sense.
    pub fn retune(&mut self, segment_bytes: u64, merge: MergePolicy) -> Result<()> {
        let fresh = Options {
            segment_bytes,
            merge,
            ..self.options.clone()
        };
        fresh.check()?;
        self.options = fresh;
        Ok(())
    }

    /// The part of a tick that concerns durability: an interval sync that is due, then a marker
    /// that tells later readers of the log how much is durable.
    pub fn tick_sync(&mut self) -> Result<()> {
        if self.sync_is_due() {
            self.sync()?;
        }
        self.mark()
    }

    /// Closes the store: everything written becomes durable and the next opening scans nothing.
    ///
    /// An error means that the store stays as after a crash: what the acknowledgement levels
    /// promised is there at the next opening.
    pub fn close(mut self) -> Result<()> {
        if matches!(self.role, Role::Reader(_)) {
            return Ok(());
        }
        self.abandon_merge();
        self.sync()?;
        self.mark()?;
        self.give_room_back()?;
        self.sync()?;
        let clock_ms = self.index.read(|index| index.clock.floor_ms());
        let writer = self.writer_mut()?;
        let _ = writer.active.hint.finish();
        let reserved = [writer.reserved];
        let [condemn, forget] = Edit::disown(&reserved);
        let edits = [
            Edit::CleanClose {
                valid_bytes: writer.active.end,
                last_seq: writer.seq,
                records: writer.active.records,
            },
            Edit::Clock(clock_ms),
            condemn,
            forget,
        ];
        self.check_fence()?;
        self.commit(&edits)
    }

    /// Brings a read-only handle up to what the writer has done since it was opened. A writer, and
    /// a view of one, always are.
    pub fn refresh(&mut self) -> Result<()> {
        match &self.role {
            Role::Reader(reader) if !reader.shares_index => {}
            _ => return Ok(()),
        }
        let parts = recovery::load_reader(&self.storage, &self.options)?;
        let old = self
            .index
            .write(|index| core::mem::replace(index, *parts.index));
        drop(old);
        self.report = parts.report;
        if let Role::Reader(reader) = &mut self.role {
            reader.state = parts.state;
            reader.epoch = parts.epoch;
        }
        Ok(())
    }

    /// Keeps every file in the directory until [`Engine::release_files`], whatever merge does.
    /// Calls nest. For a [`Engine::view`] that opens files by name, as `verify` does.
    pub fn hold_files(&mut self) {
        if let Ok(writer) = self.writer_mut() {
            writer.pins += 1;
        }
    }

    /// Takes one [`Engine::hold_files`] back and removes what nobody holds any more.
    pub fn release_files(&mut self) {
        if let Ok(writer) = self.writer_mut() {
            writer.pins = writer.pins.saturating_sub(1);
            self.remove_condemned();
        }
    }

    /// Removes the files that the manifest lists for deletion and that no key needs any more.
    /// What cannot be removed now is tried again at the next opening.
    pub(crate) fn remove_condemned(&mut self) {
        let Ok(writer) = self.writer() else { return };
        if writer.pins > 0 || self.check_fence().is_err() {
            return;
        }
        let state = self.state();
        let condemned = match planted(Bug::UnnamedDeleted) {
            true => fallible::collect(1..state.next_id),
            false => fallible::copy(&state.condemned),
        };
        let Ok(mut gone) = condemned else { return };
        let (storage, index) = (&self.storage, &self.index);
        let absent = |name: FileName| match storage.remove(&name) {
            Ok(()) => true,
            Err(error) => error.kind == ErrorKind::NotFound,
        };
        gone.retain(|id| {
            index.read(|index| index.slot_of(*id).is_none())
                && absent(names::hint(*id)) & absent(names::segment(*id))
        });
        if gone.is_empty() {
            return;
        }
        if let Err(error) = sync_names(storage) {
            self.poison_if_unsynced(&error);
            return;
        }
        if !self.storage.capabilities().namespace_sync {
            let keep = gone.len().saturating_sub(CONDEMNED_KEPT);
            gone.truncate(keep);
        }
        if !gone.is_empty() {
            // Failing to forget costs a look at each opening, nothing else.
            let _ = self.commit(&[Edit::Forget(&gone)]);
        }
    }

    /// Keeps this manifest and the one it was made from; removes the older ones.
    pub(crate) fn remove_old_manifests(&mut self, listed: &[FileName], previous: u64) {
        let epoch = self.epoch();
        if self.check_fence().is_err() {
            return;
        }
        for name in listed {
            if let Some((FileKind::Manifest, old)) = names::parse(name)
                && old != previous
                && old < epoch
                && let Ok(file) = self.storage.open(name, Access::Read)
                && manifest_log::is_ours(&file, *name) == Ok(true)
            {
                let _ = self.storage.remove(name);
            }
        }
    }

    /// Lays the reserve, where it is missing and there is room.
    pub(crate) fn lay_reserve(&mut self) {
        let bytes = self.options.reserve_bytes;
        let name = names::reserve();
        if bytes == 0 || !matches!(self.storage.exists(&name), Ok(false)) {
            return;
        }
        let laid = self.storage.create(&name).is_ok_and(|file| {
            match file.preallocate(bytes) {
                Ok(()) => true,
                Err(error) if error.kind == ErrorKind::Unsupported => fill(&file, bytes).is_some(),
                // Where there is no room, bytes would take the last of it from everybody before they found out.
                Err(_) => false,
            }
        });
        if !laid {
            let _ = self.storage.remove(&name);
        }
    }

    /// Gives the reserve back to a full disk. Returns whether there was one.
    pub(crate) fn spend_reserve(&mut self) -> bool {
        self.storage.remove(&names::reserve()).is_ok()
    }
}

fn fill<F: File>(file: &F, bytes: u64) -> Option<()> {
    let piece = fallible::zeroed(RESERVE_PIECE_BYTES).ok()?;
    let mut at = 0;
    while at < bytes {
        let take = (bytes - at).min(piece.len() as u64) as usize;
        file.append(at, &piece[..take]).ok()?;
        at += take as u64;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStorage;

    #[test]
    fn a_retuned_store_seals_at_the_new_size_and_keeps_everything() {
        let options = Options {
            segment_bytes: 1 << 20,
            ..Options::default()
        };
        let mut store = Engine::<_>::open(MemoryStorage::new(), options).unwrap();
        let fill = |store: &mut Engine<_>, keys: core::ops::Range<u32>| {
            for key in keys {
                store.put(&key.to_le_bytes(), &[7; 100_000]).unwrap();
            }
        };
        fill(&mut store, 0..20);
        assert_eq!(store.stats().unwrap().segments.len(), 2);
        assert!(store.retune(7, MergePolicy::default()).is_err());
        store.retune(4 << 20, MergePolicy::default()).unwrap();
        fill(&mut store, 20..60);
        assert_eq!(store.stats().unwrap().segments.len(), 3);
        assert_eq!(store.len(), 60);
        assert!(store.verify(|_, _| {}).unwrap().is_sound());
    }
}
