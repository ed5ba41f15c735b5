//! Why a server does not start.

use crate::tls::TlsError;
use portcask::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server does not start.
#[derive(Debug)]
pub enum StartError {
    /// The store in this directory does not open.
    Store(PathBuf, Box<Error>),
    /// There is no store in this directory, but there are files of others; the first of them, and how many there are.
    Strangers(PathBuf, OsString, usize),
    /// Nobody can listen at this address.
    Bind(SocketAddr, io::Error),
    /// Nobody can listen at this socket of this machine.
    Socket(PathBuf, io::Error),
    /// TLS cannot be served.
    Tls(TlsError),
    /// Settings do not go together.
    Config(String),
    /// The system gives no threads.
    Threads(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(dir, error) => write!(f, "{}: {error}", dir.display()),
            Self::Strangers(dir, first, count) => {
                let dir = dir.display();
                write!(f, "{dir}: not a store, and not empty ({first:?}")?;
                if *count > 1 {
                    write!(f, " and {} more", count - 1)?;
                }
                write!(
                    f,
                    "); name an empty or a new directory, or make a store among these files first: portcask --dir \
                     {dir} init"
                )
            }
            Self::Bind(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: another program already does"
                )
            }
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Socket(path, error) if error.kind() == io::ErrorKind::AddrInUse => {
                let path = path.display();
                write!(f, "cannot listen on {path}: another program already does")
            }
            Self::Socket(path, error) => write!(f, "cannot listen on {}: {error}", path.display()),
            Self::Tls(error) => error.fmt(f),
            Self::Config(words) => f.write_str(words),
            Self::Threads(error) => write!(f, "cannot start threads: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(_, error) => Some(&**error),
            Self::Bind(_, error) | Self::Socket(_, error) | Self::Threads(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Config(_) | Self::Strangers(..) => None,
        }
    }
}
