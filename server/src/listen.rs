//! Where clients come from: TCP, TLS over TCP, and sockets of this machine.

use crate::connection::Stream;
use rustls::ServerConfig;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
#[cfg(unix)]
use {
    std::fs,
    std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    tokio::net::UnixListener,
};

/// One end of a connection, as `CLIENT LIST` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Ip(SocketAddr),
    /// A socket of this machine.
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

/// A socket of this machine, whose file goes with it.
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
        let words = "there is a file that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}
