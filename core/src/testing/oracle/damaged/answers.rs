//! What a damaged store says, and whether it may.

use super::{Case, Findings};
use crate::error::Error;
use crate::prelude::*;
use crate::report::RecoveryReport;
use crate::testing::oracle::system_key;
use crate::testing::world::Store;
use crate::verify::VerifyReport;
use compat::collections::{BTreeMap, BTreeSet};

/// What a store said.
pub(super) struct Answers {
    pub gets: BTreeMap<Vec<u8>, Result<Option<Vec<u8>>, Error>>,
    pub verify: Option<VerifyReport>,
}

impl Case<'_> {
    pub(super) fn ask(&self, store: &Store, findings: &mut Findings) -> Result<Answers, String> {
        let absent = b"never written".to_vec();
        let keys = self.specimen.ever.keys().chain([&absent]);
        let mut gets = BTreeMap::new();
        for key in keys {
            let answer = match system_key(key) {
                Some(key) => store.get_meta(key),
                None => store.get(key),
            };
            findings.reads += 1;
            if let Err(error) = &answer {
                *findings.refused.entry(kind(error)).or_insert(0) += 1;
            }
            gets.insert(key.clone(), answer);
        }
        let mut listed = BTreeSet::new();
        let mut refused = false;
        for entry in store.iter() {
            let Ok(entry) = entry else {
                refused = true;
                continue;
            };
            if let Some(Ok(got)) = gets.get(&entry.key)
                && got.as_ref() != Some(&entry.value)
            {
                return Err(format!("iteration and get differ for {:?}", entry.key));
            }
            if !listed.insert(entry.key) {
                return Err("iteration shows a key twice".into());
            }
        }
        let is_missing = |(key, answer): &(&Vec<u8>, &Result<Option<Vec<u8>>, Error>)| {
            matches!(answer, Ok(Some(_))) && system_key(key).is_none() && !listed.contains(*key)
        };
        // A degraded store refuses to list at all.
        let lists = !(refused && store.report().degraded);
        if let Some((key, _)) = gets.iter().find(is_missing).filter(|_| lists) {
            return Err(format!("iteration misses {key:?}"));
        }
        let verify = match store.verify(|_, _| {}) {
            Ok(report) => Some(report),
            Err(_) if !self.damaged.unreadable.is_empty() => None,
            Err(error) => return Err(format!("verify: {error}")),
        };
        Ok(Answers { gets, verify })
    }

    /// Whether every answer is allowed.
    pub(super) fn check(&self, answers: &Answers, report: &RecoveryReport) -> Result<(), String> {
        if self.is_open {
            return self.nothing_made_up(answers);
        }
        let mut nearest = String::new();
        for count in (self.certain..self.specimen.states.len()).rev() {
            match self.check_state(count, answers, report) {
                Ok(()) => return Ok(()),
                Err(problem) => nearest = problem,
            }
        }
        Err(format!("{nearest}; {report}; {:?}", report.damages))
    }

    fn check_state(
        &self,
        count: usize,
        answers: &Answers,
        report: &RecoveryReport,
    ) -> Result<(), String> {
        let state = &self.specimen.states[count];
        for (key, answer) in &answers.gets {
            let right = state.get(key).map(|(value, _)| value);
            match answer {
                Ok(got) if got.as_ref() == right => {}
                Ok(got) => {
                    let lens = (got.as_ref().map(Vec::len), right.map(Vec::len));
                    return Err(format!("{key:?} has {lens:?} bytes (got, right)"));
                }
                // Another key has its hash, and it was never taken.
                Err(Error::KeyCollision { .. })
                    if cfg!(feature = "short-hash") && right.is_none() => {}
                Err(_) if report.degraded || self.may_be_refused(key, count) => {}
                Err(error) => {
                    return Err(format!("{key:?} suffers from another's damage: {error}"));
                }
            }
        }
        Ok(())
    }

    /// Whether the damage touches the newest record of this key.
    pub(super) fn may_be_refused(&self, key: &[u8], count: usize) -> bool {
        let map = &self.specimen.map;
        let limit = match (&map.active, count.checked_sub(1)) {
            (Some(active), Some(last)) => active.writes[last],
            (Some(active), None) => active.first,
            (None, _) => map.records.len(),
        };
        self.touched.iter().any(|index| {
            let record = &map.records[*index];
            record.key == key
                && record.has_key()
                && *index < limit
                && record.newer.is_none_or(|newer| newer >= limit)
        })
    }

    fn nothing_made_up(&self, answers: &Answers) -> Result<(), String> {
        for (key, answer) in &answers.gets {
            if let Ok(Some(value)) = answer
                && !self.was_written(key, value)
            {
                return Err(format!("{key:?} has a value that nobody wrote"));
            }
        }
        Ok(())
    }

    pub(super) fn was_written(&self, key: &[u8], value: &[u8]) -> bool {
        let ever = self.specimen.ever.get(key);
        ever.is_some_and(|values| values.contains(value))
    }
}

/// The variant of an error, and what is wrong where it says so.
pub(super) fn kind(error: &Error) -> String {
    match error {
        Error::Corrupt { found } => format!("Corrupt: {:?}", found.damage),
        Error::Damaged { found } => format!("Damaged: {:?}", found.damage),
        Error::Storage { refusal, .. } => format!("Storage: {:?}", refusal.source.kind),
        other => {
            let text = format!("{other:?}");
            let end = text.find([' ', '{', '(']).unwrap_or(text.len());
            text[..end].into()
        }
    }
}
