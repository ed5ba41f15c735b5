//! The schema-first door: the same store over gRPC, by `proto/portcask.proto`, on a port of its own.
//!
//! ```text
//!   accept (this file)   counts connections, protected mode, the first byte in time
//!   authorize            metadata, before anything of a message is read
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

/// The service's messages, its client and its server, as generated.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("portcask.v1");
}

use crate::listen::Address;
use crate::server::{Shared, StartError};
use proto::portcask_server::PortcaskServer;
use service::Service;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::{Connected, Server};
use tonic::{Request, Status};
use tower::limit::GlobalConcurrencyLimitLayer;

/// Bytes of a message at most. Clients take 4 MiB unless they are told otherwise.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Calls at a time on one connection.
const STREAMS_MAX: u32 = 128;
/// A peer that is gone without a word is noticed after these two.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_PATIENCE: Duration = Duration::from_secs(20);
/// How long accepting rests after the system refused a connection.
const ACCEPT_REST: Duration = Duration::from_millis(50);

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
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let (hand_over, incoming) = mpsc::channel(1);
    let accepting = tokio::spawn(accept(Arc::clone(&shared), listener, hand_over));
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

/// Lets a call in, or says why not. Nothing of its message has been read yet.
fn authorize(shared: &Shared, request: Request<()>) -> Result<Request<()>, Status> {
    shared.counters.commands.fetch_add(1, Ordering::Relaxed);
    let user = shared.users.default_user();
    if !user.may_do_everything() {
        // What it does is not looked at call by call here, so it is for those who may do all of it.
        return Err(Status::permission_denied(
            "the default user may not do everything here",
        ));
    }
    if user.is_open {
        return Ok(request);
    }
    let said = request.metadata().get("authorization");
    let said = said.and_then(|it| it.as_bytes().strip_prefix(b"Bearer "));
    match said {
        Some(tried) if user.knows(tried) => Ok(request),
        Some(_) => Err(Status::unauthenticated("wrong password")),
        None => Err(Status::unauthenticated(
            "this server wants a password: send the metadata `authorization: Bearer PASSWORD`",
        )),
    }
}

async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    hand_over: mpsc::Sender<io::Result<Counted>>,
) {
    let connected = Arc::new(AtomicUsize::new(0));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Out of file descriptors, say: those who are connected go on.
            Err(_) => {
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let counters = &shared.counters;
        counters.connections.fetch_add(1, Ordering::Relaxed);
        let counted = Counted::new(stream, Arc::clone(&shared), Arc::clone(&connected));
        let clients = connected.load(Ordering::Relaxed) + shared.clients.len();
        let is_open = shared.users.default_user().is_open;
        let is_refused = is_open && shared.live.refuses(&Address::Ip(peer));
        if is_refused || clients > shared.live.clients_max() {
            counters.refused_connections.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let (hand_over, patience) = (hand_over.clone(), shared.limits.handshake);
        tokio::spawn(async move {
            // Nobody holds a place by being silent.
            let mut first = [0];
            let speaks = tokio::time::timeout(patience, counted.stream.peek(&mut first)).await;
            if matches!(speaks, Ok(Ok(1))) {
                // Nobody takes it any more if the server stops.
                let _ = hand_over.send(Ok(counted)).await;
            }
        });
    }
}

/// A connection that counts while it lives, and whose bytes are counted.
struct Counted {
    stream: TcpStream,
    shared: Arc<Shared>,
    connected: Arc<AtomicUsize>,
}

impl Counted {
    fn new(stream: TcpStream, shared: Arc<Shared>, connected: Arc<AtomicUsize>) -> Self {
        connected.fetch_add(1, Ordering::Relaxed);
        // Where it fails, small answers are only slower.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            shared,
            connected,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected for Counted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        let read = (into.filled().len() - before) as u64;
        let counter = &self.shared.counters.input_bytes;
        counter.fetch_add(read, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = &polled {
            let counter = &self.shared.counters.output_bytes;
            counter.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
