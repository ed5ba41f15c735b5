//! Reads that arrive together are looked up together, and answered as if each had come alone.

use crate::common::{Client, Fixture, frame, start, start_with};
use portcask_server::User;
use std::fs;

/// More than are looked up at a time, twice.
const MANY: usize = 70;

/// A client that is no newcomer any more: it was answered before.
fn settled(fixture: &Fixture) -> Client {
    let mut client = fixture.connect();
    for _ in 0..2 {
        assert_eq!(client.ask("PING"), "+PONG");
    }
    client
}

fn gets<K: AsRef<str>>(keys: &[K]) -> Vec<u8> {
    let frames = keys.iter().map(|key| frame(&["GET", key.as_ref()]));
    frames.collect::<Vec<_>>().concat()
}

fn ask_all<K: AsRef<str>>(client: &mut Client, keys: &[K]) -> Vec<String> {
    client.send(gets(keys));
    keys.iter().map(|_| client.reply()).collect()
}

#[test]
fn each_is_answered_in_its_turn_whatever_becomes_of_the_others() {
    let fixture = start();
    let mut client = settled(&fixture);
    // Two of the values are more than a batch of replies takes.
    let long = "v".repeat(70_000);
    let mut told = Vec::new();
    let keys: Vec<_> = (0..MANY).map(|number| format!("key{number}")).collect();
    for (number, key) in keys.iter().enumerate() {
        let value = match number {
            20 | 50 => long.clone(),
            _ if number % 7 == 0 => String::new(),
            _ => format!("value{number}"),
        };
        let is_absent = number % 5 == 1;
        if !is_absent {
            client.command(&["SET", key, &value]);
            assert_eq!(client.reply(), "+OK");
        }
        told.push(match (is_absent, value.len()) {
            (true, _) => "$-1".to_owned(),
            (false, 0) => "$0".to_owned(),
            (false, bytes) => format!("${bytes} {value}"),
        });
    }
    for _ in 0..12 {
        assert_eq!(ask_all(&mut client, &keys), told);
        // After enough of them it asks for little again.
        for _ in 0..9 {
            assert_eq!(ask_all(&mut client, &keys[..19]), told[..19]);
        }
    }
    client.ask("HELLO 3");
    assert_eq!(ask_all(&mut client, &keys[..2]), [told[0].as_str(), "_"]);
}

#[test]
fn it_does_not_matter_in_which_pieces_they_arrive() {
    let fixture = start();
    let mut client = settled(&fixture);
    assert_eq!(client.ask("MSET a 1 b 22 c 333"), "+OK");
    let bytes = gets(&["a", "none", "b", "c"]);
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        client.send(first);
        client.send(second);
        for told in ["$1 1", "$-1", "$2 22", "$3 333"] {
            assert_eq!(client.reply(), told, "cut at {cut}");
        }
    }
}

#[test]
fn each_sees_what_came_before_it_in_its_pipeline() {
    let fixture = start();
    let mut client = settled(&fixture);
    for round in 0..20 {
        let round = round.to_string();
        let mut bytes = gets(&["none", "none"]);
        bytes.extend(frame(&["SET", "k", &round]));
        bytes.extend(gets(&["k", "k", "none"]));
        bytes.extend(frame(&["PING"]));
        bytes.extend(gets(&["k", "none"]));
        bytes.extend(frame(&["DEL", "k"]));
        bytes.extend(frame(&["PING"]));
        bytes.extend(gets(&["k", "k"]));
        client.send(bytes);
        let there = format!("${} {round}", round.len());
        let expected = [
            "$-1", "$-1", "+OK", &there, &there, "$-1", "+PONG", &there, "$-1", ":1", "+PONG",
            "$-1", "$-1",
        ];
        for told in expected {
            assert_eq!(client.reply(), told);
        }
    }
}

#[test]
fn each_is_counted_and_the_slow_ones_are_told_with_their_keys() {
    let fixture = start();
    let mut client = settled(&fixture);
    assert_eq!(client.ask("CONFIG SET slowlog-log-slower-than 0"), "+OK");
    let keys: Vec<_> = (0..MANY).map(|number| format!("key{number}-")).collect();
    ask_all(&mut client, &keys);
    assert_eq!(client.ask("CONFIG SET slowlog-log-slower-than -1"), "+OK");
    let slow = client.ask("SLOWLOG GET -1");
    for key in &keys {
        assert_eq!(slow.matches(key).count(), 1, "{key} in {slow}");
    }
    let numbers = client.ask("INFO commandstats");
    assert!(numbers.contains("cmdstat_get:calls=70,"), "{numbers}");
}

#[test]
fn one_that_is_damaged_has_an_error_of_its_own() {
    // What was written last is read from memory otherwise, and is right.
    let fixture = start_with(|config| config.store.engine.recent_bytes = 0);
    let mut client = settled(&fixture);
    assert_eq!(client.ask("MSET a first b damaged-value c third"), "+OK");
    let path = fixture.dir().join("segment-0000000001");
    let mut bytes = fs::read(&path).unwrap();
    let value = b"damaged-value";
    let at = bytes.windows(value.len()).position(|it| it == value);
    bytes[at.unwrap()] ^= 1;
    fs::write(&path, bytes).unwrap();
    let told = ask_all(&mut client, &["a", "b", "c", "b", "none", "a"]);
    assert!(told[1].starts_with("-ERR"), "{told:?}");
    assert_eq!(told[3], told[1]);
    assert_eq!(
        [&*told[0], &told[2], &told[4]],
        ["$5 first", "$5 third", "$-1"]
    );
    assert_eq!(told[5], told[0]);
}

#[test]
fn those_that_are_refused_or_not_wanted_are_refused_or_not_answered() {
    let user = |rules: &str| {
        let rules: Vec<_> = rules.split(' ').map(str::to_owned).collect();
        User::parse("some", &rules).unwrap()
    };
    let fixture = start_with(|config| config.users = vec![user("on nopass ~a* &* +@all")]);
    let mut client = settled(&fixture);
    assert_eq!(client.ask("MSET a 1 b 2"), "+OK");
    let keys = ["a", "b", "a"];
    client.send([frame(&["MULTI"]), gets(&keys), frame(&["EXEC"])].concat());
    for told in ["+OK", "+QUEUED", "+QUEUED", "+QUEUED", "*3 $1 1 $1 2 $1 1"] {
        assert_eq!(client.reply(), told);
    }
    let [off, on, skip] = ["OFF", "ON", "SKIP"].map(|word| frame(&["CLIENT", "REPLY", word]));
    client.send([off, gets(&keys), on, skip, gets(&keys)].concat());
    for told in ["+OK", "$1 2", "$1 1"] {
        assert_eq!(client.reply(), told);
    }
    assert_eq!(client.ask("AUTH some x"), "+OK");
    let told = ask_all(&mut client, &keys);
    assert_eq!([&*told[0], &told[2]], ["$1 1", "$1 1"]);
    assert!(told[1].starts_with("-NOPERM"), "{told:?}");
    assert!(client.ask("SUBSCRIBE news").contains("subscribe"));
    for told in ask_all(&mut client, &["a", "a"]) {
        assert!(told.starts_with("-ERR Can't execute 'get'"), "{told}");
    }
}

#[test]
fn whoever_listens_for_keys_that_are_missed_hears_of_each() {
    let fixture = start();
    let mut client = settled(&fixture);
    assert_eq!(client.ask("CONFIG SET notify-keyspace-events Em"), "+OK");
    let mut listener = fixture.connect();
    assert!(
        listener
            .ask("SUBSCRIBE __keyevent@0__:keymiss")
            .contains("subscribe")
    );
    let keys = ["one", "two", "six"];
    assert_eq!(ask_all(&mut client, &keys), ["$-1"; 3]);
    for key in keys {
        let told = format!("*3 $7 message $22 __keyevent@0__:keymiss $3 {key}");
        assert_eq!(listener.reply(), told);
    }
}

#[test]
fn those_who_send_many_at_a_time_go_between_the_lanes_and_get_every_reply() {
    // So some lanes are for such clients alone where there are several processors.
    let fixture = start_with(|config| config.threads = None);
    let mut clients: Vec<_> = (0..6).map(|_| settled(&fixture)).collect();
    let keys: Vec<_> = (0..MANY).map(|number| format!("key{number}")).collect();
    for round in 0..6 {
        let value = round.to_string();
        for client in &mut clients {
            for key in &keys {
                client.command(&["SET", key, &value]);
            }
            for _ in &keys {
                assert_eq!(client.reply(), "+OK");
            }
        }
        let told = vec![format!("$1 {value}"); MANY];
        for _ in 0..20 {
            for client in &mut clients {
                client.send(gets(&keys));
            }
            for client in &mut clients {
                for told in &told {
                    assert_eq!(client.reply(), *told);
                }
            }
        }
        for client in &mut clients {
            for _ in 0..10 {
                assert_eq!(client.ask("GET key0"), told[0]);
            }
        }
    }
}
