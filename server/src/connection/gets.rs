//! Many `GET`s that have arrived together: they are looked up together, so that memory is waited for once and not for
//! each, and are answered one after the other. A long value goes from its file to the client, 64 KiB at a
//! time.

use super::batch::{Course, note_again};
use super::output::PIECE_BYTES;
use super::{BATCH_REPLY_BYTES, Connection};
use crate::commands::plain_get;
use crate::protocol;
use portcask::db::Found;
use std::time::Instant;

/// Most of them at a time.
const RUN: usize = 32;
/// From this length of its record on a value is sent in pieces.
const LONG_RECORD_BYTES: u64 = 2 * PIECE_BYTES as u64;

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
        let (mut answered, mut behind, mut found) = (0, 0, 0);
        // After an error it is the next one's turn, which then has an answer of its own.
        let _ = self.shared.store.get_many(&keys[..count], |value| {
            if value.is_some_and(|value| value.len() as u64 >= LONG_RECORD_BYTES) {
                // It is answered alone.
                return false;
            }
            let start = reply.bytes.len();
            reply.maybe(value);
            found += u64::from(value.is_some());
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
            (reply.bytes.len() as u64) < BATCH_REPLY_BYTES
        });
        if answered == 0 {
            return false;
        }
        let counters = &self.shared.counters;
        counters.looked_for(found, answered as u64 - found);
        self.session.last = Some(command);
        self.input.consume(behind);
        course.ran(answered);
        true
    }

    /// Answers the `GET` that comes next, if nothing about it is out of the ordinary. Behind a long value nothing more is
    /// run before that is sent.
    pub(super) fn one_get(&mut self, course: &mut Course<'_>) -> bool {
        let unread = self.input.unread();
        let key_bytes_max = self.shared.limits.bulk_bytes_max;
        let Some((key, bytes)) = protocol::get(unread, key_bytes_max) else {
            return false;
        };
        let Some(command) = plain_get(&self.shared, &self.session, &self.output.reply) else {
            return false;
        };
        let value = &mut self.session.value;
        let reply = &mut self.output.reply;
        let start = reply.bytes.len();
        let db = self.shared.store.db();
        let (mut follows, mut found) = (None, 1);
        match db.get_or_long(&unread[key], LONG_RECORD_BYTES, value) {
            Ok(None) => {
                reply.null();
                found = 0;
            }
            Ok(Some(Found::Buffered(at))) => reply.bulk(&value[at]),
            Ok(Some(Found::Long(long))) => {
                reply.bulk_of(long.len());
                follows = Some(long);
            }
            // It is asked for again, and then has an answer of its own.
            Err(_) => return false,
        }
        self.shared.counters.looked_for(found, 1 - found);
        self.session.rest_value();
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.clock, now);
        let observed = &self.shared.observed;
        let said = &reply.bytes[start..];
        self.tally.add(&observed.commands, command, took, said);
        if observed.is_noted(took) {
            note_again(observed, command, unread, &self.session.client, took);
        }
        if let Some(value) = follows {
            self.output.follow(value);
        }
        self.session.last = Some(command);
        // It may have come in two parts.
        self.parser.reset();
        self.input.consume(bytes);
        course.ran(1);
        true
    }
}
