//! A server for a test, and a client that speaks raw bytes.

use portcask_server::{Config, Server};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Nothing takes as long; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a free port over a directory of its own.
pub struct Fixture {
    pub server: Server,
    dir: tempfile::TempDir,
}

pub fn start() -> Fixture {
    start_with(|_| {})
}

pub fn start_with(configure: impl FnOnce(&mut Config)) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(config(dir.path(), configure)).unwrap();
    Fixture { server, dir }
}

fn config(dir: &std::path::Path, configure: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::new(dir);
    config.bind = vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)];
    config.threads = Some(2);
    configure(&mut config);
    config
}

impl Fixture {
    pub fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Where its files are.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Stops the server and starts another one over the same directory.
    pub fn restart(self) -> Self {
        let Self { server, dir } = self;
        server.stop().unwrap();
        let server = Server::start(config(dir.path(), |_| {})).unwrap();
        Self { server, dir }
    }
}

pub struct Client {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let received = Vec::new();
        Self { stream, received }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a command as a frame.
    pub fn command<T: AsRef<[u8]>>(&mut self, words: &[T]) {
        self.send(frame(words));
    }

    /// Sends a command that has no spaces in its arguments, and shows the reply.
    pub fn ask(&mut self, command: &str) -> String {
        let words: Vec<_> = command.split_ascii_whitespace().collect();
        self.command(&words);
        self.reply()
    }

    /// One reply with everything inside it, as text: line ends are spaces.
    pub fn reply(&mut self) -> String {
        let bytes = self.raw_reply();
        let text = String::from_utf8_lossy(&bytes);
        text.trim_end().replace("\r\n", " ")
    }

    /// One reply, or `None` if the server closed the connection instead.
    pub fn next_reply(&mut self) -> Option<String> {
        while end_of_reply(&self.received, 0).is_none() {
            if !self.receive() {
                assert!(self.received.is_empty(), "closed inside a reply");
                return None;
            }
        }
        Some(self.reply())
    }

    /// Takes what has arrived off the socket.
    pub fn take_arrived(&mut self) {
        self.receive();
        self.received.clear();
    }

    /// The bytes of one reply.
    pub fn raw_reply(&mut self) -> Vec<u8> {
        loop {
            if let Some(end) = end_of_reply(&self.received, 0) {
                return self.received.drain(..end).collect();
            }
            assert!(self.receive(), "the connection was closed inside a reply");
        }
    }

    /// Everything until the server closes the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.receive() {}
        std::mem::take(&mut self.received)
    }

    pub fn rest_as_text(&mut self) -> String {
        String::from_utf8_lossy(&self.rest()).into_owned()
    }

    fn receive(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        let read = loop {
            match self.stream.read(&mut bytes) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break 0,
                read => break read.unwrap(),
            }
        };
        self.received.extend_from_slice(&bytes[..read]);
        read > 0
    }
}

pub fn frame<T: AsRef<[u8]>>(words: &[T]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Where the reply that starts at `from` ends, if it is all there.
pub fn end_of_reply(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let line = rest.windows(2).position(|two| two == b"\r\n")?;
    let after = from + line + 2;
    let count = || {
        std::str::from_utf8(&rest[1..line])
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    match rest[0] {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' => Some(after),
        b'$' | b'=' => match usize::try_from(count()) {
            Ok(length) => Some(after + length + 2).filter(|end| *end <= bytes.len()),
            Err(_) => Some(after),
        },
        kind @ (b'*' | b'~' | b'%' | b'>') => {
            let elements = count().max(0) * if kind == b'%' { 2 } else { 1 };
            (0..elements).try_fold(after, |at, _| end_of_reply(bytes, at))
        }
        other => panic!("no reply starts with {:?}", char::from(other)),
    }
}
