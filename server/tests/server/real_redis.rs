//! Debian's redis-server, where it is installed, to compare with.

use crate::common::Client;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Redis of its own port, ended with this value.
pub struct Redis {
    process: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
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
            .args(["--save", "", "--appendonly", "no"])
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
            _dir: dir,
        };
        let patience = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(
                redis.process.try_wait().unwrap().is_none(),
                "redis-server ended"
            );
            assert!(Instant::now() < patience, "redis-server does not listen");
            std::thread::yield_now();
        }
        Some(redis)
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
