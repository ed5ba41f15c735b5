//! Every command: how it is found, whether it may run now, and running it.
//!
//! Each group of commands is a file that begins with its part of the table. A command validates all its
//! arguments before it changes anything.

mod acl;
mod bits;
mod client;
mod connection;
mod counters;
mod describe;
mod durability;
mod expire;
mod explain;
mod info;
mod keys;
mod log;
mod observe;
mod options;
mod permission;
mod pubsub;
mod ranges;
mod refusal;
mod scan;
mod server;
mod settings;
mod strings;
mod table;
mod transactions;

pub(crate) use durability::tell as tell_synced;
#[cfg(feature = "grpc")]
pub(crate) use permission::check_deed;
pub(crate) use refusal::{Outcome, Refusal};
pub(crate) use table::{Command, Flags, table};
pub(crate) use transactions::Queue;

use crate::outgoing::FLOOR_BYTES;
use crate::protocol::reply::QUOTED_BYTES_MAX;
use crate::protocol::{Args, Reply};
use crate::pubsub::Classes;
use crate::server::Shared;
use crate::session::{Replies, Session};
use crate::store::{Group, Keyspace, SyncPolicy};

/// What a command works with.
pub(crate) struct Call<'a, 'store> {
    pub server: &'a Shared,
    pub session: &'a mut Session,
    pub keys: &'a mut Keyspace<'store>,
    pub args: Args<'a>,
    pub reply: &'a mut Reply,
}

impl Call<'_, '_> {
    /// Does what the command does, and counts the keys that it looked for if it only reads.
    fn run(&mut self, command: &Command) -> Outcome {
        let done = (command.run)(self);
        let (found, missed) = self.keys.take_looked_for();
        if !command.flags.has(Flags::WRITE) {
            self.server.counters.looked_for(found, missed);
        }
        done
    }

    /// Refuses a reply that has grown too large. Asked by commands whose arguments are small beside their
    /// replies, while they gather them.
    fn refuse_excess(&self) -> Outcome {
        let reply = &self.reply.bytes;
        let client = &self.session.client;
        if reply.capacity() > FLOOR_BYTES {
            self.server.outgoing.hold_reply(client, reply.capacity());
        }
        match reply.len() > self.server.limits.reply_bytes_max || client.is_killed() {
            true => Err("the reply needs more memory than a client may use".into()),
            false => Ok(()),
        }
    }
}

/// What does a command.
pub(crate) type Run = for<'a, 'store> fn(&mut Call<'a, 'store>) -> Outcome;

/// Whether a reply may be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// The command was not run: what is gathered must be committed before.
    AfterCommit,
    AtOnce,
    /// It tells of writes that must be durable before.
    OnceDurable,
}

/// The group that a command's writes may go to.
pub(crate) struct Gathering<'a> {
    pub group: Option<Group<'a>>,
    /// Whether one may be begun.
    pub may_begin: bool,
}

impl Gathering<'_> {
    /// Every command is committed by itself.
    pub(crate) const fn none() -> Self {
        Self {
            group: None,
            may_begin: false,
        }
    }
}

/// Runs one command and appends its reply. What it writes is committed, or waits in the group.
pub(crate) fn dispatch<'store>(
    server: &'store Shared,
    session: &mut Session,
    gathering: &mut Gathering<'store>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Sending {
    let start = reply.bytes.len();
    match decide(server, session, gathering, args, reply) {
        Ok(sending) => sending,
        Err(refusal) => {
            if let Refusal::Store(error) = &refusal {
                server.store.troubles().tell(error);
            }
            reply.bytes.truncate(start);
            refusal.write(reply);
            Sending::AtOnce
        }
    }
}

fn decide<'store>(
    server: &'store Shared,
    session: &mut Session,
    gathering: &mut Gathering<'store>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<Sending, Refusal> {
    let command = match find(args) {
        Ok(command) => command,
        Err(refusal) => {
            if is_http(args.at(0)) {
                // A browser was made to send this by somebody else's page: not a word to it.
                session.close();
                return Ok(Sending::AtOnce);
            }
            session.spoil_queue();
            return Err(refusal);
        }
    };
    if gathering.group.is_some() && !command.joins_groups() {
        return Ok(Sending::AfterCommit);
    }
    session.last = Some(command);
    if !session.authenticated && !command.flags.has(Flags::NO_AUTH) {
        session.spoil_queue();
        return Err(Refusal::Words("NOAUTH Authentication required."));
    }
    if let Err(refusal) = permission::check(&session.user, command, args) {
        session.spoil_queue();
        return Err(refusal);
    }
    if let Err(refusal) = pubsub::refuse_while_subscribed(session, command, reply) {
        session.spoil_queue();
        return Err(refusal);
    }
    if session.queue.is_some() && !command.flags.has(Flags::STEERS_MULTI) {
        if command.flags.has(Flags::NO_MULTI) {
            session.spoil_queue();
            return Err("Command not allowed inside a transaction".into());
        }
        session.enqueue(command, args, server)?;
        reply.simple("QUEUED");
        return Ok(Sending::AtOnce);
    }
    let sending = match server.syncing.policy() {
        SyncPolicy::Always if command.flags.has(Flags::WRITE) => Sending::OnceDurable,
        _ => Sending::AtOnce,
    };
    if command.flags.has(Flags::EXEC) {
        return transactions::exec(server, session, reply);
    }
    if command.flags.has(Flags::SLOW) {
        session.turn = None;
        // Others of this thread's connections are taken over by another thread meanwhile.
        tokio::task::block_in_place(|| run(command, server, session, args, reply))?;
    } else {
        if gathering.may_begin && command.flags.has(Flags::WRITE) && command.joins_groups() {
            gathering.may_begin = false;
            gathering.group = server.store.group();
        }
        match &mut gathering.group {
            Some(group) => join(command, group, server, session, args, reply)?,
            None => run(command, server, session, args, reply)?,
        }
    }
    Ok(sending)
}

/// `GET`, if for this client it is nothing but looking at a key, whichever, and answering its value.
pub(crate) fn plain_get(
    server: &Shared,
    session: &Session,
    reply: &Reply,
) -> Option<&'static Command> {
    let command = table().find(b"get")?;
    let mailbox = &session.client.mailbox;
    let user = &session.user;
    let is_plain = session.authenticated
        && session.queue.is_none()
        && session.replies == Replies::On
        && user.may_run(command)
        && user.may_use_all_keys()
        && (reply.resp3 || !mailbox.is_subscribed())
        && !mailbox.has_mail()
        && !server.store.events().wanted().has(Classes::MISS);
    is_plain.then_some(command)
}

/// Runs a command within a group.
fn join<'store>(
    command: &Command,
    group: &mut Group<'store>,
    server: &Shared,
    session: &mut Session,
    args: Args<'_>,
    reply: &mut Reply,
) -> Outcome {
    group.run(|keys: &mut Keyspace<'store>| {
        let outcome = call(command, server, session, keys, args, reply);
        let wanted = outcome.is_ok();
        (outcome, wanted)
    })
}

fn run(
    command: &Command,
    server: &Shared,
    session: &mut Session,
    args: Args<'_>,
    reply: &mut Reply,
) -> Outcome {
    let store = &server.store;
    let mut named = |keys: &mut Keyspace<'_>| {
        let outcome = call(command, server, session, keys, args, reply);
        keys.name_deeds(command.name, args, outcome.is_ok());
        outcome
    };
    if command.flags.has(Flags::WRITE) {
        let (outcome, committed) = store.write(|keys| {
            let outcome = named(keys);
            let wanted = outcome.is_ok();
            (outcome, wanted)
        });
        outcome?;
        Ok(committed?)
    } else if command.sees_one_moment() && args.len() > 2 {
        store.read_alone(named)
    } else {
        store.read(named)
    }
}

fn call(
    command: &Command,
    server: &Shared,
    session: &mut Session,
    keys: &mut Keyspace<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Outcome {
    let mut call = Call {
        server,
        session,
        keys,
        args,
        reply,
    };
    call.run(command)
}

/// The command that is meant, if the number of its arguments can be right.
fn find(args: Args<'_>) -> Result<&'static Command, Refusal> {
    let Some(command) = table().find(args.at(0)) else {
        return Err(unknown(args));
    };
    let command = if command.subcommands.is_empty() || args.len() < 2 {
        command
    } else {
        let asked = args.at(1);
        let found = command.subcommands.iter().find(|it| it.is_called(asked));
        found.ok_or_else(|| {
            let name = quoted(asked);
            let whole = command.name.to_ascii_uppercase();
            let words = [b"ERR unknown subcommand '", name, b"'. Try "];
            Refusal::Bytes([words.concat().as_slice(), whole.as_bytes(), b" HELP."].concat())
        })?
    };
    if !command.takes(args.len()) {
        let name = command.full_name();
        return Err(format!("wrong number of arguments for '{name}' command").into());
    }
    Ok(command)
}

fn unknown(args: Args<'_>) -> Refusal {
    let mut words = b"ERR unknown command '".to_vec();
    words.extend_from_slice(quoted(args.at(0)));
    words.extend_from_slice(b"', with args beginning with: ");
    let mut shown = 0;
    for argument in args.from(1) {
        if shown >= QUOTED_BYTES_MAX {
            break;
        }
        let part = &argument[..argument.len().min(QUOTED_BYTES_MAX - shown)];
        let part = quoted(part);
        words.push(b'\'');
        words.extend_from_slice(part);
        words.extend_from_slice(b"' ");
        shown += part.len() + 3;
    }
    Refusal::Bytes(words)
}

/// As much of a client's word as an error may repeat.
fn quoted(word: &[u8]) -> &[u8] {
    let end = word.iter().position(|byte| *byte == 0);
    let end = end.unwrap_or(word.len());
    &word[..end.min(QUOTED_BYTES_MAX)]
}

/// Whether a web browser sends this.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// Answers a subcommand `HELP`.
fn help(call: &mut Call<'_, '_>, lines: &[&'static str]) {
    const HELP: [&str; 2] = ["HELP", "    Prints this help."];
    call.reply.array(lines.len() + HELP.len());
    lines
        .iter()
        .chain(&HELP)
        .for_each(|line| call.reply.simple(line));
}
