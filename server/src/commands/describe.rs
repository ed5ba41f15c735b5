//! `COMMAND`: the table, for clients that ask.

use super::client::no_subcommand;
use super::options::is;
use super::refusal::{Outcome, SYNTAX};
use super::table::{Command, Flags, table};
use super::{Call, find, help};
use crate::glob;
use crate::protocol::Reply;

pub(super) const COMMANDS: &[Command] = &[Command::new("command", -1, command)
    .with(SUBCOMMANDS)
    .costs("O(N) where N is the total number of commands")
    .told(
        "server",
        "2.8.13",
        "Returns detailed information about all commands.",
    )];

const SUBCOMMANDS: &[Command] = &[
    Command::new("count", 2, count).of("command").told(
        "server",
        "2.8.13",
        "Returns a count of commands.",
    ),
    Command::new("info", -2, info)
        .of("command")
        .costs("O(N) where N is the number of commands to look up")
        .told(
            "server",
            "2.8.13",
            "Returns information about one, multiple or all commands.",
        ),
    Command::new("docs", -2, docs)
        .of("command")
        .costs("O(N) where N is the number of commands to look up")
        .told(
            "server",
            "7.0.0",
            "Returns documentary information about one, multiple or all commands.",
        ),
    Command::new("list", -2, list)
        .of("command")
        .costs("O(N) where N is the total number of commands")
        .told("server", "7.0.0", "Returns a list of command names."),
    Command::new("getkeys", -4, get_keys)
        .of("command")
        .costs("O(N) where N is the number of arguments to the command")
        .told(
            "server",
            "2.8.13",
            "Extracts the key names from an arbitrary command.",
        ),
    Command::new("help", 2, show_help).of("command").told(
        "server",
        "5.0.0",
        "Returns helpful text about the different subcommands.",
    ),
];

const HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all commands.",
    "COUNT",
    "    Return the total number of commands in this server.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full command.",
    "INFO [<command-name> ...]",
    "    Return details about multiple commands.",
    "    If no command names are given, details about all commands are returned.",
    "LIST [FILTERBY (ACLCAT <category>|PATTERN <pattern>)]",
    "    Return a list of the commands' names.",
];

fn show_help(call: &mut Call<'_, '_>) -> Outcome {
    help(call, HELP);
    Ok(())
}

fn command(call: &mut Call<'_, '_>) -> Outcome {
    if call.args.len() > 1 {
        return no_subcommand(call);
    }
    everything(call.reply);
    Ok(())
}

fn everything(reply: &mut Reply) {
    reply.array(table().commands().len());
    for command in table().commands() {
        describe(command, reply);
    }
}

fn count(call: &mut Call<'_, '_>) -> Outcome {
    call.reply.count(table().commands().len());
    Ok(())
}

/// A command by its name, or a subcommand as `client|id`.
fn named(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|byte| *byte == b'|') {
        None => table().find(name),
        Some(bar) => {
            let parent = table().find(&name[..bar])?;
            let mut subcommands = parent.subcommands.iter();
            subcommands.find(|it| it.is_called(&name[bar + 1..]))
        }
    }
}

fn info(call: &mut Call<'_, '_>) -> Outcome {
    if call.args.len() == 2 {
        everything(call.reply);
        return Ok(());
    }
    call.reply.array(call.args.len() - 2);
    for name in call.args.from(2) {
        match named(name) {
            Some(command) => describe(command, call.reply),
            None => call.reply.null_array(),
        }
    }
    Ok(())
}

/// Name, arity, flags, keys, categories, tips, key specifications, subcommands.
fn describe(command: &Command, reply: &mut Reply) {
    let keys = command.keys;
    reply.array(10);
    reply.bulk(command.full_name().as_bytes());
    reply.integer(command.arity.into());
    let flags = flags(command);
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.simple(flag));
    for number in [keys.first, keys.last, keys.step] {
        reply.integer(number.into());
    }
    let categories = categories(command);
    reply.set(categories.len());
    categories
        .iter()
        .for_each(|category| reply.simple(category));
    reply.array(0);
    if keys.first == 0 {
        reply.array(0);
    } else {
        reply.array(1);
        key_specification(command, reply);
    }
    reply.array(command.subcommands.len());
    for subcommand in command.subcommands {
        describe(subcommand, reply);
    }
}

fn flags(command: &Command) -> Vec<&'static str> {
    let names = [
        (Flags::WRITE, "write"),
        (Flags::READ, "readonly"),
        (Flags::ADMIN, "admin"),
        (Flags::FAST, "fast"),
        (Flags::NO_AUTH, "no_auth"),
        (Flags::NO_MULTI, "no_multi"),
        (Flags::CONFIRMS, "pubsub"),
        (Flags::BLOCKS, "blocking"),
    ];
    let has = names
        .into_iter()
        .filter(|(flag, _)| command.flags.has(*flag));
    has.map(|(_, name)| name).collect()
}

impl Command {
    /// Its categories, as access rules name them.
    pub(crate) fn categories(&self) -> Vec<&'static str> {
        categories(self)
    }
}

fn categories(command: &Command) -> Vec<&'static str> {
    let mut categories = Vec::new();
    let mut add = |yes: bool, name| {
        if yes {
            categories.push(name);
        }
    };
    let flags = command.flags;
    add(flags.has(Flags::WRITE), "@write");
    add(flags.has(Flags::READ), "@read");
    add(command.group == "generic", "@keyspace");
    add(command.group == "string", "@string");
    add(command.group == "bitmap", "@bitmap");
    add(command.group == "connection", "@connection");
    add(command.group == "transactions", "@transaction");
    add(command.group == "pubsub", "@pubsub");
    add(flags.has(Flags::BLOCKS), "@blocking");
    add(flags.has(Flags::ADMIN), "@admin");
    add(flags.has(Flags::ADMIN.and(Flags::DANGEROUS)), "@dangerous");
    add(flags.has(Flags::FAST), "@fast");
    add(!flags.has(Flags::FAST), "@slow");
    categories
}

fn key_specification(command: &Command, reply: &mut Reply) {
    let keys = command.keys;
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(1);
    reply.simple(if command.flags.has(Flags::WRITE) {
        "RW"
    } else {
        "RO"
    });
    reply.bulk(b"begin_search");
    pairs(reply, "index", &[("index", keys.first)]);
    reply.bulk(b"find_keys");
    // The last key counts from the first one here, unless from the end.
    let last = match keys.last {
        from_end @ ..0 => from_end,
        last => last - keys.first,
    };
    let range = [("lastkey", last), ("keystep", keys.step), ("limit", 0)];
    pairs(reply, "range", &range);
}

fn pairs(reply: &mut Reply, kind: &str, numbers: &[(&str, i8)]) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer((*number).into());
    }
}

fn docs(call: &mut Call<'_, '_>) -> Outcome {
    let commands: Vec<_> = match call.args.len() {
        2 => table().commands().collect(),
        _ => call.args.from(2).filter_map(named).collect(),
    };
    call.reply.map(commands.len());
    for command in commands {
        document(command, call.reply);
    }
    Ok(())
}

fn document(command: &Command, reply: &mut Reply) {
    reply.bulk(command.full_name().as_bytes());
    reply.map(4 + usize::from(!command.subcommands.is_empty()));
    for (field, text) in [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group),
        ("complexity", command.complexity),
    ] {
        reply.bulk(field.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if !command.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        for subcommand in command.subcommands {
            document(subcommand, reply);
        }
    }
}

fn list(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let chosen: Box<dyn Fn(&Command) -> bool> = match args.len() {
        2 => Box::new(|_| true),
        5 if is(args.at(2), "FILTERBY") && is(args.at(3), "PATTERN") => {
            let pattern = args.at(4);
            Box::new(|it| glob::matches(pattern, it.full_name().as_bytes()))
        }
        5 if is(args.at(2), "FILTERBY") && is(args.at(3), "ACLCAT") => {
            let asked = args.at(4);
            Box::new(|it| {
                categories(it)
                    .iter()
                    .any(|category| is(asked, &category[1..]))
            })
        }
        _ => return Err(SYNTAX),
    };
    let subcommands = table().commands().flat_map(|it| it.subcommands);
    let all = table().commands().chain(subcommands);
    let names: Vec<_> = all
        .filter(|it| chosen(it))
        .map(Command::full_name)
        .collect();
    call.reply.array(names.len());
    for name in names {
        call.reply.bulk(name.as_bytes());
    }
    Ok(())
}

fn get_keys(call: &mut Call<'_, '_>) -> Outcome {
    let asked = call.args.skip(2);
    let Ok(command) = find(asked) else {
        return Err(match table().find(asked.at(0)) {
            Some(_) => "Invalid number of arguments specified for command".into(),
            None => "Invalid command specified".into(),
        });
    };
    let keys = command.keys;
    if keys.first == 0 {
        return Err("The command has no key arguments".into());
    }
    let places = keys.places(asked.len());
    call.reply.array(places.len());
    for at in places {
        call.reply.bulk(asked.at(at));
    }
    Ok(())
}
