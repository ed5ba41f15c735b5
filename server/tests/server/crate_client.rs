//! The `redis` crate as a client, as an application uses it.

use crate::common::start;
use redis::{Commands, RedisResult};

fn url(fixture: &crate::common::Fixture, protocol: &str) -> String {
    format!("redis://{}/?protocol={protocol}", fixture.address())
}

#[test]
fn the_redis_crate_reads_writes_scans_and_transacts_in_both_protocols() {
    for protocol in ["resp2", "resp3"] {
        let fixture = start();
        let client = redis::Client::open(url(&fixture, protocol)).unwrap();
        let mut connection = client.get_connection().unwrap();
        let _: () = connection.set("count", 41).unwrap();
        let count: i64 = connection.incr("count", 1).unwrap();
        assert_eq!(count, 42);
        let nothing: Option<String> = connection.get("nothing").unwrap();
        assert_eq!(nothing, None);
        let _: () = connection.set_ex("short", "v", 100).unwrap();
        let left: i64 = connection.ttl("short").unwrap();
        assert_eq!(left, 100);
        let keys = ["count", "short", "nothing"];
        let values: Vec<Option<String>> = connection.mget(&keys).unwrap();
        assert_eq!(values, [Some("42".to_owned()), Some("v".to_owned()), None]);
        let answers: (i64, String) = redis::pipe()
            .atomic()
            .incr("count", 1)
            .set("a", "b")
            .ignore()
            .get("a")
            .query(&mut connection)
            .unwrap();
        assert_eq!(answers, (43, "b".to_owned()));
        let mut scanned: Vec<String> = connection.scan().unwrap().map(Result::unwrap).collect();
        scanned.sort();
        assert_eq!(scanned, ["a", "count", "short"]);
        let refused: RedisResult<()> = redis::cmd("LPUSH").arg("l").arg("v").query(&mut connection);
        assert!(refused.unwrap_err().to_string().contains("unknown command"));
    }
}
