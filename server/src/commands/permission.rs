//! Whether a user may do what it asks for.

use super::refusal::{Outcome, Refusal};
use super::table::{Command, Flags, Keys};
use crate::acl::User;
use crate::protocol::Args;

/// Refuses a command that this user may not run, or not with these keys.
pub(super) fn check(user: &User, command: &Command, args: Args<'_>) -> Outcome {
    if !user.may_run(command) && !command.flags.has(Flags::NO_AUTH) {
        return Err(refuse_command(&command.full_name()));
    }
    if !user.may_use_all_channels() {
        check_channels(user, command, args)?;
    }
    if user.may_use_all_keys() {
        return Ok(());
    }
    let mut places = command.keys.places(args.len());
    match places.all(|at| user.may_use_key(args.at(at))) {
        true => Ok(()),
        false => Err(NO_KEY),
    }
}

/// The same for a door without command lines: whether this user may do what that command does, with these keys.
#[cfg(feature = "grpc")]
pub(crate) fn check_deed<'a>(
    user: &User,
    name: &str,
    mut keys: impl Iterator<Item = &'a [u8]>,
) -> Outcome {
    let command = super::table().find(name.as_bytes());
    if !command.is_some_and(|command| user.may_run(command)) {
        return Err(refuse_command(name));
    }
    match keys.all(|key| user.may_use_key(key)) {
        true => Ok(()),
        false => Err(NO_KEY),
    }
}

fn refuse_command(name: &str) -> Refusal {
    let words = format!("NOPERM this user has no permissions to run the '{name}' command");
    Refusal::Bytes(words.into_bytes())
}

const NO_KEY: Refusal = Refusal::Words(
    "NOPERM this user has no permissions to access one of the keys used as arguments",
);

fn check_channels(user: &User, command: &Command, args: Args<'_>) -> Outcome {
    let (count, is_pattern) = match command.name {
        "publish" | "spublish" => (1, false),
        "subscribe" | "ssubscribe" => (args.len(), false),
        "psubscribe" => (args.len(), true),
        _ => return Ok(()),
    };
    let mut channels = args.from(1).take(count);
    match channels.all(|it| user.may_use_channel(it, is_pattern)) {
        true => Ok(()),
        false => Err(Refusal::Words(
            "NOPERM this user has no permissions to access one of the channels used as arguments",
        )),
    }
}

impl Keys {
    /// Which of so many arguments are keys.
    pub(super) fn places(self, count: usize) -> impl ExactSizeIterator<Item = usize> {
        let place = |at: i8| match usize::try_from(at) {
            Ok(at) => at,
            Err(_) => count - usize::from(at.unsigned_abs()),
        };
        let end = match self.first {
            0 => 0,
            _ => place(self.last) + 1,
        };
        let step = usize::from(self.step.unsigned_abs()).max(1);
        (place(self.first)..end).step_by(step)
    }
}
