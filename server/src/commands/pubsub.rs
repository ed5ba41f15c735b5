//! `SUBSCRIBE`, `PUBLISH` and what belongs to them. Confirmations and messages are arrays in RESP2, and pushes in
//! RESP3.

use super::client::no_subcommand;
use super::refusal::{Outcome, Refusal};
use super::table::{Command, Flags};
use super::{Call, help, quoted};
use crate::protocol::Reply;
use crate::pubsub::Kind;
use crate::session::Session;

const STEERS: Flags = Flags::SUBSCRIBED.and(Flags::CONFIRMS);

pub(super) const COMMANDS: &[Command] = &[
    Command::new("subscribe", -2, subscribe)
        .flag(STEERS)
        .costs("O(N) where N is the number of channels to subscribe to.")
        .told("pubsub", "2.0.0", "Listens for messages published to channels."),
    Command::new("psubscribe", -2, psubscribe)
        .flag(STEERS)
        .costs("O(N) where N is the number of patterns to subscribe to.")
        .told(
            "pubsub",
            "2.0.0",
            "Listens for messages published to channels that match one or more patterns.",
        ),
    Command::new("ssubscribe", -2, ssubscribe)
        .flag(STEERS)
        .costs("O(N) where N is the number of shard channels to subscribe to.")
        .told("pubsub", "7.0.0", "Listens for messages published to shard channels."),
    Command::new("unsubscribe", -1, unsubscribe)
        .flag(STEERS)
        .costs("O(N) where N is the number of channels to unsubscribe.")
        .told("pubsub", "2.0.0", "Stops listening to messages posted to channels."),
    Command::new("punsubscribe", -1, punsubscribe)
        .flag(STEERS)
        .costs("O(N) where N is the number of patterns to unsubscribe.")
        .told(
            "pubsub",
            "2.0.0",
            "Stops listening to messages published to channels that match one or more patterns.",
        ),
    Command::new("sunsubscribe", -1, sunsubscribe)
        .flag(STEERS)
        .costs("O(N) where N is the number of shard channels to unsubscribe.")
        .told("pubsub", "7.0.0", "Stops listening to messages posted to shard channels."),
    Command::new("publish", 3, publish)
        .flag(Flags::FAST)
        .costs("O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).")
        .told("pubsub", "2.0.0", "Posts a message to a channel."),
    Command::new("spublish", 3, spublish)
        .flag(Flags::FAST)
        .costs("O(N) where N is the number of clients subscribed to the receiving shard channel.")
        .told("pubsub", "7.0.0", "Posts a message to a shard channel."),
    Command::new("pubsub", -2, no_subcommand).with(SUBCOMMANDS).told(
        "pubsub",
        "2.8.0",
        "A container for Pub/Sub commands.",
    ),
];

const SUBCOMMANDS: &[Command] = &[
    Command::new("channels", -2, channels)
        .of("pubsub")
        .costs("O(N) where N is the number of active channels")
        .told("pubsub", "2.8.0", "Returns the active channels."),
    Command::new("numsub", -2, numsub)
        .of("pubsub")
        .costs("O(N) for the NUMSUB subcommand, where N is the number of requested channels")
        .told("pubsub", "2.8.0", "Returns a count of subscribers to channels."),
    Command::new("numpat", 2, numpat).of("pubsub").told(
        "pubsub",
        "2.8.0",
        "Returns a count of unique pattern subscriptions.",
    ),
    Command::new("shardchannels", -2, shardchannels)
        .of("pubsub")
        .costs("O(N) where N is the number of active shard channels")
        .told("pubsub", "7.0.0", "Returns the active shard channels."),
    Command::new("shardnumsub", -2, shardnumsub)
        .of("pubsub")
        .costs("O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels")
        .told("pubsub", "7.0.0", "Returns the count of subscribers of shard channels."),
    Command::new("help", 2, show_help).of("pubsub").told(
        "pubsub",
        "6.2.0",
        "Returns helpful text about the different subcommands.",
    ),
];

const HELP: &[&str] = &[
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
];

/// In RESP2 a subscriber could not tell a reply from a message, so it may only change what it listens to.
pub(super) fn refuse_while_subscribed(
    session: &Session,
    command: &Command,
    reply: &Reply,
) -> Outcome {
    let is_allowed = reply.resp3 || command.flags.has(Flags::SUBSCRIBED);
    if is_allowed || !session.client.mailbox.is_subscribed() {
        return Ok(());
    }
    let name = command.full_name();
    Err(format!(
        "Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
         allowed in this context"
    )
    .into())
}

fn subscribe(call: &mut Call<'_, '_>) -> Outcome {
    listen(call, Kind::Channel, b"subscribe")
}

fn psubscribe(call: &mut Call<'_, '_>) -> Outcome {
    listen(call, Kind::Pattern, b"psubscribe")
}

fn ssubscribe(call: &mut Call<'_, '_>) -> Outcome {
    listen(call, Kind::Shard, b"ssubscribe")
}

fn listen(call: &mut Call<'_, '_>, kind: Kind, word: &[u8]) -> Outcome {
    const TOO_MUCH: Refusal =
        Refusal::Words("ERR the subscriptions need more memory than a client may use");
    let limits = &call.server.limits;
    // Looked at before, because what was confirmed stays; an argument list is limited itself.
    if call.session.subscriptions.cost_bytes() > limits.queue_bytes_max
        || call.server.hub.cost_bytes() > limits.input_bytes_max
    {
        return Err(TOO_MUCH);
    }
    for name in call.args.from(1) {
        let Session {
            client,
            subscriptions,
            ..
        } = &mut *call.session;
        call.server.hub.subscribe(client, subscriptions, kind, name);
        confirm(call, kind, word, Some(name));
    }
    Ok(())
}

fn unsubscribe(call: &mut Call<'_, '_>) -> Outcome {
    leave(call, Kind::Channel, b"unsubscribe")
}

fn punsubscribe(call: &mut Call<'_, '_>) -> Outcome {
    leave(call, Kind::Pattern, b"punsubscribe")
}

fn sunsubscribe(call: &mut Call<'_, '_>) -> Outcome {
    leave(call, Kind::Shard, b"sunsubscribe")
}

fn leave(call: &mut Call<'_, '_>, kind: Kind, word: &[u8]) -> Outcome {
    let names: Vec<Vec<u8>> = match call.args.len() {
        1 => call
            .session
            .subscriptions
            .of(kind)
            .iter()
            .cloned()
            .collect(),
        _ => call.args.from(1).map(<[u8]>::to_vec).collect(),
    };
    for name in &names {
        let Session {
            client,
            subscriptions,
            ..
        } = &mut *call.session;
        call.server
            .hub
            .unsubscribe(client, subscriptions, kind, name);
        if !call.session.transacting {
            // What came until now was meant for it; nothing of this name comes after.
            let mail = call.server.take_mail(&call.session.client);
            call.reply.bytes.extend_from_slice(&mail);
        }
        confirm(call, kind, word, Some(name));
    }
    if names.is_empty() {
        confirm(call, kind, word, None);
    }
    Ok(())
}

fn confirm(call: &mut Call<'_, '_>, kind: Kind, word: &[u8], name: Option<&[u8]>) {
    call.reply.push(3);
    call.reply.bulk(word);
    call.reply.maybe(name);
    let count = call.session.subscriptions.count_beside(kind);
    call.reply.count(count);
}

fn publish(call: &mut Call<'_, '_>) -> Outcome {
    send(call, Kind::Channel)
}

fn spublish(call: &mut Call<'_, '_>) -> Outcome {
    send(call, Kind::Shard)
}

fn send(call: &mut Call<'_, '_>, kind: Kind) -> Outcome {
    let (channel, message) = (call.args.at(1), call.args.at(2));
    let hub = &call.server.hub;
    let sent = match call.session.transacting {
        // Nobody hears of a transaction that is not taken.
        true => {
            call.keys.publish(kind, channel, message);
            hub.receivers(kind, channel)
        }
        false => hub.publish(kind, channel, message),
    };
    call.reply.count(sent);
    Ok(())
}

fn channels(call: &mut Call<'_, '_>) -> Outcome {
    list(call, Kind::Channel)
}

fn shardchannels(call: &mut Call<'_, '_>) -> Outcome {
    list(call, Kind::Shard)
}

fn list(call: &mut Call<'_, '_>, kind: Kind) -> Outcome {
    if call.args.len() > 3 {
        let words: [&[u8]; 3] = [
            b"ERR unknown subcommand or wrong number of arguments for '",
            quoted(call.args.at(1)),
            b"'. Try PUBSUB HELP.",
        ];
        return Err(Refusal::Bytes(words.concat()));
    }
    let pattern = call.args.from(2).next().unwrap_or(b"*");
    let found = call.server.hub.channels(kind, pattern);
    call.reply.array(found.len());
    for name in found {
        call.refuse_excess()?;
        call.reply.bulk(&name);
    }
    Ok(())
}

fn numsub(call: &mut Call<'_, '_>) -> Outcome {
    count(call, Kind::Channel)
}

fn shardnumsub(call: &mut Call<'_, '_>) -> Outcome {
    count(call, Kind::Shard)
}

fn count(call: &mut Call<'_, '_>, kind: Kind) -> Outcome {
    call.reply.array((call.args.len() - 2) * 2);
    for name in call.args.from(2) {
        call.reply.bulk(name);
        let count = call.server.hub.listeners(kind, name);
        call.reply.count(count);
    }
    Ok(())
}

fn numpat(call: &mut Call<'_, '_>) -> Outcome {
    call.reply.count(call.server.hub.names(Kind::Pattern));
    Ok(())
}

fn show_help(call: &mut Call<'_, '_>) -> Outcome {
    help(call, HELP);
    Ok(())
}
