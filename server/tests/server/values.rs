//! Parts of values, numbers, bits, the ends of lives, and which keys there are.

use crate::common::{Client, start, start_with};
use std::collections::BTreeSet;

fn check(client: &mut Client, script: &[(&str, &str)]) {
    for (command, reply) in script {
        assert_eq!(client.ask(command), *reply, "{command}");
    }
}

#[test]
fn sizes_that_nobody_can_hold_are_refused_before_anything_is_allocated() {
    let fixture = start_with(|config| config.limits.bulk_bytes_max = 1 << 20);
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    let bad_offset = "-ERR bit offset is not an integer or out of range";
    check(
        &mut fixture.connect(),
        &[
            ("SETRANGE k 1048576 x", too_long),
            ("SETRANGE k 9223372036854775807 x", too_long),
            ("SETRANGE k -1 x", "-ERR offset is out of range"),
            ("SETRANGE k 1048575 x", ":1048576"),
            ("APPEND k x", too_long),
            ("GETRANGE k -1 9223372036854775807", "$1 x"),
            (
                "GETRANGE k -9223372036854775808 -9223372036854775808",
                "$1 \0",
            ),
            ("SETBIT b 8388608 1", bad_offset),
            ("SETBIT b 4294967296 1", bad_offset),
            ("SETBIT b -1 1", bad_offset),
            ("SETBIT b 8388607 1", ":0"),
            ("STRLEN b", ":1048576"),
            ("BITPOS b 1", ":8388607"),
        ],
    );
}

#[test]
fn counting_stops_at_the_ends_of_64_bits() {
    let fixture = start();
    let overflow = "-ERR increment or decrement would overflow";
    check(
        &mut fixture.connect(),
        &[
            ("SET n 9223372036854775807", "+OK"),
            ("INCR n", overflow),
            ("DECRBY n -1", overflow),
            (
                "DECRBY n -9223372036854775808",
                "-ERR decrement would overflow",
            ),
            ("DECR n", ":9223372036854775806"),
            ("SET n text", "+OK"),
            ("INCR n", "-ERR value is not an integer or out of range"),
            ("INCRBYFLOAT n 1", "-ERR value is not a valid float"),
            ("INCRBYFLOAT f 0.1", "$3 0.1"),
            ("INCRBYFLOAT f 0.2", "$3 0.3"),
            (
                "INCRBYFLOAT f inf",
                "-ERR increment would produce NaN or Infinity",
            ),
            ("INCRBYFLOAT f nan", "-ERR value is not a valid float"),
        ],
    );
}

#[test]
fn many_clients_count_without_losing_a_step() {
    const CLIENTS: usize = 8;
    const STEPS: usize = 200;
    let fixture = start();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = fixture.connect();
                for _ in 0..STEPS {
                    assert!(client.ask("INCR n").starts_with(':'));
                }
            });
        }
    });
    assert_eq!(fixture.connect().ask("GET n"), "$4 1600");
}

#[test]
fn a_writer_that_changes_two_keys_at_once_is_never_seen_half_way() {
    const WRITES: usize = 300;
    let fixture = start();
    fixture.connect().ask("MSET a 0 b 0");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut client = fixture.connect();
            for n in 1..=WRITES {
                assert_eq!(client.ask(&format!("MSET a {n} b {n}")), "+OK");
            }
        });
        let mut client = fixture.connect();
        while !writer.is_finished() {
            let reply = client.ask("MGET a b");
            let words: Vec<_> = reply.split(' ').collect();
            assert_eq!(words[2], words[4], "{reply}");
        }
    });
}

#[test]
fn the_end_of_a_life_is_kept_told_changed_and_taken_away() {
    let fixture = start();
    let mut client = fixture.connect();
    check(
        &mut client,
        &[
            ("SET k v", "+OK"),
            ("TTL k", ":-1"),
            ("TTL nothing", ":-2"),
            ("EXPIRE k 100 XX", ":0"),
            ("EXPIRE k 100 GT", ":0"),
            ("EXPIRE k 100 LT", ":1"),
            ("EXPIRE k 200 NX", ":0"),
            ("EXPIRE k 50 GT", ":0"),
            ("EXPIRE k 200 GT", ":1"),
            ("TTL k", ":200"),
            ("APPEND k w", ":2"),
            ("TTL k", ":200"),
            ("RENAME k l", "+OK"),
            ("COPY l m", ":1"),
            ("TTL m", ":200"),
            ("SET l v", "+OK"),
            ("TTL l", ":-1"),
            ("EXPIREAT m 4102444800", ":1"),
            ("PEXPIRETIME m", ":4102444800000"),
            ("PERSIST m", ":1"),
            ("PERSIST m", ":0"),
            ("EXPIRE m -1", ":1"),
            ("EXISTS m", ":0"),
        ],
    );
    client.ask("SET short v PX 1");
    while client.ask("EXISTS short") != ":0" {}
    assert_eq!(client.ask("PTTL short"), ":-2");
    client.ask("SETEX long 1000 v");
    let fixture = fixture.restart();
    let left: i64 = fixture.connect().ask("TTL long")[1..].parse().unwrap();
    assert!((900..=1000).contains(&left), "{left}");
}

#[test]
fn a_scan_meets_every_key_that_is_there_all_the_time() {
    let fixture = start();
    let mut client = fixture.connect();
    let expected: BTreeSet<String> = (0..2000).map(|n| format!("key{n}")).collect();
    for key in &expected {
        client.ask(&format!("SET {key} v"));
    }
    let mut met = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = client.ask(&format!("SCAN {cursor} COUNT 100"));
        let words: Vec<_> = page.split(' ').collect();
        met.extend(
            words[4..]
                .iter()
                .skip(1)
                .step_by(2)
                .map(|key| (*key).to_owned()),
        );
        cursor = words[2].to_owned();
        client.ask(&format!("SET between{} v", met.len()));
        if cursor == "0" {
            break;
        }
    }
    assert!(expected.is_subset(&met));
    assert!(
        client
            .ask("SCAN 18446744073709551615 COUNT 9223372036854775807")
            .starts_with("*2 ")
    );
    check(
        &mut client,
        &[
            ("SCAN abc", "-ERR invalid cursor"),
            ("SCAN -1", "-ERR invalid cursor"),
            ("SCAN 0 COUNT 0", "-ERR syntax error"),
            ("SCAN 0 COUNT -1", "-ERR syntax error"),
        ],
    );
    assert!(client.ask("KEYS key19?9").starts_with("*10 "));
    assert!(client.ask("LIST key199*").starts_with("*11 "));
    assert!(client.ask("RANDOMKEY").starts_with('$'));
}

#[test]
fn flushing_empties_the_store_also_inside_a_transaction() {
    let fixture = start();
    let mut client = fixture.connect();
    check(
        &mut client,
        &[
            ("RANDOMKEY", "$-1"),
            ("MSET a 1 b 2 c 3", "+OK"),
            ("DBSIZE", ":3"),
            ("COUNT", ":3"),
            ("DELETE a x", ":1"),
            ("MULTI", "+OK"),
            ("SET d 4", "+QUEUED"),
            ("FLUSHALL", "+QUEUED"),
            ("GET b", "+QUEUED"),
            ("SET e 5", "+QUEUED"),
            ("DBSIZE", "+QUEUED"),
            ("KEYS *", "+QUEUED"),
            ("RANDOMKEY", "+QUEUED"),
            ("EXEC", "*7 +OK +OK $-1 +OK :1 *1 $1 e $1 e"),
            ("KEYS *", "*1 $1 e"),
            ("FLUSHDB ASYNC", "+OK"),
            ("DBSIZE", ":0"),
        ],
    );
    let fixture = fixture.restart();
    assert_eq!(fixture.connect().ask("KEYS *"), "*0");
}

#[test]
fn flushing_touches_the_watched_keys_that_were_there() {
    let fixture = start();
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    for (watched, taken) in [("there", "*-1"), ("nothing", "*0")] {
        other.ask("SET there 1");
        client.ask(&format!("WATCH {watched}"));
        other.ask("FLUSHALL");
        client.ask("MULTI");
        assert_eq!(client.ask("EXEC"), taken, "{watched}");
    }
}
