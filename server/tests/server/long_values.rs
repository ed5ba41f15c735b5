//! A long value goes from its file to the client in pieces.

use crate::common::{Client, Fixture, frame, start, start_with};
use std::fs;
use std::time::Duration;

/// More than the system takes for a client that does not read.
const LONG: usize = (12 << 20) + 5;

fn value(kind: u8) -> Vec<u8> {
    let bytes = (0..LONG).map(|at| b'a' + ((at / 7 + usize::from(kind)) % 26) as u8);
    bytes.collect()
}

fn bulk(value: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
}

fn put(client: &mut Client, key: &[u8], value: &[u8]) {
    client.command(&[b"SET", key, value]);
    assert_eq!(client.reply(), "+OK");
}

/// Nobody is cut in a test for taking long.
fn patient() -> Fixture {
    start_with(|config| config.limits.progress = Duration::from_secs(3600))
}

/// A server that holds a long value, and a client that has asked for it and does not read.
fn asked(fixture: &Fixture) -> Client {
    put(&mut fixture.connect(), b"film", &value(0));
    let mut reader = fixture.connect();
    reader.command(&["GET", "film"]);
    wait_until_they_are_on_their_way(fixture, 1);
    reader
}

/// Returns once so many clients were sent the beginning of a value.
fn wait_until_they_are_on_their_way(fixture: &Fixture, clients: usize) {
    let mut other = fixture.connect();
    while other.ask("CLIENT LIST").matches("cmd=get").count() < clients
        || stat(&mut other, "total_net_output_bytes") < (clients * (64 << 10)) as u64
    {}
}

fn stat(client: &mut Client, name: &str) -> u64 {
    let stats = client.ask("INFO stats");
    let (_, rest) = stats.split_once(&format!("{name}:")).unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn it_comes_whole_between_other_replies_whoever_asks_for_it_and_however() {
    let fixture = start();
    let (film, play) = (value(0), value(1));
    let mut newcomer = fixture.connect();
    put(&mut newcomer, b"film", &film);
    put(&mut newcomer, b"play", &play);
    assert_eq!(newcomer.ask("SET short value"), "+OK");
    let mut settled = fixture.connect();
    for _ in 0..3 {
        assert_eq!(settled.ask("PING"), "+PONG");
    }
    let words = |words: &[&str]| frame(words);
    let pipeline = [
        words(&["GET", "short"]),
        words(&["GET", "film"]),
        words(&["GET", "play"]),
        words(&["GET", "none"]),
        words(&["SET", "short", "value"]),
        words(&["GET", "film"]),
        words(&["MULTI"]),
        words(&["GET", "play"]),
        words(&["EXEC"]),
        words(&["CLIENT", "REPLY", "SKIP"]),
        words(&["GET", "film"]),
        words(&["get", "film"]),
        b"GET play\r\n".to_vec(),
        words(&["GET", "short"]),
    ]
    .concat();
    let told = [
        bulk(b"value"),
        bulk(&film),
        bulk(&play),
        b"$-1\r\n".to_vec(),
        b"+OK\r\n".to_vec(),
        bulk(&film),
        b"+OK\r\n+QUEUED\r\n*1\r\n".to_vec(),
        bulk(&play),
        bulk(&film),
        bulk(&play),
        bulk(b"value"),
    ]
    .concat();
    for client in [&mut newcomer, &mut settled] {
        client.send(&pipeline);
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(client.rest() == told);
    }
}

#[test]
fn nothing_comes_between_it_and_its_length_however_long_its_key_is() {
    let fixture = start();
    let mut client = fixture.connect();
    let key = vec![b'k'; 65_535];
    // With its key it is long, and by itself less than a batch of replies.
    let value = vec![b'v'; 65_500];
    put(&mut client, &key, &value);
    let get = frame(&[&b"GET"[..], &key]);
    let ping = frame(&["PING"]);
    for _ in 0..3 {
        client.send([&get[..], &ping, &get, &ping].concat());
        for _ in 0..2 {
            assert!(client.raw_reply() == bulk(&value));
            assert_eq!(client.reply(), "+PONG");
        }
    }
}

#[test]
fn one_that_was_asked_for_in_two_parts_comes_once() {
    let fixture = start();
    let mut client = fixture.connect();
    let film = &value(0)[..200_000];
    put(&mut client, b"film", film);
    let get = frame(&["GET", "film"]);
    for cut in 1..get.len() {
        let (first, second) = get.split_at(cut);
        client.send(first);
        // It has been read by now.
        fixture.connect().ask("PING");
        client.send(second);
        assert!(client.raw_reply() == bulk(film), "cut at {cut}");
    }
    assert_eq!(client.ask("PING"), "+PONG");
}

#[test]
fn who_is_killed_meanwhile_has_less_than_all_of_it() {
    let fixture = patient();
    put(&mut fixture.connect(), b"film", &value(0));
    let mut reader = fixture.connect();
    let kill = reader.ask("CLIENT ID").replace(':', "CLIENT KILL ID ");
    reader.command(&["GET", "film"]);
    wait_until_they_are_on_their_way(&fixture, 1);
    assert_eq!(fixture.connect().ask(&kill), ":1");
    assert!(reader.rest().len() < LONG);
}

#[test]
fn nothing_that_becomes_of_the_key_changes_a_value_on_its_way() {
    let fixture = start_with(|config| {
        config.store.engine.segment_bytes = 1 << 20;
        config.limits.progress = Duration::from_secs(3600);
    });
    let mut reader = asked(&fixture);
    let mut other = fixture.connect();
    put(&mut other, b"film", b"another");
    assert_eq!(other.ask("DEL film"), ":1");
    // Nothing else lies in its file.
    while fixture.dir().join("segment-0000000001").exists() {
        let back = other.ask("PORTCASK.MERGE");
        assert!(back.starts_with(':'), "{back}");
    }
    assert!(reader.raw_reply() == bulk(&value(0)));
    assert_eq!(reader.ask("GET film"), "$-1");
}

#[test]
fn clients_that_do_not_read_make_the_server_hold_a_piece_each() {
    const READERS: usize = 6;
    let fixture = start_with(|config| {
        config.limits.output_bytes_max = LONG;
        config.limits.progress = Duration::from_secs(3600);
    });
    put(&mut fixture.connect(), b"film", &value(0));
    let mut readers: Vec<_> = (0..READERS).map(|_| fixture.connect()).collect();
    for reader in &mut readers {
        reader.command(&["GET", "film"]);
    }
    wait_until_they_are_on_their_way(&fixture, READERS);
    let mut other = fixture.connect();
    assert!(other.ask("CLIENT LIST").matches("omem=0").count() > READERS);
    for mut reader in readers {
        assert!(reader.raw_reply() == bulk(&value(0)));
    }
    assert_eq!(stat(&mut other, "evicted_clients"), 0);
}

#[test]
fn messages_come_behind_it_and_not_into_it() {
    let fixture = patient();
    let mut reader = fixture.connect();
    reader.ask("HELLO 3");
    assert!(reader.ask("SUBSCRIBE news").starts_with(">3"));
    put(&mut fixture.connect(), b"film", &value(0));
    reader.command(&["GET", "film"]);
    wait_until_they_are_on_their_way(&fixture, 1);
    assert_eq!(fixture.connect().ask("PUBLISH news now"), ":1");
    assert!(reader.raw_reply() == bulk(&value(0)));
    assert_eq!(reader.reply(), ">3 $7 message $4 news $3 now");
    assert_eq!(reader.ask("PING"), "+PONG");
}

#[test]
fn one_that_is_damaged_is_an_error_and_not_a_part_of_it() {
    let fixture = start();
    let mut client = fixture.connect();
    put(&mut client, b"film", &value(0));
    let path = fixture.dir().join("segment-0000000001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[LONG - 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    for _ in 0..3 {
        let told = client.ask("GET film");
        assert!(
            told.starts_with("-ERR"),
            "{}",
            told.get(..100).unwrap_or(&told)
        );
    }
}
