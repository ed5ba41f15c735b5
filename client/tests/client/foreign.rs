//! Redis itself on the other side.

use crate::real_redis::Redis;
use portcask_client::{Batch, Condition, Db, Ttl};
use std::collections::BTreeMap;

#[test]
fn strings_of_a_redis_come_with_their_time_and_the_rest_is_counted() {
    let Some(redis) = Redis::start() else { return };
    redis.run(&[
        "SET plain value",
        "SET short value PX 500000",
        "SET empty \"\"",
        "RPUSH list a b",
        "SADD set a",
        "SADD set2 a",
        "HSET hash f v",
        "SETBIT bits 7 1",
    ]);
    let db = Db::open(&redis.url()).unwrap();
    let (mut strings, mut others, mut cursor) = (BTreeMap::new(), BTreeMap::new(), 0);
    loop {
        let page = db.strings(cursor, 3).unwrap();
        for (key, value, left) in page.strings {
            strings.insert(String::from_utf8(key).unwrap(), (value, left));
        }
        for (kind, count) in page.others {
            *others.entry(kind).or_insert(0) += count;
        }
        cursor = page.next;
        if cursor == 0 {
            break;
        }
    }
    let keys: Vec<_> = strings.keys().map(String::as_str).collect();
    assert_eq!(keys, ["bits", "empty", "plain", "short"]);
    assert_eq!(strings["bits"], (b"\x01".to_vec(), None));
    assert_eq!(strings["empty"], (Vec::new(), None));
    let (value, left) = &strings["short"];
    assert_eq!(value, b"value");
    assert!((400_000..=500_000).contains(&left.unwrap()), "{left:?}");
    let kinds: Vec<_> = others
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect();
    assert_eq!(kinds, [("hash", 1), ("list", 1), ("set", 2)]);
}

#[test]
fn the_verbs_work_on_redis_and_over_a_unix_socket() {
    let Some(redis) = Redis::start() else { return };
    let mut urls = vec![redis.url()];
    if cfg!(unix) {
        let socket = redis.dir.path().join("redis.sock");
        urls.push(format!("redis+unix://{}", socket.display()));
    }
    for url in urls {
        let db = Db::open(&url).unwrap();
        let mut batch = Batch::new();
        batch
            .put("a", "1")
            .put("b", "2")
            .require("a", Condition::Absent);
        db.write(&batch).unwrap();
        let carried = db.transaction(|t| {
            let found = t.get(b"a")?.unwrap_or_default();
            t.put(b"c", found);
            t.delete(b"a")
        });
        assert!(carried.unwrap());
        assert_eq!(db.get(b"c").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(db.ttl(b"c").unwrap(), Ttl::Forever);
        assert_eq!(db.range(b"b".to_vec()..).unwrap().count(), 2);
        assert_eq!(db.stats().unwrap().keys, 2);
        assert_eq!(db.stats().unwrap().version, None);
        assert_eq!(db.clear().unwrap(), 2);
        let refused = db.merge_all().unwrap_err();
        assert!(refused.to_string().contains("unknown command"), "{refused}");
    }
}
