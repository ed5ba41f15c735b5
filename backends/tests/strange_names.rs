//! Directories and links under names that the engine would use: left alone, and in nobody's way.
#![cfg(unix)]

use std::fs;

use portcask::format::file::names;
use portcask::std_files::StdFiles;
use portcask::{Engine, Options};

fn open(path: &std::path::Path) -> Engine<StdFiles> {
    Engine::open(StdFiles::open(path).unwrap(), Options::default()).unwrap()
}

#[test]
fn a_directory_under_the_next_names_is_passed_over() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("store");
    let mut store = open(&path);
    store.put(b"k", b"0").unwrap();
    store.close().unwrap();
    for n in 2..6 {
        fs::create_dir(path.join(names::manifest(n).as_str())).unwrap();
    }
    for n in [3, 5, 6, 9] {
        fs::create_dir(path.join(names::segment(n).as_str())).unwrap();
    }
    for round in 1..6_u8 {
        let mut store = open(&path);
        store.put(b"k", &[round]).unwrap();
        store.put(&[round], b"v").unwrap();
        store.merge_all(|_, _| ()).unwrap();
        drop(store);
        let store = open(&path);
        assert!(!store.report().degraded);
        assert_eq!(store.get(b"k").unwrap(), Some(vec![round]));
        assert_eq!(store.len(), 1 + u64::from(round));
        assert!(store.verify(|_, _| ()).unwrap().is_sound());
    }
    assert!(path.join(names::segment(9).as_str()).is_dir());
}
