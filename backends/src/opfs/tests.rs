//! The rules of the pool, over handles in memory that can be told to fail.

use super::pool::{Calls, OpfsDir};
use portcask_core::storage::{
    Access, ErrorKind, FILE_NAME_BYTES_MAX, File, FileName, Storage, StorageError,
};
use portcask_core::testing::contract::{self, Outcome};
use portcask_core::{Engine, Options, files_ahead};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A page's handles, as a browser might have them.
#[derive(Clone, Default)]
struct Page {
    files: Rc<RefCell<Vec<Vec<u8>>>>,
    /// Bytes that one read or write takes at most; 0 is all.
    piece: Rc<Cell<usize>>,
    /// Bytes that still fit.
    quota: Rc<Cell<Option<usize>>>,
    writes: Rc<Cell<usize>>,
    entropy: Rc<Cell<u64>>,
}

impl Page {
    fn open(&self) -> u32 {
        self.files.borrow_mut().push(Vec::new());
        self.files.borrow().len() as u32 - 1
    }

    fn piece(&self, bytes: usize) -> usize {
        match self.piece.get() {
            0 => bytes,
            piece => bytes.min(piece),
        }
    }
}

impl Calls for Page {
    fn read(&self, handle: u32, into: &mut [u8], offset: f64) -> Result<usize, StorageError> {
        let files = self.files.borrow();
        let file = &files[handle as usize];
        let from = (offset as usize).min(file.len());
        let count = self.piece(into.len().min(file.len() - from));
        into[..count].copy_from_slice(&file[from..from + count]);
        Ok(count)
    }

    fn write(&self, handle: u32, bytes: &[u8], offset: f64) -> Result<usize, StorageError> {
        self.writes.set(self.writes.get() + 1);
        let mut files = self.files.borrow_mut();
        let file = &mut files[handle as usize];
        let (from, count) = (offset as usize, self.piece(bytes.len()));
        let more = (from + count).saturating_sub(file.len());
        // What a browser would refuse as sparse, this page has no memory for.
        if self.quota.get().is_some_and(|left| left < more) || more > 64 << 20 {
            return Err(StorageError::new(ErrorKind::Full));
        }
        self.quota.set(self.quota.get().map(|left| left - more));
        if file.len() < from + count {
            file.resize(from + count, 0);
        }
        file[from..from + count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&self, _: u32) -> Result<(), StorageError> {
        Ok(())
    }

    fn size(&self, handle: u32) -> Result<u64, StorageError> {
        Ok(self.files.borrow()[handle as usize].len() as u64)
    }

    fn truncate(&self, handle: u32, bytes: f64) -> Result<(), StorageError> {
        let mut files = self.files.borrow_mut();
        let file = &mut files[handle as usize];
        let freed = file.len().saturating_sub(bytes as usize);
        self.quota.set(self.quota.get().map(|left| left + freed));
        file.resize(bytes as usize, 0);
        Ok(())
    }

    fn now_ms(&self) -> Option<u64> {
        Some(1_800_000_000_000)
    }

    fn random(&self, into: &mut [u8]) -> Result<(), StorageError> {
        self.entropy.set(self.entropy.get() + 1);
        into[..8].copy_from_slice(&self.entropy.get().to_le_bytes());
        Ok(())
    }
}

fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

fn seat(dir: &OpfsDir<Page>, page: &Page, names: &[FileName]) {
    for name in names {
        if !dir.is_seated(name) {
            dir.seat(*name, page.open()).unwrap();
        }
    }
}

/// Tries a promise again with what it wanted, as the browser's tests do.
fn kept(which: usize, piece: usize) -> contract::Promise {
    let mut names: Vec<FileName> = Vec::new();
    loop {
        let page = Page::default();
        page.piece.set(piece);
        let dir = OpfsDir::new(page.clone());
        seat(&dir, &page, &names);
        let promise = contract::try_one(which, dir.clone(), Clone::clone);
        let wanted = dir.wanted();
        if wanted.is_empty() || !matches!(promise.outcome, Outcome::Broken(_)) {
            return promise;
        }
        // The suite's many names follow one another: all of them at once.
        if wanted[0].as_str().len() == FILE_NAME_BYTES_MAX {
            names.extend((0..800).map(|number| name(&format!("segment-{number:056}"))));
        }
        names.extend(wanted);
    }
}

#[test]
fn the_pool_keeps_the_storage_contract_also_where_calls_are_cut_short() {
    for piece in [0, 1000] {
        let promises: Vec<_> = (0..contract::count::<OpfsDir<Page>>())
            .map(|which| kept(which, piece))
            .collect();
        let broken: Vec<_> = contract::broken(&promises).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

#[test]
fn an_empty_file_does_not_exist_until_it_is_created() {
    let page = Page::default();
    let dir = OpfsDir::new(page.clone());
    seat(&dir, &page, &[name("a")]);
    assert!(!dir.exists(&name("a")).unwrap());
    assert!(dir.list().unwrap().is_empty());
    dir.create(&name("a")).unwrap();
    assert_eq!(dir.list().unwrap(), [name("a")]);
}

#[test]
fn a_name_without_a_handle_is_not_ready_and_is_remembered_once() {
    let dir = OpfsDir::new(Page::default());
    for _ in 0..2 {
        assert_eq!(
            dir.create(&name("a")).err().unwrap().kind,
            ErrorKind::NotReady
        );
    }
    assert_eq!(dir.wanted(), [name("a")]);
    assert!(dir.wanted().is_empty());
}

#[test]
fn a_removed_file_is_cut_to_nothing_and_its_handle_given_back_unless_it_is_needed_ahead() {
    let page = Page::default();
    let dir = OpfsDir::new(page.clone());
    seat(&dir, &page, &[name("a"), name("b")]);
    let file = dir.create(&name("a")).unwrap();
    file.append(0, b"abc").unwrap();
    dir.remove(&name("a")).unwrap();
    assert_eq!(page.size(0).unwrap(), 0);
    assert_eq!(
        file.pread(0, &mut [0; 3]).unwrap_err().kind,
        ErrorKind::Closed
    );
    assert_eq!(dir.give_back(&[name("a"), name("b")]), None);
    assert_eq!(dir.give_back(&[name("b")]), Some(0));
    assert_eq!(dir.handles(), 1);
    assert_eq!(
        dir.open(&name("a"), Access::Read).err().unwrap().kind,
        ErrorKind::NotFound
    );
}

#[test]
fn a_name_is_seated_once() {
    let page = Page::default();
    let dir = OpfsDir::new(page.clone());
    seat(&dir, &page, &[name("a")]);
    assert_eq!(
        dir.seat(name("a"), page.open()).unwrap_err().kind,
        ErrorKind::Exists
    );
}

/// A store on a page that makes ready what is named ahead, and no more.
fn store(page: &Page) -> (OpfsDir<Page>, Engine<OpfsDir<Page>>) {
    let dir = OpfsDir::new(page.clone());
    let options = Options {
        segment_bytes: 1 << 20,
        reserve_bytes: 1 << 10,
        ..Options::default()
    };
    seat(&dir, page, &files_ahead(&dir, 1).unwrap());
    let store = Engine::open(dir.clone(), options).unwrap();
    (dir, store)
}

#[test]
fn what_is_named_ahead_is_all_that_opening_writing_and_merging_ask_for() {
    let page = Page::default();
    let (dir, mut store) = store(&page);
    let value = vec![7; 100_000];
    for round in 0..60_u32 {
        seat(&dir, &page, &store.files_ahead(1).unwrap());
        store.put(&(round % 12).to_le_bytes(), &value).unwrap();
    }
    seat(&dir, &page, &store.files_ahead(4).unwrap());
    store.begin_merge_all().unwrap();
    loop {
        seat(&dir, &page, &store.files_ahead(3).unwrap());
        match store.merge_step(1 << 20).unwrap() {
            portcask_core::MergeProgress::Working { .. } => {}
            _ => break,
        }
    }
    assert!(dir.wanted().is_empty());
    assert_eq!(store.stats().unwrap().keys, 12);
    store.close().unwrap();
    while dir.give_back(&[]).is_some() {}
    // The same files in another directory, as a page that was loaded again has them.
    let ahead = files_ahead(&dir, 1).unwrap();
    seat(&dir, &page, &ahead);
    let again = Engine::<_>::open(dir.clone(), Options::default()).unwrap();
    assert!(dir.wanted().is_empty());
    assert!(again.report().clean);
    assert_eq!(again.len(), 12);
}

#[test]
fn a_write_that_lacks_files_is_refused_and_done_when_they_are_there() {
    let page = Page::default();
    let (dir, mut store) = store(&page);
    let value = vec![7; 300_000];
    let mut refused = 0;
    for key in 0..20_u32 {
        while let Err(error) = store.put(&key.to_le_bytes(), &value) {
            assert_eq!(error.storage_kind(), Some(ErrorKind::NotReady), "{error}");
            refused += 1;
            seat(&dir, &page, &dir.wanted());
            seat(&dir, &page, &store.files_ahead(1).unwrap());
        }
    }
    assert!(refused > 2);
    for key in 0..20_u32 {
        assert_eq!(
            store.get(&key.to_le_bytes()).unwrap().as_ref(),
            Some(&value)
        );
    }
    assert!(store.verify(|_, _| {}).unwrap().is_sound());
}

#[test]
fn a_folder_in_the_way_of_a_segment_is_passed_over() {
    let page = Page::default();
    let dir = OpfsDir::new(page.clone());
    dir.block(name("segment-0000000001")).unwrap();
    seat(&dir, &page, &files_ahead(&dir, 3).unwrap());
    let mut store = Engine::<_>::open(dir.clone(), Options::default()).unwrap();
    store.put(b"a", b"1").unwrap();
    assert!(!dir.exists(&name("segment-0000000001")).unwrap());
    assert!(dir.exists(&name("segment-0000000002")).unwrap());
}

#[test]
fn a_batch_is_one_write() {
    let page = Page::default();
    let (_, mut store) = store(&page);
    let mut batch = portcask_core::Batch::new();
    for key in 0..100_u32 {
        batch.put(key.to_le_bytes(), *b"value");
    }
    let before = page.writes.get();
    store.write(&batch).unwrap();
    assert_eq!(page.writes.get(), before + 1);
}

#[test]
fn out_of_space_a_write_is_refused_and_everything_else_goes_on() {
    let page = Page::default();
    let (_, mut store) = store(&page);
    store.put(b"small", b"value").unwrap();
    page.quota.set(Some(100));
    let full = store.put(b"large", &[7; 1000]).unwrap_err();
    assert!(matches!(full, portcask_core::Error::Full { .. }), "{full}");
    assert_eq!(store.get(b"small").unwrap().as_deref(), Some(&b"value"[..]));
    page.quota.set(Some(0));
    let mut batch = portcask_core::Batch::new();
    store
        .write(batch.delete("small").put_meta("client", "7"))
        .unwrap();
    assert_eq!(store.get(b"small").unwrap(), None);
}
