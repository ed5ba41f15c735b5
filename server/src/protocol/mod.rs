//! RESP2 and RESP3: requests from bytes, replies to bytes. Knows no socket and no command.
//!
//! ```text
//!   bytes --- parse / inline --- Args (slices of those bytes) ... Reply --- bytes
//! ```

#[cfg(test)]
mod chunks;
mod gets;
mod inline;
mod parse;
pub(crate) mod reply;
#[cfg(any(test, feature = "fuzzing"))]
mod understand;

pub(crate) use gets::get;
pub(crate) use inline::split as split_words;
pub(crate) use parse::{Args, Gate, KeptArgs, Parser, ProtocolError, Step, integer};
pub(crate) use reply::Reply;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use understand::understand;
