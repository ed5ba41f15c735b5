//! Values as rows of bits, the highest bit of each byte first.

use super::Call;
use super::options::{int, is};
use super::ranges::{entry_or_empty, grow, is_reversed, range};
use super::refusal::{Outcome, Refusal, SYNTAX};
use super::table::{Command, Flags};
use crate::protocol::integer;
use std::ops::Range;

pub(super) const COMMANDS: &[Command] = &[
    Command::write("setbit", 4, setbit).key().told(
        "bitmap",
        "2.2.0",
        "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
    ),
    Command::read("getbit", 3, getbit)
        .key()
        .flag(Flags::FAST)
        .told("bitmap", "2.2.0", "Returns a bit value by offset."),
    Command::read("bitcount", -2, bitcount)
        .key()
        .costs("O(N)")
        .told("bitmap", "2.6.0", "Counts the number of set bits (population counting) in a string."),
    Command::read("bitpos", -3, bitpos)
        .key()
        .costs("O(N)")
        .told("bitmap", "2.8.7", "Finds the first set (1) or clear (0) bit in a string."),
];

const BAD_OFFSET: Refusal = Refusal::Words("ERR bit offset is not an integer or out of range");

/// The byte of a bit, and the bit in it as a mask.
fn place(call: &Call<'_, '_>, offset: &[u8]) -> Result<(usize, u8), Refusal> {
    let offset = integer(offset).and_then(|offset| usize::try_from(offset).ok());
    let offset = offset.ok_or(BAD_OFFSET)?;
    if offset / 8 >= call.server.limits.bulk_bytes_max {
        return Err(BAD_OFFSET);
    }
    Ok((offset / 8, mask(offset)))
}

fn mask(bit: usize) -> u8 {
    0x80 >> (bit % 8)
}

fn setbit(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let (byte, mask) = place(call, args.at(2))?;
    let on = match args.at(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err("bit is not an integer or out of range".into()),
    };
    let key = args.at(1);
    let mut entry = entry_or_empty(call, key)?;
    let grows = entry.value.len() <= byte;
    if grows {
        grow(&mut entry.value, byte + 1)?;
    }
    let was_on = entry.value[byte] & mask != 0;
    match on {
        true => entry.value[byte] |= mask,
        false => entry.value[byte] &= !mask,
    }
    call.reply.integer(was_on.into());
    // A bit that was so already is no change: nobody who watches the key is told of one.
    if grows || was_on != on {
        call.keys.put(key, entry.value, entry.expiry_ms)?;
    }
    Ok(())
}

fn getbit(call: &mut Call<'_, '_>) -> Outcome {
    let (byte, mask) = place(call, call.args.at(2))?;
    let value = call.keys.get(call.args.at(1))?.unwrap_or_default();
    let is_on = value.get(byte).is_some_and(|byte| byte & mask != 0);
    call.reply.integer(is_on.into());
    Ok(())
}

/// The bits from argument `first` to the one after it, counted in bytes or, if the third one says so,
/// in bits.
fn bits(call: &Call<'_, '_>, first: usize, bytes: usize) -> Result<Range<usize>, Refusal> {
    let args = call.args;
    let start = int(args.at(first))?;
    let by_bit = match args.len() - first {
        1 | 2 => false,
        3 if is(args.at(first + 2), "BIT") => true,
        3 if is(args.at(first + 2), "BYTE") => false,
        _ => return Err(SYNTAX),
    };
    let end = match args.len() > first + 1 {
        true => int(args.at(first + 1))?,
        false => -1,
    };
    if by_bit {
        return Ok(range(start, end, bytes * 8));
    }
    let range = range(start, end, bytes);
    Ok(range.start * 8..range.end * 8)
}

fn bitcount(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let Some(value) = call.keys.get(args.at(1))? else {
        call.reply.integer(0);
        return Ok(());
    };
    let bits = match args.len() {
        2 => 0..value.len() * 8,
        3 => return Err(SYNTAX),
        4 | 5 if is_reversed(int(args.at(2))?, int(args.at(3))?) => 0..0,
        _ => bits(call, 2, value.len())?,
    };
    // Whole bytes first, then the bits at both ends that are too many.
    let (first, last) = (bits.start / 8, bits.end.div_ceil(8));
    let bytes = value.get(first..last).unwrap_or_default();
    let ones = |byte: &u8| byte.count_ones() as usize;
    let mut count: usize = bytes.iter().map(ones).sum();
    let outside = (first * 8..bits.start).chain(bits.end..last * 8);
    count -= outside
        .filter(|bit| value[bit / 8] & mask(*bit) != 0)
        .count();
    call.reply.count(count);
    Ok(())
}

fn bitpos(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let wanted = match int(args.at(2))? {
        0 => false,
        1 => true,
        _ => return Err("The bit argument must be 1 or 0.".into()),
    };
    let Some(value) = call.keys.get(args.at(1))? else {
        call.reply.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let bits = match args.len() {
        3 => 0..value.len() * 8,
        _ => bits(call, 3, value.len())?,
    };
    match first_bit(&value, bits.clone(), wanted) {
        Some(bit) => call.reply.count(bit),
        // Behind the value there are zeros, if nobody said where to stop.
        None if !wanted && args.len() < 5 && !bits.is_empty() => call.reply.count(bits.end),
        None => call.reply.integer(-1),
    }
    Ok(())
}

fn first_bit(value: &[u8], bits: Range<usize>, wanted: bool) -> Option<usize> {
    let without = if wanted { 0 } else { 0xff };
    let mut bit = bits.start;
    while bit < bits.end {
        if bit.is_multiple_of(8) && value[bit / 8] == without {
            bit += 8;
            continue;
        }
        if (value[bit / 8] & mask(bit) != 0) == wanted {
            return Some(bit);
        }
        bit += 1;
    }
    None
}
