//! Wrong passwords, by the address that they come from: whoever guesses is slowed down.
//!
//! An address may be wrong [`BURST`] times, and then [`PER_SECOND`] times a second; beyond that its logins are refused
//! unlooked at. Who is logged in already notices nothing.

use crate::listen::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const BURST: u32 = 100;
const PER_SECOND: f64 = 10.0;
/// Addresses that are remembered; when there are more, those that have been quiet are forgotten, then all.
const ADDRESSES_MAX: usize = 4096;

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginError {
    Wrong,
    /// There were too many wrong passwords from this address.
    TooMany,
}

impl LoginError {
    /// The error without its code.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Wrong => "invalid username-password pair or user is disabled.",
            Self::TooMany => "too many wrong passwords from this address, try again in a second.",
        }
    }
}

/// Addresses that were wrong of late.
#[derive(Default)]
pub(crate) struct Guesses(Mutex<HashMap<IpAddr, Bucket>>);

/// Wrong passwords that still count.
struct Bucket {
    wrong: f64,
    since: Instant,
}

impl Bucket {
    fn drain(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.wrong = (self.wrong - passed * PER_SECOND).max(0.0);
        self.since = now;
    }
}

impl Guesses {
    pub(crate) fn are_too_many(&self, peer: IpAddr, now: Instant) -> bool {
        let mut buckets = self.lock();
        let Some(bucket) = buckets.get_mut(&network(peer)) else {
            return false;
        };
        bucket.drain(now);
        bucket.wrong > f64::from(BURST - 1)
    }

    pub(crate) fn add(&self, peer: IpAddr, now: Instant) {
        let mut buckets = self.lock();
        let (peer, is_known) = (network(peer), buckets.contains_key(&network(peer)));
        if !is_known && buckets.len() >= ADDRESSES_MAX {
            buckets.retain(|_, bucket| {
                bucket.drain(now);
                bucket.wrong > 0.0
            });
            if buckets.len() >= ADDRESSES_MAX {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(peer).or_insert(Bucket {
            wrong: 0.0,
            since: now,
        });
        bucket.drain(now);
        bucket.wrong += 1.0;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Bucket>> {
        // Nothing that is done under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_address_that_was_wrong_too_often_waits_and_others_do_not() {
        let guesses = Guesses::default();
        let now = Instant::now();
        let (one, other) = ("2001:db8::1".parse().unwrap(), "10.0.0.1".parse().unwrap());
        for _ in 0..BURST {
            assert!(!guesses.are_too_many(one, now));
            guesses.add(one, now);
        }
        let neighbour = "2001:db8::2".parse().unwrap();
        assert!(guesses.are_too_many(one, now) && guesses.are_too_many(neighbour, now));
        assert!(!guesses.are_too_many(other, now));
        let later = now + Duration::from_secs(1);
        let tries = (0..BURST).take_while(|_| {
            let may = !guesses.are_too_many(one, later);
            guesses.add(one, later);
            may
        });
        assert_eq!(tries.count(), 10);
    }

    #[test]
    fn only_so_many_addresses_are_remembered() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for number in 0..3 * ADDRESSES_MAX as u32 {
            guesses.add(IpAddr::V4(number.into()), now);
        }
        assert!(guesses.lock().len() <= ADDRESSES_MAX);
    }
}
