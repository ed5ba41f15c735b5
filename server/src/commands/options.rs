//! Arguments as numbers, times and switches.

use super::refusal::{NOT_AN_INTEGER, Refusal, SYNTAX};
use crate::protocol::Args;
use crate::protocol::integer;

/// A 64-bit integer.
pub(crate) fn int(text: &[u8]) -> Result<i64, Refusal> {
    integer(text).ok_or(NOT_AN_INTEGER)
}

/// Whether an argument is this word, in any case.
pub(crate) fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// How a time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Ms,
}

/// From when a time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Now,
    Epoch,
}

/// `EX`, `PX`, `EXAT`, `PXAT`.
pub(crate) fn expiry_option(word: &[u8]) -> Option<(Unit, From)> {
    let options = [
        ("EX", (Unit::Seconds, From::Now)),
        ("PX", (Unit::Ms, From::Now)),
        ("EXAT", (Unit::Seconds, From::Epoch)),
        ("PXAT", (Unit::Ms, From::Epoch)),
    ];
    let found = options.iter().find(|(name, _)| is(word, name));
    found.map(|(_, option)| *option)
}

/// The end of a life in milliseconds since 1970; it must lie after 0 and inside 64 bits.
pub(crate) fn positive_expiry(
    argument: &[u8],
    (unit, from): (Unit, From),
    now_ms: u64,
    command: &str,
) -> Result<u64, Refusal> {
    let time = int(argument)?;
    let at = match time > 0 {
        true => absolute(time, (unit, from), now_ms),
        false => None,
    };
    let at = at.and_then(|at| u64::try_from(at).ok());
    at.ok_or_else(|| invalid_expire(command))
}

/// A time in milliseconds since 1970, if 64 bits hold it.
pub(crate) fn absolute(time: i64, (unit, from): (Unit, From), now_ms: u64) -> Option<i64> {
    let ms = match unit {
        Unit::Seconds => time.checked_mul(1000)?,
        Unit::Ms => time,
    };
    match from {
        From::Epoch => Some(ms),
        From::Now => ms.checked_add_unsigned(now_ms),
    }
}

pub(crate) fn invalid_expire(command: &str) -> Refusal {
    format!("invalid expire time in '{command}' command").into()
}

/// The argument behind an option.
pub(crate) fn value_of<'a>(args: Args<'a>, option: usize) -> Result<&'a [u8], Refusal> {
    match option + 1 < args.len() {
        true => Ok(args.at(option + 1)),
        false => Err(SYNTAX),
    }
}
