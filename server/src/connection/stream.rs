//! Bytes to and from a client, whatever carries them. Nothing here waits but what says so.

use rustls::{ServerConfig, ServerConnection};
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
#[cfg(unix)]
use std::os::fd::AsFd;
#[cfg(windows)]
use std::os::windows::io::AsSocket;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// Bytes of replies that TLS may hold encrypted and unsent.
const TLS_UNSENT_BYTES_MAX: usize = 64 << 10;
/// Read at once where the caller's buffer cannot be filled in place.
const PIECE_BYTES: usize = 16 << 10;
/// What the system takes of replies over TCP beyond what a client has room for: two batches. Without a limit it takes megabytes
/// for a client that does not read, which nobody counts, and every one of them is copied and given back for nothing.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// A connection to a client.
pub(crate) struct Stream(Kind);

enum Kind {
    Plain(TcpStream),
    Tls(Box<Tls>),
    #[cfg(unix)]
    Local(UnixStream),
}

impl Stream {
    pub(crate) fn plain(stream: TcpStream) -> Self {
        prepare(&stream);
        Self(Kind::Plain(stream))
    }

    /// The handshake takes place as the client is read from.
    pub(crate) fn tls(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        prepare(&socket);
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(TLS_UNSENT_BYTES_MAX));
        Ok(Self(Kind::Tls(Box::new(Tls { socket, tls }))))
    }

    #[cfg(unix)]
    pub(crate) fn local(stream: UnixStream) -> Self {
        Self(Kind::Local(stream))
    }

    /// Has the current runtime tell what happens to it from now on, in the place of the one that did so before.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Plain(stream) => *stream = again(stream)?,
            Kind::Tls(tls) => tls.socket = again(&tls.socket)?,
            #[cfg(unix)]
            Kind::Local(stream) => {
                let copy = stream.as_fd().try_clone_to_owned()?;
                *stream = UnixStream::from_std(copy.into())?;
            }
        }
        Ok(())
    }

    /// What has arrived, if anything. 0 is the end.
    ///
    /// Where that was less than there was room for, the next call does not ask the system before more has arrived.
    pub(super) fn read(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = into.filled().len();
        match &mut self.0 {
            Kind::Plain(stream) => ready!(Pin::new(stream).poll_read(context, into))?,
            Kind::Tls(tls) => match tls.read(into.initialize_unfilled()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
                read => into.advance(read?),
            },
            #[cfg(unix)]
            Kind::Local(stream) => ready!(Pin::new(stream).poll_read(context, into))?,
        }
        Poll::Ready(Ok(into.filled().len() - before))
    }

    /// As [`Self::read`], into the room that `into` has.
    pub(super) fn read_into(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Plain(stream) => stream.try_read_buf(into),
            Kind::Tls(tls) => {
                let mut piece = [0; PIECE_BYTES];
                let room = (into.capacity() - into.len()).min(PIECE_BYTES);
                let read = tls.read(&mut piece[..room])?;
                into.extend_from_slice(&piece[..read]);
                Ok(read)
            }
            #[cfg(unix)]
            Kind::Local(stream) => stream.try_read_buf(into),
        }
    }

    /// Sends as much as goes out at once, `WouldBlock` if nothing does.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Plain(stream) => stream.try_write(bytes),
            Kind::Tls(tls) => tls.write(bytes),
            #[cfg(unix)]
            Kind::Local(stream) => stream.try_write(bytes),
        }
    }

    /// Whether something that was taken still has to be sent, by writing again.
    pub(super) fn has_unsent(&self) -> bool {
        matches!(&self.0, Kind::Tls(tls) if tls.tls.wants_write())
    }

    /// Whether client and server do not trust each other yet.
    pub(super) fn is_handshaking(&self) -> bool {
        matches!(&self.0, Kind::Tls(tls) if tls.tls.is_handshaking())
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match &self.0 {
            // One place for its waker, and not a list of those who wait.
            Kind::Plain(stream) => poll_fn(|context| stream.poll_read_ready(context)).await,
            Kind::Tls(tls) => {
                let interest = match tls.tls.wants_write() {
                    true => Interest::READABLE | Interest::WRITABLE,
                    false => Interest::READABLE,
                };
                tls.socket.ready(interest).await.map(drop)
            }
            #[cfg(unix)]
            Kind::Local(stream) => poll_fn(|context| stream.poll_read_ready(context)).await,
        }
    }

    /// Returns once something has arrived. Whether the client is gone.
    pub(super) async fn is_left(&self) -> io::Result<bool> {
        let ready = match &self.0 {
            Kind::Plain(stream) => stream.ready(Interest::READABLE).await,
            Kind::Tls(tls) => tls.socket.ready(Interest::READABLE).await,
            #[cfg(unix)]
            Kind::Local(stream) => stream.ready(Interest::READABLE).await,
        };
        Ok(ready?.is_read_closed())
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Plain(stream) => stream.writable().await,
            Kind::Tls(tls) => tls.socket.writable().await,
            #[cfg(unix)]
            Kind::Local(stream) => stream.writable().await,
        }
    }

    /// Tells the client that nothing more comes.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Plain(stream) => stream.shutdown().await,
            Kind::Tls(tls) => {
                tls.tls.send_close_notify();
                // If it does not go out at once, the client is told by the end of the connection.
                let _ = tls.send_encrypted();
                tls.socket.shutdown().await
            }
            #[cfg(unix)]
            Kind::Local(stream) => stream.shutdown().await,
        }
    }
}

/// The same connection as the current runtime sees it.
fn again(socket: &TcpStream) -> io::Result<TcpStream> {
    #[cfg(unix)]
    let copy = socket.as_fd().try_clone_to_owned()?;
    #[cfg(windows)]
    let copy = socket.as_socket().try_clone_to_owned()?;
    TcpStream::from_std(copy.into())
}

/// Small replies are not held back to be sent with others, and large ones wait here and not in the system. Where it
/// fails, they are only slower, or take more of the system's memory.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
}

struct Tls {
    socket: TcpStream,
    tls: ServerConnection,
}

impl Tls {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // An end that was not announced may have been cut off by anybody; no command is whole by it.
                read => return read,
            }
            self.send_what_goes()?;
            self.tls.read_tls(&mut Socket(&self.socket))?;
            if let Err(error) = self.tls.process_new_packets() {
                // The client is told why, if it listens.
                let _ = self.send_encrypted();
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.tls.writer().write(bytes)?;
        match self.send_encrypted() {
            Err(error) if error.kind() == ErrorKind::WouldBlock && taken > 0 => Ok(taken),
            Err(error) => Err(error),
            Ok(()) => Ok(taken),
        }
    }

    /// Sends all that is encrypted.
    fn send_encrypted(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut Socket(&self.socket))?;
        }
        Ok(())
    }

    fn send_what_goes(&mut self) -> io::Result<()> {
        match self.send_encrypted() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            done => done,
        }
    }
}

/// A socket as TLS wants it.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{ErrorKind, Stream, TcpStream};
    use tokio::net::TcpListener;

    #[test]
    fn of_replies_that_nobody_reads_the_system_takes_kilobytes_and_not_megabytes() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let reader = TcpStream::connect(address).await.unwrap();
            let mut stream = Stream::plain(listener.accept().await.unwrap().0);
            stream.writable().await.unwrap();
            let (piece, mut taken) = (vec![b'v'; 64 << 10], 0);
            let refused = loop {
                match stream.write(&piece) {
                    Ok(more) => taken += more,
                    Err(error) => break error,
                }
            };
            assert_eq!(refused.kind(), ErrorKind::WouldBlock);
            assert!((1..1 << 20).contains(&taken), "{taken}");
            drop(reader);
        });
    }
}
