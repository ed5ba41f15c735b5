//! The oracle: what a store may answer after a crash, and nothing else.
//!
//! It is told of every write before it is made and of every promise the store gives. After a
//! crash the store must show the state after some *prefix* of the writes, in the order of the log,
//! that holds at least every write promised to be durable. A batch is one write, so it is there
//! whole or not at all. A write that was refused may show up only as the very last one: of those that
//! were refused since the last one that was taken, at most one, because nothing that was taken later
//! can rest on it.

pub mod damaged;

use crate::prelude::*;
use compat::collections::BTreeMap;

/// What a store holds: value and expiry of every key. Keys of the system's own space are told
/// apart by [`meta_key`].
pub type Contents = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

/// One write: all of it or nothing of it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Keys that get a value (with an expiry), or are deleted.
    Keys(Vec<Edit>),
    /// Every key is gone.
    Clear,
}

/// A key with its new value and expiry; `None` deletes it.
pub type Edit = (Vec<u8>, Option<(Vec<u8>, Option<u64>)>);

/// The name under which [`Contents`] lists a key of the system's own space. No user key of a test
/// starts like this.
pub fn meta_key(key: &[u8]) -> Vec<u8> {
    [META, key].concat()
}

const META: &[u8] = b"\0meta:";

/// The key of the system's own space that is listed under this name, if it is one.
fn system_key(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(META)
}

#[derive(Clone, Debug)]
struct Attempt {
    write: Write,
    /// When it began, by the disk's count of changes.
    began: usize,
    refused: bool,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// What is there before the first attempt, for certain.
    floor: Contents,
    attempts: Vec<Attempt>,
    /// At each moment, how many of the attempts must survive.
    promises: Vec<(usize, usize)>,
}

impl Oracle {
    /// Nothing was written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A write is about to be made; `now` is the disk's count of changes.
    pub fn attempt(&mut self, now: usize, write: Write) {
        self.attempts.push(Attempt {
            write,
            began: now,
            refused: false,
        });
    }

    /// The last attempt was refused.
    pub fn refuse(&mut self) {
        if let Some(last) = self.attempts.last_mut() {
            last.refused = true;
        }
    }

    /// The last attempt was taken, and there was nothing to write: a delete of an absent key.
    pub fn withdraw(&mut self) {
        self.attempts.pop();
    }

    /// From now on everything attempted so far must survive.
    pub fn promise(&mut self, now: usize) {
        self.promises.push((now, self.attempts.len()));
    }

    /// What the running store must show: every attempt that was not refused.
    pub fn shown(&self) -> Contents {
        let mut contents = self.floor.clone();
        for attempt in self.attempts.iter().filter(|attempt| !attempt.refused) {
            apply(&mut contents, &attempt.write);
        }
        contents
    }

    /// Whether a store opened after a power cut that followed change `at` may show `found`, with
    /// keys hidden whose time is up at `now_ms`. Returns how many attempts it has taken.
    pub fn judge(&self, at: usize, found: &Contents, now_ms: u64) -> Result<usize, String> {
        let known = self.attempts.iter().take_while(|a| a.began <= at).count();
        let durable = self.promises.iter().rev().find(|(when, _)| *when <= at);
        let durable = durable.map_or(0, |(_, count)| *count);
        let mut contents = self.floor.clone();
        let mut nearest = String::new();
        for count in 0..=known {
            if count >= durable {
                // A refused one may have reached the log after all, with nothing behind it.
                let refused = self.attempts[..count].iter().rev();
                let refused = refused.take_while(|attempt| attempt.refused);
                let mut with_one = refused.map(|attempt| {
                    let mut contents = contents.clone();
                    apply(&mut contents, &attempt.write);
                    contents
                });
                if alive(&contents, now_ms) == *found
                    || with_one.any(|contents| alive(&contents, now_ms) == *found)
                {
                    return Ok(count);
                }
                if count == durable || count == known {
                    nearest += &difference(count, &alive(&contents, now_ms), found);
                }
            }
            if let Some(next) = self.attempts.get(count).filter(|next| !next.refused) {
                apply(&mut contents, &next.write);
            }
        }
        Err(format!(
            "no prefix of the {known} writes that holds the {durable} durable ones:{nearest}"
        ))
    }

    /// What was found is what is there now, for certain: forgets everything before.
    pub fn settle(&mut self, found: Contents) {
        *self = Self {
            floor: found,
            ..Self::default()
        };
    }

    /// How many writes were attempted since the last [`Oracle::settle`].
    pub fn attempts(&self) -> usize {
        self.attempts.len()
    }
}

pub(super) fn apply(contents: &mut Contents, write: &Write) {
    match write {
        Write::Clear => contents.clear(),
        Write::Keys(edits) => {
            for (key, value) in edits {
                match value {
                    Some(value) => contents.insert(key.clone(), value.clone()),
                    None => contents.remove(key),
                };
            }
        }
    }
}

fn alive(contents: &Contents, now_ms: u64) -> Contents {
    let mut alive = contents.clone();
    alive.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| now_ms < expiry));
    alive
}

/// In words, for the person who has to find the bug.
fn difference(count: usize, expected: &Contents, found: &Contents) -> String {
    let mut words = format!("\n  after {count}:");
    for (key, value) in expected {
        if found.get(key) != Some(value) {
            words += &format!(
                " {} should be {} but is {};",
                String::from_utf8_lossy(key),
                short(Some(value)),
                short(found.get(key))
            );
        }
    }
    for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
        words += &format!(
            " {} should be absent but is {};",
            String::from_utf8_lossy(key),
            short(Some(value))
        );
    }
    words
}

fn short(value: Option<&(Vec<u8>, Option<u64>)>) -> String {
    match value {
        None => String::from("absent"),
        Some((value, expiry)) => {
            let head = String::from_utf8_lossy(&value[..value.len().min(12)]).into_owned();
            format!("{head:?} of {} bytes until {expiry:?}", value.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Write {
        let value = (value.as_bytes().to_vec(), None);
        Write::Keys(vec![(key.as_bytes().to_vec(), Some(value))])
    }

    fn contents(pairs: &[(&str, &str)]) -> Contents {
        let pair = |(k, v): &(&str, &str)| (k.as_bytes().to_vec(), (v.as_bytes().to_vec(), None));
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn prefixes_from_the_promise_on_are_allowed_and_nothing_else() {
        let mut oracle = Oracle::new();
        oracle.attempt(0, put("a", "1"));
        oracle.promise(5);
        oracle.attempt(5, put("b", "2"));
        oracle.attempt(6, put("c", "3"));
        assert_eq!(oracle.judge(9, &contents(&[("a", "1")]), 0), Ok(1));
        let all = contents(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(oracle.judge(9, &all, 0), Ok(3));
        assert_eq!(oracle.judge(4, &contents(&[]), 0), Ok(0));
        for wrong in [&[][..], &[("a", "1"), ("c", "3")], &[("a", "0")]] {
            assert!(oracle.judge(9, &contents(wrong), 0).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_refused_write_may_only_be_the_last() {
        let mut oracle = Oracle::new();
        oracle.attempt(0, put("a", "1"));
        oracle.refuse();
        assert_eq!(oracle.judge(9, &contents(&[("a", "1")]), 0), Ok(1));
        oracle.attempt(1, put("b", "2"));
        assert_eq!(oracle.judge(9, &contents(&[("b", "2")]), 0), Ok(2));
        let both = contents(&[("a", "1"), ("b", "2")]);
        assert!(oracle.judge(9, &both, 0).is_err());
    }

    #[test]
    fn of_several_refused_writes_one_may_be_the_last() {
        let mut oracle = Oracle::new();
        for key in ["a", "b"] {
            oracle.attempt(0, put(key, "1"));
            oracle.refuse();
        }
        oracle.promise(1);
        for key in ["a", "b"] {
            assert_eq!(oracle.judge(9, &contents(&[(key, "1")]), 0), Ok(2));
        }
        let both = contents(&[("a", "1"), ("b", "1")]);
        assert!(oracle.judge(9, &both, 0).is_err());
    }
}
