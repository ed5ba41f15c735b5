//! Replies that wait to be sent.

use crate::protocol::Reply;
use portcask::Error;
use portcask::PlatformStorage;
use portcask::db::LongValue;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What is kept of a buffer between two batches.
const KEPT_BYTES: usize = 16 << 10;
/// What is read at a time of a long value, and so all that a client who does not read makes the server hold of it for a
/// minute.
pub(super) const PIECE_BYTES: usize = 64 << 10;
/// The end of a value.
const END: &[u8] = b"\r\n";

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
    /// Bytes that are still to be read.
    left: u64,
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
        debug_assert!(self.long.is_none(), "it is the end of what is sent");
        self.long = Some(Long {
            left: value.len(),
            value,
            since: Instant::now(),
        });
    }

    pub(super) fn is_followed(&self) -> bool {
        self.long.is_some()
    }

    /// Bytes to be sent.
    pub(super) fn len(&self) -> u64 {
        let follows = self.long.as_ref();
        let follows = follows.map_or(0, |long| long.left + END.len() as u64);
        self.reply.bytes.len() as u64 + follows
    }

    /// Whether all of the value that follows is to be taken into memory now: the client has taken longer than `patience`
    /// already. Its file may have been merged away, and its room on the disk is not to wait for somebody slow.
    pub(super) fn is_overdue(&self, patience: Duration) -> bool {
        let long = self.long.as_ref();
        long.is_some_and(|long| long.since.elapsed() > patience)
    }

    /// Adds the next piece of the value that follows, or `all` of it. The last piece is an error if the value is not what
    /// was written: so a client never has all of one that is damaged.
    pub(super) fn add_piece(&mut self, all: bool) -> Result<(), Error> {
        let Some(long) = &mut self.long else {
            return Ok(());
        };
        let bytes = &mut self.reply.bytes;
        let start = bytes.len();
        let mut piece = usize::try_from(long.left).unwrap_or(usize::MAX);
        if !all
            || bytes
                .try_reserve_exact(piece.saturating_add(END.len()))
                .is_err()
        {
            piece = piece.min(PIECE_BYTES.saturating_sub(start));
            bytes
                .try_reserve_exact(piece + END.len())
                .map_err(|_| Error::OutOfMemory)?;
        }
        bytes.resize(start + piece, 0);
        long.left -= long.value.read_next(&mut bytes[start..])? as u64;
        if long.left == 0 {
            bytes.extend_from_slice(END);
            self.long = None;
        }
        Ok(())
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
    use crate::outgoing::FLOOR_BYTES;
    use portcask::{Db, Error};
    use std::time::Duration;

    #[test]
    fn a_long_value_follows_in_pieces_and_all_of_it_to_a_client_that_takes_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let db: Db = portcask::open(dir.path()).unwrap();
        let value: Vec<_> = (0..4 * PIECE_BYTES).map(|at| (at % 251) as u8).collect();
        db.put(b"film", &value).unwrap();
        let told = [b"$262144\r\n", &value[..], b"\r\n"].concat();
        let followed = || {
            let mut output = Output::default();
            output.reply.bulk_of(value.len() as u64);
            output.follow(db.long_value(b"film", 0).unwrap().unwrap());
            assert_eq!(output.len(), told.len() as u64);
            output
        };
        let mut output = followed();
        let (mut sent, mut pieces) = (Vec::new(), Vec::new());
        while output.is_followed() {
            output.add_piece(false).unwrap();
            assert!(output.reply.bytes.capacity() < FLOOR_BYTES);
            pieces.push(output.reply.bytes.len());
            sent.append(&mut output.reply.bytes);
        }
        assert_eq!(
            pieces,
            [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 9 + 2]
        );
        assert!(sent == told);
        let mut output = followed();
        assert!(!output.is_overdue(Duration::MAX));
        output.add_piece(false).unwrap();
        let mut sent = std::mem::take(&mut output.reply.bytes);
        assert!(output.is_overdue(Duration::ZERO));
        output.add_piece(true).unwrap();
        assert!(!output.is_followed() && output.reply.bytes.capacity() < value.len());
        sent.append(&mut output.reply.bytes);
        assert!(sent == told);
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
