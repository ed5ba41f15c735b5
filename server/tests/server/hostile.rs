//! What no client of good will sends. The names of the cases (R1 ...) are those of Redis's history: each
//! one crashed, stalled or misled some server once.

use crate::common::{Client, Fixture, frame, start, start_with};
use std::time::Duration;

/// Sends bytes and a PING, and returns what the server says until it closes or answers the PING.
fn after(fixture: &Fixture, bytes: &[u8]) -> String {
    let mut client = fixture.connect();
    client.send(bytes);
    client.send("PING\r\n");
    let mut replies = Vec::new();
    loop {
        let reply = client.next_reply();
        match reply {
            Some(reply) if reply == "+PONG" => break,
            Some(reply) => replies.push(reply),
            None => {
                replies.push("closed".to_owned());
                break;
            }
        }
    }
    replies.join("; ")
}

fn check(cases: &[(&[u8], &str)]) {
    let fixture = start();
    for (bytes, expected) in cases {
        let shown = bytes.escape_ascii().to_string();
        assert_eq!(after(&fixture, bytes), *expected, "{shown:.80}");
    }
}

#[test]
fn r1_empty_commands_are_ignored() {
    check(&[
        (b"\r\n", ""),
        (b"*0\r\n", ""),
        (b"*-1\r\n", ""),
        (b"*-10\r\n", ""),
        (b"\n\n", ""),
    ]);
}

#[test]
fn r2_r3_counts_of_arguments_that_make_no_sense_end_the_connection() {
    let error = "-ERR Protocol error: invalid multibulk length; closed";
    check(&[
        (b"*2147483648\r\n", error),
        (b"*2147483647\r\n", error),
        (b"*9223372036854775808\r\n", error),
        (b"*abc\r\n", error),
        (b"*+1\r\n", error),
        (b"*01\r\n", error),
        (b"* 1\r\n", error),
        (b"*\r\n", error),
        (b"*1\n$4\nPING\n", error),
    ]);
}

#[test]
fn r4_lengths_that_make_no_sense_end_the_connection() {
    let error = "-ERR Protocol error: invalid bulk length; closed";
    check(&[
        (b"*1\r\n$-1\r\n", error),
        (b"*1\r\n$-10\r\n", error),
        (b"*1\r\n$bla\r\n", error),
        (b"*1\r\n$536870913\r\n", error),
        (b"*1\r\n$2000000000\r\n", error),
        (b"*1\r\n$18446744073709551617\r\n", error),
        (b"*1\r\n$4\nPING\r\n", error),
    ]);
}

#[test]
fn r5_declared_lengths_cost_no_memory_and_disturb_nobody() {
    let fixture = start_with(|config| config.limits.input_bytes_max = 1 << 20);
    let mut waiting: Vec<Client> = (0..200).map(|_| fixture.connect()).collect();
    for client in &mut waiting {
        // Both are within the limits, and half a terabyte together with the others'.
        client.send("*1048576\r\n$536870912\r\nx");
    }
    assert_eq!(fixture.connect().ask("SET k v"), "+OK");
}

#[test]
fn r6_arguments_that_are_no_bulk_strings_end_the_connection() {
    check(&[
        (
            b"*1\r\nfoo\r\n",
            "-ERR Protocol error: expected '$', got 'f'; closed",
        ),
        (
            b"*1\r\n+x\r\n",
            "-ERR Protocol error: expected '$', got '+'; closed",
        ),
        (
            b"*1\r\n*1\r\n",
            "-ERR Protocol error: expected '$', got '*'; closed",
        ),
        (
            b"*1\r\n\r\n",
            "-ERR Protocol error: expected '$', got ' '; closed",
        ),
    ]);
}

#[test]
fn r7_bytes_behind_an_argument_are_not_skipped() {
    let error = "-ERR Protocol error: expected CRLF after bulk; closed";
    check(&[
        (b"*1\r\n$4\r\nPINGXX", error),
        (b"*1\r\n$4\r\nPING\rX", error),
        (b"*1\r\n$4\r\nPING\n", error),
    ]);
}

#[test]
fn r9_r10_r13_lines_may_end_with_lf_and_must_balance_their_quotes() {
    let unbalanced = "-ERR Protocol error: unbalanced quotes in request; closed";
    check(&[
        (b"ECHO a\n", "$1 a"),
        (b"SET \"a\r\n", unbalanced),
        (b"SET 'a'b\r\n", unbalanced),
        (
            b"*1\r\n$0\r\n\r\n",
            "-ERR unknown command '', with args beginning with:",
        ),
        (&[&[0; 100][..], b"\r\n"].concat(), ""),
    ]);
}

#[test]
fn r11_lines_without_end_are_cut() {
    let long = |start: &str| [start.as_bytes(), &[b'A'; 70_000]].concat();
    let closed = |words: &str| format!("-ERR Protocol error: too big {words}; closed");
    let fixture = start();
    for (start, words) in [
        ("", "inline request"),
        ("*", "mbulk count string"),
        ("*\0", "mbulk count string"),
        ("*1\r\n$", "bulk count string"),
    ] {
        // Without the PING, which would end the line.
        let mut client = fixture.connect();
        client.send(long(start));
        assert_eq!(client.next_reply().unwrap() + "; closed", closed(words));
        assert_eq!(client.next_reply(), None);
    }
}

#[test]
fn r12_replies_sent_as_commands_are_unknown_commands() {
    check(&[
        (
            b"%1\r\n",
            "-ERR unknown command '%1', with args beginning with:",
        ),
        (
            b"+OK\r\n",
            "-ERR unknown command '+OK', with args beginning with:",
        ),
    ]);
}

#[test]
fn r14_no_error_repeats_a_line_end_or_a_long_word() {
    let fixture = start();
    let mut client = fixture.connect();
    client.command(&["FOO\r\n+OK", "a\r\n-b"]);
    let expected = "-ERR unknown command 'FOO  +OK', with args beginning with: 'a  -b' \r\n";
    assert_eq!(String::from_utf8(client.raw_reply()).unwrap(), expected);
    client.command(&["A".repeat(5000), "B".repeat(5000)]);
    assert!(client.raw_reply().len() < 400);
    for command in [
        &["CLIENT", "a\r\nb"][..],
        &["HELLO", "3", "a\r\nb"],
        &["CLIENT", "SETINFO", "a\r\nb", "c"],
        &["CLIENT", "KILL", "USER", "a\r\nb"],
        &["EXPIRE", "k", "1", "a\r\nb"],
        &["CLIENT", "LIST", "TYPE", "a\r\nb"],
    ] {
        client.command(command);
        let reply = client.raw_reply();
        assert_eq!(
            reply.iter().filter(|byte| **byte == b'\n').count(),
            1,
            "{command:?}"
        );
    }
}

#[test]
fn r15_what_a_browser_is_made_to_send_gets_no_answer() {
    let fixture = start();
    for start in ["POST / HTTP/1.1\r\n", "Host: localhost\r\n"] {
        let mut client = fixture.connect();
        client.send(format!("{start}Content-Length: 99\r\n\r\nSET k v\r\n"));
        assert_eq!(client.rest_as_text(), "");
    }
    assert_eq!(fixture.connect().ask("EXISTS k"), ":0");
}

#[test]
fn r18_strangers_may_send_little() {
    let fixture = start_with(|config| config.password = Some("s3cret".into()));
    let bulk = "-ERR Protocol error: unauthenticated bulk length";
    for (bytes, error) in [
        (
            "*11\r\n",
            "-ERR Protocol error: unauthenticated multibulk length",
        ),
        ("*2\r\n$16385\r\n", bulk),
    ] {
        let mut client = fixture.connect();
        client.send(bytes);
        assert_eq!(client.next_reply().as_deref(), Some(error));
        assert_eq!(client.next_reply(), None);
    }
    let mut client = fixture.connect();
    assert_eq!(client.ask("AUTH s3cret"), "+OK");
    client.command(&["SET", "k", &"v".repeat(20_000)]);
    assert_eq!(client.reply(), "+OK");
}

#[test]
fn r19_r21_a_client_that_does_not_read_is_not_read_from_and_is_cut_in_the_end() {
    let fixture = start_with(|config| config.limits.progress = Duration::from_millis(200));
    let mut client = fixture.connect();
    client.command(&["SET", "k", &"v".repeat(1 << 20)]);
    assert_eq!(client.reply(), "+OK");
    // Ten gigabytes of replies, if anybody gathered them.
    let asked = frame(&["GET", "k"]).repeat(10_000);
    let mut stream = client.stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || std::io::Write::write_all(&mut stream, &asked));
    let mut other = fixture.connect();
    // It is cut once it has taken nothing for the time above.
    while other.ask("CLIENT LIST").matches("id=").count() > 1 {}
    assert_eq!(other.ask("STRLEN k"), ":1048576");
    drop(sent.join().unwrap());
}

#[test]
fn r21_no_single_reply_grows_without_bounds() {
    let fixture = start_with(|config| config.limits.reply_bytes_max = 1 << 20);
    let mut client = fixture.connect();
    client.command(&["SET", "k", &"v".repeat(100_000)]);
    assert_eq!(client.reply(), "+OK");
    let error = "-ERR the reply needs more memory than a client may use";
    assert_eq!(client.ask(&format!("MGET{}", " k".repeat(20))), error);
    client.ask("MULTI");
    client.ask("SET other v");
    for _ in 0..20 {
        client.ask("GET k");
    }
    assert_eq!(client.ask("EXEC"), error);
    assert_eq!(client.ask("EXISTS other"), ":0");
    for _ in 0..20 {
        assert!(client.ask("APPEND k v").starts_with(':'));
    }
    assert_eq!(client.ask("PORTCASK.HISTORY k"), error);
}

#[test]
fn r22_a_command_that_trickles_in_is_cut() {
    let fixture = start_with(|config| config.limits.progress = Duration::from_millis(100));
    let mut slow = fixture.connect();
    slow.send("*2\r\n$3\r\nGET\r\n$10\r\nk");
    assert_eq!(slow.next_reply(), None);
    // One that sends nothing at all has begun nothing.
    let mut quiet = fixture.connect();
    let mut other = fixture.connect();
    other.send("*1\r\n$4");
    assert_eq!(other.next_reply(), None);
    assert_eq!(quiet.ask("PING"), "+PONG");
}

#[test]
fn r23_a_client_that_goes_away_inside_a_command_leaves_nothing() {
    let fixture = start();
    for bytes in [
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nab",
        "SET k v",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv",
    ] {
        let mut client = fixture.connect();
        client.send(bytes);
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.rest_as_text(), "");
    }
    let mut client = fixture.connect();
    assert_eq!(client.ask("EXISTS k"), ":0");
    while client.ask("CLIENT LIST").matches("id=").count() > 1 {}
}

#[test]
fn r24_a_very_long_pipeline_leaves_others_their_turn() {
    let fixture = start();
    let mut greedy = fixture.connect();
    let bytes = frame(&["INCR", "n"]).repeat(200_000);
    let mut writer = greedy.stream.try_clone().unwrap();
    let sender =
        std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes).unwrap());
    let mut other = fixture.connect();
    let mut asked = 0;
    while other.ask("GET n") != "$6 200000" {
        asked += 1;
        if asked % 100 == 0 {
            greedy.take_arrived();
        }
    }
    assert!(asked > 10, "{asked}");
    sender.join().unwrap();
}

#[test]
fn r29_a_key_named_twice_gets_the_last_value() {
    let fixture = start();
    let mut client = fixture.connect();
    assert_eq!(client.ask("MSETNX k 1 k 2"), ":1");
    assert_eq!(client.ask("GET k"), "$1 2");
}

#[test]
fn r30_what_is_queued_and_watched_is_limited() {
    let fixture = start_with(|config| config.limits.queue_bytes_max = 1 << 20);
    let mut client = fixture.connect();
    assert_eq!(client.ask("MULTI"), "+OK");
    let value = "v".repeat(100_000);
    let mut last = String::new();
    for _ in 0..12 {
        client.command(&["SET", "k", value.as_str()]);
        last = client.reply();
    }
    assert_eq!(
        last,
        "-ERR the queued commands need more memory than a client may use"
    );
    assert!(client.ask("EXEC").starts_with("-EXECABORT"));
    let keys: Vec<_> = (0..10_000).map(|n| format!("key{n}")).collect();
    let mut watch = vec!["WATCH".to_owned()];
    watch.extend(keys);
    client.command(&watch);
    assert_eq!(
        client.reply(),
        "-ERR the watched keys need more memory than a client may use"
    );
    assert_eq!(client.ask("EXISTS k"), ":0");
}

#[test]
fn r32_keys_and_values_beyond_the_limits_change_nothing() {
    let fixture = start_with(|config| config.store.engine.value_bytes_max = 1000);
    let mut client = fixture.connect();
    client.command(&["SET", &"k".repeat(65_536), "v"]);
    assert_eq!(
        client.reply(),
        "-ERR the key has 65536 bytes, the limit is 65535"
    );
    client.command(&["MSET", "a", "1", "b", &"v".repeat(1001)]);
    assert_eq!(
        client.reply(),
        "-ERR the value has 1001 bytes, the limit is 1000"
    );
    assert_eq!(client.ask("DBSIZE"), ":0");
    client.command(&["GET", &"k".repeat(65_536)]);
    assert_eq!(client.reply(), "$-1");
}

#[test]
fn more_clients_than_allowed_are_told_so() {
    let fixture = start_with(|config| config.limits.clients_max = 2);
    let (mut one, mut two) = (fixture.connect(), fixture.connect());
    assert_eq!([one.ask("PING"), two.ask("PING")], ["+PONG", "+PONG"]);
    let mut three = fixture.connect();
    assert_eq!(
        three.next_reply().as_deref(),
        Some("-ERR max number of clients reached")
    );
    assert_eq!(three.next_reply(), None);
    assert_eq!(one.ask("QUIT"), "+OK");
    assert_eq!(one.next_reply(), None);
    while two.ask("CLIENT LIST").matches("id=").count() > 1 {}
    assert_eq!(fixture.connect().ask("PING"), "+PONG");
}

#[test]
fn one_address_takes_no_more_connections_than_it_may() {
    let fixture = start_with(|config| config.limits.clients_per_address_max = Some(2));
    let (mut one, mut two) = (fixture.connect(), fixture.connect());
    assert_eq!([one.ask("PING"), two.ask("PING")], ["+PONG", "+PONG"]);
    let mut three = fixture.connect();
    assert_eq!(
        three.next_reply().as_deref(),
        Some("-ERR max number of clients from this address reached")
    );
    assert_eq!(three.next_reply(), None);
    assert_eq!(one.ask("CONFIG SET maxclients-per-address 3"), "+OK");
    assert_eq!(fixture.connect().ask("PING"), "+PONG");
    assert_eq!(one.ask("CONFIG SET maxclients-per-address 0"), "+OK");
    let many: Vec<_> = (0..10).map(|_| fixture.connect()).collect();
    for mut client in many {
        assert_eq!(client.ask("PING"), "+PONG");
    }
}

#[test]
fn an_idle_client_is_cut_where_that_is_asked_for() {
    let fixture = start_with(|config| config.limits.idle = Some(Duration::from_millis(50)));
    let mut client = fixture.connect();
    assert_eq!(client.ask("PING"), "+PONG");
    assert_eq!(client.next_reply(), None);
}

#[test]
fn a_stranger_who_does_not_authenticate_is_cut() {
    let fixture = start_with(|config| {
        config.password = Some("s3cret".into());
        config.limits.handshake = Duration::from_millis(100);
    });
    let (mut stranger, mut friend) = (fixture.connect(), fixture.connect());
    assert_eq!(friend.ask("AUTH s3cret"), "+OK");
    assert_eq!(stranger.next_reply(), None);
    assert_eq!(friend.ask("PING"), "+PONG");
}

#[test]
fn what_all_clients_have_queued_or_watch_is_limited_together() {
    let fixture = start_with(|config| config.limits.input_bytes_max = 2 << 20);
    let value = "v".repeat(10 << 10);
    let mut clients: Vec<_> = (0..4).map(|_| fixture.connect()).collect();
    let mut refusals = 0;
    for client in &mut clients {
        assert_eq!(client.ask("MULTI"), "+OK");
        for _ in 0..80 {
            client.command(&["SET", "k", value.as_str()]);
            let said = client.reply();
            let is_refused =
                said == "-ERR all clients together hold more than they may; try again later";
            assert!(is_refused || said == "+QUEUED", "{said}");
            refusals += usize::from(is_refused);
        }
    }
    assert!(refusals > 0);
    // What is given up is free again.
    for client in &mut clients {
        client.ask("DISCARD");
    }
    assert_eq!(clients[0].ask("MULTI"), "+OK");
    for _ in 0..80 {
        clients[0].command(&["SET", "k", value.as_str()]);
        assert_eq!(clients[0].reply(), "+QUEUED");
    }
    clients[0].ask("DISCARD");
    let names: Vec<String> = (0..5_000).map(|number| format!("{number}")).collect();
    let mut words = vec!["WATCH"];
    words.extend(names.iter().map(String::as_str));
    let mut watch = |at: usize| {
        clients[at].command(&words);
        clients[at].reply()
    };
    assert_eq!(watch(1), "+OK");
    assert_eq!(
        watch(2),
        "-ERR the watched keys need more memory than a client may use"
    );
}

#[test]
fn no_option_or_name_is_repeated_at_length_in_an_error_or_kept() {
    let fixture = start();
    let mut client = fixture.connect();
    let long = "x".repeat(10_000);
    let long = long.as_str();
    for words in [
        &["HELLO", "2", long][..],
        &["CLIENT", "KILL", "TYPE", long],
        &["CLIENT", "KILL", "USER", long],
        &["CLIENT", "SETINFO", long, "x"],
        &["CLIENT", "SETNAME", long],
        &["CLIENT", "SETINFO", "LIB-NAME", long],
        &["HELLO", "2", "SETNAME", long],
        &["ACL", "CAT", long],
        &["CONFIG", "SET", long, "x"],
        &["EXPIRE", "k", "1", long],
        &["PUBSUB", "CHANNELS", long, "x"],
    ] {
        client.command(words);
        let said = client.reply();
        assert!(said.starts_with("-ERR "), "{words:?}: {said}");
        assert!(said.len() < 300, "{} bytes", said.len());
    }
}

#[test]
fn r20_who_guesses_passwords_is_slowed_down_and_who_is_in_notices_nothing() {
    let fixture = start_with(|config| config.password = Some("s3cret".into()));
    let mut inside = fixture.connect();
    assert_eq!(inside.ask("AUTH s3cret"), "+OK");
    let mut guesser = fixture.connect();
    let mut tries = 0;
    let last = loop {
        let said = guesser.ask("AUTH guess");
        tries += 1;
        if said != "-WRONGPASS invalid username-password pair or user is disabled." {
            break said;
        }
        assert!(tries < 10_000, "nobody slows this down");
    };
    assert_eq!(
        last,
        "-WRONGPASS too many wrong passwords from this address, try again in a second."
    );
    assert_eq!(inside.ask("SET k v"), "+OK");
    // The right one is taken as soon as there is room for a wrong one again.
    while guesser.ask("AUTH s3cret") != "+OK" {}
}
