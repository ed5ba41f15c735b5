//! Iteration: cursors across merge and reopening, prefixes and ranges with and without the ordered
//! index, the change feed with its gap, a key's history.

mod common;

use common::{Script, name_of};
use portcask_core::testing::world::Store;
use portcask_core::{Batch, Change, ChangeKind, Entry, Error};
use std::collections::BTreeMap;
use std::ops::Bound;

fn key(n: u32) -> Vec<u8> {
    format!("key-{n:03}").into_bytes()
}

/// A store of 300 keys in several segments, some of them rewritten and deleted.
fn filled(ordered: bool) -> Script {
    let mut world = Script::new();
    world.options.ordered_index = ordered;
    let store = world.store().unwrap();
    for n in 0..300 {
        store.put(&key(n), n.to_string().as_bytes()).unwrap();
        if n % 90 == 89 {
            store.rotate().unwrap();
        }
    }
    for n in (0..300).step_by(10) {
        store.put(&key(n), b"again").unwrap();
        store.delete(&key(n + 1)).unwrap();
    }
    world
}

fn page(store: &Store, cursor: u64, seen: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> u64 {
    let page = store.scan(cursor, 16).unwrap();
    for entry in page.entries {
        let before = seen.insert(entry.key, entry.value);
        assert_eq!(before, None, "shown twice");
    }
    page.next
}

#[test]
fn a_cursor_survives_merge_and_reopening_and_shows_every_key_once() {
    let mut world = filled(false);
    let (mut seen, mut cursor, mut round) = (BTreeMap::new(), 0, 0);
    loop {
        cursor = page(world.store().unwrap(), cursor, &mut seen);
        if cursor == 0 {
            break;
        }
        round += 1;
        match round % 4 {
            0 => world.run("merge"),
            1 => world.run("kill"),
            2 => world.run("step 500; rotate"),
            _ => world.run("close"),
        };
    }
    let expected: BTreeMap<_, _> = (0..300)
        .filter(|n| n % 10 != 1)
        .map(|n| match n % 10 {
            0 => (key(n), b"again".to_vec()),
            _ => (key(n), n.to_string().into_bytes()),
        })
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_key_changed_during_a_scan_is_shown_at_most_once_and_the_others_exactly_once() {
    let mut world = filled(false);
    let (mut seen, mut cursor, mut round) = (BTreeMap::new(), 0, 0_u32);
    loop {
        cursor = page(world.store().unwrap(), cursor, &mut seen);
        if cursor == 0 {
            break;
        }
        round += 1;
        let store = world.store().unwrap();
        store.put(&key(2), format!("{round}").as_bytes()).unwrap();
        store.delete(&key(3)).unwrap();
        store.put(format!("new-{round}").as_bytes(), b"").unwrap();
    }
    for n in (0..300).filter(|n| n % 10 != 1 && *n != 3) {
        assert!(seen.contains_key(&key(n)), "key {n}");
    }
}

fn keys(entries: impl Iterator<Item = portcask_core::Result<Entry>>) -> Vec<String> {
    entries
        .map(|entry| String::from_utf8(entry.unwrap().key).unwrap())
        .collect()
}

#[test]
fn prefixes_and_ranges_are_the_same_with_and_without_the_ordered_index() {
    for reopen in ["", "kill", "close", "merge; kill"] {
        let (mut plain, mut ordered) = (filled(false), filled(true));
        plain.run(reopen);
        ordered.run(reopen);
        for world in [&mut plain, &mut ordered] {
            let store = world.store().unwrap();
            let mut batch = Batch::new();
            batch
                .put("key-05", "short")
                .put("key-0500", "long")
                .delete(key(52));
            batch.put_meta("key-055", "hidden");
            store.write(&batch).unwrap();
        }
        let (plain, ordered) = (plain.store().unwrap(), ordered.store().unwrap());
        for prefix in ["key-05", "key-050", "", "key-", "kez", "key-29", "zzz"] {
            let mut unsorted = keys(plain.scan_prefix(prefix.as_bytes()));
            let sorted = keys(ordered.scan_prefix(prefix.as_bytes()));
            assert!(sorted.is_sorted(), "{prefix}");
            unsorted.sort();
            assert_eq!(sorted, unsorted, "{prefix} after {reopen:?}");
        }
        let bound = |text: &str| text.as_bytes().to_vec();
        let ranges = [
            (
                Bound::Included(bound("key-05")),
                Bound::Excluded(bound("key-06")),
            ),
            (
                Bound::Excluded(bound("key-05")),
                Bound::Included(bound("key-056")),
            ),
            (Bound::Unbounded, Bound::Included(bound("key-003"))),
            (Bound::Included(bound("key-295")), Bound::Unbounded),
            (
                Bound::Included(bound("key-9")),
                Bound::Excluded(bound("key-1")),
            ),
            (
                Bound::Excluded(bound("key-1")),
                Bound::Excluded(bound("key-1")),
            ),
            (Bound::Unbounded, Bound::Unbounded),
        ];
        for range in ranges {
            let sorted = keys(ordered.range(range.clone()).unwrap());
            assert!(sorted.is_sorted(), "{range:?}");
            assert_eq!(
                sorted,
                keys(plain.range(range.clone()).unwrap()),
                "{range:?}"
            );
        }
    }
}

#[test]
fn the_ordered_index_forgets_what_is_deleted_expired_and_cleared() {
    let mut world = Script::new();
    world.options.ordered_index = true;
    world.run("put a 1; put b 2 ttl=10; put c 3; put d 4; del c; batch -d e=5; wait 20; tick");
    let all = |world: &mut Script| keys(world.store().unwrap().scan_prefix(b"")).join(" ");
    assert_eq!(all(&mut world), "a e");
    world.run("merge; kill");
    assert_eq!(all(&mut world), "a e");
    world.run("clear; put z 9");
    assert_eq!(all(&mut world), "z");
}

fn told(changes: &[Change]) -> String {
    let word = |change: &Change| {
        let key = String::from_utf8_lossy(&change.key).into_owned();
        match &change.kind {
            ChangeKind::Put { value, .. } => format!("{key}={}", String::from_utf8_lossy(value)),
            ChangeKind::Delete => format!("-{key}"),
        }
    };
    changes.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The whole feed from a number on, page by page.
fn feed(store: &Store, from: u64) -> Result<String, Error> {
    let (mut changes, mut next) = (Vec::new(), from);
    loop {
        let page = store.changes(next, 2)?;
        assert!(page.changes.iter().all(|change| change.seq >= next));
        if page.changes.is_empty() {
            return Ok(told(&changes));
        }
        next = page.next_seq;
        changes.extend(page.changes);
    }
}

#[test]
fn the_feed_tells_every_change_once_in_order_across_files_and_reopenings() {
    let mut world = Script::new();
    world.run("put a 1; put b 2; rotate; del a; batch c=3 b=4; kill; put d 5; close; put e 6");
    let expected = "a=1 b=2 -a c=3 b=4 d=5 e=6";
    let store = world.store().unwrap();
    assert_eq!(feed(store, 0).unwrap(), expected);
    let all = store.changes(0, 100).unwrap();
    assert!(all.changes.is_sorted_by(|a, b| a.seq < b.seq));
    // From every change on, whatever was read before.
    for (i, change) in all.changes.iter().enumerate() {
        assert_eq!(feed(store, change.seq).unwrap(), told(&all.changes[i..]));
    }
    assert_eq!(store.changes(all.next_seq, 9).unwrap().changes, []);
    world.run("put f 7");
    assert_eq!(feed(world.store().unwrap(), all.next_seq).unwrap(), "f=7");
}

#[test]
fn the_feed_resumes_where_a_crash_left_only_a_marker_behind() {
    let mut world = Script::new();
    world.run("put a 1; put b 2 synced");
    let seq = world.store().unwrap().last_seq();
    // The marker is all that lies behind the last durable record.
    world.run("tick; kill");
    assert_eq!(feed(world.store().unwrap(), seq).unwrap(), "b=2");
    world.run("put c 3");
    assert_eq!(feed(world.store().unwrap(), seq).unwrap(), "b=2 c=3");
}

#[test]
fn a_gap_is_told_once_merge_dropped_what_the_feed_needs() {
    let mut world = Script::new();
    world.run("put a 1; put a 2; put b 3; rotate; put c 4; rotate; merge; put d 5");
    let store = world.store().unwrap();
    let Err(Error::Gap { missed }) = store.changes(0, 9) else {
        panic!("no gap");
    };
    assert_eq!(missed.from, 1);
    let oldest = missed.oldest;
    assert_eq!(oldest, store.stats().unwrap().oldest_change_seq);
    assert_eq!(feed(store, oldest).unwrap(), "a=2 b=3 c=4 d=5");
    world.run("kill");
    assert!(matches!(
        feed(world.store().unwrap(), 1),
        Err(Error::Gap { .. })
    ));
    assert_eq!(
        feed(world.store().unwrap(), oldest).unwrap(),
        "a=2 b=3 c=4 d=5"
    );
}

#[test]
fn clearing_is_a_gap_in_the_feed() {
    let mut world = Script::new();
    world.run("put a 1; clear; put b 2");
    let error = feed(world.store().unwrap(), 1).unwrap_err();
    assert_eq!(name_of(&error), "Gap");
    let oldest = world.store().unwrap().stats().unwrap().oldest_change_seq;
    assert_eq!(feed(world.store().unwrap(), oldest).unwrap(), "b=2");
}

#[test]
fn history_tells_every_version_that_the_log_still_holds_and_which_one_lives() {
    let mut world = Script::new();
    world.run("put a 1; put a 2; rotate; del a; put a 3; put b 1; kill");
    world.check("history a; history b; history c", "1,2,-,3 1 ");
    let versions = world.store().unwrap().history(b"a").unwrap();
    assert!(versions.is_sorted_by(|a, b| a.seq < b.seq));
    let live: Vec<bool> = versions.iter().map(|version| version.live).collect();
    assert_eq!(live, [false, false, false, true]);
    world.check("merge; history a; del a; history a", "3 3,-");
}

#[test]
fn a_key_is_explained_by_where_its_newest_record_is_and_whether_a_power_cut_would_take_it() {
    let mut world = Script::new();
    world.run("put a 1; put a four; sync; put b 2 ttl=5000");
    let store = world.store().unwrap();
    let versions = store.history(b"a").unwrap();
    let found = store.explain(b"a").unwrap().unwrap();
    let newest = versions.last().unwrap();
    assert_eq!((found.file, found.offset), (newest.file, newest.offset));
    assert_eq!((found.seq, found.expiry_ms), (2, None));
    assert_eq!((found.key_bytes, found.value_bytes), (1, 4));
    assert_eq!(found.record_bytes, found.read_bytes);
    assert!(found.durable && !found.buffered);
    let found = store.explain(b"b").unwrap().unwrap();
    assert!(!found.durable && found.expiry_ms.is_some());
    assert_eq!(store.explain(b"c").unwrap(), None);
    world.run("del a; wait 6000");
    let store = world.store().unwrap();
    assert_eq!(store.explain(b"a").unwrap(), None);
    assert_eq!(store.explain(b"b").unwrap(), None);
}
