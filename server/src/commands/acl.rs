//! `ACL`: who the users are, and what they may do.

use super::client::no_subcommand;
use super::refusal::{Outcome, Refusal};
use super::table::{Command, Flags, table};
use super::{Call, help, quoted};
use crate::acl::CATEGORIES;

const OPERATOR: Flags = Flags::ADMIN.and(Flags::DANGEROUS);

pub(super) const COMMANDS: &[Command] = &[Command::new("acl", -2, no_subcommand)
    .with(SUBCOMMANDS)
    .costs("Depends on subcommand.")
    .told(
        "server",
        "6.0.0",
        "A container for Access List Control commands.",
    )];

const SUBCOMMANDS: &[Command] = &[
    Command::new("cat", -2, cat)
        .of("acl")
        .costs("O(1) since the categories and commands are a fixed set.")
        .told(
            "server",
            "6.0.0",
            "Lists the ACL categories, or the commands inside a category.",
        ),
    Command::new("getuser", 3, get_user)
        .of("acl")
        .flag(OPERATOR)
        .costs(
            "O(N). Where N is the number of password, command and pattern rules that the user has.",
        )
        .told("server", "6.0.0", "Lists the ACL rules of a user."),
    Command::new("list", 2, list)
        .of("acl")
        .flag(OPERATOR)
        .costs("O(N). Where N is the number of configured users.")
        .told(
            "server",
            "6.0.0",
            "Dumps the effective rules in ACL file format.",
        ),
    Command::new("users", 2, users)
        .of("acl")
        .flag(OPERATOR)
        .costs("O(N). Where N is the number of configured users.")
        .told("server", "6.0.0", "Lists all ACL users."),
    Command::new("whoami", 2, who_am_i).of("acl").told(
        "server",
        "6.0.0",
        "Returns the authenticated username of the current connection.",
    ),
    Command::new("help", 2, show_help).of("acl").told(
        "server",
        "6.0.0",
        "Returns helpful text about the different subcommands.",
    ),
];

const HELP: &[&str] = &[
    "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "GETUSER <username>",
    "    Get the user's details.",
    "LIST",
    "    Show users details in config file format.",
    "USERS",
    "    List all the registered usernames.",
    "WHOAMI",
    "    Return the current connection username.",
];

fn cat(call: &mut Call<'_, '_>) -> Outcome {
    match call.args.len() {
        2 => {
            call.reply.array(CATEGORIES.len());
            for category in CATEGORIES {
                call.reply.bulk(category.as_bytes());
            }
        }
        3 => {
            let asked = call.args.at(2);
            let known = CATEGORIES
                .iter()
                .find(|it| it.as_bytes().eq_ignore_ascii_case(asked));
            let Some(category) = known else {
                let words = [b"ERR Unknown category '", quoted(asked), b"'"];
                return Err(Refusal::Bytes(words.concat()));
            };
            let names = commands_in(category);
            call.reply.array(names.len());
            for name in names {
                call.reply.bulk(name.as_bytes());
            }
        }
        _ => return Err("wrong number of arguments for 'acl|cat' command".into()),
    }
    Ok(())
}

/// Commands without subcommands, and subcommands, as Redis lists them.
fn commands_in(category: &str) -> Vec<String> {
    let commands = table().commands();
    let all = commands.flat_map(|it| match it.subcommands {
        [] => std::slice::from_ref(it),
        subcommands => subcommands,
    });
    let is_in = |it: &&Command| it.categories().iter().any(|name| &name[1..] == category);
    let mut names: Vec<_> = all.filter(is_in).map(Command::full_name).collect();
    names.sort();
    names
}

fn get_user(call: &mut Call<'_, '_>) -> Outcome {
    let reply = &mut *call.reply;
    let Some(user) = call.server.users.get(call.args.at(2)) else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    let hashes = user.hashes();
    reply.array(hashes.len());
    hashes.iter().for_each(|hash| reply.bulk(hash.as_bytes()));
    for (field, shown) in [
        ("commands", user.shown_commands()),
        ("keys", user.shown_keys()),
        ("channels", user.shown_channels()),
    ] {
        reply.bulk(field.as_bytes());
        reply.bulk(shown.as_bytes());
    }
    reply.bulk(b"selectors");
    reply.array(0);
    Ok(())
}

fn list(call: &mut Call<'_, '_>) -> Outcome {
    let users = call.server.users.all();
    call.reply.array(users.len());
    for user in users {
        call.reply.bulk(user.to_string().as_bytes());
    }
    Ok(())
}

fn users(call: &mut Call<'_, '_>) -> Outcome {
    let users = call.server.users.all();
    call.reply.array(users.len());
    for user in users {
        call.reply.bulk(user.name.as_bytes());
    }
    Ok(())
}

fn who_am_i(call: &mut Call<'_, '_>) -> Outcome {
    call.reply.bulk(call.session.user.name.as_bytes());
    Ok(())
}

fn show_help(call: &mut Call<'_, '_>) -> Outcome {
    help(call, HELP);
    Ok(())
}
