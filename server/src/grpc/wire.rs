//! A connection: TCP, or TLS over it. It counts while it lives, and its bytes are counted.

use crate::server::Shared;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

pub(super) struct Counted {
    wire: Wire,
    peer: IpAddr,
    shared: Arc<Shared>,
    place: Place,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One of so many connections, and of so many from its address.
struct Place {
    connected: Arc<AtomicUsize>,
    from: Option<(Arc<Shared>, IpAddr)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
        if let Some((shared, peer)) = &self.from {
            shared.clients.leave(*peer);
        }
    }
}

impl Counted {
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        shared: Arc<Shared>,
        connected: Arc<AtomicUsize>,
    ) -> Self {
        connected.fetch_add(1, Ordering::Relaxed);
        // Where it fails, small answers are only slower.
        let _ = stream.set_nodelay(true);
        Self {
            wire: Wire::Plain(stream),
            peer: peer.ip(),
            shared,
            place: Place {
                connected,
                from: None,
            },
        }
    }

    /// Counts it among those from its address. Returns false if there are as many as may be.
    pub(super) fn enter(&mut self) -> bool {
        let most = self.shared.live.clients_per_address_max();
        let has_entered = self.shared.clients.enter(self.peer, most);
        if has_entered {
            self.place.from = Some((Arc::clone(&self.shared), self.peer));
        }
        has_entered
    }

    /// Returns once the client has said something, and shaken hands where there is TLS.
    pub(super) async fn greet(mut self, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let Wire::Plain(stream) = self.wire else {
            return Ok(self);
        };
        self.wire = match tls {
            Some(tls) => Wire::Tls(Box::new(tls.accept(stream).await?)),
            None => {
                if stream.peek(&mut [0]).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Wire::Plain(stream)
            }
        };
        Ok(self)
    }
}

/// Whose connection a call came by.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub IpAddr);

impl Connected for Counted {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer(self.peer)
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Wire::Tls(stream) => Pin::new(stream).poll_read(context, into),
        };
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
        let polled = match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        if let Poll::Ready(Ok(written)) = &polled {
            let counter = &self.shared.counters.output_bytes;
            counter.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(context),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
