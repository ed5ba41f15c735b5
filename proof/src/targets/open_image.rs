//! A good reader on a bad directory: any verb may answer an error, none may panic, hang, allocate by
//! what it read, or forget what it acknowledged.

use super::image::{Files, Image};
use super::input::byte;
use crate::heap;
use arbitrary::{Arbitrary, Unstructured};
use portcask_core::memory::MemoryStorage;
use portcask_core::testing::sim::{Laws, SimDisk};
use portcask_core::testing::world::{KEYS, World, name};
use portcask_core::{
    Ack, Batch, Damage, Engine, Error, OpenAccess, OpenMode, Options, WriteOptions, dump, is_store,
    salvage,
};
use std::collections::BTreeMap;

type Store = Engine<SimDisk>;

/// Opens a directory in every way, reads, iterates, verifies, salvages and dumps it, and writes on
/// top of it where the engine lets us.
pub fn open_image(data: &[u8]) {
    let u = &mut Unstructured::new(data);
    let taste = byte(u);
    let Ok(image) = Image::arbitrary(u) else {
        return;
    };
    let case = Case {
        bytes: image.files.values().map(Vec::len).sum(),
        laws: image.laws,
        files: image.files,
        taste,
    };
    case.held("dump", Case::dump);
    case.held("salvage", Case::salvage);
    for mode in [OpenMode::Default, OpenMode::Salvage, OpenMode::Strict] {
        case.held("read", |case| case.read(mode));
    }
    case.held("write", |case| case.write(OpenMode::Default));
    if taste & 8 != 0 {
        case.held("write strictly", |case| case.write(OpenMode::Strict));
    }
}

struct Case {
    files: Files,
    laws: Laws,
    /// Of all files.
    bytes: usize,
    /// Which options.
    taste: u8,
}

impl Case {
    /// What an image justifies: some windows and tables of fixed size, and a multiple of its bytes
    /// for what is kept of each record (and for the simulated disk itself, which keeps every
    /// change).
    fn held(&self, what: &str, deed: impl FnOnce(&Self)) {
        const FIXED_BYTES: usize = 4 << 20;
        const BYTES_PER_BYTE: usize = 64;
        let ((), held) = heap::peak(|| deed(self));
        let most = FIXED_BYTES + BYTES_PER_BYTE * self.bytes;
        assert!(held <= most, "{what}: {held} bytes held for {}", self.bytes);
    }

    /// A disk that holds the image and panics where somebody asks without end.
    fn disk(&self) -> SimDisk {
        let disk = SimDisk::holding(7, self.laws, self.files.clone());
        let most = 20_000 + 40 * self.bytes as u64;
        disk.interrupt(most, move |_| panic!("more than {most} storage calls"));
        disk
    }

    fn options(&self, mode: OpenMode, access: OpenAccess) -> Options {
        Options {
            access,
            mode,
            ordered_index: self.taste & 1 != 0,
            accept_stale: self.taste & 2 != 0,
            trust_clock: self.taste & 4 != 0,
            ..World::options()
        }
    }

    /// Records that fit the image; a marker has the shortest.
    fn records_max(&self) -> usize {
        64 + self.bytes / 14
    }

    fn dump(&self) {
        let disk = self.disk();
        for (name, bytes) in &self.files {
            let mut lines = 0;
            let done = dump(&disk, name, |_| {
                lines += 1;
                Ok(())
            });
            done.expect("a disk that answers can be dumped");
            assert!(lines <= 64 + 2 * bytes.len(), "{lines} lines of {name}");
        }
        let _ = is_store(&disk);
        assert_eq!(disk.changes(), 0);
    }

    fn salvage(&self) {
        let disk = self.disk();
        let mut keys = 0;
        let done = salvage(disk.clone(), |_| {
            keys += 1;
            Ok(())
        });
        match done {
            Ok(report) => assert_eq!(report.keys, keys),
            Err(error) => drop(error.to_string()),
        }
        assert_eq!(disk.changes(), 0, "salvage changes nothing");
    }

    /// A reader, and everything that it can ask.
    fn read(&self, mode: OpenMode) {
        let disk = self.disk();
        let options = self.options(mode, OpenAccess::ReadOnly);
        match Engine::open(disk.clone(), options) {
            Ok(mut store) => {
                self.ask(&store);
                drop(store.refresh());
                self.shown(&store);
            }
            Err(error) => drop(error.to_string()),
        }
        assert_eq!(disk.changes(), 0, "a reader changes nothing: {mode:?}");
    }

    fn ask(&self, store: &Store) {
        let _ = store.report().to_string();
        let (shown, whole) = self.shown(store);
        for (key, value) in shown.iter().take(8) {
            assert_eq!(store.get(key).as_ref(), Ok(&Some(value.clone())));
            assert_eq!(store.contains_key(key), Ok(true));
            let _ = (store.ttl(key), store.get_meta(key));
        }
        for key in (0..KEYS).map(name) {
            let there = store.contains_key(&key);
            assert!(there != Ok(false) || store.get(&key) == Ok(None));
            assert!(!whole || there != Ok(true) || shown.contains_key(&key));
        }
        let _ = store.get_meta(b"applied");
        let _ = store.history(&name(1));
        self.pages(store);
        let prefix = store.scan_prefix(b"key-1").take(self.records_max() + 1);
        assert!(prefix.count() <= self.records_max());
        if let Ok(range) = store.range(name(0)..name(5)) {
            assert!(range.take(self.records_max() + 1).count() <= self.records_max());
        }
        let _ = store.merge_plan();
        let stats = store.stats().expect("memory");
        assert_eq!(stats.keys, store.len());
        if let Ok(report) = store.verify(|done, _| assert!(done <= 1 << 40)) {
            let places = self.records_max() + 8 * (1 + self.files.len());
            assert!(report.damages.len() <= places, "{}", report.damages.len());
        }
    }

    /// Everything that iteration shows, and whether it met no error: where damage hides keys it
    /// refuses as a whole.
    fn shown(&self, store: &Store) -> (BTreeMap<Vec<u8>, Vec<u8>>, bool) {
        let (mut shown, mut whole) = (BTreeMap::new(), true);
        for (count, entry) in store.iter().enumerate() {
            assert!(count <= self.records_max(), "iteration without end");
            match entry {
                Ok(entry) => drop(shown.insert(entry.key, entry.value)),
                Err(error) => {
                    whole = false;
                    drop(error.to_string());
                }
            }
        }
        (shown, whole)
    }

    /// The verbs that go on from where they were.
    fn pages(&self, store: &Store) {
        let mut cursor = 0;
        while let Ok(page) = store.scan(cursor, 3) {
            if page.next == 0 {
                break;
            }
            assert!(page.next > cursor, "a scan goes on");
            cursor = page.next;
        }
        let mut from = 0;
        while let Ok(page) = store.changes(from, 50) {
            if page.changes.is_empty() || page.next_seq == u64::MAX {
                break;
            }
            assert!(page.next_seq > from, "the feed goes on");
            from = page.next_seq;
        }
    }

    /// A writer: what it acknowledges on top of a bad image is there after a reopening, and merge
    /// changes nothing that can be read.
    fn write(&self, mode: OpenMode) {
        let disk = self.disk();
        let options = self.options(mode, OpenAccess::ReadWrite);
        let Ok(mut store) = Store::open(disk.clone(), options.clone()) else {
            return;
        };
        self.ask(&store);
        let (mut written, _) = self.shown(&store);
        let refused = not_its_own(&store);
        let mut wrote = false;
        for (number, key) in [(0, name(0)), (1, name(1)), (2, b"new".to_vec())] {
            let ack = [Ack::Written, Ack::Buffered, Ack::Synced][number];
            let how = WriteOptions {
                ack: Some(ack),
                ..WriteOptions::default()
            };
            match store.put_with(&key, &[b'n'; 9], &how) {
                Ok(_) => {
                    wrote = true;
                    assert_eq!(store.get(&key), Ok(Some(vec![b'n'; 9])));
                    written.insert(key, vec![b'n'; 9]);
                }
                Err(error) => drop(error.to_string()),
            }
        }
        if store.delete(&name(3)).is_ok() {
            written.remove(&name(3));
            assert_eq!(store.get(&name(3)), Ok(None));
        }
        let mut batch = Batch::new();
        batch
            .put(name(4), b"batch")
            .delete(name(5))
            .put_meta(b"applied", b"1");
        if store.write(&batch).is_ok() {
            written.insert(name(4), b"batch".to_vec());
            written.remove(&name(5));
        }
        let _ = store.tick();
        self.same(&written, &store, "written");
        for _ in 0..3 {
            let _ = store.merge_step(100);
        }
        self.same(&written, &store, "merge in progress");
        if let Err(error) = store.merge_all(|_, _| {}) {
            drop(error.to_string());
        }
        self.same(&written, &store, "merged");
        for key in &refused {
            assert_ne!(store.get(key), Ok(None), "merged: {key:?} is gone");
        }
        let _ = store.backup(&MemoryStorage::with_seed(3), |_, _| {});
        let _ = (store.rotate(), store.sync());
        self.same(&written, &store, "rotated");
        let closed = store.close();
        match (Store::open(disk, options), closed) {
            (Ok(store), Ok(())) => {
                self.same(&written, &store, "opened again");
                for key in &refused {
                    assert_ne!(store.get(key), Ok(None), "opened again: {key:?} is gone");
                }
            }
            (Err(error), Ok(())) if wrote => panic!("written to, closed, and then: {error}"),
            _ => {}
        }
    }

    /// Whatever could be read before can be read now, and nothing came back.
    fn same(&self, before: &BTreeMap<Vec<u8>, Vec<u8>>, store: &Store, when: &str) {
        for (key, value) in before {
            let got = store.get(key);
            assert_eq!(got.as_ref(), Ok(&Some(value.clone())), "{when}: {key:?}");
        }
        for key in self.shown(store).0.keys() {
            assert!(before.contains_key(key), "{when}: {key:?} came back");
        }
        if let Err(error @ Error::Degraded { .. }) = store.verify(|_, _| {}) {
            drop(error.to_string());
        }
    }
}

/// The keys, of those that an image may hold and nothing here writes, whose place holds something
/// else: an error that must not become an absence.
fn not_its_own(store: &Store) -> Vec<Vec<u8>> {
    let golden = ["", "cat", "cow", "dog", "empty", "batch-1", "batch-2"];
    let golden = golden.map(|key| key.as_bytes().to_vec());
    let keys = [2].into_iter().chain(6..KEYS).map(name).chain(golden);
    let is_refused = |key: &Vec<u8>| match store.get(key) {
        Err(Error::KeyCollision { .. }) => true,
        Err(Error::Corrupt { found }) => found.damage == Damage::Hint,
        _ => false,
    };
    keys.filter(is_refused).collect()
}
