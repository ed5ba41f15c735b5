//! What only a log can do, from afar.

use crate::servers::start;
use portcask_client::{Change, ChangeKind, Error, Version};

#[test]
fn history_and_changes_tell_numbers_values_and_deletes() {
    let server = start();
    let db = server.connect();
    db.put(b"k", b"1").unwrap();
    db.put(b"k", b"").unwrap();
    db.delete(b"k").unwrap();
    let versions = db.history(b"k").unwrap();
    let values: Vec<_> = versions.iter().map(|it| it.value.as_deref()).collect();
    assert_eq!(values, [Some(&b"1"[..]), Some(b""), None]);
    assert!(versions.is_sorted_by_key(|it: &Version| it.seq));
    let page = db.changes(0, 2).unwrap();
    assert_eq!(page.changes.len(), 2);
    let rest = db.changes(page.next_seq, 10).unwrap();
    let expected = Change {
        seq: versions[2].seq,
        key: b"k".to_vec(),
        kind: ChangeKind::Delete,
    };
    assert_eq!(rest.changes, [expected]);
    assert!(db.changes(rest.next_seq, 10).unwrap().changes.is_empty());
}

#[test]
fn a_feed_that_merge_has_cut_says_where_it_is_complete_again() {
    let server = start();
    let db = server.connect();
    for _ in 0..10 {
        db.put(b"k", &[0; 1000]).unwrap();
    }
    assert!(db.merge_all().unwrap() > 5_000);
    let Err(Error::Gap { from, oldest }) = db.changes(1, 10) else {
        panic!("the feed is not cut");
    };
    assert_eq!(from, 1);
    assert!(db.changes(oldest, 10).is_ok());
    assert_eq!(db.verify().unwrap(), [""; 0]);
    let stats = db.stats().unwrap();
    assert_eq!((stats.keys, stats.last_seq), (1, Some(10)));
    assert!(stats.total_bytes.unwrap() < 10_000, "{stats:?}");
    assert_eq!(stats.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
}
