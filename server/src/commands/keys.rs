//! Commands about keys whatever their values.

use super::Call;
use super::refusal::Outcome;
use super::table::{Command, Flags};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("del", -2, delete)
        .keys(1, -1, 1)
        .costs("O(N) where N is the number of keys that will be removed.")
        .told("generic", "1.0.0", "Deletes one or more keys."),
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
