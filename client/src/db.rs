//! `Db`: the handle, and what it reads by key.

use crate::line::{Kind, Lines, Request};
use crate::reply::{
    accepted, count, end_of_life, fixed, integer, list, maybe_bytes, only, unexpected,
};
use crate::{ClientOptions, Error, Result, Ttl};
use redis::Value;
use std::fmt;
use std::sync::Arc;

/// Keys asked for in one command.
pub(crate) const KEYS_AT_ONCE: usize = 256;

/// A store behind a server, shared by threads. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Db {
    pub(crate) lines: Arc<Lines>,
}

/// A key's value and expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// When the key expires, in milliseconds since 1970.
    pub expiry_ms: Option<u64>,
}

impl Db {
    /// Connects with default options. See [`Db::open_with`].
    pub fn open(url: &str) -> Result<Self> {
        Self::open_with(url, ClientOptions::default())
    }

    /// Connects to `redis://[user:password@]host[:port]`, `rediss://...` (TLS, with the feature `tls`) or
    /// `redis+unix:///path`, and sends `PING`.
    ///
    /// Errors with [`Error::Unreachable`](crate::Error::Unreachable) if no server answers, and with
    /// [`Error::Denied`](crate::Error::Denied) if the password is wrong or missing. If a connection breaks later,
    /// the next call makes a new one.
    pub fn open_with(url: &str, options: ClientOptions) -> Result<Self> {
        let lines = Arc::new(Lines::new(url, options)?);
        let db = Self { lines };
        match db.read(&[b"PING"]) {
            // Who is refused a command has been let in.
            Err(Error::Refused { code, .. }) if code == "NOPERM" => Ok(db),
            answer => answer.map(|_| db),
        }
    }

    /// Closes the connections. Later calls on any clone return
    /// [`Error::Closed`](crate::Error::Closed); the server keeps running.
    pub fn close(&self) -> Result<()> {
        self.lines.close()
    }

    /// The server's URL without user and password.
    pub fn server(&self) -> &str {
        self.lines.server()
    }

    /// The value of a key, or `None`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        maybe_bytes("GET", self.read(&[b"GET", key])?)
    }

    /// As [`Db::get`], into the caller's buffer, replacing what it held. Returns whether the key exists; if not, the
    /// buffer is empty.
    pub fn get_into(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        into.clear();
        let found = self.get(key)?;
        let exists = found.is_some();
        into.append(&mut found.unwrap_or_default());
        Ok(exists)
    }

    /// The value with its expiry, as they were at one moment.
    pub fn get_entry(&self, key: &[u8]) -> Result<Option<Entry>> {
        let mut request = Request::default();
        request.add(&[b"GET", key]);
        request.add(&[b"PEXPIRETIME", key]);
        let [value, expiry]: [Value; 2] = fixed("EXEC", self.at_once(Kind::Read, &request)?)?;
        entry(key, accepted(value)?, &accepted(expiry)?)
    }

    /// The values of several keys, in the order asked. They are read in groups of 256; each group is as of one
    /// moment.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut found = Vec::with_capacity(keys.len());
        for piece in keys.chunks(KEYS_AT_ONCE) {
            let words: Vec<&[u8]> = [&b"MGET"[..]].iter().chain(piece).copied().collect();
            let values = list("MGET", self.read(&words)?)?;
            if values.len() != piece.len() {
                return Err(unexpected("MGET", &Value::Array(values)));
            }
            for value in values {
                found.push(maybe_bytes("MGET", value)?);
            }
        }
        Ok(found)
    }

    /// Whether a key exists.
    pub fn contains_key(&self, key: &[u8]) -> Result<bool> {
        Ok(integer("EXISTS", &self.read(&[b"EXISTS", key])?)? == 1)
    }

    /// When a key expires.
    pub fn ttl(&self, key: &[u8]) -> Result<Ttl> {
        let answer = self.read(&[b"PEXPIRETIME", key])?;
        Ok(match integer("PEXPIRETIME", &answer)? {
            -2 => Ttl::Missing,
            _ => end_of_life("PEXPIRETIME", &answer)?.map_or(Ttl::Forever, Ttl::ExpiresAtMs),
        })
    }

    /// What is left of a key's life by the server's clock, in milliseconds; `None` without an end, or without the key.
    pub fn left_ms(&self, key: &[u8]) -> Result<Option<u64>> {
        let left = integer("PTTL", &self.read(&[b"PTTL", key])?)?;
        Ok(u64::try_from(left).ok())
    }

    /// How many keys there are.
    pub fn len(&self) -> Result<u64> {
        count("DBSIZE", &self.read(&[b"DBSIZE"])?)
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The server's time, in milliseconds since 1970.
    pub fn now_ms(&self) -> Result<u64> {
        let parts: [Value; 2] = fixed("TIME", self.read(&[b"TIME"])?)?;
        let [seconds, micros] = parts.map(|part| {
            let digits = maybe_bytes("TIME", part)?.unwrap_or_default();
            let number = std::str::from_utf8(&digits)
                .ok()
                .and_then(|it| it.parse::<u64>().ok());
            number.ok_or_else(|| unexpected("TIME", &Value::BulkString(digits)))
        });
        Ok(seconds? * 1000 + micros? / 1000)
    }

    /// The answer to one command that changes nothing.
    pub(crate) fn read(&self, words: &[&[u8]]) -> Result<Value> {
        only(self.lines.ask(Kind::Read, &Request::one(words))?)
    }

    /// The answer to one command that changes something.
    pub(crate) fn change(&self, words: &[&[u8]]) -> Result<Value> {
        only(self.lines.ask(Kind::Write, &Request::one(words))?)
    }

    /// The answers to several commands, between which nobody else's come: one `MULTI`. `Nil` if a watched key was
    /// changed.
    pub(crate) fn at_once(&self, kind: Kind, request: &Request) -> Result<Value> {
        executed(self.lines.ask(kind, &multi(request))?)
    }
}

/// A request as one transaction.
pub(crate) fn multi(request: &Request) -> Request {
    let mut whole = Request::one(&[b"MULTI"]);
    whole.is_transaction = true;
    whole.append(request);
    whole.add(&[b"EXEC"]);
    whole
}

/// What `EXEC` answered. Where a command was refused before, its words tell more than those of `EXEC`.
pub(crate) fn executed(answers: Vec<Value>) -> Result<Value> {
    let mut last = Value::Nil;
    for answer in answers {
        last = accepted(answer)?;
    }
    Ok(last)
}

pub(crate) fn entry(key: &[u8], value: Value, expiry: &Value) -> Result<Option<Entry>> {
    let Some(value) = maybe_bytes("GET", value)? else {
        return Ok(None);
    };
    Ok(Some(Entry {
        key: key.to_vec(),
        value,
        expiry_ms: end_of_life("PEXPIRETIME", expiry)?,
    }))
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Db");
        shown
            .field("server", &self.server())
            .finish_non_exhaustive()
    }
}
