//! Why a command was not done, in Redis's words.

use crate::protocol::Reply;
use portcask::Error;

/// How a command ends.
pub(crate) type Outcome = Result<(), Refusal>;

/// The error that a client gets.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The whole error, its code first.
    Words(&'static str),
    /// The whole error, which quotes what the client sent.
    Bytes(Vec<u8>),
    /// The store refused.
    Store(Error),
}

pub(crate) const SYNTAX: Refusal = Refusal::Words("ERR syntax error");
pub(crate) const NOT_AN_INTEGER: Refusal =
    Refusal::Words("ERR value is not an integer or out of range");
pub(crate) const NO_SUCH_KEY: Refusal = Refusal::Words("ERR no such key");

impl Refusal {
    /// The whole error, for a door where it is no reply.
    #[cfg(feature = "grpc")]
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Words(words) => (*words).to_owned(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Store(error) => store_words(error),
        }
    }

    /// Appends it as a reply.
    pub(crate) fn write(&self, reply: &mut Reply) {
        match self {
            Self::Words(words) => reply.error(words.as_bytes()),
            Self::Bytes(bytes) => reply.error(bytes),
            Self::Store(error) => reply.error(store_words(error).as_bytes()),
        }
    }
}

/// The codes are those by which clients tell a full or read-only server from a wrong command.
fn store_words(error: &Error) -> String {
    let code = match error {
        Error::Full { .. } | Error::OutOfMemory => "OOM",
        Error::ReadOnly | Error::Degraded { .. } | Error::Fenced { .. } => "READONLY",
        Error::Poisoned | Error::Storage { .. } => "MISCONF",
        _ => "ERR",
    };
    format!("{code} {error}")
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// An error of the common code.
impl From<&'static str> for Refusal {
    fn from(words: &'static str) -> Self {
        Self::Bytes([b"ERR ", words.as_bytes()].concat())
    }
}

/// An error of the common code.
impl From<String> for Refusal {
    fn from(words: String) -> Self {
        Self::Bytes([b"ERR ", words.as_bytes()].concat())
    }
}
