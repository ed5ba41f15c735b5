//! A server with both doors, and clients of both.

use portcask_server::grpc::proto::portcask_client::PortcaskClient;
use portcask_server::grpc::proto::{PutRequest, ScanRequest};
use portcask_server::{Config, Server};
use redis::ConnectionLike;
use std::net::{Ipv4Addr, SocketAddr};
use tonic::transport::Channel;

pub type Client = PortcaskClient<Channel>;

pub struct Fixture {
    pub server: Option<Server>,
    pub grpc: SocketAddr,
    pub resp: SocketAddr,
    dir: tempfile::TempDir,
}

pub fn start() -> Fixture {
    start_with(|_| {})
}

pub fn start_with(configure: impl FnOnce(&mut Config)) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path(), configure);
    Fixture {
        grpc: server.grpc_address().unwrap(),
        resp: server.addresses()[0],
        server: Some(server),
        dir,
    }
}

fn serve(dir: &std::path::Path, configure: impl FnOnce(&mut Config)) -> Server {
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let mut config = Config::new(dir);
    config.bind = vec![any];
    config.grpc = Some(any);
    config.threads = Some(2);
    configure(&mut config);
    Server::start(config).unwrap()
}

impl Fixture {
    pub async fn connect(&self) -> Client {
        PortcaskClient::connect(format!("http://{}", self.grpc))
            .await
            .unwrap()
    }

    /// The same store by the other door.
    pub fn redis(&self) -> redis::Connection {
        let client = redis::Client::open(format!("redis://{}", self.resp)).unwrap();
        client.get_connection().unwrap()
    }

    /// Stops the server, and waits for that where no task of the test waits for it.
    pub async fn stop(&mut self) {
        let server = self.server.take().unwrap();
        tokio::task::spawn_blocking(|| server.stop().unwrap())
            .await
            .unwrap();
    }

    /// Stops it and starts it again over the same directory, at new ports.
    pub async fn restart(&mut self) {
        self.stop().await;
        let dir = self.dir.path().to_owned();
        let started = tokio::task::spawn_blocking(move || serve(&dir, |_| {}));
        let server = started.await.unwrap();
        (self.grpc, self.resp) = (server.grpc_address().unwrap(), server.addresses()[0]);
        self.server = Some(server);
    }
}

/// A test's own runtime: the server has one of its own, and neither waits for the other's threads.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let patience = std::time::Duration::from_secs(60);
        tokio::time::timeout(patience, test)
            .await
            .expect("the test hangs");
    });
}

pub fn put(key: &str, value: impl Into<Vec<u8>>) -> PutRequest {
    PutRequest {
        key: key.into(),
        value: value.into(),
        ..PutRequest::default()
    }
}

pub fn with_prefix(prefix: &str) -> ScanRequest {
    ScanRequest {
        prefix: prefix.into(),
        ..ScanRequest::default()
    }
}

pub fn resp(connection: &mut redis::Connection, words: &[&str]) -> redis::Value {
    let mut command = redis::Cmd::new();
    command.arg(words);
    connection.req_command(&command).unwrap()
}
