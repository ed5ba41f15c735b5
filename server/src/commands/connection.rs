//! Commands about the connection itself.

use super::client;
use super::options::{int, is};
use super::refusal::{Outcome, Refusal};
use super::table::{Command, Flags};
use super::{Call, quoted};
use crate::protocol::{Args, integer};
use crate::server::REDIS_VERSION;
use crate::session::Replies;
use std::sync::atomic::Ordering;

/// For commands that a client needs before it has authenticated.
const DOOR: Flags = Flags::FAST.and(Flags::NO_AUTH);

pub(super) const COMMANDS: &[Command] = &[
    Command::new("ping", -1, ping)
        .flag(Flags::FAST.and(Flags::SUBSCRIBED))
        .told(
            "connection",
            "1.0.0",
            "Returns the server's liveliness response.",
        ),
    Command::new("echo", 2, echo).flag(Flags::FAST).told(
        "connection",
        "1.0.0",
        "Returns the given string.",
    ),
    Command::new("auth", -2, auth)
        .flag(DOOR)
        .costs("O(N) where N is the number of passwords defined for the user")
        .told("connection", "1.0.0", "Authenticates the connection."),
    Command::new("hello", -1, hello).flag(DOOR).told(
        "connection",
        "6.0.0",
        "Handshakes with the server.",
    ),
    Command::new("quit", -1, quit)
        .flag(DOOR.and(Flags::STEERS_MULTI).and(Flags::SUBSCRIBED))
        .told("connection", "1.0.0", "Closes the connection."),
    Command::new("reset", 1, reset)
        .flag(DOOR.and(Flags::STEERS_MULTI).and(Flags::SUBSCRIBED))
        .told("connection", "6.2.0", "Resets the connection."),
    Command::new("select", 2, select).flag(Flags::FAST).told(
        "connection",
        "1.0.0",
        "Changes the selected database; there is only 0.",
    ),
    Command::new("client", -2, client::no_subcommand)
        .with(client::SUBCOMMANDS)
        .told(
            "connection",
            "2.4.0",
            "A container for client connection commands.",
        ),
];

fn ping(call: &mut Call<'_, '_>) -> Outcome {
    match call.args.len() {
        1 | 2 if call.session.client.mailbox.is_subscribed() && !call.reply.resp3 => {
            call.reply.array(2);
            call.reply.bulk(b"pong");
            let word = call.args.from(1).next();
            call.reply.bulk(word.unwrap_or_default());
        }
        1 => call.reply.simple("PONG"),
        2 => call.reply.bulk(call.args.at(1)),
        _ => return Err("wrong number of arguments for 'ping' command".into()),
    }
    Ok(())
}

fn echo(call: &mut Call<'_, '_>) -> Outcome {
    call.reply.bulk(call.args.at(1));
    Ok(())
}

fn auth(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    match args.len() {
        2 if call.server.users.default_user().is_open => return Err(NO_PASSWORD_SET),
        2 => authenticate(call, b"default", args.at(1))?,
        3 => authenticate(call, args.at(1), args.at(2))?,
        _ => return Err(super::refusal::SYNTAX),
    }
    call.reply.ok();
    Ok(())
}

const NO_PASSWORD_SET: Refusal = Refusal::Words(
    "ERR AUTH <password> called without any password configured for the default user. \
     Are you sure your configuration is correct?",
);
fn authenticate(call: &mut Call<'_, '_>, user: &[u8], password: &[u8]) -> Outcome {
    let peer = &call.session.client.peer;
    let known = call.server.authenticate(user, password, peer.ip());
    let known = match known {
        Ok(known) => known,
        Err(refused) => {
            let (complaints, user) = (&call.server.complaints, quoted(user).escape_ascii());
            complaints.say(|| tracing::warn!(%peer, %user, "wrong user or password"));
            let words = format!("WRONGPASS {}", refused.words());
            return Err(Refusal::Bytes(words.into_bytes()));
        }
    };
    call.session.become_user(known);
    Ok(())
}

fn hello(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let mut version = None;
    if args.len() > 1 {
        let asked = integer(args.at(1));
        let asked = asked.ok_or("Protocol version is not an integer or out of range")?;
        if !(2..=3).contains(&asked) {
            return Err(Refusal::Words("NOPROTO unsupported protocol version"));
        }
        version = Some(asked);
    }
    let options = HelloOptions::parse(args)?;
    if let Some((user, password)) = options.auth {
        authenticate(call, user, password)?;
    }
    if !call.session.authenticated {
        return Err(Refusal::Words(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = options.name {
        client::set_name(call, name)?;
    }
    if let Some(version) = version {
        speak(call, version == 3);
    }
    let proto = if call.reply.resp3 { 3 } else { 2 };
    let reply = &mut *call.reply;
    reply.map(7);
    for (field, value) in [("server", "portcask"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(proto);
    reply.bulk(b"id");
    reply.integer(i64::try_from(call.session.client.id).unwrap_or(i64::MAX));
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}

#[derive(Default)]
struct HelloOptions<'a> {
    auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> HelloOptions<'a> {
    fn parse(args: Args<'a>) -> Result<Self, Refusal> {
        let mut options = Self::default();
        let mut at = 2;
        while at < args.len() {
            let left = args.len() - 1 - at;
            if is(args.at(at), "AUTH") && left >= 2 {
                options.auth = Some((args.at(at + 1), args.at(at + 2)));
                at += 3;
            } else if is(args.at(at), "SETNAME") && left >= 1 {
                options.name = Some(args.at(at + 1));
                at += 2;
            } else {
                let words = [
                    b"ERR Syntax error in HELLO option '",
                    quoted(args.at(at)),
                    b"'",
                ];
                return Err(Refusal::Bytes(words.concat()));
            }
        }
        Ok(options)
    }
}

fn quit(call: &mut Call<'_, '_>) -> Outcome {
    call.session.close();
    call.reply.ok();
    Ok(())
}

fn reset(call: &mut Call<'_, '_>) -> Outcome {
    let session = &mut *call.session;
    session.queue = None;
    call.server.store.unwatch(&mut session.watch);
    let (client, subscriptions) = (&session.client, &mut session.subscriptions);
    call.server.hub.unsubscribe_all(client, subscriptions);
    let user = call.server.users.default_user();
    let is_open = user.is_on && user.is_open;
    session.become_user(user);
    session.authenticated = is_open;
    session.replies = Replies::On;
    session.client.names().name.clear();
    speak(call, false);
    call.reply.simple("RESET");
    Ok(())
}

fn select(call: &mut Call<'_, '_>) -> Outcome {
    let index = int(call.args.at(1))?;
    match i32::try_from(index) {
        Ok(0) => call.reply.ok(),
        Ok(_) => return Err("DB index is out of range".into()),
        Err(_) => {
            let (min, max) = (i32::MIN, i32::MAX);
            let words = format!("value is out of range, value must between {min} and {max}");
            return Err(words.into());
        }
    }
    Ok(())
}

/// Changes the protocol, from this reply on.
fn speak(call: &mut Call<'_, '_>, resp3: bool) {
    call.reply.resp3 = resp3;
    call.session.client.resp3.store(resp3, Ordering::Relaxed);
}
