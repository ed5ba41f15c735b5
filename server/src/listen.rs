//! Where clients come from: TCP, TLS over TCP, and sockets of this machine.

use crate::connection::Stream;
use crate::server::Shared;
use rustls::ServerConfig;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
#[cfg(unix)]
use {
    std::fs,
    std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    tokio::net::UnixListener,
};

/// How long accepting rests where the system refuses, at first and at most.
const REST_MIN: Duration = Duration::from_millis(5);
const REST_MAX: Duration = Duration::from_secs(1);

/// Rests after errors of accepting: not at all after a client's own, and longer each time while the system has no file
/// descriptors or memory left. Those who are connected go on meanwhile.
#[derive(Default)]
pub(crate) struct AcceptRest(Duration);

impl AcceptRest {
    pub(crate) async fn after(&mut self, shared: &Shared, error: &io::Error) {
        if is_of_one_client(error) {
            return;
        }
        let complaints = &shared.complaints;
        complaints.say(|| tracing::warn!(%error, "cannot accept a connection"));
        self.0 = self.longer();
        tokio::time::sleep(self.0).await;
    }

    /// One was accepted.
    pub(crate) fn is_over(&mut self) {
        self.0 = Duration::ZERO;
    }

    fn longer(&self) -> Duration {
        (self.0 * 2).clamp(REST_MIN, REST_MAX)
    }
}

/// Whether a connection was gone before it was accepted, so that the next one may be tried at once.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, NotConnected,
    };
    [
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        Interrupted,
        NotConnected,
    ]
    .contains(&error.kind())
}

/// One end of a connection, as `CLIENT LIST` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Ip(SocketAddr),
    /// A Unix socket.
    Local(Arc<Path>),
}

impl Address {
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Local(_) => None,
        }
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.ip().is_none_or(|ip| ip.to_canonical().is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            // As Redis says it.
            Self::Local(path) => write!(f, "{}:0", path.display()),
        }
    }
}

/// One client has 2^64 addresses of IPv6: they count as one.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

pub(crate) enum Listener {
    Plain(TcpListener),
    Tls(TcpListener, Arc<ServerConfig>),
    #[cfg(unix)]
    Local(LocalListener),
}

impl Listener {
    /// The next client, its address and ours.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Address, Address)> {
        let (stream, peer, local) = match self {
            Self::Plain(listener) => {
                let (stream, peer) = listener.accept().await?;
                let local = stream.local_addr()?;
                (Stream::plain(stream), peer, local)
            }
            Self::Tls(listener, config) => {
                let (stream, peer) = listener.accept().await?;
                let local = stream.local_addr()?;
                (Stream::tls(stream, Arc::clone(config))?, peer, local)
            }
            #[cfg(unix)]
            Self::Local(listener) => {
                let (stream, _) = listener.listener.accept().await?;
                let here = Address::Local(Arc::clone(&listener.path));
                return Ok((Stream::local(stream), here.clone(), here));
            }
        };
        Ok((stream, Address::Ip(peer), Address::Ip(local)))
    }
}

/// A Unix socket, whose file goes with it.
#[cfg(unix)]
pub(crate) struct LocalListener {
    listener: UnixListener,
    path: Arc<Path>,
    /// Device and number of its file.
    file: (u64, u64),
}

#[cfg(unix)]
impl LocalListener {
    /// Listens at a path with these permissions.
    ///
    /// The socket is made in a directory that nobody else can enter and moved to its place when its permissions
    /// are right, so nobody ever sees it with others. What lies at the path is replaced only if it is a socket that
    /// nobody listens at.
    pub(crate) fn open(path: &Path, mode: u32) -> io::Result<Self> {
        make_way(path)?;
        let parent = path.parent().filter(|it| *it != Path::new(""));
        let room = parent
            .unwrap_or(Path::new("."))
            .join(format!(".sock{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&room)?;
        let made = Self::make(&room.join("s"), path, mode);
        // Best effort: only a failure leaves something in it.
        let _ = fs::remove_file(room.join("s"));
        fs::remove_dir(&room)?;
        made
    }

    fn make(draft: &Path, path: &Path, mode: u32) -> io::Result<Self> {
        let listener = UnixListener::bind(draft)?;
        fs::set_permissions(draft, fs::Permissions::from_mode(mode))?;
        let file = identity(draft)?;
        fs::rename(draft, path)?;
        let path = path.into();
        Ok(Self {
            listener,
            path,
            file,
        })
    }
}

#[cfg(unix)]
impl Drop for LocalListener {
    fn drop(&mut self) {
        // Another server may have put its own there.
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Refuses a path that is in use.
#[cfg(unix)]
fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let words = "a file that is not a socket is in the way";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_rests_longer_each_time_up_to_a_second_and_not_for_a_client_that_is_gone() {
        let mut rest = AcceptRest::default();
        let rests: Vec<_> = (0..10)
            .map(|_| {
                rest.0 = rest.longer();
                rest.0.as_millis()
            })
            .collect();
        assert_eq!(rests, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        rest.is_over();
        assert_eq!(rest.longer(), REST_MIN);
        assert!(is_of_one_client(&io::ErrorKind::ConnectionAborted.into()));
        assert!(
            !is_of_one_client(&io::Error::from_raw_os_error(24)),
            "no file descriptors"
        );
    }
}
