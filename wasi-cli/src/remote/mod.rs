//! A server in place of a directory: `--url`, and `import redis://...`.
//!
//! [`Remote`] does what verbs ask of any store; `verbs` are those that are different on a server; `source` is what an
//! import reads. A guest has `guest.rs` instead, which says that it has no network.

mod source;
mod verbs;

pub use source::import;
pub use verbs::run;

use crate::args::{MergePolicyArgs, StoreArgs};
use crate::door::Refused;
use crate::failure::{Exit, Failure};
use crate::store::Page;
use portcask::{Ack, Batch, ChangePage, Condition, Entry, Expiry, Ttl, WriteOptions};
use portcask_client::{Db, Error};

/// A server that was reached.
#[derive(Clone)]
pub struct Remote {
    db: Db,
    /// How writes are acknowledged, if not as the server does by itself.
    ack: Option<Ack>,
}

impl Remote {
    /// Refuses options that a server could not heed.
    pub fn check(args: &StoreArgs, policy: &MergePolicyArgs) -> Result<(), Failure> {
        let stray = args.of_directories();
        let stray = stray.or((*policy != MergePolicyArgs::default()).then_some("a merge policy"));
        match stray {
            None => Ok(()),
            Some(option) => Err(Failure::usage(format!(
                "{option} applies only to a directory; a server has its own settings"
            ))),
        }
    }

    /// Connects.
    pub fn open(url: &str, args: &StoreArgs) -> Result<Self, Failure> {
        Ok(Self {
            db: Db::open(url).map_err(|error| failure(&error))?,
            ack: args.ack_level(),
        })
    }

    /// The server's URL without its password.
    pub fn name(&self) -> &str {
        self.db.server()
    }

    /// The connection, for those who measure it.
    pub fn db(&self) -> &Db {
        &self.db
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        self.db.get(key).map_err(|error| failure(&error))
    }

    pub fn entry(&self, key: &[u8]) -> Result<Option<Entry>, Failure> {
        let entry = self.db.get_entry(key).map_err(|error| failure(&error))?;
        Ok(entry.map(local))
    }

    pub fn contains_key(&self, key: &[u8]) -> Result<bool, Failure> {
        self.db.contains_key(key).map_err(|error| failure(&error))
    }

    pub fn ttl(&self, key: &[u8]) -> Result<(Ttl, Option<u64>), Failure> {
        // The server's time is what is left before the end: asked for by itself it takes a right beyond @read.
        let both = self.db.ttl(key).and_then(|ttl| match ttl {
            Ttl::ExpiresAtMs(at) => {
                let left = self.db.left_ms(key)?.unwrap_or(0);
                Ok((ttl, Some(at.saturating_sub(left))))
            }
            _ => Ok((ttl, None)),
        });
        both.map_err(|error| failure(&error))
    }

    pub fn len(&self) -> Result<u64, Failure> {
        self.db.len().map_err(|error| failure(&error))
    }

    pub fn put(
        &self,
        key: &[u8],
        value: &[u8],
        how: &WriteOptions,
    ) -> Result<Result<Option<u64>, Refused>, Failure> {
        let done = self.db.put_with(key, value, &self.acknowledged(how));
        judged(done.map(|()| None), how)
    }

    pub fn delete(&self, key: &[u8], how: &WriteOptions) -> Result<Result<bool, Refused>, Failure> {
        judged(self.db.delete_with(key, &self.acknowledged(how)), how)
    }

    pub fn expire(&self, key: &[u8], expiry: Expiry) -> Result<bool, Failure> {
        let done = self
            .db
            .expire(key, expiry)
            .map_err(|error| failure(&error))?;
        self.reach()?;
        Ok(done)
    }

    pub fn clear(&self) -> Result<u64, Failure> {
        let done = self.db.clear().map_err(|error| failure(&error))?;
        self.reach()?;
        Ok(done)
    }

    pub fn write_batch(&self, batch: &Batch, ack: Option<Ack>) -> Result<(), Failure> {
        let done = self.db.write_with(batch, ack.or(self.ack));
        done.map_err(|error| failure(&error))
    }

    pub fn oldest_change(&self) -> Result<u64, Failure> {
        match self.db.changes(0, 1) {
            Ok(_) => Ok(0),
            Err(Error::Gap { oldest, .. }) => Ok(oldest),
            Err(error) => Err(failure(&error)),
        }
    }

    pub fn changes(&self, from: u64, limit: usize) -> Result<ChangePage, Failure> {
        let page = self.db.changes(from, limit);
        page.map_err(|error| failure(&error))
    }

    pub fn entries<T>(
        &self,
        cursor: u64,
        limit: usize,
        prefix: &[u8],
        mut pick: impl FnMut(Entry) -> T,
    ) -> Result<Page<T>, Failure> {
        let page = self.db.scan_of(cursor, limit, prefix);
        let page = page.map_err(|error| failure(&error))?;
        let entries = page.entries.into_iter();
        Ok(Page {
            items: entries.map(|entry| pick(local(entry))).collect(),
            damaged: Vec::new(),
            next: (page.next != 0).then_some(page.next),
        })
    }

    pub fn keys(&self, cursor: u64, limit: usize, prefix: &[u8]) -> Result<Page<Vec<u8>>, Failure> {
        let page = self.db.scan_keys_of(cursor, limit, prefix);
        let page = page.map_err(|error| failure(&error))?;
        Ok(Page {
            items: page.keys,
            damaged: Vec::new(),
            next: (page.next != 0).then_some(page.next),
        })
    }

    fn acknowledged(&self, how: &WriteOptions) -> WriteOptions {
        WriteOptions {
            ack: how.ack.or(self.ack),
            ..*how
        }
    }

    /// Waits until a write that was done is as safe as was asked for.
    fn reach(&self) -> Result<(), Failure> {
        match self.ack {
            Some(Ack::Synced) => self.db.sync().map_err(|error| failure(&error)),
            _ => Ok(()),
        }
    }
}

/// The sequence number is not known; nothing shows it.
fn local(entry: portcask_client::Entry) -> Entry {
    Entry {
        key: entry.key,
        value: entry.value,
        seq: 0,
        expiry_ms: entry.expiry_ms,
    }
}

/// A conditional write: the inner `Err` says what was there when the condition did not hold.
fn judged<T>(done: Result<T, Error>, how: &WriteOptions) -> Result<Result<T, Refused>, Failure> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(Error::ConditionFailed { .. }) => Ok(Err(Refused {
            exists: how.condition == Some(Condition::Absent),
            seq: None,
        })),
        Err(error) => Err(failure(&error)),
    }
}

/// What an error of the client is to a person.
pub fn failure(error: &Error) -> Failure {
    let exit = match error {
        Error::Url { .. } => Exit::Usage,
        Error::ConditionFailed { .. } => Exit::No,
        Error::Gap { .. } => Exit::Damaged,
        Error::NotCarried { .. } => Exit::Unable,
        Error::Refused { code, .. } if code == "ERR" => Exit::Input,
        _ => Exit::System,
    };
    let advice = match error {
        Error::Unreachable { why, .. } => advice_on_connecting(why),
        Error::Denied { .. } => {
            "; put user and password into the URL: redis://user:password@host, redis+unix://user:password@/path"
        }
        Error::NotCarried { .. } => "; use --dir on the machine that has the directory",
        Error::Refused { code, .. } if code == "NOPERM" => {
            "; docs/CLIENTS.md lists the rights that each verb needs"
        }
        _ => "",
    };
    let advice = match error {
        Error::Gap { oldest, .. } => format!("; start over with a scan, or with --from {oldest}"),
        _ => advice.to_owned(),
    };
    let words = without_number(&error.to_string());
    let words = match advice.is_empty() {
        true => &words,
        // The server's own words may end a sentence.
        false => words.trim_end_matches('.'),
    };
    Failure::new(exit, format!("{words}{advice}"))
}

/// A system's words without Rust's "(os error 2)".
fn without_number(words: &str) -> String {
    let Some((before, rest)) = words.split_once(" (os error ") else {
        return words.to_owned();
    };
    let (_, after) = rest.split_once(')').unwrap_or_default();
    format!("{before}{after}")
}

/// What to look at when there is no connection, by the words for why.
fn advice_on_connecting(why: &str) -> &'static str {
    if why.contains("switch database") {
        "; a store is one database: leave the number out of the URL"
    } else if why.contains("CaUsedAsEndEntity") {
        "; this is the certificate of an authority: give the server its own, with CA:FALSE"
    } else if why.contains("certificate") {
        "; set SSL_CERT_FILE to a file with the authorities to trust"
    } else if why.contains("InvalidContentType") || why.contains("Parse error") {
        "; does this port serve redis:// (without TLS) or rediss:// (with TLS)?"
    } else {
        "; is it running?"
    }
}
