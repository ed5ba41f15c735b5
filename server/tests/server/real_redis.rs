//! Debian's redis-server, where it is installed, to compare with. The tests of `portcask-client` have this file, too.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Redis of its own port and its own socket `redis.sock`, ended with this value.
pub struct Redis {
    process: Child,
    pub address: SocketAddr,
    #[allow(dead_code, reason = "the socket is for the tests of the client")]
    pub dir: tempfile::TempDir,
}

impl Redis {
    /// Starts one. `None`, said aloud, where there is no redis-server; a failure where CI says that
    /// everything is installed.
    pub fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--databases",
                "1",
            ])
            .args([
                "--save",
                "",
                "--appendonly",
                "no",
                "--unixsocket",
                "redis.sock",
            ])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn();
        let process = match process {
            Ok(process) => process,
            Err(error) => {
                let required = std::env::var_os("PORTCASK_REQUIRE_REDIS").is_some();
                assert!(!required, "redis-server does not start: {error}");
                println!("SKIPPED: redis-server is not installed, so nothing is compared");
                return None;
            }
        };
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let mut redis = Self {
            process,
            address,
            dir,
        };
        let patience = Instant::now() + Duration::from_secs(30);
        while !answers(address) {
            assert!(
                redis.process.try_wait().unwrap().is_none(),
                "redis-server ended"
            );
            assert!(Instant::now() < patience, "redis-server does not answer");
            std::thread::yield_now();
        }
        Some(redis)
    }
}

fn answers(address: SocketAddr) -> bool {
    let answer = || -> io::Result<[u8; 7]> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).map(|()| answer)
    };
    answer().is_ok_and(|answer| &answer == b"+PONG\r\n")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
