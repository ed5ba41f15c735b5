//! Replies that wait to be sent.

use crate::protocol::Reply;
use portcask::Error;
use std::ops::Range;

/// What is kept of a buffer between two batches.
const KEPT_BYTES: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Output {
    pub reply: Reply,
    /// Replies that tell of writes which are not durable yet, in order.
    pub unsynced: Vec<Range<usize>>,
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

    /// Everything was sent.
    pub(super) fn sent(&mut self) {
        self.reply.bytes.clear();
        self.reply.bytes.shrink_to(KEPT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use portcask::Error;

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
