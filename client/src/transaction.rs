//! Transactions: keys that were read are watched, writes are kept until the end, and both meet in one `EXEC`.

use crate::db::{executed, multi};
use crate::line::{Kind, Line, Request};
use crate::reply::{accepted, maybe_bytes, unexpected};
use crate::write::{add_deed, all_done};
use crate::{Db, Error, Expiry, Result};
use redis::Value;
use std::collections::BTreeMap;

/// How often a transaction is tried while others change what it read.
const TRIES: usize = 32;

/// What [`Db::transaction`] gives its closure. Nothing of it is on the server before the closure has returned `Ok`.
pub struct Transaction<'a> {
    db: &'a Db,
    line: &'a mut Line,
    /// What it did: the last deed for each key.
    own: BTreeMap<Vec<u8>, Option<(Vec<u8>, Expiry)>>,
}

impl Db {
    /// Runs `body` on keys as nobody else changes them, and commits what it wrote as one batch when it returns `Ok`; an
    /// `Err` or a panic drops it all.
    ///
    /// Unlike an embedded store's, **`body` runs again** from its start if others changed a key that it read, so
    /// it must have no effects of its own. After 32 tries the answer is [`Error::Contended`].
    pub fn transaction<R>(&self, body: impl FnMut(&mut Transaction<'_>) -> Result<R>) -> Result<R> {
        self.try_transaction(body)
    }

    /// As [`Db::transaction`], for a closure with an error type of its own.
    pub fn try_transaction<R, E: From<Error>>(
        &self,
        mut body: impl FnMut(&mut Transaction<'_>) -> std::result::Result<R, E>,
    ) -> std::result::Result<R, E> {
        for _ in 0..TRIES {
            let mut line = self.lines.take(true)?;
            let mut transaction = Transaction {
                db: self,
                line: &mut line,
                own: BTreeMap::new(),
            };
            // Where the body fails, its line is dropped, and with it what it watches.
            let answer = body(&mut transaction)?;
            if transaction.commit()? {
                self.lines.give_back(line);
                return Ok(answer);
            }
        }
        Err(Error::Contended.into())
    }
}

impl Transaction<'_> {
    /// The value of a key, as this transaction left it.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(own) = self.own.get(key) {
            return Ok(own.as_ref().map(|(value, _)| value.clone()));
        }
        let mut request = Request::one(&[b"WATCH", key]);
        request.add(&[b"GET", key]);
        let answers = self.db.lines.exchange(self.line, Kind::Read, &request)?;
        let [watched, value] = <[Value; 2]>::try_from(answers)
            .map_err(|answers| unexpected("GET", &Value::Array(answers)))?;
        accepted(watched)?;
        maybe_bytes("GET", accepted(value)?)
    }

    /// Whether a key exists.
    pub fn contains_key(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// Stores a value.
    pub fn put(&mut self, key: &[u8], value: impl Into<Vec<u8>>) {
        self.put_with(key, value, Expiry::Default);
    }

    /// Stores a value with an expiry. The transaction itself sees it until the end.
    pub fn put_with(&mut self, key: &[u8], value: impl Into<Vec<u8>>, expiry: Expiry) {
        self.own.insert(key.to_vec(), Some((value.into(), expiry)));
    }

    /// Deletes a key. Returns whether it existed.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool> {
        let existed = self.contains_key(key)?;
        self.own.insert(key.to_vec(), None);
        Ok(existed)
    }

    /// Whether nobody changed what was read, and so it was taken.
    fn commit(self) -> Result<bool> {
        let mut request = Request::default();
        for (key, put) in &self.own {
            let put = put
                .as_ref()
                .map(|(value, expiry)| (value.as_slice(), *expiry));
            add_deed(&mut request, key, put);
        }
        // Also without writes: what was read must have been true at one moment.
        let kind = match self.own.is_empty() {
            true => Kind::Read,
            false => Kind::Write,
        };
        let answers = self.db.lines.exchange(self.line, kind, &multi(&request))?;
        all_done(executed(answers)?)
    }
}
