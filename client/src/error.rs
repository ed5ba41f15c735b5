//! What can go wrong between here and the server's disk.

use std::fmt;

/// Why a call failed. Variants differ where a caller would act differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The URL names no server that this build can reach.
    Url {
        /// What is wrong with it.
        why: String,
    },
    /// There is no connection: **nothing was sent**, so nothing was done. The next verb tries again.
    Unreachable {
        /// The server.
        server: String,
        /// Why not.
        why: String,
    },
    /// The server refuses the user or password, or asks for one. Nothing was done.
    Denied {
        /// The server's words.
        words: String,
    },
    /// The connection broke, or the time was up, after a write was sent: **it may or may not have happened**. It is
    /// not sent again; read the key to find out.
    AnswerLost {
        /// The server.
        server: String,
        /// What happened to the connection.
        why: String,
    },
    /// The connection broke, or the time was up, while a read waited for its answer. It changed nothing.
    Unanswered {
        /// The server.
        server: String,
        /// What happened to the connection.
        why: String,
    },
    /// The server refused, and nothing was done.
    Refused {
        /// Redis's class of the error: `ERR`, `NOPERM` (the user lacks a right), `OOM` (a full disk), `READONLY`,
        /// `MISCONF` (poisoned) ...
        code: String,
        /// The server's words.
        words: String,
    },
    /// The write was done, but the server could not confirm that it is on the disk, as requested.
    NotDurable {
        /// Why not.
        why: Box<Error>,
    },
    /// A condition did not hold, so nothing was written.
    ConditionFailed {
        /// The key of the condition.
        key: Vec<u8>,
    },
    /// Others kept changing the same keys; nothing was written.
    Contended,
    /// The protocol cannot carry this whole, so nothing was sent.
    NotCarried {
        /// What was asked for.
        what: &'static str,
    },
    /// The batch is incomplete, because memory ran out while it was built. Nothing was sent.
    OutOfMemory,
    /// Changes from `from` on are not all in the log any more: merge dropped some.
    Gap {
        /// The sequence number asked for.
        from: u64,
        /// The oldest one from which the feed is complete.
        oldest: u64,
    },
    /// The server's answer does not follow the protocol.
    Unexpected {
        /// To what.
        to: &'static str,
        /// What it was.
        answer: String,
    },
    /// This handle was closed.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { why } => write!(f, "not the URL of a server: {why}"),
            Self::Unreachable { server, why } => {
                write!(f, "cannot reach {server}: {why}; nothing was sent")
            }
            Self::Denied { words } => write!(f, "the server denies access: {words}"),
            Self::AnswerLost { server, why } => write!(
                f,
                "the answer from {server} to a write was lost ({why}): the write may or may not have happened"
            ),
            Self::Unanswered { server, why } => write!(f, "{server} did not answer: {why}"),
            Self::Refused { code, words } => write!(f, "the server refused: {code} {words}"),
            Self::NotDurable { why } => {
                write!(f, "it was written, but may not be on the disk: {why}")
            }
            Self::ConditionFailed { key } => {
                write!(f, "the condition on {} does not hold", key.escape_ascii())
            }
            Self::Contended => {
                f.write_str("other clients kept changing the same keys; nothing was written")
            }
            Self::NotCarried { what } => write!(f, "{what} cannot be sent to a server"),
            Self::OutOfMemory => f.write_str("not enough memory for the whole batch"),
            Self::Gap { from, oldest } => write!(
                f,
                "changes from seq {from} on are no longer complete; the oldest is {oldest}"
            ),
            Self::Unexpected { to, answer } => {
                write!(f, "unexpected answer to {to} from the server: {answer}")
            }
            Self::Closed => f.write_str("this handle was closed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotDurable { why } => Some(&**why),
            _ => None,
        }
    }
}
