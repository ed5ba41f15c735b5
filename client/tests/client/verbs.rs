//! Each verb does what an embedded store's does.

use crate::servers::start;
use portcask_client::{Ack, Batch, Condition, Entry, Error, Expiry, Ttl, WriteOptions};

/// The README's program, with nothing but its first line exchanged: it compiles against both, and does the same.
macro_rules! program {
    ($open:expr) => {{
        let db = $open.unwrap();
        db.put(b"cat", b"meow").unwrap();
        assert_eq!(db.get(b"cat").unwrap().as_deref(), Some(&b"meow"[..]));
        let durable = WriteOptions {
            ack: Some(Ack::Synced),
            ..Default::default()
        };
        db.put_with(b"dog", b"woof", &durable).unwrap();
        let mut batch = Batch::new();
        batch
            .put("a", "1")
            .put_with("b", "2", Expiry::AfterMs(600_000))
            .delete("cat");
        db.write(&batch).unwrap();
        let mut seen = Vec::new();
        for entry in db.scan_prefix(b"a") {
            let entry = entry.unwrap();
            seen.push((entry.key, entry.value, entry.expiry_ms));
        }
        let moved = db.transaction(|t| {
            let Some(found) = t.get(b"a")? else {
                return Ok(false);
            };
            t.put(b"moved", found);
            t.delete(b"a")
        });
        let ends = matches!(db.ttl(b"b").unwrap(), Ttl::ExpiresAtMs(_));
        let many = db.get_many(&[b"moved", b"a", b"dog"]).unwrap();
        let mut keys: Vec<_> = db.keys().map(|key| key.unwrap()).collect();
        keys.sort();
        let answers = [
            db.contains_key(b"cat").unwrap(),
            db.expire(b"dog", Expiry::AfterMs(900_000)).unwrap(),
            db.persist(b"dog").unwrap(),
            db.persist(b"dog").unwrap(),
            db.expire(b"nobody", Expiry::Never).unwrap(),
            db.delete(b"dog").unwrap(),
            db.delete(b"dog").unwrap(),
        ];
        let counts = [db.len().unwrap(), db.clear().unwrap(), db.len().unwrap()];
        let told = (seen, moved.unwrap(), ends, many, keys, answers, counts);
        db.sync().unwrap();
        db.close().unwrap();
        told
    }};
}

#[test]
fn a_program_moves_from_a_directory_to_a_server_by_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let embedded = program!(portcask::open(dir.path().join("store")));
    let server = start();
    let remote = program!(portcask_client::open(&server.url()));
    assert_eq!(embedded, remote);
}

#[test]
fn keys_and_values_are_any_bytes_of_any_length() {
    let server = start();
    let db = server.connect();
    let every: Vec<u8> = (0..=255).collect();
    let large = vec![7; 3 << 20];
    for (key, value) in [
        (&b"\r\n*1\r\n$4\r\nPING\r\n"[..], &b""[..]),
        (b"\0\xff", &every),
        (&every, b"\r\n"),
        (b"large", &large),
        (b"", b"the empty key"),
    ] {
        db.put(key, value).unwrap();
        let entry = db.get_entry(key).unwrap().unwrap();
        let expected = Entry {
            key: key.to_vec(),
            value: value.to_vec(),
            expiry_ms: None,
        };
        assert!(entry == expected, "{}", key.escape_ascii());
    }
    assert_eq!(db.len().unwrap(), 5);
    let mut into = vec![1, 2, 3];
    assert!(db.get_into(b"\0\xff", &mut into).unwrap());
    assert_eq!(into, every);
    assert!(!db.get_into(b"nobody", &mut into).unwrap());
    assert!(into.is_empty());
}

#[test]
fn a_life_ends_when_it_was_said_to() {
    let server = start();
    let db = server.connect();
    let now = db.now_ms().unwrap();
    let with = |expiry| WriteOptions {
        expiry,
        ..WriteOptions::default()
    };
    db.put_with(b"at", b"v", &with(Expiry::AtMs(now + 500_000)))
        .unwrap();
    assert_eq!(db.ttl(b"at").unwrap(), Ttl::ExpiresAtMs(now + 500_000));
    assert_eq!(
        db.get_entry(b"at").unwrap().unwrap().expiry_ms,
        Some(now + 500_000)
    );
    for over in [Expiry::AtMs(0), Expiry::AfterMs(0), Expiry::AtMs(now - 1)] {
        db.put_with(b"over", b"v", &with(over)).unwrap();
        assert_eq!(db.ttl(b"over").unwrap(), Ttl::Missing, "{over:?}");
    }
    db.put(b"at", b"w").unwrap();
    assert_eq!(db.ttl(b"at").unwrap(), Ttl::Forever);
    assert!(db.expire(b"at", Expiry::AfterMs(0)).unwrap());
    assert_eq!(db.get(b"at").unwrap(), None);
}

#[test]
fn a_write_is_taken_only_if_its_condition_holds() {
    let server = start();
    let db = server.connect();
    let only = |condition| WriteOptions {
        condition: Some(condition),
        ..WriteOptions::default()
    };
    let failed = |key: &[u8]| Err(Error::ConditionFailed { key: key.to_vec() });
    assert_eq!(
        db.put_with(b"k", b"1", &only(Condition::Present)),
        failed(b"k")
    );
    db.put_with(b"k", b"1", &only(Condition::Absent)).unwrap();
    assert_eq!(
        db.put_with(b"k", b"2", &only(Condition::Absent)),
        failed(b"k")
    );
    db.put_with(b"k", b"3", &only(Condition::Present)).unwrap();
    assert_eq!(
        db.delete_with(b"nobody", &only(Condition::Present)),
        Err(Error::ConditionFailed {
            key: b"nobody".to_vec()
        })
    );
    let mut batch = Batch::new();
    batch
        .put("a", "1")
        .delete("k")
        .require("k", Condition::Present)
        .require("a", Condition::Absent);
    db.write(&batch).unwrap();
    assert_eq!(
        db.get_many(&[b"a", b"k"]).unwrap(),
        [Some(b"1".to_vec()), None]
    );
    batch.put("b", "never");
    assert_eq!(db.write(&batch), failed(b"k"));
    assert_eq!(db.get(b"b").unwrap(), None);
    db.delete_with(b"a", &only(Condition::Present)).unwrap();
    assert!(db.is_empty().unwrap());
}

#[test]
fn what_the_protocol_cannot_carry_is_refused_before_anything_is_sent() {
    let server = start();
    let db = server.connect();
    let at_seq = WriteOptions {
        condition: Some(Condition::Seq(7)),
        ..WriteOptions::default()
    };
    let mut of_seq = Batch::new();
    of_seq.put("k", "v").require("k", Condition::Seq(7));
    let mut of_meta = Batch::new();
    of_meta.put("k", "v").put_meta("applied", "1");
    for refused in [
        db.put_with(b"k", b"v", &at_seq),
        db.write(&of_seq),
        db.write(&of_meta),
    ] {
        assert!(
            matches!(refused, Err(Error::NotCarried { .. })),
            "{refused:?}"
        );
    }
    assert!(db.is_empty().unwrap());
}

#[test]
fn a_batch_that_the_server_refuses_leaves_nothing() {
    let server = start();
    let db = server.connect();
    let mut batch = Batch::new();
    batch
        .put("a", "1")
        .put(vec![b'k'; 65_536], "too long a key")
        .put("b", "2");
    let refused = db.write(&batch).unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert!(db.is_empty().unwrap());
    batch.clear();
    db.write(&batch).unwrap();
}

#[test]
fn walks_show_every_key_once_and_a_prefix_is_no_pattern() {
    let server = start();
    let db = server.connect();
    let mut batch = Batch::new();
    for number in 0..1000 {
        batch.put(format!("n{number:04}"), number.to_string());
    }
    for odd in ["[a]*?", "[a]*?\\^-", "a", "[a]", "*"] {
        batch.put(odd, "odd");
    }
    db.write(&batch).unwrap();
    let mut found: Vec<_> = db.iter().map(|entry| entry.unwrap().key).collect();
    assert_eq!(found.len(), 1005);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 1005);
    let mut odd: Vec<_> = db
        .scan_prefix(b"[a]*?")
        .map(|entry| entry.unwrap().key)
        .collect();
    odd.sort();
    assert_eq!(odd, [b"[a]*?".to_vec(), b"[a]*?\\^-".to_vec()]);
    let keys: Vec<Vec<u8>> = (0..1000)
        .map(|number| format!("n{number:04}").into_bytes())
        .collect();
    let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let values = db.get_many(&asked).unwrap();
    let expected: Vec<_> = (0..1000)
        .map(|number| Some(number.to_string().into_bytes()))
        .collect();
    assert_eq!(values, expected);
    let range = db.range(b"n0300".to_vec()..b"n0700".to_vec()).unwrap();
    let range: Vec<_> = range.map(|entry| entry.unwrap().key).collect();
    assert_eq!(range, keys[300..700]);
    let (mut cursor, mut pages, mut seen) = (0, 0, 0);
    loop {
        let page = db.scan(cursor, 100).unwrap();
        (pages, seen) = (pages + 1, seen + page.entries.len());
        cursor = page.next;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, 1005);
    assert!(pages >= 10, "{pages}");
}
