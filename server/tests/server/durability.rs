//! What was acknowledged is there after a kill.

use crate::common::Client;
use crate::process::Process;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: u64 = 50;

/// Requests that change several keys, and how they are sent.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// One command changes two keys.
    Msets,
    /// Sixteen commands at a time, of which any number is answered when the server is killed.
    Pipelines,
}

impl Load {
    /// What is sent at a time, from this number on, and how many replies come back.
    fn request(self, who: &str, number: u64) -> (String, u64) {
        match self {
            Self::Msets => {
                let command =
                    format!("MSET a:{who}:{number} {number} b:{who}:{number} {number}\r\n");
                (command, 1)
            }
            Self::Pipelines => {
                let set = |number| format!("SET a:{who}:{number} {number}\r\n");
                ((number..number + 16).map(set).collect(), 16)
            }
        }
    }

    /// Looks for what the reply of this number acknowledged.
    fn check(self, client: &mut Client, who: &str, number: u64) {
        let value = number.to_string();
        let value = format!("${} {value}", value.len());
        let (asked, expected) = match self {
            Self::Msets => (
                format!("MGET a:{who}:{number} b:{who}:{number}"),
                format!("*2 {value} {value}"),
            ),
            Self::Pipelines => (format!("GET a:{who}:{number}"), value),
        };
        assert_eq!(client.ask(&asked), expected, "client {who}, write {number}");
    }
}

/// Clients write until the server is killed under them. Afterwards every acknowledged write must be there: also
/// without a sync it is the system's, and only a power cut takes it.
///
/// `PORTCASK_KILL_SECONDS` has it go on for so long.
fn check(load: Load, arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let seconds = std::env::var("PORTCASK_KILL_SECONDS").ok();
    let time = seconds.map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    let began = Instant::now();
    let mut checked = 0;
    for round in 0_u64.. {
        let is_over = match time {
            Some(time) => began.elapsed() >= time,
            None => round == 2,
        };
        if is_over {
            println!(
                "{load:?} {arguments:?}: {round} kills, {checked} acknowledged writes, none lost"
            );
            break;
        }
        let server = Process::start(dir.path(), arguments);
        let address = server.address;
        let acknowledged: Vec<AtomicU64> = (0..CLIENTS).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for (who, acknowledged) in acknowledged.iter().enumerate() {
                let who = format!("{round}:{who}");
                scope.spawn(move || write_until_killed(load, address, &who, acknowledged));
            }
            let all = || acknowledged.iter().map(|it| it.load(Ordering::Relaxed));
            while all().sum::<u64>() <= 2_000 {
                std::thread::yield_now();
            }
            server.kill();
        });
        let server = Process::start(dir.path(), arguments);
        let mut client = Client::connect(server.address);
        for (who, acknowledged) in acknowledged.iter().enumerate() {
            let who = format!("{round}:{who}");
            for number in 0..acknowledged.load(Ordering::Relaxed) {
                load.check(&mut client, &who, number);
                checked += 1;
            }
        }
        server.kill();
    }
}

fn write_until_killed(load: Load, address: SocketAddr, who: &str, acknowledged: &AtomicU64) {
    // On a busy machine the others may have written enough, and the server be killed, before this one is there.
    let Ok(mut stream) = std::net::TcpStream::connect(address) else {
        return;
    };
    stream.set_nodelay(true).unwrap();
    let mut next = 0;
    loop {
        let (request, replies) = load.request(who, next);
        next += replies;
        if stream.write_all(request.as_bytes()).is_err() {
            return;
        }
        // One after the other: the kill may cut them anywhere.
        for _ in 0..replies {
            let mut reply = [0; 5];
            if stream.read_exact(&mut reply).is_err() {
                return;
            }
            assert_eq!(&reply, b"+OK\r\n");
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn writes_acknowledged_under_sync_always_are_there_after_kill_9() {
    check(Load::Msets, &["--sync", "always"]);
}

#[test]
fn a_kill_loses_no_acknowledged_write_either_where_the_log_is_synced_every_second() {
    check(Load::Msets, &["--sync", "everysec"]);
}

#[test]
fn a_killed_process_loses_no_acknowledged_write_without_syncs_either() {
    check(Load::Msets, &["--sync", "no"]);
}

#[test]
fn a_kill_right_after_the_replies_to_a_pipeline_loses_nothing_that_they_acknowledged() {
    for policy in ["no", "everysec", "always"] {
        check(Load::Pipelines, &["--sync", policy]);
    }
}

#[test]
fn many_clients_share_a_sync() {
    let fixture =
        crate::common::start_with(|config| config.sync = portcask_server::SyncPolicy::Always);
    std::thread::scope(|scope| {
        for who in 0..CLIENTS {
            let fixture = &fixture;
            scope.spawn(move || {
                let mut client = fixture.connect();
                for n in 0..20 {
                    assert_eq!(client.ask(&format!("SET k:{who} {n}")), "+OK");
                    // What only reads is not held up by a sync, and what changes nothing still tells.
                    assert_eq!(client.ask(&format!("SETNX k:{who} {n}")), ":0");
                }
            });
        }
    });
    assert_eq!(fixture.connect().ask("DBSIZE"), format!(":{CLIENTS}"));
}

#[cfg(unix)]
#[test]
fn sigterm_stops_in_order_and_a_directory_in_use_is_refused_with_its_own_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path(), &[]);
    assert_eq!(Client::connect(server.address).ask("SET k v"), "+OK");
    let second = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcask-server"));
        let output = command.args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let same = dir.path().to_str().unwrap();
    let (code, words) = second(&["--dir", same, "--port", "0"]);
    assert_eq!(code, Some(4), "{words}");
    assert!(
        words.contains("another process has this store open"),
        "{words}"
    );
    let other = tempfile::tempdir().unwrap();
    let port = server.address.port().to_string();
    let (code, words) = second(&["--dir", other.path().to_str().unwrap(), "--port", &port]);
    assert_eq!(code, Some(5), "{words}");
    assert!(words.contains("another program already does"), "{words}");
    let (code, words) = second(&["--dir", same, "--sync", "sometimes"]);
    assert_eq!(code, Some(2), "{words}");
    let mut server = server;
    let child = &mut server.child;
    let terminated = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(terminated.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let server = Process::start(dir.path(), &[]);
    assert_eq!(Client::connect(server.address).ask("GET k"), "$1 v");
    server.kill();
}
