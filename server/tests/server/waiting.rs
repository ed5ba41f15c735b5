//! Waiting for writes to be durable.

use crate::common::{Client, start_with};
use crate::real_redis::Redis;
use portcask_server::SyncPolicy;
use std::time::{Duration, Instant};

fn wait_until_blocked(client: &mut Client) {
    while client.ask("INFO clients").contains("blocked_clients:0") {}
}

#[test]
fn waitaof_answers_once_the_writes_of_this_connection_are_on_the_disk() {
    for sync in [
        SyncPolicy::Never,
        SyncPolicy::Every(Duration::from_secs(3600)),
        SyncPolicy::Always,
    ] {
        let fixture = start_with(|config| config.sync = sync);
        let mut client = fixture.connect();
        // Nothing was written, so nothing is missing.
        assert_eq!(client.ask("WAITAOF 1 0 0"), "*2 :1 :0");
        client.ask("SET k v");
        let before = if sync == SyncPolicy::Always { 1 } else { 0 };
        assert_eq!(client.ask("WAITAOF 0 0 0"), format!("*2 :{before} :0"));
        let durable =
            |client: &mut Client| client.ask("PORTCASK.EXPLAIN k").ends_with("$7 durable :1");
        assert_eq!(durable(&mut client), before == 1);
        assert_eq!(client.ask("WAITAOF 1 0 0"), "*2 :1 :0");
        assert!(durable(&mut client));
        assert_eq!(client.ask("WAITAOF 0 0 0"), "*2 :1 :0");
    }
}

#[test]
fn a_transaction_waits_for_nothing_and_tells_the_truth() {
    let fixture = start_with(|config| config.sync = SyncPolicy::Never);
    let mut client = fixture.connect();
    client.ask("SET k v");
    for command in ["MULTI", "WAITAOF 1 0 0", "WAIT 1 0", "WAITAOF 1 1 0"] {
        client.ask(command);
    }
    assert_eq!(client.ask("EXEC"), "*3 *2 :0 :0 :0 *2 :0 :0");
}

#[test]
fn replicas_are_waited_for_as_long_as_was_said_and_never_come() {
    let fixture = start_with(|config| config.sync = SyncPolicy::Never);
    let mut client = fixture.connect();
    client.ask("SET k v");
    let began = Instant::now();
    assert_eq!(client.ask("WAIT 1 30"), ":0");
    // A disk may take longer than that.
    assert_eq!(client.ask("WAITAOF 1 0 0"), "*2 :1 :0");
    assert_eq!(client.ask("WAITAOF 1 1 30"), "*2 :1 :0");
    assert!(began.elapsed() >= Duration::from_millis(60));
    // What comes behind it is not run before, and is run then.
    client.send("WAIT 1 20\r\nGET k\r\n");
    assert_eq!([client.reply(), client.reply()], [":0", "$1 v"]);
}

#[test]
fn errors_of_wait_are_those_of_redis() {
    let Some(redis) = Redis::start() else { return };
    let fixture = start_with(|_| {});
    let (mut ours, mut theirs) = (fixture.connect(), Client::connect(redis.address));
    for command in [
        "WAIT 0 0",
        "WAIT -1 1",
        "WAIT x 1",
        "WAIT 1 x",
        "WAIT 1 -1",
        "WAIT 1",
        "WAIT 1 1",
        "WAIT 0 -1",
        "WAIT x -1",
        "CLIENT UNBLOCK x",
        "CLIENT UNBLOCK 99",
        "CLIENT UNBLOCK 99 FOO",
        "CLIENT UNBLOCK 99 ERROR",
    ] {
        assert_eq!(ours.ask(command), theirs.ask(command), "{command}");
    }
}

#[test]
fn a_waiting_client_can_be_unblocked_killed_and_may_leave() {
    let fixture = start_with(|config| config.sync = SyncPolicy::Never);
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    let id = client.ask("CLIENT ID")[1..].to_owned();
    for (how, reply) in [
        ("", ":0"),
        (" TIMEOUT", ":0"),
        (" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK"),
    ] {
        client.send("WAIT 1 0\r\n");
        wait_until_blocked(&mut other);
        assert_eq!(other.ask(&format!("CLIENT UNBLOCK {id}{how}")), ":1");
        assert_eq!(client.reply(), reply);
        assert_eq!(other.ask(&format!("CLIENT UNBLOCK {id}{how}")), ":0");
    }
    client.send("WAIT 1 0\r\n");
    wait_until_blocked(&mut other);
    assert_eq!(other.ask(&format!("CLIENT KILL ID {id}")), ":1");
    assert_eq!(client.next_reply(), None);
    let mut client = fixture.connect();
    client.send("WAIT 1 0\r\nPING\r\n");
    wait_until_blocked(&mut other);
    drop(client);
    while other.ask("CLIENT LIST").matches("id=").count() > 1 {}
}

#[test]
fn a_server_that_stops_lets_nobody_wait() {
    let fixture = start_with(|config| config.sync = SyncPolicy::Never);
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    client.send("SET k v\r\nWAIT 1 0\r\n");
    wait_until_blocked(&mut other);
    fixture.server.stop().unwrap();
    assert_eq!([client.reply(), client.reply()], ["+OK", ":0"]);
    assert_eq!(client.next_reply(), None);
}

#[test]
fn a_key_is_explained() {
    let fixture = start_with(|config| config.sync = SyncPolicy::Never);
    let mut client = fixture.connect();
    client.ask("SET key value");
    let told = client.ask("PORTCASK.EXPLAIN key");
    assert!(told.starts_with("*18 $7 segment $"), "{told}");
    for part in [
        "$3 seq :1",
        "$9 key-bytes :3",
        "$11 value-bytes :5",
        "$13 expires-at-ms :-1",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert_eq!(client.ask("PORTCASK.EXPLAIN nothing"), "*-1");
}
