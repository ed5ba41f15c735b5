//! Commands in order, from what has arrived to the replies that wait to be sent.
//!
//! Commands of one pipeline that only look at keys and change them are committed together, as far as they have
//! arrived together:
//!
//! ```text
//!   SET a 1 | INCR b | GET a | PING | SET c 2 | ...
//!   begins a group ......... | commit, then run it | begins the next one
//! ```
//!
//! A group that the store refuses is rewound: its replies are forgotten, and its commands run again, each alone.

use super::output::Output;
use super::{BATCH_REPLY_BYTES, BRIEF_COMMANDS, Connection, End, MANY_READS};
use crate::commands::{Command, Flags, Gathering, Sending, dispatch};
use crate::observe::Observed;
use crate::protocol::{Gate, Parser, ProtocolError, Step};
use crate::server::Shared;
use crate::session::{Client, Replies, Wait};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Commands run before others have their turn.
const BATCH_COMMANDS: usize = 256;
/// Bytes of commands that a group takes: so long other writers wait, and so much is held twice.
const GROUP_BYTES: usize = 1 << 20;

/// How far a batch came.
pub(super) enum Batch {
    /// All that has arrived whole was run.
    Drained,
    /// There may be more to run.
    More,
    /// The client asked to wait before what else it sent is run.
    Waits(Wait),
    Over(End),
}

/// A command that was run.
pub(super) struct Ran {
    command: &'static Command,
    took: Duration,
    said: Range<usize>,
    /// Where it begins in the input.
    from: usize,
}

/// What is gone back to if a group is refused.
struct Mark {
    reply_bytes: usize,
    unsynced: usize,
    input: usize,
    left: usize,
    commands: u64,
}

/// A batch while it is run.
pub(super) struct Course<'a> {
    shared: &'a Shared,
    gathering: Gathering<'a>,
    mark: Option<Mark>,
    /// Up to here in the input commands run alone: their group was refused.
    alone_until: usize,
    /// Commands that may still be run.
    pub left: usize,
    commands: u64,
    /// One of them writes.
    writes: bool,
}

impl Course<'_> {
    /// So many commands were run alone.
    pub(super) fn ran(&mut self, commands: usize) {
        self.left -= commands;
        self.commands += commands as u64;
    }
}

/// Why a group ends.
enum Gathered {
    /// The next command is not one for it.
    Boundary,
    Batch(Batch),
}

/// Notes a command that took long and is gone: `input` begins with it.
pub(super) fn note_again(
    observed: &Observed,
    command: &'static Command,
    input: &[u8],
    client: &Client,
    took: Duration,
) {
    let gate = Gate {
        args_max: usize::MAX,
        bulk_bytes_max: usize::MAX,
        authenticated: true,
    };
    let mut parser = Parser::default();
    if let Ok(Step::Whole(_)) = parser.advance(input, gate) {
        observed.note(command, parser.args(input), client, took);
    }
}

impl Connection {
    /// Runs what has arrived, up to a batch.
    pub(super) fn batch(&mut self) -> Batch {
        self.clock = Instant::now();
        let shared = Arc::clone(&self.shared);
        let mut course = Course {
            shared: &shared,
            gathering: Gathering::none(),
            mark: None,
            alone_until: 0,
            left: BATCH_COMMANDS,
            commands: 0,
            writes: false,
        };
        let batch = loop {
            let gathered = self.gather(&mut course);
            let is_committed = self.commit(&mut course);
            if let Gathered::Batch(batch) = gathered
                && is_committed
            {
                break batch;
            }
        };
        let counter = &self.shared.counters.commands;
        counter.fetch_add(course.commands, Ordering::Relaxed);
        self.is_brief = course.commands <= BRIEF_COMMANDS;
        self.is_reading = course.commands >= MANY_READS && !course.writes;
        self.tally.flush(&self.shared.observed.commands);
        if let Batch::Drained = batch {
            self.input.waits();
        }
        batch
    }

    fn gather(&mut self, course: &mut Course<'_>) -> Gathered {
        while course.left > 0 {
            if self.output.is_followed() || self.output.len() >= BATCH_REPLY_BYTES {
                break;
            }
            if course.gathering.group.is_none()
                && (self.run_of_gets(course) || self.one_get(course))
            {
                if self.session.client.is_killed() {
                    return Gathered::Batch(Batch::Over(End::Killed));
                }
                continue;
            }
            if let Some(mark) = &course.mark
                && self.input.start() - mark.input >= GROUP_BYTES
            {
                return Gathered::Boundary;
            }
            let gate = Gate {
                args_max: self.shared.limits.args_max,
                bulk_bytes_max: self.shared.limits.bulk_bytes_max,
                authenticated: self.session.authenticated,
            };
            match self.parser.advance(self.input.unread(), gate) {
                Ok(Step::More) => return Gathered::Batch(Batch::Drained),
                Ok(Step::Whole(bytes)) => {
                    if !self.command(course, bytes) {
                        self.parser.reset();
                        return Gathered::Boundary;
                    }
                    self.parser.reset();
                    self.input.consume(bytes);
                    course.left -= 1;
                }
                // It is told once what is gathered is committed.
                Err(_) if course.gathering.group.is_some() => {
                    self.parser.reset();
                    return Gathered::Boundary;
                }
                Err(error) => return Gathered::Batch(self.misunderstood(error)),
            }
            if let Some(wait) = self.session.wait.take() {
                return Gathered::Batch(Batch::Waits(wait));
            }
            if self.session.is_closing() {
                return Gathered::Batch(Batch::Over(End::Told));
            }
            if self.session.client.is_killed() {
                return Gathered::Batch(Batch::Over(End::Killed));
            }
        }
        Gathered::Batch(Batch::More)
    }

    /// Commits what is gathered. Returns false if that was refused, and is to be run again.
    fn commit(&mut self, course: &mut Course<'_>) -> bool {
        let Some(group) = course.gathering.group.take() else {
            return true;
        };
        let done = group.commit();
        let mark = course.mark.take();
        if done.is_err()
            && let Some(mark) = mark
        {
            course.alone_until = self.input.start();
            (course.left, course.commands) = (mark.left, mark.commands);
            self.ran.clear();
            self.parser.reset();
            self.input.go_back(mark.input);
            self.output.reply.bytes.truncate(mark.reply_bytes);
            self.output.unsynced.truncate(mark.unsynced);
            return false;
        }
        self.session.written = self.shared.store.changes();
        self.note_group();
        true
    }

    /// Notes the commands of a group that was committed. The commit is the last one's.
    fn note_group(&mut self) {
        let ended = Instant::now();
        let took = ended - std::mem::replace(&mut self.clock, ended);
        let observed = &self.shared.observed;
        if let Some(last) = self.ran.last_mut() {
            last.took += took;
            if observed.is_noted(last.took) {
                let input = self.input.since(last.from);
                let client = &self.session.client;
                note_again(observed, last.command, input, client, last.took);
            }
        }
        for ran in self.ran.drain(..) {
            let said = self.output.reply.bytes.get(ran.said).unwrap_or_default();
            self.tally
                .add(&observed.commands, ran.command, ran.took, said);
        }
    }

    /// Runs the command of so many bytes that is whole. Returns false if what is gathered must be committed before.
    fn command(&mut self, course: &mut Course<'_>, bytes: usize) -> bool {
        let from = self.input.start();
        let args = self.parser.args(self.input.unread());
        if args.len() == 0 {
            return true;
        }
        let is_first = course.gathering.group.is_none();
        let Output {
            reply, unsynced, ..
        } = &mut self.output;
        if is_first {
            // What came before a command goes before its reply. What comes while a group is gathered goes behind it.
            reply
                .bytes
                .extend_from_slice(&self.shared.take_mail(&self.session.client));
        }
        let start = reply.bytes.len();
        course.gathering.may_begin = is_first
            && from >= course.alone_until
            && self.session.replies == Replies::On
            // A command that comes by itself has nobody to be committed with.
            && self.input.unread().len() > bytes;
        let mark = Mark {
            reply_bytes: start,
            unsynced: unsynced.len(),
            input: from,
            left: course.left,
            commands: course.commands,
        };
        let before = self.session.last.take();
        let gathering = &mut course.gathering;
        let sending = dispatch(course.shared, &mut self.session, gathering, args, reply);
        if sending == Sending::AfterCommit {
            self.session.last = before;
            return false;
        }
        course.commands += 1;
        let is_gathered = course.gathering.group.is_some();
        course.writes |= is_gathered;
        if is_gathered && is_first {
            course.mark = Some(mark);
        }
        let ended = Instant::now();
        let took = ended - std::mem::replace(&mut self.clock, ended);
        let said = start..reply.bytes.len();
        if is_gathered {
            if let Some(command) = self.session.last {
                self.ran.push(Ran {
                    command,
                    took,
                    said: said.clone(),
                    from,
                });
            }
            self.session.last = self.session.last.or(before);
            if sending == Sending::OnceDurable {
                unsynced.push(said);
            }
            return true;
        }
        if let Some(command) = self.session.last {
            let observed = &self.shared.observed;
            let said = reply.bytes.get(said).unwrap_or_default();
            self.tally.add(&observed.commands, command, took, said);
            observed.note(command, args, &self.session.client, took);
        } else if let Some(said @ [b'-', ..]) = reply.bytes.get(said) {
            // There is no such command, or not with so many arguments.
            self.shared.observed.commands.count_error(said);
        }
        let flags = self
            .session
            .last
            .map_or(Flags::NONE, |command| command.flags);
        self.session.last = self.session.last.or(before);
        let replies = &mut self.session.replies;
        let is_wanted = *replies == Replies::On;
        *replies = match *replies {
            Replies::SkipNext => Replies::SkipThis,
            Replies::SkipThis => Replies::On,
            other => other,
        };
        if !is_wanted && !flags.has(Flags::CONFIRMS) {
            reply.bytes.truncate(start);
        }
        self.session.wait_is_told = is_wanted;
        if flags.has(Flags::WRITE.and(Flags::EXEC)) {
            course.writes = true;
            self.session.written = self.shared.store.changes();
        }
        let mut told = start..reply.bytes.len();
        let mail = self.shared.take_mail(&self.session.client);
        if flags.has(Flags::CONFIRMS.and(Flags::EXEC)) {
            reply.bytes.extend_from_slice(&mail);
        } else if !mail.is_empty() {
            // A message that a command sent to its own client goes before the reply, as in Redis.
            reply.bytes.splice(start..start, mail.iter().copied());
            told = start + mail.len()..reply.bytes.len();
        }
        if sending == Sending::OnceDurable {
            unsynced.push(told);
        }
        true
    }

    fn misunderstood(&mut self, error: ProtocolError) -> Batch {
        self.shared
            .counters
            .protocol_errors
            .fetch_add(1, Ordering::Relaxed);
        let peer = &self.session.client.peer;
        tracing::debug!(%peer, error = error.words(), "not understood");
        let words = format!("ERR Protocol error: {}", error.words());
        self.output.reply.error(words.as_bytes());
        Batch::Over(End::Told)
    }
}
