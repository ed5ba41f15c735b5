//! Commands about keys whatever their values.

use super::client::no_subcommand;
use super::options::{int, is, value_of};
use super::refusal::{NO_SUCH_KEY, Outcome, SYNTAX};
use super::table::{Command, Flags};
use super::{Call, help};
use crate::protocol::integer;
use crate::store::Entry;

pub(super) const COMMANDS: &[Command] = &[
    Command::write("del", -2, delete)
        .keys(1, -1, 1)
        .costs("O(N) where N is the number of keys that will be removed.")
        .told("generic", "1.0.0", "Deletes one or more keys."),
    Command::write("delete", -2, delete)
        .keys(1, -1, 1)
        .costs("O(N) where N is the number of keys that will be removed.")
        .told("generic", "", "Deletes one or more keys."),
    Command::write("unlink", -2, delete)
        .keys(1, -1, 1)
        .flag(Flags::FAST)
        .costs("O(1) for each key removed.")
        .told(
            "generic",
            "4.0.0",
            "Deletes one or more keys; the same as DEL here.",
        ),
    Command::read("exists", -2, exists)
        .keys(1, -1, 1)
        .flag(Flags::FAST)
        .costs("O(N) where N is the number of keys to check.")
        .told(
            "generic",
            "1.0.0",
            "Determines whether one or more keys exist.",
        ),
    Command::read("touch", -2, exists)
        .keys(1, -1, 1)
        .flag(Flags::FAST)
        .costs("O(N) where N is the number of keys that will be touched.")
        .told(
            "generic",
            "3.2.1",
            "Returns the number of existing keys out of those specified.",
        ),
    Command::read("type", 2, type_of)
        .key()
        .flag(Flags::FAST)
        .told(
            "generic",
            "1.0.0",
            "Determines the type of value stored at a key.",
        ),
    Command::write("rename", 3, rename).keys(1, 2, 1).told(
        "generic",
        "1.0.0",
        "Renames a key and overwrites the destination.",
    ),
    Command::write("renamenx", 3, renamenx)
        .keys(1, 2, 1)
        .flag(Flags::FAST)
        .told(
            "generic",
            "1.0.0",
            "Renames a key only when the target key name doesn't exist.",
        ),
    Command::write("copy", -3, copy).keys(1, 2, 1).told(
        "generic",
        "6.2.0",
        "Copies the value of a key to a new key.",
    ),
    Command::new("object", -2, no_subcommand).with(OBJECT).told(
        "generic",
        "2.2.3",
        "A container for object introspection commands.",
    ),
];

const OBJECT: &[Command] = &[
    Command::read("encoding", 3, encoding)
        .of("object")
        .keys(2, 2, 1)
        .told(
            "generic",
            "2.2.3",
            "Returns the encoding that Redis would choose for this value.",
        ),
    Command::read("refcount", 3, refcount)
        .of("object")
        .keys(2, 2, 1)
        .told(
            "generic",
            "2.2.3",
            "Returns the reference count of a value of a key.",
        ),
    Command::read("freq", 3, freq)
        .of("object")
        .keys(2, 2, 1)
        .told(
            "generic",
            "4.0.0",
            "Returns the logarithmic access frequency counter, which is not kept.",
        ),
    Command::new("help", 2, show_help).of("object").told(
        "generic",
        "6.2.0",
        "Returns helpful text about the different subcommands.",
    ),
];

const OBJECT_HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation that Redis would use for the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>, which is not kept here.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
];

fn delete(call: &mut Call<'_, '_>) -> Outcome {
    let mut deleted = 0;
    for key in call.args.from(1) {
        deleted += i64::from(call.keys.delete(key)?);
    }
    call.reply.integer(deleted);
    Ok(())
}

fn exists(call: &mut Call<'_, '_>) -> Outcome {
    let mut found = 0;
    for key in call.args.from(1) {
        found += i64::from(call.keys.exists(key)?);
    }
    call.reply.integer(found);
    Ok(())
}

fn type_of(call: &mut Call<'_, '_>) -> Outcome {
    let exists = call.keys.exists(call.args.at(1))?;
    call.reply.simple(if exists { "string" } else { "none" });
    Ok(())
}

fn rename(call: &mut Call<'_, '_>) -> Outcome {
    let (from, to) = (call.args.at(1), call.args.at(2));
    let entry = call.keys.entry(from)?.ok_or(NO_SUCH_KEY)?;
    if from != to {
        move_to(call, to, entry)?;
    }
    call.reply.ok();
    Ok(())
}

fn renamenx(call: &mut Call<'_, '_>) -> Outcome {
    let (from, to) = (call.args.at(1), call.args.at(2));
    let entry = call.keys.entry(from)?.ok_or(NO_SUCH_KEY)?;
    let is_free = from != to && !call.keys.exists(to)?;
    if is_free {
        move_to(call, to, entry)?;
    }
    call.reply.integer(is_free.into());
    Ok(())
}

/// Takes the first argument's entry away from it and gives it to another key.
fn move_to(call: &mut Call<'_, '_>, to: &[u8], entry: Entry) -> Outcome {
    call.keys.delete(call.args.at(1))?;
    call.keys.put(to, entry.value, entry.expiry_ms)?;
    Ok(())
}

fn copy(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let mut replace = false;
    let mut at = 3;
    while at < args.len() {
        if is(args.at(at), "REPLACE") {
            replace = true;
        } else if is(args.at(at), "DB") {
            if int(value_of(args, at)?)? != 0 {
                return Err("DB index is out of range".into());
            }
            at += 1;
        } else {
            return Err(SYNTAX);
        }
        at += 1;
    }
    let (from, to) = (args.at(1), args.at(2));
    if from == to {
        return Err("source and destination objects are the same".into());
    }
    let copied = match call.keys.entry(from)? {
        Some(entry) if replace || !call.keys.exists(to)? => {
            call.keys.put(to, entry.value, entry.expiry_ms)?;
            true
        }
        _ => false,
    };
    call.reply.integer(copied.into());
    Ok(())
}

fn encoding(call: &mut Call<'_, '_>) -> Outcome {
    /// Longest value that Redis keeps beside the key's own header.
    const EMBEDDED_BYTES_MAX: usize = 44;
    let name = call.keys.get(call.args.at(2))?.map(|value| match value {
        value if integer(&value).is_some() => "int",
        value if value.len() <= EMBEDDED_BYTES_MAX => "embstr",
        _ => "raw",
    });
    call.reply.maybe(name.map(str::as_bytes));
    Ok(())
}

fn refcount(call: &mut Call<'_, '_>) -> Outcome {
    match call.keys.exists(call.args.at(2))? {
        true => call.reply.integer(1),
        false => call.reply.null(),
    }
    Ok(())
}

fn freq(call: &mut Call<'_, '_>) -> Outcome {
    if !call.keys.exists(call.args.at(2))? {
        call.reply.null();
        return Ok(());
    }
    Err(
        "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
         when switching between policies at runtime LRU and LFU data will take some time to adjust."
            .into(),
    )
}

fn show_help(call: &mut Call<'_, '_>) -> Outcome {
    help(call, OBJECT_HELP);
    Ok(())
}
