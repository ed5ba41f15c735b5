//! Servers for tests.

use crate::real_redis::Redis;
use portcask_client::{ClientOptions, Db};
use portcask_server::{Config, Server};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Nothing takes as long; a test that waits for it has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A Portcask server on a free port over a directory of its own.
pub struct Ours {
    server: Option<Server>,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

pub fn start() -> Ours {
    start_with(|_| {})
}

pub fn start_with(configure: impl FnOnce(&mut Config)) -> Ours {
    let dir = tempfile::tempdir().unwrap();
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let server = serve(dir.path(), any, configure);
    Ours {
        address: server.addresses()[0],
        server: Some(server),
        dir,
    }
}

fn serve(
    dir: &std::path::Path,
    address: SocketAddr,
    configure: impl FnOnce(&mut Config),
) -> Server {
    let mut config = Config::new(dir);
    config.bind = vec![address];
    config.threads = Some(2);
    configure(&mut config);
    Server::start(config).unwrap()
}

impl Ours {
    #[cfg(feature = "tls")]
    pub fn tls_port(&self) -> u16 {
        self.server.as_ref().unwrap().tls_addresses()[0].port()
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub fn connect(&self) -> Db {
        Db::open(&self.url()).unwrap()
    }

    pub fn connect_with(&self, change: impl FnOnce(&mut ClientOptions)) -> Db {
        let mut options = ClientOptions::default();
        change(&mut options);
        Db::open_with(&self.url(), options).unwrap()
    }

    pub fn stop(&mut self) {
        self.server.take().unwrap().stop().unwrap();
    }

    /// Starts it again, at the same address.
    pub fn start(&mut self) {
        self.server = Some(serve(self.dir.path(), self.address, |_| {}));
    }
}

/// What a server that fails on purpose does with a command.
pub enum Deed {
    Answer(&'static [u8]),
    HangUp,
    Silence,
}

/// A server that does what a test says with each command, and remembers the commands.
pub struct Scripted {
    pub address: SocketAddr,
    pub heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// `deed` gets the command's name, and how often this name came before, on any connection.
    pub fn start(deed: impl Fn(&str, usize) -> Deed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (deed, all) = (Arc::new(deed), Arc::clone(&heard));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (deed, heard) = (Arc::clone(&deed), Arc::clone(&all));
                std::thread::spawn(move || converse(stream, &*deed, &heard));
            }
        });
        Self { address, heard }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// How often a command came.
    pub fn times(&self, name: &str) -> usize {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|it| *it == name).count()
    }
}

fn converse(stream: TcpStream, deed: &dyn Fn(&str, usize) -> Deed, heard: &Mutex<Vec<String>>) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let mut output = stream;
    while let Some(words) = command(&mut input) {
        let name = words[0].to_ascii_uppercase();
        let before = {
            let mut heard = heard.lock().unwrap();
            let before = heard.iter().filter(|it| **it == name).count();
            heard.push(name.clone());
            before
        };
        match deed(&name, before) {
            Deed::Answer(bytes) => {
                if output.write_all(bytes).is_err() {
                    return;
                }
            }
            Deed::HangUp => return,
            // Until the client goes away.
            Deed::Silence => {}
        }
    }
}

fn command(input: &mut impl BufRead) -> Option<Vec<String>> {
    let mut number = || {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let number = line.trim_end().get(1..)?.parse::<usize>().ok()?;
        Some(number)
    };
    let count = number()?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let length = line.trim_end().get(1..)?.parse::<usize>().ok()?;
        let mut word = vec![0; length + 2];
        input.read_exact(&mut word).ok()?;
        word.truncate(length);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words)
}

impl Redis {
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Runs commands, each a line without spaces in its arguments.
    pub fn run(&self, commands: &[&str]) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        for command in commands {
            stream
                .write_all(format!("{command}\r\n").as_bytes())
                .unwrap();
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            assert!(answer.starts_with([':', '+']), "{command}: {answer}");
        }
    }
}
