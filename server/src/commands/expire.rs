//! The end of a key's life.

use super::options::{From, Unit, absolute, int, invalid_expire, is};
use super::refusal::{Outcome, Refusal};
use super::table::{Command, Flags};
use super::{Call, quoted};
use crate::protocol::Args;

pub(super) const COMMANDS: &[Command] = &[
    Command::write("expire", -3, expire)
        .key()
        .flag(Flags::FAST)
        .told(
            "generic",
            "1.0.0",
            "Sets the expiration time of a key in seconds.",
        ),
    Command::write("pexpire", -3, pexpire)
        .key()
        .flag(Flags::FAST)
        .told(
            "generic",
            "2.6.0",
            "Sets the expiration time of a key in milliseconds.",
        ),
    Command::write("expireat", -3, expireat)
        .key()
        .flag(Flags::FAST)
        .told(
            "generic",
            "1.2.0",
            "Sets the expiration time of a key to a Unix timestamp.",
        ),
    Command::write("pexpireat", -3, pexpireat)
        .key()
        .flag(Flags::FAST)
        .told(
            "generic",
            "2.6.0",
            "Sets the expiration time of a key to a Unix milliseconds timestamp.",
        ),
    Command::read("ttl", 2, ttl).key().flag(Flags::FAST).told(
        "generic",
        "1.0.0",
        "Returns the expiration time in seconds of a key.",
    ),
    Command::read("pttl", 2, pttl).key().flag(Flags::FAST).told(
        "generic",
        "2.6.0",
        "Returns the expiration time in milliseconds of a key.",
    ),
    Command::read("expiretime", 2, expiretime)
        .key()
        .flag(Flags::FAST)
        .told(
            "generic",
            "7.0.0",
            "Returns the expiration time of a key as a Unix timestamp.",
        ),
    Command::read("pexpiretime", 2, pexpiretime)
        .key()
        .flag(Flags::FAST)
        .told(
            "generic",
            "7.0.0",
            "Returns the expiration time of a key as a Unix milliseconds timestamp.",
        ),
    Command::write("persist", 2, persist)
        .key()
        .flag(Flags::FAST)
        .told("generic", "2.2.0", "Removes the expiration time of a key."),
];

/// Under which conditions an expiry is set.
#[derive(Clone, Copy, Default)]
struct Conditions {
    none_yet: bool,
    some_yet: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Self, Refusal> {
        let mut it = Self::default();
        for word in args.from(3) {
            let switch = match word {
                _ if is(word, "NX") => &mut it.none_yet,
                _ if is(word, "XX") => &mut it.some_yet,
                _ if is(word, "GT") => &mut it.later,
                _ if is(word, "LT") => &mut it.earlier,
                _ => {
                    return Err(Refusal::Bytes(
                        [b"ERR Unsupported option ", quoted(word)].concat(),
                    ));
                }
            };
            *switch = true;
        }
        if it.none_yet && (it.some_yet || it.later || it.earlier) {
            return Err("NX and XX, GT or LT options at the same time are not compatible".into());
        }
        if it.later && it.earlier {
            return Err("GT and LT options at the same time are not compatible".into());
        }
        Ok(it)
    }

    /// Whether a key that ends at `now`, if it does, may end at `then`.
    fn allow(self, now: Option<u64>, then: i64) -> bool {
        let now = now.map(|now| i64::try_from(now).unwrap_or(i64::MAX));
        !(self.none_yet && now.is_some()
            || self.some_yet && now.is_none()
            || self.later && now.is_none_or(|now| then <= now)
            || self.earlier && now.is_some_and(|now| then >= now))
    }
}

fn expire(call: &mut Call<'_, '_>) -> Outcome {
    end_at(call, (Unit::Seconds, From::Now), "expire")
}

fn pexpire(call: &mut Call<'_, '_>) -> Outcome {
    end_at(call, (Unit::Ms, From::Now), "pexpire")
}

fn expireat(call: &mut Call<'_, '_>) -> Outcome {
    end_at(call, (Unit::Seconds, From::Epoch), "expireat")
}

fn pexpireat(call: &mut Call<'_, '_>) -> Outcome {
    end_at(call, (Unit::Ms, From::Epoch), "pexpireat")
}

fn end_at(call: &mut Call<'_, '_>, how: (Unit, From), command: &str) -> Outcome {
    let key = call.args.at(1);
    let conditions = Conditions::parse(call.args)?;
    let now = call.keys.now_ms()?;
    let at = absolute(int(call.args.at(2))?, how, now);
    let at = at.ok_or_else(|| invalid_expire(command))?;
    let taken = match call.keys.entry(key)? {
        Some(entry) if conditions.allow(entry.expiry_ms, at) => {
            // A time that is over ends the key now, one before 1970 too.
            let at = u64::try_from(at).unwrap_or(0);
            call.keys.put(key, entry.value, Some(at))?;
            true
        }
        _ => false,
    };
    call.reply.integer(taken.into());
    Ok(())
}

fn ttl(call: &mut Call<'_, '_>) -> Outcome {
    tell(call, |at, now| (at.saturating_sub(now) + 500) / 1000)
}

fn pttl(call: &mut Call<'_, '_>) -> Outcome {
    tell(call, u64::saturating_sub)
}

fn expiretime(call: &mut Call<'_, '_>) -> Outcome {
    tell(call, |at, _| at.saturating_add(500) / 1000)
}

fn pexpiretime(call: &mut Call<'_, '_>) -> Outcome {
    tell(call, |at, _| at)
}

/// Tells when a key ends, in the terms of `show(end, now)`.
fn tell(call: &mut Call<'_, '_>, show: fn(u64, u64) -> u64) -> Outcome {
    let told = match call.keys.entry(call.args.at(1))? {
        None => -2,
        Some(entry) => match entry.expiry_ms {
            None => -1,
            Some(at) => i64::try_from(show(at, call.keys.now_ms()?)).unwrap_or(i64::MAX),
        },
    };
    call.reply.integer(told);
    Ok(())
}

fn persist(call: &mut Call<'_, '_>) -> Outcome {
    let key = call.args.at(1);
    let ended = call
        .keys
        .entry(key)?
        .filter(|entry| entry.expiry_ms.is_some());
    call.reply.integer(ended.is_some().into());
    if let Some(entry) = ended {
        call.keys.put(key, entry.value, None)?;
    }
    Ok(())
}
