//! What was acknowledged is there after a kill.

use crate::common::Client;
use crate::process::Process;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: u64 = 50;

/// Clients write until the server is killed under them. Afterwards every acknowledged write must be there: also
/// without a sync it is the system's, and only a power cut takes it.
///
/// `PORTCASK_KILL_SECONDS` has it go on for so long.
fn check(arguments: &[&str]) {
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
            println!("{arguments:?}: {round} kills, {checked} acknowledged writes, none lost");
            break;
        }
        let server = Process::start(dir.path(), arguments);
        let address = server.address;
        let acknowledged: Vec<AtomicU64> = (0..CLIENTS).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for (who, acknowledged) in acknowledged.iter().enumerate() {
                scope.spawn(move || write_until_killed(address, round, who, acknowledged));
            }
            let enough = || {
                acknowledged
                    .iter()
                    .map(|it| it.load(Ordering::Relaxed))
                    .sum::<u64>()
                    > 2_000
            };
            while !enough() {
                std::thread::yield_now();
            }
            server.kill();
        });
        let server = Process::start(dir.path(), arguments);
        let mut client = Client::connect(server.address);
        for (who, acknowledged) in acknowledged.iter().enumerate() {
            for n in 0..acknowledged.load(Ordering::Relaxed) {
                let value = n.to_string();
                let expected = format!("*2 ${0} {value} ${0} {value}", value.len());
                let reply = client.ask(&format!("MGET a:{round}:{who}:{n} b:{round}:{who}:{n}"));
                assert_eq!(reply, expected, "client {who}, write {n}");
                checked += 1;
            }
        }
        server.kill();
    }
}

fn write_until_killed(address: SocketAddr, round: u64, who: usize, acknowledged: &AtomicU64) {
    // On a busy machine the others may have written enough, and the server be killed, before this one is there.
    let Ok(mut stream) = std::net::TcpStream::connect(address) else {
        return;
    };
    stream.set_nodelay(true).unwrap();
    for n in 0.. {
        let command = format!("MSET a:{round}:{who}:{n} {n} b:{round}:{who}:{n} {n}\r\n");
        let mut reply = [0; 5];
        let done = stream.write_all(command.as_bytes());
        if done.and_then(|()| stream.read_exact(&mut reply)).is_err() {
            return;
        }
        assert_eq!(&reply, b"+OK\r\n");
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn writes_acknowledged_under_sync_always_are_there_after_kill_9() {
    check(&["--sync", "always"]);
}

#[test]
fn a_kill_loses_no_acknowledged_write_either_where_the_log_is_synced_every_second() {
    check(&["--sync", "everysec"]);
}

#[test]
fn a_killed_process_loses_no_acknowledged_write_without_syncs_either() {
    check(&["--sync", "no"]);
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
    assert!(words.contains("another program does already"), "{words}");
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
