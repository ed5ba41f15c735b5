//! The schema-first door: the same store over gRPC, by `proto/portcask.proto`, on a port of its own.
//!
//! ```text
//!   accept (this file)   counts connections, protected mode, the first byte in time
//!   wire                 TCP, or TLS over it, counted
//!   authorize            metadata: who it is, before anything of a message is read
//!   service              Put, Get, Delete, Batch: one commit each, answered as `--sync` says
//!   streams              Keys, Scan, Watch: a page at a time, as fast as the client reads
//! ```
//!
//! Limits: a message is at most [`MESSAGE_BYTES_MAX`]; as many calls run at a time as messages of that length fit into
//! [`Limits::input_bytes_max`](crate::Limits); a connection counts as a client. A client that does not read its stream
//! for [`Limits::progress`](crate::Limits) loses it.

mod service;
mod status;
mod streams;
mod wire;

/// The service's messages, its client and its server, as generated.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("portcask.v1");
}

use crate::listen::{AcceptRest, Address};
use crate::server::{Shared, StartError};
use proto::portcask_server::PortcaskServer;
use service::Service;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::Server;
use tonic::{Request, Status};
use tower::limit::GlobalConcurrencyLimitLayer;
use wire::{Counted, Peer};

/// Bytes of a message at most. Clients take 4 MiB unless they are told otherwise.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Calls at a time on one connection.
const STREAMS_MAX: u32 = 128;
/// A peer that is gone without a word is noticed after these two.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_PATIENCE: Duration = Duration::from_secs(20);

/// Takes the port, if there is to be one.
pub(crate) fn listen(
    runtime: &Runtime,
    address: Option<SocketAddr>,
) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let listener = runtime.block_on(TcpListener::bind(address));
    listener
        .map(Some)
        .map_err(|error| StartError::Bind(address, error))
}

/// Serves until the server stops and every call has ended.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
) {
    let (hand_over, incoming) = mpsc::channel(1);
    let accepting = tokio::spawn(accept(
        Arc::clone(&shared),
        listener,
        tls.map(acceptor),
        hand_over,
    ));
    let mut stopping = shared.stopping();
    let stop = async move {
        // It cannot be dropped: `shared` holds the other end.
        let _ = stopping.wait_for(|stop| *stop).await;
        accepting.abort();
    };
    let bytes_max = MESSAGE_BYTES_MAX.min(shared.limits.bulk_bytes_max);
    let calls_max = (shared.limits.input_bytes_max / bytes_max.max(1)).max(1);
    let service = PortcaskServer::new(Service::new(Arc::clone(&shared)));
    let service = service.max_decoding_message_size(bytes_max);
    let guard = Arc::clone(&shared);
    let service = InterceptedService::new(service, move |request| authorize(&guard, request));
    let server = Server::builder()
        .layer(GlobalConcurrencyLimitLayer::new(calls_max))
        .timeout(shared.limits.progress)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(PROBE_AFTER))
        .http2_keepalive_timeout(Some(PROBE_PATIENCE))
        .add_service(service);
    // Each connection's own error is its client's business, and there is none of the whole.
    let _ = server
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop)
        .await;
}

/// The same certificate, for HTTP/2.
fn acceptor(tls: Arc<ServerConfig>) -> TlsAcceptor {
    let mut tls = ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(tls).into()
}

/// Lets a call in and notes whose it is, or says why not. Nothing of its message has been read yet.
fn authorize(shared: &Shared, mut request: Request<()>) -> Result<Request<()>, Status> {
    shared.counters.commands.fetch_add(1, Ordering::Relaxed);
    let metadata = request.metadata();
    let name = metadata.get("portcask-user").map(|it| it.as_bytes());
    let said = metadata.get("authorization");
    let said = said.and_then(|it| it.as_bytes().strip_prefix(b"Bearer "));
    let user = match (name, said) {
        (None, None) => {
            let default = shared.users.default_user();
            let is_open = default.is_on && default.is_open;
            is_open.then_some(default).ok_or(WHO)
        }
        (name, said) => {
            let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
            let name = name.unwrap_or(b"default");
            let known = shared.authenticate(name, said.unwrap_or_default(), peer);
            known.map_err(|refused| refused.words())
        }
    };
    let user = user.map_err(Status::unauthenticated)?;
    request.extensions_mut().insert(user);
    Ok(request)
}

const WHO: &str = "this server wants a password: send the metadata `authorization: Bearer PASSWORD`, and \
                   `portcask-user: NAME` for another user than the default one";

async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    hand_over: mpsc::Sender<io::Result<Counted>>,
) {
    let connected = Arc::new(AtomicUsize::new(0));
    let mut rest = AcceptRest::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                rest.after(&shared, &error).await;
                continue;
            }
        };
        rest.is_over();
        let counters = &shared.counters;
        counters.connections.fetch_add(1, Ordering::Relaxed);
        let mut counted = Counted::new(stream, peer, Arc::clone(&shared), Arc::clone(&connected));
        let clients = connected.load(Ordering::Relaxed) + shared.clients.len();
        let is_open = shared.users.default_user().is_open;
        let is_refused = is_open && shared.live.refuses(&Address::Ip(peer));
        if is_refused || clients > shared.live.clients_max() || !counted.enter() {
            counters.refused_connections.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let (hand_over, patience) = (hand_over.clone(), shared.limits.handshake);
        let tls = tls.clone();
        tokio::spawn(async move {
            // Nobody holds a place by being silent.
            let greeted = tokio::time::timeout(patience, counted.greet(tls)).await;
            if let Ok(Ok(counted)) = greeted {
                // Nobody takes it any more if the server stops.
                let _ = hand_over.send(Ok(counted)).await;
            }
        });
    }
}
