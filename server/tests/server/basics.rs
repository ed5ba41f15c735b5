//! What a client can do once it is connected.

use crate::common::{frame, start, start_with};
use std::io::Read;

#[test]
fn values_are_stored_and_read_back_whatever_their_bytes() {
    let fixture = start();
    let mut client = fixture.connect();
    let value: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    client.command(&[b"SET".as_slice(), b"a\r\n\0key", &value]);
    assert_eq!(client.reply(), "+OK");
    client.command(&[b"get".as_slice(), b"a\r\n\0key"]);
    let expected = [b"$100000\r\n", value.as_slice(), b"\r\n"].concat();
    assert_eq!(client.raw_reply(), expected);
    assert_eq!(client.ask("GET nothing"), "$-1");
    client.command(&["SET", "empty", ""]);
    assert_eq!(client.reply(), "+OK");
    assert_eq!(client.ask("GET empty"), "$0");
    assert_eq!(client.ask("EXISTS empty empty nothing"), ":2");
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let fixture = start();
    assert_eq!(fixture.connect().ask("SET cat meow"), "+OK");
    assert_eq!(fixture.connect().ask("SET dog woof"), "+OK");
    assert_eq!(fixture.connect().ask("DEL dog"), ":1");
    let fixture = fixture.restart();
    assert_eq!(fixture.connect().ask("MGET cat dog"), "*2 $4 meow $-1");
}

#[test]
fn set_takes_every_option_of_redis() {
    let fixture = start();
    let mut client = fixture.connect();
    for (command, reply) in [
        ("SET k 1 XX", "$-1"),
        ("SET k 1 NX", "+OK"),
        ("SET k 2 NX", "$-1"),
        ("SET k 2 NX GET", "$1 1"),
        ("SET k 2 XX GET", "$1 1"),
        ("SET new 2 NX GET", "$-1"),
        ("SET k 3 EX 100 GET", "$1 2"),
        ("SET k 4 KEEPTTL", "+OK"),
        ("GETEX k PERSIST", "$1 4"),
        ("SET k 5 PXAT 1", "+OK"),
        ("GET k", "$-1"),
        ("SET k 6 EX 0", "-ERR invalid expire time in 'set' command"),
        (
            "SET k 6 EX 9223372036854775807",
            "-ERR invalid expire time in 'set' command",
        ),
        ("SET k 6 EX 5 PX 5", "-ERR syntax error"),
        ("SET k 6 EX 5 KEEPTTL", "-ERR syntax error"),
        ("SET k 6 NX XX", "-ERR syntax error"),
        ("SET k 6 EX", "-ERR syntax error"),
        ("SET k 6 WHAT", "-ERR syntax error"),
        (
            "SET k 6 EX 1.5",
            "-ERR value is not an integer or out of range",
        ),
        ("GET k", "$-1"),
    ] {
        assert_eq!(client.ask(command), reply, "{command}");
    }
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let fixture = start();
    let mut client = fixture.connect();
    let mut bytes = Vec::new();
    for n in 0..10_000 {
        bytes.extend(frame(&["SET".to_owned(), format!("k{n}"), n.to_string()]));
        bytes.extend(frame(&["GET".to_owned(), format!("k{n}")]));
    }
    let mut writer = client.stream.try_clone().unwrap();
    let sender =
        std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes).unwrap());
    for n in 0..10_000 {
        assert_eq!(client.reply(), "+OK");
        let number = n.to_string();
        assert_eq!(client.reply(), format!("${} {number}", number.len()));
    }
    sender.join().unwrap();
}

#[test]
fn commands_may_be_typed_as_lines() {
    let fixture = start();
    let mut client = fixture.connect();
    client.send("set k \"a b\"\r\nGET k\nPING\n\r\n");
    assert_eq!(
        [client.reply(), client.reply(), client.reply()],
        ["+OK", "$3 a b", "+PONG"]
    );
}

#[test]
fn hello_changes_the_protocol_and_reset_changes_it_back() {
    let fixture = start();
    let mut client = fixture.connect();
    assert_eq!(client.ask("GET nothing"), "$-1");
    assert!(
        client
            .ask("HELLO 3 SETNAME me")
            .starts_with("%7 $6 server $8 portcask")
    );
    assert_eq!(client.ask("GET nothing"), "_");
    assert_eq!(client.ask("CLIENT GETNAME"), "$2 me");
    assert_eq!(client.ask("RESET"), "+RESET");
    assert_eq!(client.ask("CLIENT GETNAME"), "$-1");
    assert!(client.ask("HELLO 2").starts_with("*14 "));
    for (command, error) in [
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        (
            "HELLO abc",
            "-ERR Protocol version is not an integer or out of range",
        ),
        (
            "HELLO 99999999999999999999",
            "-ERR Protocol version is not an integer or out of range",
        ),
        ("HELLO 3 WHAT", "-ERR Syntax error in HELLO option 'WHAT'"),
    ] {
        assert_eq!(client.ask(command), error);
    }
}

#[test]
fn a_client_may_ask_for_no_replies() {
    let fixture = start();
    let mut client = fixture.connect();
    client.send("CLIENT REPLY OFF\r\nSET a 1\r\nGET a\r\nCLIENT REPLY ON\r\n");
    assert_eq!(client.reply(), "+OK");
    client.send("CLIENT REPLY SKIP\r\nSET a 2\r\nGET a\r\n");
    assert_eq!(client.reply(), "$1 2");
}

#[test]
fn quit_answers_and_closes() {
    let fixture = start();
    let mut client = fixture.connect();
    client.send("QUIT\r\nPING\r\n");
    assert_eq!(client.rest_as_text(), "+OK\r\n");
}

#[test]
fn a_client_can_be_killed_by_another_and_is_gone_from_the_list() {
    let fixture = start();
    let (mut one, mut other) = (fixture.connect(), fixture.connect());
    let id = one.ask("CLIENT ID").trim_start_matches(':').to_owned();
    assert!(other.ask("CLIENT LIST").contains(&format!("id={id} ")));
    assert_eq!(other.ask(&format!("CLIENT KILL ID {id}")), ":1");
    assert_eq!(one.stream.read(&mut [0; 8]).unwrap(), 0);
    assert!(!other.ask("CLIENT LIST").contains(&format!("id={id} ")));
    assert_eq!(other.ask(&format!("CLIENT KILL ID {id} SKIPME no")), ":0");
    assert_eq!(other.ask("CLIENT KILL 1.2.3.4:5"), "-ERR No such client");
}

#[test]
fn a_stopping_server_answers_what_it_received_and_then_closes() {
    let fixture = start();
    let mut clients: Vec<_> = (0..20).map(|_| fixture.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.ask(&format!("SET k{n} v")), "+OK");
    }
    let fixture = fixture.restart();
    for client in &mut clients {
        assert!(client.rest().is_empty());
    }
    for n in 0..20 {
        assert_eq!(fixture.connect().ask(&format!("GET k{n}")), "$1 v");
    }
}

#[test]
fn a_password_is_asked_for_before_anything_else() {
    let fixture = start_with(|config| config.password = Some("s3cret".into()));
    let mut client = fixture.connect();
    for command in ["GET k", "CLIENT ID", "COMMAND", "MULTI", "PING"] {
        assert_eq!(
            client.ask(command),
            "-NOAUTH Authentication required.",
            "{command}"
        );
    }
    assert!(
        client
            .ask("HELLO 3")
            .starts_with("-NOAUTH HELLO must be called")
    );
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(client.ask("AUTH s3cre"), wrong);
    assert_eq!(client.ask("AUTH somebody s3cret"), wrong);
    assert_eq!(client.ask("HELLO 3 AUTH default s3crets"), wrong);
    assert_eq!(client.ask("RESET"), "+RESET");
    assert_eq!(client.ask("AUTH default s3cret"), "+OK");
    assert_eq!(client.ask("SET k v"), "+OK");
    assert_eq!(client.ask("RESET"), "+RESET");
    assert_eq!(client.ask("GET k"), "-NOAUTH Authentication required.");
    assert!(client.ask("HELLO 3 AUTH default s3cret").starts_with('%'));
    assert_eq!(client.ask("GET k"), "$1 v");
    assert_eq!(client.ask("RESET"), "+RESET");
    assert_eq!(client.ask("QUIT"), "+OK");
}

#[test]
fn what_is_not_offered_answers_as_redis_does_for_what_it_does_not_know() {
    let fixture = start();
    let mut client = fixture.connect();
    for (command, error) in [
        (
            "LPUSH k a",
            "-ERR unknown command 'LPUSH', with args beginning with: 'k' 'a'",
        ),
        (
            "CLIENT PAUSE 1",
            "-ERR unknown subcommand 'PAUSE'. Try CLIENT HELP.",
        ),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        (
            "CLIENT ID x",
            "-ERR wrong number of arguments for 'client|id' command",
        ),
        (
            "CLIENT",
            "-ERR wrong number of arguments for 'client' command",
        ),
        ("SELECT 1", "-ERR DB index is out of range"),
    ] {
        assert_eq!(client.ask(command), error);
    }
}

#[test]
fn command_tells_of_every_command() {
    let fixture = start();
    let mut client = fixture.connect();
    let count: usize = client.ask("COMMAND COUNT")[1..].parse().unwrap();
    assert!(client.ask("COMMAND").starts_with(&format!("*{count} *10 ")));
    assert!(
        client
            .ask("COMMAND DOCS get")
            .starts_with("*2 $3 get *8 $7 summary")
    );
    assert_eq!(client.ask("COMMAND GETKEYS MSET a 1 b 2"), "*2 $1 a $1 b");
    assert_eq!(client.ask("COMMAND INFO lpush"), "*1 *-1");
    assert!(
        client
            .ask("COMMAND LIST FILTERBY PATTERN ge*")
            .contains("getdel")
    );
}
