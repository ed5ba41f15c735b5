//! R3, R5, R21 and R22 at once: thousands of connections that declare, trickle and do not read, beside one client
//! that behaves well.
//!
//! As a test it asks whether the server serves and stays within its memory. `cargo xtask hostile` runs it longer, with
//! ten thousand connections, and asks how long the one client waits.

use crate::common::{Client, frame};
use crate::process::Process;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const INPUT_MIB: u64 = 256;
const OUTPUT_MIB: u64 = 256;
/// The one client's pause between two requests.
const PAUSE: Duration = Duration::from_micros(500);
/// Slow clients send a byte every so often.
const TRICKLE: Duration = Duration::from_secs(10);

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

#[test]
fn hostile_clients_by_the_thousand_neither_stop_the_server_nor_take_more_memory_than_it_allows() {
    let seconds = number("PORTCASK_HOSTILE_SECONDS");
    let connections = number("PORTCASK_HOSTILE_CONNECTIONS").unwrap_or(400);
    let time = Duration::from_secs(seconds.unwrap_or(2));
    let dir = tempfile::tempdir().unwrap();
    let clients = (connections + 100).to_string();
    let (input, output) = (format!("{INPUT_MIB}mb"), format!("{OUTPUT_MIB}mb"));
    let server = Process::start(
        dir.path(),
        &[
            "--maxclients",
            &clients,
            "--input-memory",
            &input,
            "--output-memory",
            &output,
        ],
    );
    let mut client = Client::connect(server.address);
    client.command(&["SET", "big", &"v".repeat(1 << 20)]);
    assert_eq!(client.reply(), "+OK");
    let quiet = behave(&mut client, time / 2, &|| false);
    let before = server.resident_kib();
    let stop = AtomicBool::new(false);
    let standing = AtomicU64::new(0);
    let (loud, most) = std::thread::scope(|scope| {
        let hostile = scope.spawn(|| attack(server.address, connections, &stop, &standing));
        while standing.load(Ordering::Relaxed) < connections {
            assert_eq!(client.ask("PING"), "+PONG");
            assert!(!hostile.is_finished(), "the attack ended by itself");
        }
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !stop.load(Ordering::Relaxed) {
                most = most.max(server.resident_kib());
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        });
        let loud = behave(&mut client, time, &|| false);
        stop.store(true, Ordering::Relaxed);
        hostile.join().unwrap();
        (loud, watch.join().unwrap())
    });
    let stats = client.ask("INFO stats");
    let grown_mib = most.saturating_sub(before) / 1024;
    println!("{connections} hostile connections, {} s", time.as_secs());
    println!("  quiet   {quiet}");
    println!("  loud    {loud}");
    println!(
        "  p99.9   {:.2} times the quiet one",
        loud.p999_us / quiet.p999_us
    );
    println!(
        "  memory  {grown_mib} MiB more, {} MiB allowed",
        INPUT_MIB + OUTPUT_MIB
    );
    for counter in [
        "evicted_clients:",
        "clients_cut_for_time:",
        "clients_cut_for_memory:",
        "protocol_errors:",
    ] {
        let (_, value) = stats.split_once(counter).unwrap();
        println!("  {counter} {}", value.split(' ').next().unwrap());
    }
    assert!(
        grown_mib <= (INPUT_MIB + OUTPUT_MIB) * 11 / 10,
        "{grown_mib} MiB"
    );
    // Without a budget of seconds, other work on this machine may be what is slow.
    if seconds.is_some() {
        assert!(
            loud.p999_us <= 2.0 * quiet.p999_us,
            "the one client waits too long"
        );
    }
    server.kill();
}

/// How long requests took.
struct Times {
    requests: usize,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    most_us: f64,
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            requests,
            p50_us,
            p99_us,
            p999_us,
            most_us,
        } = self;
        write!(
            f,
            "{requests} requests, p50 {p50_us:.0} us, p99 {p99_us:.0} us, p99.9 {p999_us:.0} us, most {most_us:.0} us"
        )
    }
}

/// Reads and writes small values at a steady pace.
fn behave(client: &mut Client, time: Duration, is_over: &dyn Fn() -> bool) -> Times {
    let mut taken_us: Vec<f64> = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time && !is_over() {
        let key = taken_us.len() % 100;
        let asked = Instant::now();
        if taken_us.len().is_multiple_of(2) {
            assert_eq!(client.ask(&format!("SET k{key} value")), "+OK");
        } else {
            client.ask(&format!("GET k{key}"));
        }
        taken_us.push(asked.elapsed().as_secs_f64() * 1e6);
        std::thread::sleep(PAUSE);
    }
    taken_us.sort_by(f64::total_cmp);
    let at = |share: f64| taken_us[((taken_us.len() - 1) as f64 * share) as usize];
    Times {
        requests: taken_us.len(),
        p50_us: at(0.5),
        p99_us: at(0.99),
        p999_us: at(0.999),
        most_us: at(1.0),
    }
}

/// One hostile connection.
struct Hostile {
    stream: TcpStream,
    /// What it has still to send, and how much at a time.
    bytes: Vec<u8>,
    sent: usize,
    trickles: bool,
    next: Instant,
}

/// Opens all connections and keeps them open: one that was cut comes back.
fn attack(address: SocketAddr, connections: u64, stop: &AtomicBool, standing: &AtomicU64) {
    let asked = frame(&["GET", "big"]).repeat(10_000);
    let open = |kind: u64| {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        let bytes = match kind % 4 {
            // The largest count that may be right, and then nothing.
            0 => b"*1048576\r\n".to_vec(),
            1 => b"*1\r\n$536870912\r\n".to_vec(),
            2 => asked.clone(),
            _ => frame(&["SET", "slow", &"v".repeat(1000)]),
        };
        Hostile {
            stream,
            bytes,
            sent: 0,
            trickles: kind % 4 == 3,
            next: Instant::now(),
        }
    };
    let mut all: Vec<Hostile> = Vec::new();
    for kind in 0..connections {
        all.push(open(kind));
        standing.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let last = all.last_mut().unwrap();
        last.go_on();
    }
    while !stop.load(Ordering::Relaxed) {
        for (kind, hostile) in (0..).zip(&mut all) {
            if !hostile.go_on() {
                *hostile = open(kind);
            }
        }
        // A round looks at each of them; the processor is for the server and the one client.
        std::thread::sleep(Duration::from_millis(500));
    }
}

impl Hostile {
    /// Sends what it may. Returns whether it still stands.
    fn go_on(&mut self) -> bool {
        if self.trickles {
            if Instant::now() < self.next {
                return true;
            }
            self.next = Instant::now() + TRICKLE;
        }
        while self.sent < self.bytes.len() {
            let end = if self.trickles {
                self.sent + 1
            } else {
                self.bytes.len()
            };
            match self.stream.write(&self.bytes[self.sent..end]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
            if self.trickles {
                return true;
            }
        }
        // Those who are sent much never read; of the others, what they are told does not matter.
        let reads = self.bytes.len() < 100_000;
        match reads.then(|| self.stream.read(&mut [0; 64])) {
            Some(Ok(0)) => false,
            Some(Err(error)) => error.kind() == ErrorKind::WouldBlock,
            Some(Ok(_)) | None => true,
        }
    }
}
