//! RESP2 and RESP3: requests from bytes, replies to bytes. Knows no socket and no command.
//!
//! ```text
//!   bytes --- parse / inline --- Args (slices of those bytes) ... Reply --- bytes
//! ```

mod inline;
mod parse;
pub(crate) mod reply;

pub(crate) use inline::split as split_words;
pub(crate) use parse::{Args, Gate, KeptArgs, Parser, ProtocolError, Step, integer};
pub(crate) use reply::Reply;
