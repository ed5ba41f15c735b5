//! MULTI and EXEC: all or nothing, and not after somebody else changed what was watched.

use crate::common::start;

#[test]
fn queued_commands_are_run_together_and_see_one_another() {
    let fixture = start();
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    assert_eq!(client.ask("MULTI"), "+OK");
    for command in [
        "SET a 1",
        "GET a",
        "DEL a",
        "EXISTS a",
        "MSET b 2 c 3",
        "PING",
    ] {
        assert_eq!(client.ask(command), "+QUEUED");
    }
    assert_eq!(other.ask("EXISTS a b c"), ":0");
    assert_eq!(client.ask("EXEC"), "*6 +OK $1 1 :1 :0 +OK +PONG");
    assert_eq!(other.ask("MGET a b c"), "*3 $-1 $1 2 $1 3");
}

#[test]
fn a_command_that_cannot_be_queued_discards_the_transaction() {
    let fixture = start();
    let mut client = fixture.connect();
    let aborted = "-EXECABORT Transaction discarded because of previous errors.";
    for wrong in ["GET", "LPUSH a b", "CLIENT WHAT"] {
        assert_eq!(client.ask("MULTI"), "+OK");
        assert_eq!(client.ask("SET a 1"), "+QUEUED");
        assert!(client.ask(wrong).starts_with("-ERR"));
        assert_eq!(client.ask("EXEC"), aborted);
        assert_eq!(client.ask("EXISTS a"), ":0");
    }
}

#[test]
fn a_command_that_fails_leaves_its_error_and_the_others_are_taken() {
    let fixture = start();
    let mut client = fixture.connect();
    client.ask("MULTI");
    client.ask("SET a 1");
    client.ask("SETEX b 0 v");
    client.ask("SET c 1");
    let replies = "*3 +OK -ERR invalid expire time in 'setex' command +OK";
    assert_eq!(client.ask("EXEC"), replies);
    assert_eq!(client.ask("EXISTS a b c"), ":2");
}

#[test]
fn what_the_store_refuses_is_refused_as_a_whole() {
    let fixture = start();
    let mut client = fixture.connect();
    client.ask("MULTI");
    client.ask("SET a 1");
    client.command(&["SET", &"k".repeat(65_536), "v"]);
    assert_eq!(client.reply(), "+QUEUED");
    assert_eq!(
        client.ask("EXEC"),
        "-ERR the key has 65536 bytes, the limit is 65535"
    );
    assert_eq!(client.ask("EXISTS a"), ":0");
}

#[test]
fn a_watched_key_that_changed_stops_the_transaction() {
    let fixture = start();
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    for (before, meanwhile, taken) in [
        (vec!["SET k 1"], vec![], true),
        (vec!["SET k 1"], vec!["SET k 1"], false),
        (vec!["SET k 1"], vec!["DEL k"], false),
        (
            vec!["SET k 1"],
            vec!["SET other 1", "GET k", "EXISTS k"],
            true,
        ),
        (vec!["DEL k"], vec![], true),
        // The key is as it was, and was changed all the same.
        (vec!["DEL k"], vec!["SET k 1", "DEL k"], false),
        (vec!["DEL k"], vec!["DEL k"], true),
    ] {
        before.iter().for_each(|command| drop(client.ask(command)));
        client.ask("WATCH k x y");
        meanwhile
            .iter()
            .for_each(|command| drop(other.ask(command)));
        client.ask("MULTI");
        client.ask("SET done yes");
        let expected = if taken { "*1 +OK" } else { "*-1" };
        assert_eq!(client.ask("EXEC"), expected, "{meanwhile:?}");
    }
}

#[test]
fn a_client_is_not_stopped_by_what_it_no_longer_watches() {
    let fixture = start();
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    for forget in [
        &["UNWATCH"][..],
        &["MULTI", "DISCARD"],
        &["RESET"],
        &["MULTI", "EXEC"],
    ] {
        client.ask("WATCH k");
        other.ask("SET k 1");
        forget.iter().for_each(|command| drop(client.ask(command)));
        client.ask("MULTI");
        assert_eq!(client.ask("EXEC"), "*0", "{forget:?}");
    }
}

#[test]
fn words_about_transactions_are_those_of_redis() {
    let fixture = start();
    let mut client = fixture.connect();
    assert_eq!(client.ask("EXEC"), "-ERR EXEC without MULTI");
    assert_eq!(client.ask("DISCARD"), "-ERR DISCARD without MULTI");
    assert_eq!(client.ask("MULTI"), "+OK");
    assert_eq!(client.ask("MULTI"), "-ERR MULTI calls can not be nested");
    assert_eq!(
        client.ask("WATCH k"),
        "-ERR WATCH inside MULTI is not allowed"
    );
    assert_eq!(client.ask("EXEC"), "*0");
}

#[test]
fn counting_with_watch_never_loses_a_step() {
    const CLIENTS: usize = 8;
    const STEPS: usize = 50;
    let fixture = start();
    assert_eq!(fixture.connect().ask("SET n 0"), "+OK");
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = fixture.connect();
                let mut done = 0;
                while done < STEPS {
                    client.ask("WATCH n");
                    let value = client.ask("GET n");
                    let value: usize = value.split(' ').nth(1).unwrap().parse().unwrap();
                    client.ask("MULTI");
                    client.ask(&format!("SET n {}", value + 1));
                    done += usize::from(client.ask("EXEC") == "*1 +OK");
                }
            });
        }
    });
    let total = (CLIENTS * STEPS).to_string();
    assert_eq!(
        fixture.connect().ask("GET n"),
        format!("${} {total}", total.len())
    );
}

#[test]
fn messages_of_a_transaction_are_sent_once_it_is_taken_and_not_if_the_store_refuses_it() {
    let fixture = start();
    let (mut client, mut listener) = (fixture.connect(), fixture.connect());
    assert_eq!(listener.ask("SUBSCRIBE news"), "*3 $9 subscribe $4 news :1");
    let long_key = "k".repeat(70_000);
    for command in ["MULTI", "PUBLISH news unheard"] {
        client.ask(command);
    }
    assert_eq!(client.ask(&format!("SET {long_key} v")), "+QUEUED");
    let refused = client.ask("EXEC");
    assert!(refused.starts_with("-ERR "), "{refused}");
    for command in ["MULTI", "PUBLISH news heard", "SET k v"] {
        client.ask(command);
    }
    assert_eq!(client.ask("EXEC"), "*2 :1 +OK");
    assert_eq!(listener.reply(), "*3 $7 message $4 news $5 heard");
}

#[test]
fn watching_very_many_keys_costs_no_more_than_each_of_them() {
    let fixture = start();
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    let names: Vec<String> = (0..100_000).map(|number| format!("k{number}")).collect();
    let mut words = vec!["WATCH"];
    words.extend(names.iter().map(String::as_str));
    for _ in 0..2 {
        client.command(&words);
        assert_eq!(client.reply(), "+OK");
    }
    assert_eq!(other.ask("SET k99999 x"), "+OK");
    client.ask("MULTI");
    assert_eq!(client.ask("EXEC"), "*-1");
    client.command(&words);
    assert_eq!(client.reply(), "+OK");
    client.ask("MULTI");
    assert_eq!(client.ask("EXEC"), "*0");
}

#[test]
fn a_watched_key_with_a_large_value_is_not_read_and_its_end_still_counts() {
    let fixture = start();
    let mut client = fixture.connect();
    let value = "v".repeat(1 << 20);
    // On a busy machine a short life may be over before it is watched.
    for life_ms in (3..).map(|power| 10_u32 << power) {
        client.command(&["SET", "k", value.as_str(), "PX", &life_ms.to_string()]);
        assert_eq!(client.reply(), "+OK");
        assert_eq!(client.ask("WATCH k"), "+OK");
        if client.ask("EXISTS k") == ":1" {
            break;
        }
        assert_eq!(client.ask("UNWATCH"), "+OK");
    }
    while client.ask("EXISTS k") == ":1" {}
    client.ask("MULTI");
    assert_eq!(client.ask("EXEC"), "*-1");
}

#[test]
fn a_bit_that_is_set_to_what_it_was_changes_nothing_for_those_who_watch_it() {
    let fixture = start();
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    client.ask("SET k -5");
    for (command, expected) in [
        ("SETBIT k 8 0", "*0"),
        ("SETBIT k 8 1", "*-1"),
        ("SETBIT k 80 0", "*-1"),
    ] {
        client.ask("WATCH k");
        other.ask(command);
        client.ask("MULTI");
        assert_eq!(client.ask("EXEC"), expected, "{command}");
    }
}
