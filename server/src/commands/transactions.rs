//! `MULTI`, `EXEC`, `DISCARD`, `WATCH`, `UNWATCH`: commands that are one atomic batch.

use super::table::{Command, Flags};
use super::{Call, Outcome, Refusal, Sending, permission};
use crate::protocol::{Args, KeptArgs, Reply};
use crate::server::Shared;
use crate::session::Session;
use crate::store::{Keyspace, SyncPolicy};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) const COMMANDS: &[Command] = &[
    Command::new("multi", 1, multi)
        .flag(Flags::FAST.and(Flags::STEERS_MULTI))
        .told("transactions", "1.2.0", "Starts a transaction."),
    Command::new("exec", 1, never)
        .flag(Flags::EXEC.and(Flags::STEERS_MULTI))
        .costs("Depends on commands in the transaction")
        .told(
            "transactions",
            "1.2.0",
            "Executes all commands in a transaction as one atomic batch.",
        ),
    Command::new("discard", 1, discard)
        .flag(Flags::FAST.and(Flags::STEERS_MULTI))
        .costs("O(N), when N is the number of queued commands")
        .told("transactions", "2.0.0", "Discards a transaction."),
    Command::new("watch", -2, watch)
        .flag(Flags::FAST.and(Flags::STEERS_MULTI))
        .keys(1, -1, 1)
        .costs("O(1) for every key")
        .told(
            "transactions",
            "2.2.0",
            "Monitors changes to keys to determine the execution of a transaction.",
        ),
    Command::new("unwatch", 1, unwatch).flag(Flags::FAST).told(
        "transactions",
        "2.2.0",
        "Forgets about watched keys of a transaction.",
    ),
];

/// The commands since `MULTI`.
#[derive(Default)]
pub(crate) struct Queue {
    commands: Vec<(&'static Command, KeptArgs)>,
    bytes: usize,
    /// What of the memory for all clients' input is this one's: commands that wait for `EXEC` are input.
    shared: Option<Share>,
    /// One of them was refused.
    spoilt: bool,
}

impl Queue {
    pub(crate) fn push(
        &mut self,
        command: &'static Command,
        args: Args<'_>,
        server: &Shared,
    ) -> Result<(), Refusal> {
        let limits = &server.limits;
        let bytes = args.cost_bytes() + size_of::<(&Command, KeptArgs)>();
        self.bytes += bytes;
        if self.bytes > limits.queue_bytes_max {
            self.spoil();
            return Err("the queued commands need more memory than a client may use".into());
        }
        if self.spoilt {
            return Ok(());
        }
        let share = self.shared.get_or_insert_with(|| Share {
            all: Arc::clone(&server.input_bytes),
            bytes: 0,
        });
        let total = share.add(bytes);
        if self.bytes > FLOOR_BYTES && total > limits.input_bytes_max {
            self.spoil();
            return Err("all clients together hold more than they may; try again later".into());
        }
        self.commands.push((command, args.keep()));
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(crate) fn spoil(&mut self) {
        self.spoilt = true;
        self.commands = Vec::new();
        self.shared = None;
    }
}

/// What a client may queue also while all clients together hold more than they may.
const FLOOR_BYTES: usize = 64 << 10;

/// A part of what all clients hold, for as long as it lives.
struct Share {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Share {
    /// Returns what all hold now.
    fn add(&mut self, bytes: usize) -> usize {
        self.bytes += bytes;
        self.all.fetch_add(bytes, Ordering::Relaxed) + bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn multi(call: &mut Call<'_, '_>) -> Outcome {
    if call.session.queue.is_some() {
        return Err("MULTI calls can not be nested".into());
    }
    call.session.queue = Some(Queue::default());
    call.reply.ok();
    Ok(())
}

/// `EXEC` is run by [`exec`], which has the writer to itself.
fn never(_: &mut Call<'_, '_>) -> Outcome {
    Err("EXEC without MULTI".into())
}

fn discard(call: &mut Call<'_, '_>) -> Outcome {
    if call.session.queue.take().is_none() {
        return Err("DISCARD without MULTI".into());
    }
    call.server.store.unwatch(&mut call.session.watch);
    call.reply.ok();
    Ok(())
}

fn watch(call: &mut Call<'_, '_>) -> Outcome {
    if call.session.queue.is_some() {
        return Err("WATCH inside MULTI is not allowed".into());
    }
    let limits = &call.server.limits;
    let store = &call.server.store;
    for key in call.args.from(1) {
        store.watch(key, &mut call.session.watch)?;
        if call.session.watch.cost_bytes() > limits.queue_bytes_max
            || store.watches_cost_bytes() > limits.input_bytes_max
        {
            store.unwatch(&mut call.session.watch);
            return Err("the watched keys need more memory than a client may use".into());
        }
    }
    call.reply.ok();
    Ok(())
}

fn unwatch(call: &mut Call<'_, '_>) -> Outcome {
    call.server.store.unwatch(&mut call.session.watch);
    call.reply.ok();
    Ok(())
}

/// Runs what was queued: all of it is taken, or nothing.
///
/// A command that is refused for its own reasons (a value that is no number) leaves its error among the
/// replies, and the others are taken, as in Redis. Where the store refuses, nothing is taken.
pub(super) fn exec(
    server: &Shared,
    session: &mut Session,
    reply: &mut Reply,
) -> Result<Sending, Refusal> {
    let Some(queue) = session.queue.take() else {
        return Err("EXEC without MULTI".into());
    };
    let mut watch = std::mem::take(&mut session.watch);
    let writes = queue.commands.iter();
    let writes = writes.clone().any(|(it, _)| it.flags.has(Flags::WRITE));
    let slow = queue
        .commands
        .iter()
        .any(|(it, _)| it.flags.has(Flags::SLOW));
    if slow {
        session.turn = None;
    }
    let start = reply.bytes.len();
    let mut work = || {
        server.store.write(|keys| {
            if queue.spoilt {
                return (Err(SPOILT), false);
            }
            if !server.store.is_untouched(&watch) {
                reply.null_array();
                return (Ok(()), false);
            }
            session.transacting = true;
            let outcome = run_all(&queue, server, session, keys, reply);
            session.transacting = false;
            let wanted = outcome.is_ok();
            (outcome, wanted)
        })
    };
    let (outcome, committed) = match slow {
        true => tokio::task::block_in_place(&mut work),
        false => work(),
    };
    server.store.unwatch(&mut watch);
    outcome?;
    if let Err(error) = committed {
        reply.bytes.truncate(start);
        return Err(error.into());
    }
    Ok(match server.syncing.policy() {
        SyncPolicy::Always if writes => Sending::OnceDurable,
        _ => Sending::AtOnce,
    })
}

const SPOILT: Refusal =
    Refusal::Words("EXECABORT Transaction discarded because of previous errors.");

fn run_all(
    queue: &Queue,
    server: &Shared,
    session: &mut Session,
    keys: &mut Keyspace<'_>,
    reply: &mut Reply,
) -> Outcome {
    reply.array(queue.commands.len());
    for (command, args) in &queue.commands {
        let start = reply.bytes.len();
        let mut call = Call {
            server,
            session,
            keys,
            args: args.args(),
            reply,
        };
        // It may have become another user meanwhile.
        let allowed = permission::check(&call.session.user, command, call.args);
        let outcome = allowed.and_then(|()| call.run(command));
        call.refuse_excess()?;
        keys.name_deeds(command.name, args.args(), outcome.is_ok());
        match outcome {
            Ok(()) => {}
            Err(Refusal::Store(error)) => return Err(Refusal::Store(error)),
            Err(refusal) => {
                reply.bytes.truncate(start);
                refusal.write(reply);
            }
        }
    }
    Ok(())
}
