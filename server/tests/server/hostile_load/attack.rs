//! The attackers, in a process of their own that takes what processor time others leave: no real attack runs on the
//! machine that it attacks.

use crate::common::frame;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ADDRESS: &str = "PORTCASK_HOSTILE_ADDRESS";
const COUNT: &str = "PORTCASK_HOSTILE_COUNT";
/// Who was cut comes back after this.
const BACK: Duration = Duration::from_secs(1);
/// Slow clients send a byte every so often.
const TRICKLE: Duration = Duration::from_secs(10);

/// Attackers at work. Dropping it ends them.
pub struct Attack {
    child: Child,
}

impl Attack {
    /// Starts them. Returns before they are connected.
    pub fn start(address: SocketAddr, connections: u64) -> Self {
        let child = this_program_as("hostile_load::attack::attackers", 19)
            .env(ADDRESS, address.to_string())
            .env(COUNT, connections.to_string())
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Returns once all of them are connected.
    pub fn wait_until_it_stands(&mut self) {
        wait_for_line(&mut self.child, "standing");
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program again, to run what is one of its tests in name only.
pub fn this_program_as(test: &str, nice: u8) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = if cfg!(unix) {
        let mut command = Command::new("nice");
        command.args(["-n", &nice.to_string()]).arg(this);
        command
    } else {
        Command::new(this)
    };
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Returns what follows this word on the line that begins with it.
pub fn wait_for_line(child: &mut Child, word: &str) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let found = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix(word).map(str::to_owned));
    found.expect("it ended by itself")
}

#[test]
#[ignore = "the process of the attackers, which the test of the load starts"]
fn attackers() {
    let variable = |name| std::env::var(name).expect("started by the test of the load");
    let address: SocketAddr = variable(ADDRESS).parse().unwrap();
    let connections = variable(COUNT).parse().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // It ends when whoever started it does.
            let _ = std::io::stdin().read(&mut [0]);
            stop.store(true, Ordering::Relaxed);
        });
        attack(address, connections, &stop);
    });
}

/// One hostile connection.
struct Hostile {
    stream: TcpStream,
    /// What it has still to send, and how much at a time.
    bytes: Arc<[u8]>,
    sent: usize,
    trickles: bool,
    next: Instant,
    /// When it noticed that the server had closed it.
    cut: Option<Instant>,
}

/// Opens all connections and keeps them open: one that was cut comes back a second later.
fn attack(address: SocketAddr, connections: u64, stop: &AtomicBool) {
    let asked: Arc<[u8]> = frame(&["GET", "big"]).repeat(10_000).into();
    let open = |kind: u64| {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        let bytes: Arc<[u8]> = match kind % 4 {
            // The largest count that may be right, and then nothing.
            0 => (*b"*1048576\r\n").into(),
            1 => (*b"*1\r\n$536870912\r\n").into(),
            2 => Arc::clone(&asked),
            _ => frame(&["SET", "slow", &"v".repeat(1000)]).into(),
        };
        Hostile {
            stream,
            bytes,
            sent: 0,
            trickles: kind % 4 == 3,
            next: Instant::now(),
            cut: None,
        }
    };
    let mut all: Vec<Hostile> = Vec::new();
    for kind in 0..connections {
        all.push(open(kind));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let last = all.last_mut().unwrap();
        last.go_on();
    }
    println!("\nstanding");
    while !stop.load(Ordering::Relaxed) {
        for (kind, hostile) in (0..).zip(&mut all) {
            match hostile.cut {
                Some(at) if at.elapsed() >= BACK => *hostile = open(kind),
                Some(_) => {}
                None => hostile.cut = (!hostile.go_on()).then(Instant::now),
            }
        }
        // A round looks at each of them; the processor is for the server and the one client.
        std::thread::sleep(Duration::from_millis(100));
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
        // Those who are sent much never read, and ask again once all is sent: so they notice that they were cut.
        let asks_for_much = self.bytes.len() > 100_000;
        if asks_for_much && self.sent == self.bytes.len() {
            self.sent = 0;
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
        // What the others are told does not matter.
        match (!asks_for_much).then(|| self.stream.read(&mut [0; 64])) {
            Some(Ok(0)) => false,
            Some(Err(error)) => error.kind() == ErrorKind::WouldBlock,
            Some(Ok(_)) | None => true,
        }
    }
}
