//! `CLIENT`: who is connected.

use super::options::{int, is, value_of};
use super::refusal::{Outcome, Refusal, SYNTAX};
use super::table::{Command, Flags};
use super::{Call, help, quoted};
use crate::listen::Address;
use crate::session::{Client, Replies, Unblocked};
use std::fmt::Write;
use std::sync::atomic::Ordering;

pub(super) const SUBCOMMANDS: &[Command] = &[
    Command::new("id", 2, id)
        .of("client")
        .flag(Flags::FAST)
        .told(
            "connection",
            "5.0.0",
            "Returns the unique client ID of the connection.",
        ),
    Command::new("getname", 2, get_name)
        .of("client")
        .flag(Flags::FAST)
        .told("connection", "2.6.9", "Returns the name of the connection."),
    Command::new("setname", 3, set_name_command)
        .of("client")
        .flag(Flags::FAST)
        .told("connection", "2.6.9", "Sets the connection name."),
    Command::new("setinfo", 4, set_info)
        .of("client")
        .flag(Flags::FAST)
        .told(
            "connection",
            "7.2.0",
            "Sets information specific to the client or connection.",
        ),
    Command::new("info", 2, info).of("client").told(
        "connection",
        "6.2.0",
        "Returns information about the connection.",
    ),
    Command::new("list", -2, list)
        .of("client")
        .flag(Flags::ADMIN)
        .costs("O(N) where N is the number of client connections")
        .told("connection", "2.4.0", "Lists open connections."),
    Command::new("kill", -3, kill)
        .of("client")
        .flag(Flags::ADMIN)
        .costs("O(N) where N is the number of client connections")
        .told("connection", "2.4.0", "Terminates open connections."),
    Command::new("unblock", -3, unblock)
        .of("client")
        .flag(Flags::ADMIN)
        .told(
            "connection",
            "5.0.0",
            "Unblocks a client that waits in WAIT or WAITAOF.",
        ),
    Command::new("reply", 3, reply)
        .of("client")
        .flag(Flags::FAST)
        .told(
            "connection",
            "3.2.0",
            "Instructs the server whether to reply to commands.",
        ),
    Command::new("help", 2, show_help).of("client").told(
        "connection",
        "5.0.0",
        "Returns helpful text about the different subcommands.",
    ),
];

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "    * ID <client-id>",
    "      Kill connections by client id.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "    * ID <client-id> [<client-id> ...]",
    "      Return clients of these ids.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Tell what library the current connection uses.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
];

fn show_help(call: &mut Call<'_, '_>) -> Outcome {
    help(call, HELP);
    Ok(())
}

/// A container without its subcommand has too few arguments, which is found before.
pub(super) fn no_subcommand(_: &mut Call<'_, '_>) -> Outcome {
    Err(SYNTAX)
}

fn id(call: &mut Call<'_, '_>) -> Outcome {
    call.reply
        .integer(i64::try_from(call.session.client.id).unwrap_or(i64::MAX));
    Ok(())
}

fn get_name(call: &mut Call<'_, '_>) -> Outcome {
    let name = call.session.client.names().name.clone();
    call.reply
        .maybe(Some(name.as_slice()).filter(|name| !name.is_empty()));
    Ok(())
}

fn set_name_command(call: &mut Call<'_, '_>) -> Outcome {
    set_name(call, call.args.at(2))?;
    call.reply.ok();
    Ok(())
}

/// Gives the connection a name that can stand in a list of words.
pub(super) fn set_name(call: &mut Call<'_, '_>, name: &[u8]) -> Outcome {
    if !is_plain(name) {
        return Err("Client names cannot contain spaces, newlines or special characters.".into());
    }
    refuse_long(name)?;
    call.session.client.names().name = name.to_vec();
    Ok(())
}

/// Names are shown wherever clients are, and kept with what was slow: they are not for storing data.
const NAME_BYTES_MAX: usize = 1 << 10;

fn refuse_long(name: &[u8]) -> Outcome {
    match name.len() > NAME_BYTES_MAX {
        true => Err(format!("a client's name has at most {NAME_BYTES_MAX} bytes").into()),
        false => Ok(()),
    }
}

fn is_plain(word: &[u8]) -> bool {
    word.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn set_info(call: &mut Call<'_, '_>) -> Outcome {
    let (option, value) = (call.args.at(2), call.args.at(3));
    let attribute = match option {
        _ if is(option, "LIB-NAME") => "lib-name",
        _ if is(option, "LIB-VER") => "lib-ver",
        _ => {
            let words = [b"ERR Unrecognized option '", quoted(option), b"'"];
            return Err(Refusal::Bytes(words.concat()));
        }
    };
    if !is_plain(value) {
        return Err(
            format!("{attribute} cannot contain spaces, newlines or special characters.").into(),
        );
    }
    refuse_long(value)?;
    let mut names = call.session.client.names();
    match attribute {
        "lib-name" => names.library = value.to_vec(),
        _ => names.library_version = value.to_vec(),
    }
    drop(names);
    call.reply.ok();
    Ok(())
}

fn info(call: &mut Call<'_, '_>) -> Outcome {
    call.session.note_use(std::time::Instant::now());
    let mut line = describe(&call.session.client);
    line.push('\n');
    call.reply.text(&line);
    Ok(())
}

/// A client as a line of `name=value`.
fn describe(client: &Client) -> String {
    let names = client.names().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let input = client.input_bytes.load(Ordering::Relaxed);
    let output = client.account.bytes();
    let [channels, patterns, shards] = client.mailbox.subscriptions();
    let mut line = String::new();
    let done = write!(
        line,
        "id={} addr={} laddr={} name={} age={} idle={} flags={} db=0 sub={} psub={} ssub={} multi={} qbuf={input} \
         qbuf-free=0 argv-mem=0 multi-mem=0 obl=0 oll=0 omem={output} tot-mem={} cmd={} user={} \
         lib-name={} lib-ver={} resp={}",
        client.id,
        client.peer,
        client.local,
        text(&names.name),
        client.connected.elapsed().as_secs(),
        client.idle().as_secs(),
        if client.mailbox.is_subscribed() {
            'P'
        } else {
            'N'
        },
        channels,
        patterns,
        shards,
        client.queued.load(Ordering::Relaxed),
        input + output,
        client.last_command().full_name(),
        names.user,
        text(&names.library),
        text(&names.library_version),
        if client.resp3.load(Ordering::Relaxed) {
            3
        } else {
            2
        },
    );
    debug_assert!(done.is_ok(), "a string takes what is written");
    line
}

fn list(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let mut ids: Option<Vec<u64>> = None;
    let mut of_type = Type::Any;
    if args.len() > 3 && is(args.at(2), "ID") {
        let asked = args.from(3).map(client_id);
        ids = Some(asked.collect::<Result<_, _>>()?);
    } else if args.len() == 4 && is(args.at(2), "TYPE") {
        of_type = Type::parse(args.at(3))?;
    } else if args.len() != 2 {
        return Err(SYNTAX);
    }
    call.session.note_use(std::time::Instant::now());
    let mut clients = call.server.clients.all();
    clients.sort_by_key(|client| client.id);
    let mut text = String::new();
    for client in clients {
        if of_type.is(&client) && ids.as_ref().is_none_or(|ids| ids.contains(&client.id)) {
            text.push_str(&describe(&client));
            text.push('\n');
        }
    }
    call.reply.text(&text);
    Ok(())
}

fn client_id(text: &[u8]) -> Result<u64, Refusal> {
    let id = int(text).ok().and_then(|id| u64::try_from(id).ok());
    id.filter(|id| *id > 0).ok_or("Invalid client ID".into())
}

/// A type of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Any,
    Normal,
    Subscriber,
    /// One that there is not here.
    None,
}

impl Type {
    fn parse(word: &[u8]) -> Result<Self, Refusal> {
        let others = ["master", "replica", "slave"];
        if is(word, "normal") {
            Ok(Self::Normal)
        } else if is(word, "pubsub") {
            Ok(Self::Subscriber)
        } else if others.iter().any(|other| is(word, other)) {
            Ok(Self::None)
        } else {
            let words = [b"ERR Unknown client type '", quoted(word), b"'"];
            Err(Refusal::Bytes(words.concat()))
        }
    }

    fn is(self, client: &Client) -> bool {
        match self {
            Self::Any => true,
            Self::Normal => !client.mailbox.is_subscribed(),
            Self::Subscriber => client.mailbox.is_subscribed(),
            Self::None => false,
        }
    }
}

/// Which clients `CLIENT KILL` is about.
struct Chosen<'a> {
    id: Option<u64>,
    peer: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    of_type: Type,
    skip_me: bool,
}

impl Chosen<'_> {
    fn holds(&self, client: &Client, me: u64) -> bool {
        let is_at = |asked: Option<&[u8]>, address: &Address| {
            asked.is_none_or(|asked| asked == address.to_string().as_bytes())
        };
        self.of_type.is(client)
            && self.id.is_none_or(|id| id == client.id)
            && is_at(self.peer, &client.peer)
            && is_at(self.local, &client.local)
            && self
                .user
                .is_none_or(|user| user == client.names().user.as_bytes())
            && !(self.skip_me && client.id == me)
    }
}

fn kill(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let mut chosen = Chosen {
        id: None,
        peer: None,
        local: None,
        user: None,
        of_type: Type::Any,
        skip_me: true,
    };
    let is_old_form = args.len() == 3;
    if is_old_form {
        chosen.peer = Some(args.at(2));
        chosen.skip_me = false;
    } else {
        for at in (2..args.len()).step_by(2) {
            let (option, value) = (args.at(at), value_of(args, at)?);
            if is(option, "ID") {
                let id = int(value).ok().and_then(|id| u64::try_from(id).ok());
                let id = id.filter(|id| *id > 0);
                chosen.id = Some(id.ok_or("client-id should be greater than 0")?);
            } else if is(option, "ADDR") {
                chosen.peer = Some(value);
            } else if is(option, "LADDR") {
                chosen.local = Some(value);
            } else if is(option, "TYPE") {
                chosen.of_type = Type::parse(value)?;
            } else if is(option, "USER") {
                if call.server.users.get(value).is_none() {
                    let words = [b"ERR No such user '", quoted(value), b"'"];
                    return Err(Refusal::Bytes(words.concat()));
                }
                chosen.user = Some(value);
            } else if is(option, "SKIPME") && is(value, "yes") {
                chosen.skip_me = true;
            } else if is(option, "SKIPME") && is(value, "no") {
                chosen.skip_me = false;
            } else {
                return Err(SYNTAX);
            }
        }
    }
    let me = call.session.client.id;
    let mut killed = 0;
    for client in call.server.clients.all() {
        if chosen.holds(&client, me) && !client.is_killed() {
            killed += 1;
            match client.id == me {
                true => call.session.close(),
                false => client.kill(),
            }
        }
    }
    match (is_old_form, killed) {
        (true, 0) => return Err("No such client".into()),
        (true, _) => call.reply.ok(),
        (false, killed) => call.reply.integer(killed),
    }
    Ok(())
}

fn unblock(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let how = match args.len() {
        3 => Unblocked::Timeout,
        4 if is(args.at(3), "TIMEOUT") => Unblocked::Timeout,
        4 if is(args.at(3), "ERROR") => Unblocked::Error,
        _ => return Err("CLIENT UNBLOCK reason should be TIMEOUT or ERROR".into()),
    };
    let id = int(args.at(2))?;
    let clients = call.server.clients.all();
    let mut chosen = clients
        .iter()
        .filter(|client| i64::try_from(client.id) == Ok(id));
    let was_blocked = chosen.any(|client| client.unblock(how));
    call.reply.integer(was_blocked.into());
    Ok(())
}

fn reply(call: &mut Call<'_, '_>) -> Outcome {
    let wanted = call.args.at(2);
    call.session.replies = if is(wanted, "ON") {
        call.reply.ok();
        Replies::On
    } else if is(wanted, "OFF") {
        Replies::Off
    } else if is(wanted, "SKIP") {
        match call.session.replies {
            Replies::Off => Replies::Off,
            _ => Replies::SkipNext,
        }
    } else {
        return Err(SYNTAX);
    };
    Ok(())
}
