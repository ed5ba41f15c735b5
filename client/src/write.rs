//! Writes: one command, or one transaction, and an answer when the level asked for is reached.

use crate::db::{executed, multi};
use crate::line::{Kind, Line, Request};
use crate::reply::{accepted, count, done, integer, list, only, unexpected};
use crate::{Ack, Batch, Condition, Db, Error, Expiry, Result, WriteOptions};
use redis::Value;

/// How often a conditional batch is tried while others change its keys.
const TRIES: usize = 32;
/// The earliest time that `SET` takes: over long ago.
const OVER: &[u8] = b"1";

impl Db {
    /// Stores a value, replacing an older one and its expiry. Acknowledged as the server's `--sync` says.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_with(key, value, &WriteOptions::default())
    }

    /// Stores a value with an expiry, a condition or an acknowledgement level of its own.
    ///
    /// [`Ack::Synced`] asks the server to sync after the write, and answers [`Error::NotDurable`] if that fails. The
    /// lower levels are the server's own choice. [`Condition::Seq`] is refused with [`Error::NotCarried`].
    pub fn put_with(&self, key: &[u8], value: &[u8], how: &WriteOptions) -> Result<()> {
        let life = Life::of(how.expiry);
        let mut words = vec![b"SET", key, value];
        life.append_to(&mut words);
        words.extend(match how.condition {
            None => None,
            Some(Condition::Absent) => Some(&b"NX"[..]),
            Some(Condition::Present) => Some(&b"XX"[..]),
            Some(Condition::Seq(_)) => return Err(SEQ),
        });
        match self.change(&words)? {
            Value::Okay => self.reach(how.ack),
            Value::Nil if how.condition.is_some() => Err(failed(key)),
            other => Err(unexpected("SET", &other)),
        }
    }

    /// Deletes a key. Returns whether it existed.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.delete_with(key, &WriteOptions::default())
    }

    /// Deletes a key under a condition or at an acknowledgement level of its own. Returns whether it existed.
    pub fn delete_with(&self, key: &[u8], how: &WriteOptions) -> Result<bool> {
        if let Some(condition) = how.condition {
            let mut batch = Batch::new();
            batch.delete(key).require(key, condition);
            self.write_with(&batch, how.ack)?;
            return Ok(condition == Condition::Present);
        }
        let existed = integer("DEL", &self.change(&[b"DEL", key])?)? == 1;
        self.reach(how.ack)?;
        Ok(existed)
    }

    /// Takes all of a batch or nothing of it, in one transaction: on a Portcask server also across a crash.
    pub fn write(&self, batch: &Batch) -> Result<()> {
        self.write_with(batch, None)
    }

    /// As [`Db::write`], at a level of its own.
    ///
    /// A batch with conditions watches their keys, looks at them and commits if nobody changed them since; while
    /// others do, it is tried again, and answers [`Error::Contended`] at last. Conditions on sequence numbers and
    /// the system key space are refused with [`Error::NotCarried`].
    pub fn write_with(&self, batch: &Batch, ack: Option<Ack>) -> Result<()> {
        if batch.is_incomplete() {
            return Err(Error::OutOfMemory);
        }
        let mut request = Request::default();
        for deed in batch.deeds() {
            if deed.is_meta {
                let what = "a key of the system key space";
                return Err(Error::NotCarried { what });
            }
            add_deed(&mut request, deed.key, deed.put);
        }
        let conditions: Vec<_> = batch.conditions().collect();
        if conditions
            .iter()
            .any(|(_, it)| matches!(it, Condition::Seq(_)))
        {
            return Err(SEQ);
        }
        if !conditions.is_empty() {
            self.write_if(&conditions, &request)?;
        } else if !batch.is_empty() {
            let answer = self.at_once(Kind::Write, &request)?;
            all_done(answer)?;
        }
        self.reach(ack)
    }

    /// Gives a key another expiry, keeping its value. Returns whether the key exists.
    pub fn expire(&self, key: &[u8], expiry: Expiry) -> Result<bool> {
        let answer = match Life::of(expiry) {
            Life::Forever => {
                let mut request = Request::one(&[b"EXISTS", key]);
                request.add(&[b"PERSIST", key]);
                let answers = list("EXEC", self.at_once(Kind::Write, &request)?)?;
                let mut answers = answers.into_iter().map(accepted);
                let existed = answers.next().unwrap_or(Ok(Value::Nil))?;
                answers.try_for_each(|answer| answer.map(drop))?;
                existed
            }
            Life::After(ms) => self.change(&[b"PEXPIRE", key, &ms])?,
            Life::At(ms) => self.change(&[b"PEXPIREAT", key, &ms])?,
        };
        Ok(integer("PEXPIRE", &answer)? == 1)
    }

    /// Takes a key's expiry away. Returns whether the key exists and had one.
    pub fn persist(&self, key: &[u8]) -> Result<bool> {
        Ok(integer("PERSIST", &self.change(&[b"PERSIST", key])?)? == 1)
    }

    /// Removes every key in one step. Returns how many there were.
    pub fn clear(&self) -> Result<u64> {
        let mut request = Request::one(&[b"DBSIZE"]);
        request.add(&[b"FLUSHALL"]);
        let answers = list("EXEC", self.at_once(Kind::LongWrite, &request)?)?;
        let [keys, cleared] = <[Value; 2]>::try_from(answers)
            .map_err(|answers| unexpected("EXEC", &Value::Array(answers)))?;
        done("FLUSHALL", &accepted(cleared)?)?;
        count("DBSIZE", &accepted(keys)?)
    }

    /// Makes everything that was acknowledged so far survive a power loss.
    pub fn sync(&self) -> Result<()> {
        // Asked again it does the same, so a lost answer needs no word of its own.
        let answers = self.lines.ask(Kind::LongRead, &Request::one(&[b"SAVE"]))?;
        done("SAVE", &only(answers)?)
    }

    /// Waits until the level of a write that was done is reached.
    pub(crate) fn reach(&self, ack: Option<Ack>) -> Result<()> {
        if ack != Some(Ack::Synced) {
            return Ok(());
        }
        self.sync()
            .map_err(|why| Error::NotDurable { why: why.into() })
    }

    fn write_if(&self, conditions: &[(&[u8], Condition)], request: &Request) -> Result<()> {
        for _ in 0..TRIES {
            let mut line = self.lines.take(true)?;
            let committed = self.try_write_if(&mut line, conditions, request);
            // After a refusal the line may still watch keys, and is dropped with them.
            if committed? {
                self.lines.give_back(line);
                return Ok(());
            }
        }
        Err(Error::Contended)
    }

    fn try_write_if(
        &self,
        line: &mut Line,
        conditions: &[(&[u8], Condition)],
        request: &Request,
    ) -> Result<bool> {
        let mut look = Request::default();
        for (key, _) in conditions {
            look.add(&[b"WATCH", key]);
        }
        for (key, _) in conditions {
            look.add(&[b"EXISTS", key]);
        }
        let answers = self.lines.exchange(line, Kind::Read, &look)?;
        let answers: Vec<Value> = answers.into_iter().map(accepted).collect::<Result<_>>()?;
        for ((key, condition), answer) in conditions.iter().zip(&answers[conditions.len()..]) {
            let exists = integer("EXISTS", answer)? == 1;
            if exists != (*condition == Condition::Present) {
                return Err(failed(key));
            }
        }
        let answers = self.lines.exchange(line, Kind::Write, &multi(request))?;
        all_done(executed(answers)?)
    }
}

/// Adds a write, as `SET` or `DEL`.
pub(crate) fn add_deed(request: &mut Request, key: &[u8], put: Option<(&[u8], Expiry)>) {
    let Some((value, expiry)) = put else {
        return request.add(&[b"DEL", key]);
    };
    let life = Life::of(expiry);
    let mut words = vec![b"SET", key, value];
    life.append_to(&mut words);
    request.add(&words);
}

/// Whether a transaction of writes was done; not, if a watched key was changed.
pub(crate) fn all_done(answer: Value) -> Result<bool> {
    if answer == Value::Nil {
        return Ok(false);
    }
    for one in list("EXEC", answer)? {
        accepted(one)?;
    }
    Ok(true)
}

const SEQ: Error = Error::NotCarried {
    what: "a condition on a sequence number",
};

fn failed(key: &[u8]) -> Error {
    Error::ConditionFailed { key: key.to_vec() }
}

/// When a life ends, in words of the protocol.
enum Life {
    Forever,
    After(Vec<u8>),
    At(Vec<u8>),
}

impl Life {
    fn of(expiry: Expiry) -> Self {
        let digits = |ms: u64| ms.to_string().into_bytes();
        match expiry {
            // A server has no default life.
            Expiry::Default | Expiry::Never => Self::Forever,
            // Over at once: Redis takes no zeros.
            Expiry::AfterMs(0) | Expiry::AtMs(0) => Self::At(OVER.to_vec()),
            Expiry::AfterMs(ms) => Self::After(digits(ms)),
            Expiry::AtMs(ms) => Self::At(digits(ms)),
        }
    }

    fn append_to<'a>(&'a self, words: &mut Vec<&'a [u8]>) {
        match self {
            Self::Forever => {}
            Self::After(ms) => words.extend([&b"PX"[..], ms]),
            Self::At(ms) => words.extend([&b"PXAT"[..], ms]),
        }
    }
}
