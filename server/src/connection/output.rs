//! Replies that wait to be sent.

use crate::protocol::Reply;
use portcask::Error;
use portcask::PlatformStorage;
use portcask::db::LongValue;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What is kept of a buffer between two batches.
const KEPT_BYTES: usize = 16 << 10;
/// What is read at a time of a long value, and so all that a client who does not read makes the server hold of it.
pub(super) const PIECE_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Output {
    pub reply: Reply,
    /// Replies that tell of writes which are not durable yet, in order.
    pub unsynced: Vec<Range<usize>>,
    /// The end of the last reply, which follows.
    long: Option<Long>,
}

/// A value on its way from its file to the client.
struct Long {
    value: LongValue<PlatformStorage>,
    /// Where the next piece begins.
    at: u64,
    since: Instant,
}

impl Output {
    /// The writes that replies tell of became durable, or not: then each of these replies becomes the
    /// error.
    pub(super) fn settle(&mut self, synced: Result<(), Error>) {
        let Err(error) = synced else {
            self.unsynced.clear();
            return;
        };
        let words = format!("MISCONF the write may not survive: {error}");
        let old = std::mem::take(&mut self.reply.bytes);
        let mut from = 0;
        for told in std::mem::take(&mut self.unsynced) {
            self.reply.bytes.extend_from_slice(&old[from..told.start]);
            if !told.is_empty() {
                self.reply.error(words.as_bytes());
            }
            from = told.end;
        }
        self.reply.bytes.extend_from_slice(&old[from..]);
    }

    /// Has a value follow, whose length the last reply has told already. Nothing else can be added behind it.
    pub(super) fn follow(&mut self, value: LongValue<PlatformStorage>) {
        self.long = Some(Long {
            value,
            at: 0,
            since: Instant::now(),
        });
    }

    pub(super) fn is_followed(&self) -> bool {
        self.long.is_some()
    }

    /// Bytes to be sent.
    pub(super) fn len(&self) -> u64 {
        let follows = self.long.as_ref();
        let follows = follows.map_or(0, |long| long.value.len() - long.at + 2);
        self.reply.bytes.len() as u64 + follows
    }

    /// Puts the next piece of the value that follows in the place of what was sent. Returns false if there is none.
    ///
    /// A client that has taken longer than `patience` already is given all of the rest: its file may have been merged
    /// away, and its room on the disk is not to wait for somebody slow.
    pub(super) fn next_piece(&mut self, patience: Duration) -> Result<bool, Error> {
        let Some(long) = &mut self.long else {
            return Ok(false);
        };
        let left = long.value.len() - long.at;
        let bytes = &mut self.reply.bytes;
        let mut piece = usize::try_from(left).unwrap_or(usize::MAX);
        let is_slow = long.since.elapsed() > patience;
        if !is_slow
            || bytes
                .try_reserve_exact(piece.saturating_sub(bytes.len()))
                .is_err()
        {
            piece = piece.min(PIECE_BYTES);
        }
        bytes.resize(piece, 0);
        if long.value.read_at(long.at, bytes)? < piece {
            // It was as long when it was found, and nobody writes to it.
            return Err(Error::Changed);
        }
        long.at += piece as u64;
        if piece as u64 == left {
            bytes.extend_from_slice(b"\r\n");
            self.long = None;
        }
        Ok(true)
    }

    /// Everything was sent.
    pub(super) fn sent(&mut self) {
        self.reply.bytes.clear();
        self.reply.bytes.shrink_to(KEPT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::{Output, PIECE_BYTES};
    use portcask::{Db, Error};
    use std::time::Duration;

    #[test]
    fn a_long_value_follows_in_pieces_and_all_of_it_to_a_client_that_takes_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let db: Db = portcask::open(dir.path()).unwrap();
        let value: Vec<_> = (0..4 * PIECE_BYTES + 9).map(|at| at as u8).collect();
        db.put(b"film", &value).unwrap();
        let follow =
            |output: &mut Output| output.follow(db.long_value(b"film", 0).unwrap().unwrap());
        let mut output = Output::default();
        output.reply.bulk_of(value.len() as u64);
        follow(&mut output);
        assert_eq!(output.len(), 9 + value.len() as u64 + 2);
        let mut sent = Vec::new();
        let mut pieces = Vec::new();
        while output.next_piece(Duration::MAX).unwrap() {
            pieces.push(output.reply.bytes.len());
            sent.extend_from_slice(&output.reply.bytes);
        }
        assert_eq!(
            pieces,
            [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 9 + 2]
        );
        assert!(sent == [&value[..], b"\r\n"].concat());
        follow(&mut output);
        assert!(output.next_piece(Duration::MAX).unwrap());
        assert!(output.next_piece(Duration::ZERO).unwrap());
        assert!(output.reply.bytes == [&value[PIECE_BYTES..], b"\r\n"].concat());
        assert!(!output.is_followed() && !output.next_piece(Duration::ZERO).unwrap());
    }

    #[test]
    fn a_failed_sync_turns_the_replies_that_it_would_have_covered_into_errors_and_no_others() {
        let mut output = Output::default();
        output.reply.bulk(b"a");
        let start = output.reply.bytes.len();
        output.reply.ok();
        let end = output.reply.bytes.len();
        output.unsynced.push(start..end);
        output.unsynced.push(end..end);
        output.reply.integer(7);
        output.settle(Err(Error::Closed));
        let text = String::from_utf8(output.reply.bytes).unwrap();
        let expected = "$1\r\na\r\n-MISCONF the write may not survive: the store was closed; open it again\r\n:7\r\n";
        assert_eq!(text, expected);
    }
}
