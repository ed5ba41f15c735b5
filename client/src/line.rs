//! Connections: made when needed, kept while whole, and thrown away at the first doubt.
//!
//! ```text
//!   verb --- takes an idle line, or makes one --- request, answers --- gives it back
//!                                                        |
//!                                 an error of the connection: the line is dropped
//! ```
//!
//! A line that lay idle may have been closed by the server meanwhile. A read finds that out by asking, and asks again
//! on a new line. A write must not, so a line that rested for [`ClientOptions::rested`] says `PING` first: that costs one
//! round trip after a pause, and a restarted server costs no write.

use crate::options::Target;
use crate::{ClientOptions, Error, Result};
use redis::{RedisError, Value};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What is sent before its answers are read: as much as sockets hold, so that neither side can wait for the other to
/// read. A longer command goes alone.
const BURST_BYTES: usize = 32 << 10;
const BURST_COMMANDS: usize = 256;

/// Commands as bytes.
#[derive(Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where each command ends.
    ends: Vec<usize>,
    /// Begins with `MULTI`: if that is refused, the rest must not be done one by one.
    pub(crate) is_transaction: bool,
}

impl Request {
    pub(crate) fn one(words: &[&[u8]]) -> Self {
        let mut request = Self::default();
        request.add(words);
        request
    }

    pub(crate) fn add(&mut self, words: &[&[u8]]) {
        let head = |kind: char, count: usize| format!("{kind}{count}\r\n").into_bytes();
        self.bytes.extend_from_slice(&head('*', words.len()));
        for word in words {
            self.bytes.extend_from_slice(&head('$', word.len()));
            self.bytes.extend_from_slice(word);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.ends.push(self.bytes.len());
    }

    /// Adds the commands of another request.
    pub(crate) fn append(&mut self, other: &Self) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| before + end));
    }

    /// Pieces to send one after the other from a command on, each with how many answers it has.
    fn bursts(&self, first: usize) -> impl Iterator<Item = (&[u8], usize)> {
        let (mut at, mut from) = (first, 0);
        if let Some(before) = first.checked_sub(1) {
            from = self.ends[before];
        }
        std::iter::from_fn(move || {
            let ends = self.ends.get(at..)?;
            let fits = |end: &&usize| **end - from <= BURST_BYTES;
            let count = ends
                .iter()
                .take(BURST_COMMANDS)
                .take_while(fits)
                .count()
                .max(1);
            let end = *ends.get(count - 1)?;
            let burst = (&self.bytes[from..end], count);
            (at, from) = (at + count, end);
            Some(burst)
        })
    }
}

/// What a request may do, and so what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes nothing: may be asked again.
    Read,
    /// As `Read`, and may take long.
    LongRead,
    Write,
    LongWrite,
}

impl Kind {
    fn writes(self) -> bool {
        matches!(self, Self::Write | Self::LongWrite)
    }

    fn is_long(self) -> bool {
        matches!(self, Self::LongRead | Self::LongWrite)
    }
}

/// The connections to one server.
pub(crate) struct Lines {
    target: Target,
    options: ClientOptions,
    idle: Mutex<Vec<Line>>,
    closed: AtomicBool,
}

/// One connection.
pub(crate) struct Line {
    connection: redis::Connection,
    used: Instant,
    /// It has answered before, so it may have been closed since.
    is_old: bool,
    /// Whoever is logged in here may say `MULTI`.
    may_multi: bool,
}

impl Lines {
    pub(crate) fn new(url: &str, options: ClientOptions) -> Result<Self> {
        Ok(Self {
            target: Target::new(url, &options)?,
            options,
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn server(&self) -> &str {
        &self.target.shown
    }

    /// Sends a request and gives each command's answer, which may be the server's refusal.
    pub(crate) fn ask(&self, kind: Kind, request: &Request) -> Result<Vec<Value>> {
        let mut line = self.take(kind.writes())?;
        let was_old = line.is_old;
        let answers = match self.exchange(&mut line, kind, request) {
            // The server may be there again: it was the line that was old.
            Err(Error::Unanswered { .. }) if was_old => {
                line = self.connect()?;
                self.exchange(&mut line, kind, request)?
            }
            answers => answers?,
        };
        // Where `EXEC` was refused the line may still be gathering commands.
        let is_open =
            request.is_transaction && matches!(answers.last(), Some(Value::ServerError(_)));
        if !is_open {
            self.give_back(line);
        }
        Ok(answers)
    }

    /// A line for several requests. Give it back if all went well.
    pub(crate) fn take(&self, for_write: bool) -> Result<Line> {
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
            let Some(mut line) = self.idle().pop() else {
                return self.connect();
            };
            let is_rested = line.used.elapsed() >= self.options.rested;
            let ping = Request::one(&[b"PING"]);
            if !(for_write && is_rested) || self.exchange(&mut line, Kind::Read, &ping).is_ok() {
                return Ok(line);
            }
            // What was closed while it lay here takes its neighbours' place out of the way, too.
            self.idle().clear();
        }
    }

    pub(crate) fn give_back(&self, mut line: Line) {
        (line.used, line.is_old) = (Instant::now(), true);
        let mut idle = self.idle();
        if idle.len() < self.options.idle_max && !self.closed.load(Ordering::Acquire) {
            idle.push(line);
        }
    }

    pub(crate) fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Err(Error::Closed);
        }
        self.idle().clear();
        Ok(())
    }

    /// Sends a request over this line. After an error the line must be dropped.
    ///
    /// Of a transaction whose `MULTI` is refused nothing else is sent where it would write: the refusal is the only answer.
    pub(crate) fn exchange(
        &self,
        line: &mut Line,
        kind: Kind,
        request: &Request,
    ) -> Result<Vec<Value>> {
        let lost = |error: RedisError| self.lost(kind, &error);
        let patience = match kind.is_long() {
            true => self.options.long_answer,
            false => self.options.answer,
        };
        line.connection.set_read_timeout(patience).map_err(lost)?;
        let mut answers = Vec::with_capacity(request.ends.len());
        let mut first = 0;
        if request.is_transaction && kind.writes() && !line.may_multi {
            let multi = &request.bytes[..request.ends[0]];
            line.connection.send_packed_command(multi).map_err(lost)?;
            answers.push(line.connection.recv_response().map_err(lost)?);
            if matches!(answers[0], Value::ServerError(_)) {
                return Ok(answers);
            }
            (line.may_multi, first) = (true, 1);
        }
        for (bytes, count) in request.bursts(first) {
            line.connection.send_packed_command(bytes).map_err(lost)?;
            for _ in 0..count {
                answers.push(line.connection.recv_response().map_err(lost)?);
            }
        }
        Ok(answers)
    }

    fn connect(&self) -> Result<Line> {
        let client = &self.target.client;
        let connected = client.get_connection_with_timeout(self.options.connect);
        let connection = connected.map_err(|error| self.refused(&error))?;
        let patience = connection.set_write_timeout(self.options.answer);
        patience.map_err(|error| self.refused(&error))?;
        Ok(Line {
            connection,
            used: Instant::now(),
            is_old: false,
            may_multi: false,
        })
    }

    fn refused(&self, error: &RedisError) -> Error {
        let code = error.code().unwrap_or_default();
        let is_login = error.kind() == redis::ErrorKind::AuthenticationFailed;
        let mut words = error.to_string();
        if is_login || ["NOAUTH", "WRONGPASS", "DENIED"].contains(&code) {
            if is_login {
                // The crate's own words for it; the server's are the detail, if it has them.
                words = error
                    .detail()
                    .unwrap_or("wrong user or password")
                    .to_owned();
            }
            return Error::Denied { words };
        }
        Error::Unreachable {
            server: self.target.shown.clone(),
            why: words,
        }
    }

    fn lost(&self, kind: Kind, error: &RedisError) -> Error {
        let server = self.target.shown.clone();
        let why = match error.is_timeout() {
            true => "the time was up".to_owned(),
            false => error.to_string(),
        };
        match kind.writes() {
            true => Error::AnswerLost { server, why },
            false => Error::Unanswered { server, why },
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Line>> {
        // Nothing that is done under this lock can panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_in_bursts_that_sockets_hold_and_a_long_command_alone() {
        let mut request = Request::default();
        for _ in 0..300 {
            request.add(&[b"PING"]);
        }
        request.add(&[b"SET", b"k", &vec![0; 2 * BURST_BYTES]]);
        request.add(&[b"PING"]);
        let counts: Vec<_> = request.bursts(0).map(|(_, count)| count).collect();
        assert_eq!(counts, [256, 44, 1, 1]);
        let bytes: Vec<u8> = request
            .bursts(0)
            .flat_map(|(bytes, _)| bytes)
            .copied()
            .collect();
        assert_eq!(bytes, request.bytes);
        assert_eq!(Request::default().bursts(0).count(), 0);
    }
}
