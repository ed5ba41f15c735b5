//! `GET`, `SET` and those that store or show a whole value.

use super::Call;
use super::options::{From, Unit, expiry_option, is, positive_expiry, value_of};
use super::refusal::{Outcome, Refusal, SYNTAX};
use super::table::{Command, Flags};
use crate::protocol::Args;
use crate::store::Entry;

pub(super) const COMMANDS: &[Command] = &[
    Command::read("get", 2, get)
        .key()
        .flag(Flags::FAST)
        .told("string", "1.0.0", "Returns the string value of a key."),
    Command::write("set", -3, set)
        .key()
        .told(
            "string",
            "1.0.0",
            "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        ),
    Command::write("setnx", 3, setnx)
        .key()
        .flag(Flags::FAST)
        .told("string", "1.0.0", "Sets the string value of a key only when the key doesn't exist."),
    Command::write("setex", 4, setex).key().told(
        "string",
        "2.0.0",
        "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
    ),
    Command::write("psetex", 4, psetex).key().told(
        "string",
        "2.6.0",
        "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
    ),
    Command::write("getset", 3, getset)
        .key()
        .flag(Flags::FAST)
        .told("string", "1.0.0", "Returns the previous string value of a key after setting it to a new value."),
    Command::write("getdel", 2, getdel)
        .key()
        .flag(Flags::FAST)
        .told("string", "6.2.0", "Returns the string value of a key after deleting the key."),
    Command::write("getex", -2, getex)
        .key()
        .flag(Flags::FAST)
        .told("string", "6.2.0", "Returns the string value of a key after setting its expiration time."),
    Command::read("strlen", 2, strlen)
        .key()
        .flag(Flags::FAST)
        .told("string", "2.2.0", "Returns the length of a string value."),
    Command::read("mget", -2, mget)
        .keys(1, -1, 1)
        .flag(Flags::FAST)
        .costs("O(N) where N is the number of keys to retrieve.")
        .told("string", "1.0.0", "Atomically returns the string values of one or more keys."),
    Command::write("mset", -3, mset)
        .keys(1, -1, 2)
        .costs("O(N) where N is the number of keys to set.")
        .told("string", "1.0.1", "Atomically creates or modifies the string values of one or more keys."),
    Command::write("msetnx", -3, msetnx)
        .keys(1, -1, 2)
        .costs("O(N) where N is the number of keys to set.")
        .told(
            "string",
            "1.0.1",
            "Atomically modifies the string values of one or more keys only when all keys don't exist.",
        ),
];

fn get(call: &mut Call<'_, '_>) -> Outcome {
    let value = &mut call.session.value;
    match call.keys.get_into(call.args.at(1), value)? {
        true => call.reply.bulk(value),
        false => call.reply.null(),
    }
    call.session.rest_value();
    Ok(())
}

/// What `SET` and `GETEX` may ask for.
#[derive(Default)]
struct SetOptions {
    /// `Some(true)` only an absent key, `Some(false)` only a present one.
    absent: Option<bool>,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    /// Which argument is the time, and how it counts.
    expiry: Option<(usize, (Unit, From))>,
}

impl SetOptions {
    /// Takes `EX` and its like with the time behind it, unless the end of a life was chosen already.
    fn take_time(&mut self, args: Args<'_>, at: &mut usize) -> Result<(), Refusal> {
        let is_chosen = self.keep_ttl || self.persist || self.expiry.is_some();
        let how = expiry_option(args.at(*at)).filter(|_| !is_chosen);
        let how = how.ok_or(SYNTAX)?;
        value_of(args, *at)?;
        *at += 1;
        self.expiry = Some((*at, how));
        Ok(())
    }

    fn expiry_ms(&self, call: &Call<'_, '_>, command: &str) -> Result<Option<u64>, Refusal> {
        let Some((at, how)) = self.expiry else {
            return Ok(None);
        };
        let now = call.keys.now_ms()?;
        positive_expiry(call.args.at(at), how, now, command).map(Some)
    }
}

fn set_options(args: Args<'_>) -> Result<SetOptions, Refusal> {
    let mut options = SetOptions::default();
    let mut at = 3;
    while at < args.len() {
        let word = args.at(at);
        if is(word, "NX") && options.absent != Some(false) {
            options.absent = Some(true);
        } else if is(word, "XX") && options.absent != Some(true) {
            options.absent = Some(false);
        } else if is(word, "GET") {
            options.get = true;
        } else if is(word, "KEEPTTL") && options.expiry.is_none() {
            options.keep_ttl = true;
        } else {
            options.take_time(args, &mut at)?;
        }
        at += 1;
    }
    Ok(options)
}

fn set(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let (key, value) = (args.at(1), args.at(2));
    let options = set_options(args)?;
    let expiry_ms = options.expiry_ms(call, "set")?;
    let old = match (options.get || options.keep_ttl, options.absent) {
        (true, _) => call.keys.entry(key)?,
        (false, Some(_)) => call.keys.exists(key)?.then(|| Entry {
            value: Vec::new(),
            expiry_ms: None,
        }),
        (false, None) => None,
    };
    let is_taken = match options.absent {
        Some(absent) => absent == old.is_none(),
        None => true,
    };
    if is_taken {
        let kept = old.as_ref().and_then(|old| old.expiry_ms);
        let expiry_ms = if options.keep_ttl { kept } else { expiry_ms };
        call.keys.put(key, value.to_vec(), expiry_ms)?;
    }
    match (options.get, is_taken) {
        (true, _) => call
            .reply
            .maybe(old.as_ref().map(|old| old.value.as_slice())),
        (false, true) => call.reply.ok(),
        (false, false) => call.reply.null(),
    }
    Ok(())
}

fn setnx(call: &mut Call<'_, '_>) -> Outcome {
    let key = call.args.at(1);
    let is_new = !call.keys.exists(key)?;
    if is_new {
        call.keys.put(key, call.args.at(2).to_vec(), None)?;
    }
    call.reply.integer(is_new.into());
    Ok(())
}

fn setex(call: &mut Call<'_, '_>) -> Outcome {
    set_for(call, Unit::Seconds, "setex")
}

fn psetex(call: &mut Call<'_, '_>) -> Outcome {
    set_for(call, Unit::Ms, "psetex")
}

fn set_for(call: &mut Call<'_, '_>, unit: Unit, command: &str) -> Outcome {
    let args = call.args;
    let now = call.keys.now_ms()?;
    let expiry_ms = positive_expiry(args.at(2), (unit, From::Now), now, command)?;
    call.keys
        .put(args.at(1), args.at(3).to_vec(), Some(expiry_ms))?;
    call.reply.ok();
    Ok(())
}

fn getset(call: &mut Call<'_, '_>) -> Outcome {
    let key = call.args.at(1);
    let old = call.keys.get(key)?;
    call.keys.put(key, call.args.at(2).to_vec(), None)?;
    call.reply.maybe(old.as_deref());
    Ok(())
}

fn getdel(call: &mut Call<'_, '_>) -> Outcome {
    let key = call.args.at(1);
    let old = call.keys.get(key)?;
    call.keys.delete(key)?;
    call.reply.maybe(old.as_deref());
    Ok(())
}

fn getex(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let mut options = SetOptions::default();
    let mut at = 2;
    while at < args.len() {
        let word = args.at(at);
        if is(word, "PERSIST") && options.expiry.is_none() {
            options.persist = true;
        } else {
            options.take_time(args, &mut at)?;
        }
        at += 1;
    }
    let key = args.at(1);
    let Some(old) = call.keys.entry(key)? else {
        call.reply.null();
        return Ok(());
    };
    let expiry_ms = options.expiry_ms(call, "getex")?;
    call.reply.bulk(&old.value);
    if expiry_ms.is_some() || (options.persist && old.expiry_ms.is_some()) {
        call.keys.put(key, old.value, expiry_ms)?;
    }
    Ok(())
}

fn strlen(call: &mut Call<'_, '_>) -> Outcome {
    let mut value = Vec::new();
    call.keys.get_into(call.args.at(1), &mut value)?;
    call.reply.count(value.len());
    Ok(())
}

fn mget(call: &mut Call<'_, '_>) -> Outcome {
    call.reply.array(call.args.len() - 1);
    let mut value = Vec::new();
    for key in call.args.from(1) {
        match call.keys.get_into(key, &mut value)? {
            true => call.reply.bulk(&value),
            false => call.reply.null(),
        }
        call.refuse_excess()?;
    }
    Ok(())
}

/// Refuses a key without a value.
fn refuse_odd(call: &Call<'_, '_>, command: &str) -> Outcome {
    match call.args.len() % 2 {
        1 => Ok(()),
        _ => Err(format!("wrong number of arguments for '{command}' command").into()),
    }
}

fn put_all(call: &mut Call<'_, '_>) -> Outcome {
    for at in (1..call.args.len()).step_by(2) {
        let value = call.args.at(at + 1).to_vec();
        call.keys.put(call.args.at(at), value, None)?;
    }
    Ok(())
}

fn mset(call: &mut Call<'_, '_>) -> Outcome {
    refuse_odd(call, "mset")?;
    put_all(call)?;
    call.reply.ok();
    Ok(())
}

fn msetnx(call: &mut Call<'_, '_>) -> Outcome {
    refuse_odd(call, "msetnx")?;
    for at in (1..call.args.len()).step_by(2) {
        if call.keys.exists(call.args.at(at))? {
            call.reply.integer(0);
            return Ok(());
        }
    }
    put_all(call)?;
    call.reply.integer(1);
    Ok(())
}
