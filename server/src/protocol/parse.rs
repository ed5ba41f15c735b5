//! Requests, from bytes in whatever pieces they arrive.
//!
//! A parser only notes where the arguments lie in the bytes received, so no declared count or length
//! ever costs memory: what a client has not sent is not allocated. It remembers how far it came, so that
//! bytes arriving one by one are not looked at again and again.

use super::inline;
use std::ops::Range;

/// Longest inline command, and longest line that declares a count or a length.
const LINE_BYTES_MAX: usize = 64 << 10;
/// What a client may send before it has authenticated: arguments, and bytes of each.
const UNAUTHENTICATED_ARGS_MAX: usize = 10;
const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 << 10;

/// Why a connection is given up: what follows cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    MultibulkLength,
    BulkLength,
    UnauthenticatedMultibulk,
    UnauthenticatedBulk,
    /// An argument starts with this byte.
    NotABulk(u8),
    NoEndOfBulk,
    UnbalancedQuotes,
    LongInline,
    LongMultibulkCount,
    LongBulkCount,
}

impl ProtocolError {
    /// The reply that says so, without the leading `-ERR Protocol error: `.
    pub(crate) fn words(self) -> String {
        match self {
            Self::MultibulkLength => "invalid multibulk length".into(),
            Self::BulkLength => "invalid bulk length".into(),
            Self::UnauthenticatedMultibulk => "unauthenticated multibulk length".into(),
            Self::UnauthenticatedBulk => "unauthenticated bulk length".into(),
            Self::NotABulk(byte) => format!("expected '$', got '{}'", char::from(byte)),
            Self::NoEndOfBulk => "expected CRLF after bulk".into(),
            Self::UnbalancedQuotes => "unbalanced quotes in request".into(),
            Self::LongInline => "too big inline request".into(),
            Self::LongMultibulkCount => "too big mbulk count string".into(),
            Self::LongBulkCount => "too big bulk count string".into(),
        }
    }
}

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    pub args_max: usize,
    pub bulk_bytes_max: usize,
    pub authenticated: bool,
}

/// How far a parser came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The command is not whole yet.
    More,
    /// That many bytes held a command, or nothing if it has no arguments.
    Whole(usize),
}

/// The arguments of one command; the first is its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Range<usize>],
}

impl<'a> Args<'a> {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// An argument. Panics beyond the last: the arity was checked.
    pub(crate) fn at(&self, index: usize) -> &'a [u8] {
        &self.bytes[self.spans[index].clone()]
    }

    /// The arguments from one on.
    pub(crate) fn from(self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let spans = self.spans.get(index..).unwrap_or_default();
        spans.iter().map(move |span| &self.bytes[span.clone()])
    }

    /// The arguments without the first ones.
    pub(crate) fn skip(self, count: usize) -> Self {
        Self {
            bytes: self.bytes,
            spans: self.spans.get(count..).unwrap_or_default(),
        }
    }

    /// Memory that a copy of these arguments needs.
    pub(crate) fn cost_bytes(&self) -> usize {
        let payload: usize = self.spans.iter().map(Range::len).sum();
        payload + size_of_val(self.spans)
    }

    /// A copy to keep.
    pub(crate) fn keep(&self) -> KeptArgs {
        let mut kept = KeptArgs::default();
        for argument in self.from(0) {
            let start = kept.bytes.len();
            kept.bytes.extend_from_slice(argument);
            kept.spans.push(start..kept.bytes.len());
        }
        kept
    }
}

/// Arguments that outlive the bytes they came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptArgs {
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
}

impl KeptArgs {
    pub(crate) fn args(&self) -> Args<'_> {
        Args {
            bytes: &self.bytes,
            spans: &self.spans,
        }
    }
}

/// Parses one command after another. Offsets count from the command's first byte.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    spans: Vec<Range<usize>>,
    /// Words of an inline command, unescaped; empty for a framed one.
    words: Vec<u8>,
    inline: bool,
    /// Up to here the command is understood.
    at: usize,
    /// Up to here there is no end of line.
    searched: usize,
    /// Arguments still to come, once the count is known.
    left: Option<usize>,
    /// Length of the argument to come, once it is known.
    bulk: Option<usize>,
}

impl Parser {
    /// Takes what was received since the last whole command, which must begin with what it was
    /// given before.
    pub(crate) fn advance(&mut self, input: &[u8], gate: Gate) -> Result<Step, ProtocolError> {
        match input.first() {
            None => Ok(Step::More),
            Some(b'*') => self.framed(input, gate),
            Some(_) => self.line_of_words(input),
        }
    }

    /// The arguments of the command that is whole now.
    pub(crate) fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        let bytes = if self.inline { &self.words } else { input };
        Args {
            bytes,
            spans: &self.spans,
        }
    }

    /// Makes ready for the next command.
    pub(crate) fn reset(&mut self) {
        self.spans.clear();
        self.words.clear();
        // One unusual command must not hold memory for the rest of the connection.
        self.spans.shrink_to(1024);
        self.words.shrink_to(LINE_BYTES_MAX);
        self.inline = false;
        (self.at, self.searched) = (0, 0);
        (self.left, self.bulk) = (None, None);
    }

    /// Memory that the parser itself holds for the command at hand.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Range<usize>>() + self.words.capacity()
    }

    /// Whether it has seen the beginning of a command.
    pub(crate) fn is_midway(&self) -> bool {
        self.at > 0 || self.searched > 0
    }

    /// The argument that is on its way: how many bytes of input it takes the command to.
    pub(crate) fn wanted_bytes(&self) -> Option<usize> {
        Some(self.at + self.bulk? + 2)
    }

    fn framed(&mut self, input: &[u8], gate: Gate) -> Result<Step, ProtocolError> {
        let mut left = match self.left {
            Some(left) => left,
            None => {
                use ProtocolError::{LongMultibulkCount, MultibulkLength};
                let Some(line) = self.line(input, MultibulkLength, LongMultibulkCount)? else {
                    return Ok(Step::More);
                };
                let count = integer(&input[1..line]).ok_or(MultibulkLength)?;
                if count <= 0 {
                    return Ok(Step::Whole(self.at));
                }
                let count = usize::try_from(count).map_err(|_| MultibulkLength)?;
                if count > gate.args_max {
                    return Err(MultibulkLength);
                }
                if count > UNAUTHENTICATED_ARGS_MAX && !gate.authenticated {
                    return Err(ProtocolError::UnauthenticatedMultibulk);
                }
                count
            }
        };
        while left > 0 {
            self.left = Some(left);
            let bulk = match self.bulk {
                Some(bulk) => bulk,
                None => match self.bulk_length(input, gate)? {
                    Some(bulk) => bulk,
                    None => return Ok(Step::More),
                },
            };
            self.bulk = Some(bulk);
            let end = self.at + bulk;
            // Also where only a part of it is here: what is wrong is not waited for.
            let tail = input.get(end..).unwrap_or_default();
            let crlf = &b"\r\n"[..tail.len().min(2)];
            if &tail[..crlf.len()] != crlf {
                return Err(ProtocolError::NoEndOfBulk);
            }
            if crlf.len() < 2 {
                return Ok(Step::More);
            }
            self.spans.push(self.at..end);
            self.at = end + 2;
            self.searched = self.at;
            self.bulk = None;
            left -= 1;
        }
        Ok(Step::Whole(self.at))
    }

    fn bulk_length(&mut self, input: &[u8], gate: Gate) -> Result<Option<usize>, ProtocolError> {
        use ProtocolError::{BulkLength, LongBulkCount};
        let start = self.at;
        if let Some(byte) = input.get(start).filter(|byte| **byte != b'$') {
            return Err(ProtocolError::NotABulk(*byte));
        }
        let Some(line) = self.line(input, BulkLength, LongBulkCount)? else {
            return Ok(None);
        };
        let length = integer(&input[start + 1..line]).ok_or(BulkLength)?;
        let length = usize::try_from(length).map_err(|_| BulkLength)?;
        if length > gate.bulk_bytes_max {
            return Err(BulkLength);
        }
        if length > UNAUTHENTICATED_BULK_BYTES_MAX && !gate.authenticated {
            return Err(ProtocolError::UnauthenticatedBulk);
        }
        Ok(Some(length))
    }

    /// Finds the end of a line that must end with CR LF, and goes behind it. Returns where the CR is.
    fn line(
        &mut self,
        input: &[u8],
        wrong: ProtocolError,
        long: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let rest = &input[self.searched..];
        let found = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let Some(found) = found else {
            self.searched = input.len();
            if input.len() - self.at > LINE_BYTES_MAX {
                return Err(long);
            }
            return Ok(None);
        };
        let end = self.searched + found;
        self.searched = end;
        match (input[end], input.get(end + 1)) {
            (b'\r', None) => Ok(None),
            (b'\r', Some(b'\n')) => {
                self.at = end + 2;
                self.searched = self.at;
                Ok(Some(end))
            }
            _ => Err(wrong),
        }
    }

    fn line_of_words(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        let rest = &input[self.searched..];
        let Some(found) = rest.iter().position(|byte| *byte == b'\n') else {
            self.searched = input.len();
            if input.len() > LINE_BYTES_MAX {
                return Err(ProtocolError::LongInline);
            }
            return Ok(Step::More);
        };
        let end = self.searched + found;
        if end > LINE_BYTES_MAX {
            return Err(ProtocolError::LongInline);
        }
        let line = &input[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut ends = Vec::new();
        inline::split(line, &mut self.words, &mut ends).ok_or(ProtocolError::UnbalancedQuotes)?;
        self.inline = true;
        let mut from = 0;
        self.spans.extend(
            ends.into_iter()
                .map(|end| std::mem::replace(&mut from, end)..end),
        );
        self.at = end + 1;
        Ok(Step::Whole(self.at))
    }
}

/// A decimal integer in the one way to write it: no sign `+`, no leading zero, no space.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    match digits {
        b"0" if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut number: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    match negative {
        false => i64::try_from(number).ok(),
        true => 0_i64.checked_sub_unsigned(number),
    }
}
