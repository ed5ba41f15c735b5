//! What the server tells of itself: slow commands, numbers, metrics, health.

use crate::common::{start, start_with};
use portcask_server::DebugCommand;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

#[test]
fn the_slow_log_keeps_the_newest_commands_shortened_and_without_passwords() {
    let fixture = start_with(|config| {
        config.watching.slow_from_us = 0;
        config.watching.slow_len = 3;
    });
    let mut client = fixture.connect();
    client.ask("CLIENT SETNAME me");
    for command in [
        "AUTH a b",
        "CONFIG SET requirepass x",
        "GET first",
        "GET second",
    ] {
        client.ask(command);
    }
    let long = "v".repeat(200);
    client.command(&["SET", "k", &long]);
    client.reply();
    assert_eq!(client.ask("SLOWLOG LEN"), ":3");
    let all = client.ask("SLOWLOG GET -1");
    assert!(
        !all.contains("requirepass") && !all.contains("AUTH"),
        "{all}"
    );
    for words in [
        "$6 second",
        "SLOWLOG",
        " $2 me",
        "... (72 more bytes)",
        "127.0.0.1:",
    ] {
        assert!(all.contains(words), "{words} is not in {all}");
    }
    let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let many: Vec<&str> = std::iter::once("DEL")
        .chain(many.iter().map(String::as_str))
        .collect();
    client.command(&many);
    client.reply();
    let newest = client.ask("SLOWLOG GET 1");
    assert!(
        newest.contains("*32 $3 DEL $1 0 ") && newest.contains("... (10 more arguments)"),
        "{newest}"
    );
    assert_eq!(client.ask("CONFIG SET slowlog-log-slower-than -1"), "+OK");
    assert_eq!(client.ask("SLOWLOG RESET"), "+OK");
    assert_eq!(client.ask("SLOWLOG GET"), "*0");
    assert_eq!(
        client.ask("SLOWLOG GET -2"),
        "-ERR count should be greater than or equal to -1"
    );
}

#[test]
fn latency_shows_what_took_as_long_as_was_asked_for() {
    let fixture = start_with(|config| config.debug_command = DebugCommand::Local);
    let mut client = fixture.connect();
    assert_eq!(client.ask("DEBUG SLEEP 0.02"), "+OK");
    assert_eq!(client.ask("LATENCY LATEST"), "*0", "nothing is watched");
    assert_eq!(client.ask("CONFIG SET latency-monitor-threshold 10"), "+OK");
    assert_eq!(client.ask("DEBUG SLEEP 0.02"), "+OK");
    let latest = client.ask("LATENCY LATEST");
    assert!(latest.starts_with("*1 *4 $7 command :"), "{latest}");
    let max: u64 = latest.rsplit(':').next().unwrap().parse().unwrap();
    assert!(max >= 20, "{latest}");
    assert!(client.ask("LATENCY HISTORY command").starts_with("*1 *2 :"));
    assert_eq!(client.ask("LATENCY HISTORY other"), "*0");
    assert!(
        client
            .ask("LATENCY DOCTOR")
            .contains("command: 1 seconds with a spike")
    );
    assert_eq!(client.ask("LATENCY RESET other"), ":0");
    assert_eq!(client.ask("LATENCY RESET"), ":1");
    assert_eq!(client.ask("LATENCY LATEST"), "*0");
    client.ask("GET a");
    let histogram = client.ask("LATENCY HISTOGRAM get nothing");
    assert!(
        histogram.starts_with("*2 $3 get *4 $5 calls :1 $14 histogram_usec *2 :"),
        "{histogram}"
    );
}

#[test]
fn debug_is_for_those_to_whom_the_operator_gives_it() {
    let fixture = start();
    let refused = "-ERR DEBUG command not allowed. If the enable-debug-command option";
    assert!(fixture.connect().ask("DEBUG SLEEP 0").starts_with(refused));
    let fixture = start_with(|config| config.debug_command = DebugCommand::Yes);
    let mut client = fixture.connect();
    client.ask("SET k value");
    for (command, answer) in [
        (
            "DEBUG OBJECT k",
            "+Value at:0 refcount:1 encoding:raw serializedlength:5 lru:0 lru_seconds_idle:0",
        ),
        ("DEBUG OBJECT none", "-ERR no such key"),
        (
            "DEBUG SLEEP 61",
            "-ERR value is not a time from 0 to 60 seconds",
        ),
        (
            "DEBUG SLEEP nan",
            "-ERR value is not a time from 0 to 60 seconds",
        ),
        (
            "DEBUG SEGFAULT",
            "-ERR unknown subcommand 'SEGFAULT'. Try DEBUG HELP.",
        ),
    ] {
        assert_eq!(client.ask(command), answer, "{command}");
    }
}

#[test]
fn memory_is_told_for_a_key_and_for_the_server() {
    let fixture = start();
    let mut client = fixture.connect();
    client.ask("SET k value");
    assert_eq!(client.ask("MEMORY USAGE none"), "$-1");
    assert_eq!(client.ask("MEMORY USAGE k"), ":70");
    assert_eq!(client.ask("MEMORY USAGE k SAMPLES 5"), ":70");
    assert_eq!(client.ask("MEMORY USAGE k SOME 5"), "-ERR syntax error");
    let stats = client.ask("MEMORY STATS");
    assert!(stats.contains("$10 keys.count :1 "), "{stats}");
    assert!(client.ask("MEMORY DOCTOR").contains("1 keys take"));
}

#[test]
fn info_counts_commands_and_errors_by_kind() {
    let fixture = start();
    let mut client = fixture.connect();
    for command in [
        "SET a 1",
        "GET a",
        "GET none",
        "MGET a a none",
        "INCRBY a x",
        "MULTI",
        "EXISTS a none",
        "EXEC",
        "NOSUCH",
        "GET",
        "CONFIG GET port",
    ] {
        client.ask(command);
    }
    let stats = client.ask("INFO commandstats");
    for words in [
        "cmdstat_get:calls=2,usec=",
        "cmdstat_config|get:calls=1,",
        "rejected_calls=0,failed_calls=1",
    ] {
        assert!(stats.contains(words), "{words} is not in {stats}");
    }
    // By commands that only read.
    let stats = client.ask("INFO stats");
    for words in ["keyspace_hits:4 ", "keyspace_misses:3 "] {
        assert!(stats.contains(words), "{words} is not in {stats}");
    }
    let stats = client.ask("INFO errorstats");
    assert!(stats.contains("errorstat_ERR:count=3"), "{stats}");
    let all = client.ask("INFO everything");
    for words in [
        "# Commandstats",
        "# CPU used_cpu_sys:",
        "used_memory_human:",
        "config_file:",
    ] {
        assert!(all.contains(words), "{words} is not in {all}");
    }
    assert!(!client.ask("INFO").contains("# Commandstats"));
    assert_eq!(client.ask("CONFIG RESETSTAT"), "+OK");
    assert!(!client.ask("INFO commandstats").contains("cmdstat_get"));
}

fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Duration::from_secs(30);
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_and_health_are_answered_over_http() {
    let fixture = start_with(|config| config.metrics_port = Some(0));
    let address = fixture.server.metrics_address().unwrap();
    let mut client = fixture.connect();
    client.ask("SET a 1");
    client.ask("GET a");
    client.ask("INCRBY a x");
    // Somebody who never finishes a request is in nobody's way.
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET /met").unwrap();
    let page = http(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    for line in [
        "HTTP/1.1 200 OK\r\n",
        "\nportcask_keys 1\n",
        "\nportcask_connected_clients 1\n",
        "\nportcask_commands_total{command=\"get\"} 1\n",
        "\nportcask_command_errors_total{command=\"incrby\"} 1\n",
        "\n# TYPE portcask_commands_total counter\n",
        "\nportcask_ailing 0\n",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(page.contains(&format!("Content-Length: {}\r\n", body.len())));
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok() && !name.is_empty(), "{line}");
    }
    assert!(http(address, "GET /healthz HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nok\n"));
    let head = http(address, "HEAD /healthz?x=1 HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"));
}

#[test]
fn a_request_that_makes_no_sense_or_is_too_large_is_refused() {
    let fixture = start_with(|config| config.metrics_port = Some(0));
    let address = fixture.server.metrics_address().unwrap();
    let endless = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(9000));
    let headers = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(100));
    for (request, status) in [
        ("GET /nothing HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        ("*1\r\n$4\r\nPING\r\n", "400 Bad Request"),
        ("\u{16}\u{3}\u{1}", "400 Bad Request"),
        (&headers, "400 Bad Request"),
        (&endless, "431 Request Header Fields Too Large"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{request:.40}: {answer}"
        );
    }
    assert_eq!(fixture.connect().ask("PING"), "+PONG");
}
