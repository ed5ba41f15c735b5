//! Writes of every kind, made to both, and their answers compared.

use super::{Key, Pair, key};
use crate::targets::input::{byte, one_in, pick};
use arbitrary::Unstructured;
use portcask_core::{Ack, Batch, Condition, Error, Expiry, WriteOptions};
use std::collections::BTreeSet;

impl Pair {
    pub(super) fn put(&mut self, u: &mut Unstructured<'_>) {
        let (key, value) = (key(u), self.value(u));
        let (how, expiry) = self.how(u);
        let seq = self.store().put_with(&key, &value, &how).expect("put");
        self.issued(seq);
        self.set(key, Some((value, expiry)));
    }

    pub(super) fn batch(&mut self, u: &mut Unstructured<'_>) {
        let mut batch = Batch::new();
        let mut after = self.map.clone();
        let mut meta = self.meta.clone();
        let mut holds = true;
        for _ in 0..byte(u) % 6 {
            let key = key(u);
            match byte(u) % 8 {
                0..4 => {
                    let value = self.value(u);
                    let (how, expiry) = self.how(u);
                    batch.put_with(key.clone(), value.clone(), how.expiry);
                    after.insert(key, (value, expiry));
                }
                4 | 5 => {
                    batch.delete(key.clone());
                    after.remove(&key);
                }
                6 => {
                    let value = self.value(u);
                    batch.put_meta(key.clone(), value.clone());
                    meta.insert(key, value);
                }
                _ if one_in(u, 2) => {
                    batch.delete_meta(key.clone());
                    meta.remove(&key);
                }
                _ => {
                    let absent = one_in(u, 2);
                    let condition = [Condition::Present, Condition::Absent][usize::from(absent)];
                    holds &= self.map.contains_key(&key) != absent;
                    batch.require(key, condition);
                }
            }
        }
        let ack = pick(u, &[None, Some(Ack::Buffered), Some(Ack::Synced)]);
        match self.store().write_with(&batch, ack) {
            Ok(committed) => {
                assert!(holds, "taken against a condition: {batch:?}");
                assert!(committed.first_seq <= committed.last_seq);
                self.last_seq = self.last_seq.max(committed.last_seq);
                let touched: BTreeSet<Key> = self.map.keys().chain(after.keys()).cloned().collect();
                for key in touched {
                    if self.map.get(&key) != after.get(&key) {
                        let new = after.get(&key).cloned();
                        self.set(key, new);
                    }
                }
                self.meta = meta;
            }
            Err(Error::ConditionFailed { .. }) => assert!(!holds, "refused: {batch:?}"),
            Err(error) => panic!("batch: {error}"),
        }
        for (key, value) in &self.meta {
            let got = self.store.as_ref().map(|store| store.get_meta(key));
            assert_eq!(got, Some(Ok(Some(value.clone()))), "meta {key:?}");
        }
    }

    pub(super) fn conditional(&mut self, u: &mut Unstructured<'_>) {
        let (key, value) = (key(u), self.value(u));
        let entry = self.store().get_entry(&key).expect("get_entry");
        let seen = entry.map(|entry| entry.seq);
        let (condition, holds) = match (byte(u) % 4, seen) {
            (0, _) => (Condition::Absent, seen.is_none()),
            (1, _) => (Condition::Present, seen.is_some()),
            (2, Some(seq)) => (Condition::Seq(seq), true),
            _ => (Condition::Seq(u64::from(byte(u)) + (1 << 40)), false),
        };
        let (mut how, expiry) = self.how(u);
        how.condition = Some(condition);
        let deletes = one_in(u, 3);
        let done = match deletes {
            true => self.store().delete_with(&key, &how),
            false => self.store().put_with(&key, &value, &how).map(Some),
        };
        match done {
            Ok(seq) => {
                assert!(holds, "taken against {condition:?}");
                assert_eq!(seq.is_some(), !deletes || seen.is_some());
                if let Some(seq) = seq {
                    self.issued(seq);
                }
                self.set(key, (!deletes).then_some((value, expiry)));
            }
            Err(Error::ConditionFailed { unmet }) => {
                assert!(!holds, "refused by {condition:?}");
                assert_eq!(unmet.found, seen);
            }
            Err(error) => panic!("{condition:?}: {error}"),
        }
    }

    fn how(&self, u: &mut Unstructured<'_>) -> (WriteOptions, Option<u64>) {
        let (expiry, at) = match byte(u) {
            0..180 => (Expiry::Never, None),
            180..190 => (Expiry::Default, None),
            life @ 190..225 => {
                let life = u64::from(life - 189);
                (Expiry::AfterMs(life), Some(self.now_ms + life))
            }
            at => {
                let at = self.now_ms - 5 + u64::from(at - 225);
                (Expiry::AtMs(at), Some(at))
            }
        };
        let ack = pick(
            u,
            &[
                None,
                Some(Ack::Written),
                Some(Ack::Buffered),
                Some(Ack::Synced),
            ],
        );
        let how = WriteOptions {
            ack,
            expiry,
            condition: None,
        };
        (how, at)
    }

    fn value(&self, u: &mut Unstructured<'_>) -> Vec<u8> {
        let bytes = match byte(u) {
            // More than one page of anything, seldom: a case has to stay cheap.
            255 => 70_000,
            250.. => 5_000,
            size => [6, 0, 1, 20, 40, 6, 100, 6, 1_100, 6][usize::from(size) % 10],
        };
        let text = format!("{}.", self.made);
        text.bytes().cycle().take(bytes).collect()
    }
}
