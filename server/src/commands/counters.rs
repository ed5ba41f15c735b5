//! Values that are numbers.

use super::Call;
use super::options::int;
use super::refusal::{NOT_AN_INTEGER, Outcome, Refusal};
use super::table::{Command, Flags};
use crate::decimal::Decimal;
use crate::protocol::integer;

pub(super) const COMMANDS: &[Command] = &[
    Command::write("incr", 2, incr).key().flag(Flags::FAST).told(
        "string",
        "1.0.0",
        "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
    ),
    Command::write("decr", 2, decr).key().flag(Flags::FAST).told(
        "string",
        "1.0.0",
        "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
    ),
    Command::write("incrby", 3, incrby).key().flag(Flags::FAST).told(
        "string",
        "1.0.0",
        "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    ),
    Command::write("decrby", 3, decrby).key().flag(Flags::FAST).told(
        "string",
        "1.0.0",
        "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
    ),
    Command::write("incrbyfloat", 3, incrbyfloat).key().flag(Flags::FAST).told(
        "string",
        "2.6.0",
        "Increments the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    ),
];

fn incr(call: &mut Call<'_, '_>) -> Outcome {
    add(call, 1)
}

fn decr(call: &mut Call<'_, '_>) -> Outcome {
    add(call, -1)
}

fn incrby(call: &mut Call<'_, '_>) -> Outcome {
    add(call, int(call.args.at(2))?)
}

fn decrby(call: &mut Call<'_, '_>) -> Outcome {
    let by = int(call.args.at(2))?;
    add(call, by.checked_neg().ok_or("decrement would overflow")?)
}

fn add(call: &mut Call<'_, '_>, by: i64) -> Outcome {
    let key = call.args.at(1);
    let (number, expiry_ms) = match call.keys.entry(key)? {
        None => (0, None),
        Some(entry) => (
            integer(&entry.value).ok_or(NOT_AN_INTEGER)?,
            entry.expiry_ms,
        ),
    };
    let sum = number.checked_add(by);
    let sum = sum.ok_or("increment or decrement would overflow")?;
    call.keys
        .put(key, sum.to_string().into_bytes(), expiry_ms)?;
    call.reply.integer(sum);
    Ok(())
}

fn incrbyfloat(call: &mut Call<'_, '_>) -> Outcome {
    const NOT_A_FLOAT: Refusal = Refusal::Words("ERR value is not a valid float");
    let key = call.args.at(1);
    let (value, expiry_ms) = match call.keys.entry(key)? {
        None => (b"0".to_vec(), None),
        Some(entry) => (entry.value, entry.expiry_ms),
    };
    let number = Decimal::parse(&value).ok_or(NOT_A_FLOAT)?;
    let by = Decimal::parse(call.args.at(2)).ok_or(NOT_A_FLOAT)?;
    let sum = number
        .plus(by)
        .ok_or("increment would produce NaN or Infinity")?;
    let sum = sum.to_string();
    call.reply.bulk(sum.as_bytes());
    call.keys.put(key, sum.into_bytes(), expiry_ms)?;
    Ok(())
}
