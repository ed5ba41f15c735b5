//! Which files will be created next, for a platform that has to make a file ready before it can be used.

use crate::engine::Engine;
use crate::error::{Context, Op, Result};
use crate::fallible;
use crate::format::counter;
use crate::format::file::names;
use crate::index::IndexCell;
use crate::manifest_log;
use crate::prelude::*;
use crate::recovery::highest_segment_id;
use crate::storage::{FileName, Storage};

/// The names that an opening for writing will create, and its first `segments` new segments with it: the manifest,
/// the reserve, and of each segment the file and its hint.
///
/// Reads the manifests and changes nothing. Where a stranger's file stands in the way of one of them, others
/// will be asked for: [`ErrorKind::NotReady`](crate::ErrorKind::NotReady) is then an answer to try again after.
pub fn files_ahead<S: Storage>(storage: &S, segments: usize) -> Result<Vec<FileName>> {
    let listed = storage.list().during_any(Op::List)?;
    let manifest = manifest_log::next_name(storage, &listed)?;
    let found = manifest_log::survey(storage, &listed, u64::MAX)?.newest;
    let known = found.map_or(1, |loaded| loaded.state.next_id);
    let next = known.max(counter::after(highest_segment_id(&listed), 1)?);
    let mut ahead = Vec::new();
    fallible::push(&mut ahead, manifest)?;
    fallible::push(&mut ahead, names::reserve())?;
    push_segments(&mut ahead, next, segments)?;
    Ok(ahead)
}

/// As [`files_ahead`] of a directory without a store, where it need not look.
pub fn files_of_new_store(segments: usize) -> Result<Vec<FileName>> {
    let mut ahead = Vec::new();
    fallible::push(&mut ahead, names::manifest(1))?;
    fallible::push(&mut ahead, names::reserve())?;
    push_segments(&mut ahead, 1, segments)?;
    Ok(ahead)
}

impl<S: Storage, C: IndexCell<S::File>> Engine<S, C> {
    /// The names that the next `segments` new segments of this writer will be created under, each with its hint,
    /// and the reserve. One write needs at most one new segment; merging needs one for each
    /// [`segment_bytes`](crate::Options::segment_bytes) that it copies, and one to begin with.
    pub fn files_ahead(&self, segments: usize) -> Result<Vec<FileName>> {
        let mut ahead = Vec::new();
        fallible::push(&mut ahead, names::reserve())?;
        let reserved = self.writer()?.reserved;
        push_segments(&mut ahead, reserved, segments.min(1))?;
        push_segments(&mut ahead, self.state().next_id, segments.saturating_sub(1))?;
        Ok(ahead)
    }
}

fn push_segments(ahead: &mut Vec<FileName>, first: u64, count: usize) -> Result<()> {
    for id in (first..).take(count) {
        fallible::push(ahead, names::segment(id))?;
        fallible::push(ahead, names::hint(id))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStorage;
    use crate::options::Options;

    fn names_of(disk: &MemoryStorage) -> Vec<FileName> {
        let mut names = disk.list().unwrap();
        names.sort_unstable();
        names
    }

    /// Every name that came into being by `act` was among those told before.
    fn expect(disk: &MemoryStorage, ahead: &[FileName], act: impl FnOnce()) {
        let before = names_of(disk);
        act();
        for name in names_of(disk) {
            assert!(
                before.contains(&name) || ahead.contains(&name),
                "{name} was not told"
            );
        }
    }

    #[test]
    fn what_an_opening_creates_is_told_before_whatever_the_last_writer_left() {
        let disk = MemoryStorage::new();
        for round in 0..6_u8 {
            let ahead = files_ahead(&disk, 1).unwrap();
            expect(&disk, &ahead, || {
                let mut store = Engine::<_>::open(disk.clone(), Options::default()).unwrap();
                store.put(&[round], b"value").unwrap();
                if round % 2 == 0 {
                    store.close().unwrap();
                }
            });
        }
    }

    #[test]
    fn what_a_new_store_creates_is_told_without_looking() {
        let disk = MemoryStorage::new();
        let ahead = files_of_new_store(1).unwrap();
        assert_eq!(ahead, files_ahead(&disk, 1).unwrap());
        expect(&disk, &ahead, || {
            drop(Engine::<_>::create(disk.clone(), Options::default()).unwrap());
        });
    }

    #[test]
    fn what_a_writer_creates_is_told_before_one_segment_after_another() {
        let disk = MemoryStorage::new();
        let mut store = Engine::<_>::open(disk.clone(), Options::default()).unwrap();
        for round in 0..5_u8 {
            store.put(&[round], b"value").unwrap();
            let ahead = store.files_ahead(1).unwrap();
            assert_eq!(ahead.len(), 3);
            expect(&disk, &ahead, || store.rotate().unwrap());
        }
        let ahead = store.files_ahead(2).unwrap();
        expect(&disk, &ahead, || {
            store.merge_all(|_, _| {}).unwrap();
        });
    }
}
