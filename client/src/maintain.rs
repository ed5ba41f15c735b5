//! Maintaining a store from afar: statistics, merge, verification, history, and what a foreign server holds.

use crate::db::executed;
use crate::line::{Kind, Request};
use crate::reply::{
    accepted, bytes, count, end_of_life, fixed, integer, list, maybe_bytes, only, text,
};
use crate::{Change, ChangeKind, ChangePage, Db, Result};
use redis::Value;
use std::collections::BTreeMap;

/// Statistics of a server. A field is `None` if the server, not being Portcask's, does not report it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Live keys.
    pub keys: u64,
    /// Bytes of the log.
    pub total_bytes: Option<u64>,
    /// Bytes of records that live keys need.
    pub live_bytes: Option<u64>,
    /// Bytes that nothing needs; merge reclaims them.
    pub dead_bytes: Option<u64>,
    /// Files of the log.
    pub segments: Option<u64>,
    /// Memory that the keys cost, in bytes.
    pub memory_bytes: Option<u64>,
    /// The last sequence number issued.
    pub last_seq: Option<u64>,
    /// Connected clients.
    pub clients: Option<u64>,
    /// Seconds since the server's start.
    pub uptime_seconds: Option<u64>,
    /// When a write is acknowledged, as `--sync` says it.
    pub sync: Option<String>,
    /// Portcask's version.
    pub version: Option<String>,
    /// Every field of `INFO` as it is.
    pub info: BTreeMap<String, String>,
}

/// One version of a key that the log still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its sequence number.
    pub seq: u64,
    /// Its value; `None` for a delete.
    pub value: Option<Vec<u8>>,
    /// When it expires, in milliseconds since 1970.
    pub expiry_ms: Option<u64>,
}

/// Part of what a server of any kind holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Strings: key, value, and milliseconds to live if they expire.
    pub strings: Vec<(Vec<u8>, Vec<u8>, Option<u64>)>,
    /// Keys of other types, counted by Redis's name of the type.
    pub others: BTreeMap<String, u64>,
    /// Pass this to get the next page; 0 at the end.
    pub next: u64,
}

impl Db {
    /// Statistics of the server.
    pub fn stats(&self) -> Result<Stats> {
        let text = text("INFO", self.read(&[b"INFO", b"all"])?)?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let info: BTreeMap<String, String> = fields
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let number = |name: &str| info.get(name)?.parse().ok();
        Ok(Stats {
            keys: self.len()?,
            total_bytes: number("aof_current_size"),
            live_bytes: number("portcask_live_bytes"),
            dead_bytes: number("portcask_dead_bytes"),
            segments: number("portcask_segments"),
            memory_bytes: number("keydir_memory_bytes"),
            last_seq: number("portcask_last_seq"),
            clients: number("connected_clients"),
            uptime_seconds: number("uptime_in_seconds"),
            sync: info.get("portcask_sync").cloned(),
            version: info.get("portcask_version").cloned(),
            info,
        })
    }

    /// Merges the whole log and waits for it. Returns the bytes reclaimed.
    pub fn merge_all(&self) -> Result<u64> {
        let request = Request::one(&[b"PORTCASK.MERGE"]);
        // A merge changes no answer of any verb, so it may be asked for again.
        count(
            "PORTCASK.MERGE",
            &only(self.lines.ask(Kind::LongRead, &request)?)?,
        )
    }

    /// Makes the server read and check every byte of its log. Returns a description of each damage found.
    pub fn verify(&self) -> Result<Vec<String>> {
        let damages = list("PORTCASK.VERIFY", self.long(&[b"PORTCASK.VERIFY"])?)?;
        let damages = damages.into_iter();
        damages
            .map(|damage| text("PORTCASK.VERIFY", damage))
            .collect()
    }

    /// Every version of a key that the log still holds, oldest first. Costs a walk over the whole log.
    pub fn history(&self, key: &[u8]) -> Result<Vec<Version>> {
        const TO: &str = "PORTCASK.HISTORY";
        let versions = list(TO, self.long(&[TO.as_bytes(), key])?)?;
        let version = |version| {
            let [seq, value, expiry]: [Value; 3] = fixed(TO, version)?;
            Ok(Version {
                seq: count(TO, &seq)?,
                value: maybe_bytes(TO, value)?,
                expiry_ms: end_of_life(TO, &expiry)?,
            })
        };
        versions.into_iter().map(version).collect()
    }

    /// The changes from `from_seq` on (0 or 1 for the beginning): at most `limit`, or fewer if the server's own limit is
    /// lower.
    ///
    /// Errors with [`Error::Gap`](crate::Error::Gap) once merge has dropped a record that the feed would need.
    pub fn changes(&self, from_seq: u64, limit: usize) -> Result<ChangePage> {
        const TO: &str = "PORTCASK.TAIL";
        let (from, limit) = (from_seq.to_string(), limit.to_string());
        let words = [TO.as_bytes(), from.as_bytes(), limit.as_bytes()];
        let [next, changes]: [Value; 2] = fixed(TO, self.long(&words)?)?;
        let change = |change| {
            let [seq, key, value, expiry]: [Value; 4] = fixed(TO, change)?;
            let kind = match maybe_bytes(TO, value)? {
                Some(value) => ChangeKind::Put {
                    value,
                    expiry_ms: end_of_life(TO, &expiry)?,
                },
                None => ChangeKind::Delete,
            };
            Ok(Change {
                seq: count(TO, &seq)?,
                key: bytes(TO, key)?,
                kind,
            })
        };
        Ok(ChangePage {
            changes: list(TO, changes)?
                .into_iter()
                .map(change)
                .collect::<Result<_>>()?,
            next_seq: count(TO, &next)?,
        })
    }

    /// About `limit` keys after `cursor` (0 at first) of any server: strings with the time they have left, and the
    /// others counted by type. Each string's value and time belong together.
    ///
    /// Leaves out a string that is deleted or changes its type meanwhile.
    pub fn strings(&self, cursor: u64, limit: usize) -> Result<Foreign> {
        let page = self.scan_keys(cursor, limit)?;
        let mut found = Foreign {
            next: page.next,
            ..Foreign::default()
        };
        let mut request = Request::default();
        for key in &page.keys {
            request.add(&[b"TYPE", key]);
        }
        let types = self.lines.ask(Kind::Read, &request)?;
        let mut strings = Vec::new();
        for (key, kind) in page.keys.into_iter().zip(types) {
            match text("TYPE", accepted(kind)?)?.as_str() {
                "string" => strings.push(key),
                "none" => {}
                other => *found.others.entry(other.to_owned()).or_default() += 1,
            }
        }
        let mut request = Request::default();
        for key in &strings {
            // One transaction for each, so that a foreign server is not held up by a page of large values.
            request.add(&[b"MULTI"]);
            request.add(&[b"GET", key]);
            request.add(&[b"PTTL", key]);
            request.add(&[b"EXEC"]);
        }
        let answers = self.lines.ask(Kind::Read, &request)?;
        for (key, answers) in strings.into_iter().zip(answers.chunks(4)) {
            let [value, left]: [Value; 2] = fixed("EXEC", executed(answers.to_vec())?)?;
            let is_other_type =
                matches!(&value, Value::ServerError(it) if it.code() == "WRONGTYPE");
            if is_other_type {
                continue;
            }
            if let Some(value) = maybe_bytes("GET", accepted(value)?)? {
                let left = u64::try_from(integer("PTTL", &accepted(left)?)?).ok();
                found.strings.push((key, value, left));
            }
        }
        Ok(found)
    }

    /// The answer to a question that may take long.
    fn long(&self, words: &[&[u8]]) -> Result<Value> {
        only(self.lines.ask(Kind::LongRead, &Request::one(words))?)
    }
}
