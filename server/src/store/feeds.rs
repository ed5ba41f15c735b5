//! Where readers of the log's changes stand, so that a page costs what it holds and not a walk up to there.

use portcask::{Change, Db, Feed, Result};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Readers that are remembered. One that is forgotten costs a walk over a part of a segment.
const FEEDS_MAX: usize = 128;

/// The readers, the last one at the end.
#[derive(Default)]
pub(super) struct Feeds(Mutex<VecDeque<Feed>>);

impl Feeds {
    /// The changes from a number on, at most `limit` and about `bytes_max`, and the number to go on with.
    pub(super) fn next(
        &self,
        db: &Db,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Change>, u64)> {
        let known = self.take(from);
        let mut feed = known.unwrap_or(Feed::from(from));
        let changes = db.next_changes(&mut feed, limit, bytes_max);
        let next = feed.next_seq();
        self.keep(feed);
        Ok((changes?, next))
    }

    fn take(&self, from: u64) -> Option<Feed> {
        let mut feeds = self.lock();
        let at = feeds.iter().position(|feed| feed.next_seq() == from)?;
        feeds.remove(at)
    }

    fn keep(&self, feed: Feed) {
        let mut feeds = self.lock();
        // Two readers may have met.
        feeds.retain(|other| other.next_seq() != feed.next_seq());
        feeds.push_back(feed);
        if feeds.len() > FEEDS_MAX {
            feeds.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Feed>> {
        // Nothing that is done under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
