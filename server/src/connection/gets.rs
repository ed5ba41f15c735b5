//! Many `GET`s that have arrived together: they are looked up together, so that memory is waited for once and not for
//! each, and are answered one after the other.

use super::batch::{Course, note_again};
use super::{BATCH_REPLY_BYTES, Connection};
use crate::commands::plain_get;
use crate::protocol;
use std::time::Instant;

/// Most of them at a time.
const RUN: usize = 32;

impl Connection {
    /// Answers the `GET`s that come next, if there are several and nothing about them is out of the ordinary: how one
    /// ends that is refused, is not its user's or cannot be read is [`Connection::command`]'s business. Returns whether
    /// there was any.
    pub(super) fn run_of_gets(&mut self, course: &mut Course<'_>) -> bool {
        // A client whose replies are long would have values read that then wait for the next batch.
        if self.heavy_batches > 0 || self.parser.is_midway() {
            return false;
        }
        let unread = self.input.unread();
        let key_bytes_max = self.shared.limits.bulk_bytes_max;
        let (mut keys, mut ends) = ([&[][..]; RUN], [0; RUN]);
        let (mut count, mut end) = (0, 0);
        while count < RUN.min(course.left)
            && let Some((key, bytes)) = protocol::get(&unread[end..], key_bytes_max)
        {
            keys[count] = &unread[end..][key];
            end += bytes;
            ends[count] = end;
            count += 1;
        }
        if count < 2 {
            return false;
        }
        let Some(command) = plain_get(&self.shared, &self.session, &self.output.reply) else {
            return false;
        };
        let observed = &self.shared.observed;
        let reply = &mut self.output.reply;
        let (mut answered, mut behind) = (0, 0);
        // After an error it is the next one's turn, which then has an answer of its own.
        let _ = self.shared.store.get_many(&keys[..count], |value| {
            let start = reply.bytes.len();
            reply.maybe(value);
            let now = Instant::now();
            let took = now - std::mem::replace(&mut self.clock, now);
            let said = &reply.bytes[start..];
            self.tally.add(&observed.commands, command, took, said);
            if observed.is_noted(took) {
                let client = &self.session.client;
                note_again(observed, command, &unread[behind..], client, took);
            }
            behind = ends[answered];
            answered += 1;
            // The rest waits for the next batch.
            reply.bytes.len() < BATCH_REPLY_BYTES
        });
        if answered == 0 {
            return false;
        }
        self.session.last = Some(command);
        self.input.consume(behind);
        course.ran(answered);
        true
    }
}
