//! The attackers, in a process of their own that takes what processor time others leave: no real attack runs on the
//! machine that it attacks.

use crate::common::frame;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

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
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    std::thread::spawn(|| {
        // It ends when whoever started it does.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    runtime.block_on(attack(address, connections));
}

/// Opens all connections, one after the other, and keeps them open: one that was cut comes back a second later. None of
/// them costs anything while it waits: the processors are for the server and the one client.
async fn attack(address: SocketAddr, connections: u64) {
    let asked: Arc<[u8]> = frame(&["GET", "big"]).repeat(10_000).into();
    for kind in 0..connections {
        let hostile = match kind % 4 {
            // The largest count that may be right, and then nothing.
            0 => Hostile::Waits((*b"*1048576\r\n").into()),
            1 => Hostile::Waits((*b"*1\r\n$536870912\r\n").into()),
            2 => Hostile::NeverReads(Arc::clone(&asked)),
            _ => Hostile::Trickles(frame(&["SET", "slow", &"v".repeat(1000)]).into()),
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        tokio::spawn(async move {
            loop {
                hostile.behave(stream).await;
                stream = loop {
                    sleep(BACK).await;
                    // It may be full just now.
                    if let Ok(again) = TcpStream::connect(address).await {
                        break again;
                    }
                };
            }
        });
    }
    println!("\nstanding");
    std::future::pending().await
}

/// What one connection does, with these bytes.
enum Hostile {
    /// Sends them and waits for what they do not ask for.
    Waits(Arc<[u8]>),
    /// Sends them again and again, and never reads.
    NeverReads(Arc<[u8]>),
    /// Sends one of them every few seconds.
    Trickles(Arc<[u8]>),
}

impl Hostile {
    /// Returns once the server has cut it.
    async fn behave(&self, mut stream: TcpStream) {
        match self {
            Self::Waits(bytes) => {
                if stream.write_all(bytes).await.is_ok() {
                    drain(&mut stream).await;
                }
            }
            Self::NeverReads(bytes) => while stream.write_all(bytes).await.is_ok() {},
            Self::Trickles(bytes) => {
                let (mut from, mut to) = stream.split();
                let trickle = async {
                    for byte in bytes.chunks(1).cycle() {
                        if to.write_all(byte).await.is_err() {
                            return;
                        }
                        sleep(TRICKLE).await;
                    }
                };
                tokio::select! {
                    () = trickle => {}
                    () = drain(&mut from) => {}
                }
            }
        }
    }
}

/// Reads and throws away until the end. What they are told does not matter.
async fn drain(from: &mut (impl AsyncReadExt + Unpin)) {
    while from.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
}
