//! Parts of values: ranges, appending, and what two values have in common.

use super::Call;
use super::options::{int, is, value_of};
use super::refusal::{Outcome, Refusal, SYNTAX};
use super::table::{Command, Flags};
use crate::store::{Entry, Keyspace};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("getrange", 4, getrange)
        .key()
        .costs("O(N) where N is the length of the value, which is read whole.")
        .told("string", "2.4.0", "Returns a substring of the string stored at a key."),
    Command::read("substr", 4, getrange)
        .key()
        .costs("O(N) where N is the length of the value, which is read whole.")
        .told("string", "1.0.0", "Returns a substring from a string value."),
    Command::write("setrange", 4, setrange)
        .key()
        .costs("O(N) where N is the length of the value, which is written whole.")
        .told(
            "string",
            "2.2.0",
            "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
        ),
    Command::write("append", 3, append)
        .key()
        .flag(Flags::FAST)
        .costs("O(N) where N is the length of the value, which is written whole.")
        .told("string", "2.0.0", "Appends a string to the value of a key. Creates the key if it doesn't exist."),
    Command::read("lcs", -3, lcs)
        .keys(1, 2, 1)
        .flag(Flags::SLOW)
        .costs("O(N*M) where N and M are the lengths of s1 and s2, respectively")
        .told("string", "7.0.0", "Finds the longest common substring."),
];

pub(super) const TOO_LONG: Refusal =
    Refusal::Words("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

/// Whether a range ends before it begins, both counted from the end. Redis asks this before it cuts both
/// down to the value's length, so that they cannot meet at its first byte.
pub(super) fn is_reversed(start: i64, end: i64) -> bool {
    start < 0 && end < 0 && start > end
}

/// The places from `start` to `end`, both counted from the end if negative and both included, that a value
/// of that length has.
pub(super) fn range(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    let signed = i64::try_from(length).unwrap_or(i64::MAX);
    let place = |at: i64| match at < 0 {
        true => at.saturating_add(signed).max(0),
        false => at,
    };
    let (start, end) = (place(start), place(end).min(signed - 1));
    if length == 0 || start > end {
        return 0..0;
    }
    let place = |at: i64| usize::try_from(at).unwrap_or(length);
    place(start)..place(end) + 1
}

fn getrange(call: &mut Call<'_, '_>) -> Outcome {
    let (start, end) = (int(call.args.at(2))?, int(call.args.at(3))?);
    let value = call.keys.get(call.args.at(1))?.unwrap_or_default();
    let range = match is_reversed(start, end) {
        true => 0..0,
        false => range(start, end, value.len()),
    };
    call.reply.bulk(&value[range]);
    Ok(())
}

/// The value of a key, or an empty one without an end.
pub(super) fn entry_or_empty(call: &Call<'_, '_>, key: &[u8]) -> Result<Entry, Refusal> {
    Ok(call.keys.entry(key)?.unwrap_or(Entry {
        value: Vec::new(),
        expiry_ms: None,
    }))
}

fn setrange(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let (key, piece) = (args.at(1), args.at(3));
    let offset = int(args.at(2))?;
    let offset = usize::try_from(offset).map_err(|_| "offset is out of range")?;
    let mut entry = entry_or_empty(call, key)?;
    if !piece.is_empty() {
        let end = offset.checked_add(piece.len()).ok_or(TOO_LONG)?;
        if end > call.server.limits.bulk_bytes_max {
            return Err(TOO_LONG);
        }
        if entry.value.len() < end {
            grow(&mut entry.value, end)?;
        }
        entry.value[offset..end].copy_from_slice(piece);
    }
    call.reply.count(entry.value.len());
    if !piece.is_empty() {
        call.keys.put(key, entry.value, entry.expiry_ms)?;
    }
    Ok(())
}

/// Lengthens a value with zeros, if there is memory for it.
pub(super) fn grow(value: &mut Vec<u8>, length: usize) -> Outcome {
    let more = length.saturating_sub(value.len());
    let refused = |_| portcask::Error::OutOfMemory;
    value.try_reserve_exact(more).map_err(refused)?;
    value.resize(length, 0);
    Ok(())
}

fn append(call: &mut Call<'_, '_>) -> Outcome {
    let (key, piece) = (call.args.at(1), call.args.at(2));
    let mut entry = entry_or_empty(call, key)?;
    if entry.value.len() + piece.len() > call.server.limits.bulk_bytes_max {
        return Err(TOO_LONG);
    }
    entry.value.extend_from_slice(piece);
    call.reply.count(entry.value.len());
    call.keys.put(key, entry.value, entry.expiry_ms)?;
    Ok(())
}

#[derive(Default)]
struct LcsOptions {
    length: bool,
    places: bool,
    with_lengths: bool,
    length_min: usize,
}

fn lcs(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let mut options = LcsOptions::default();
    let mut at = 3;
    while at < args.len() {
        let word = args.at(at);
        if is(word, "LEN") {
            options.length = true;
        } else if is(word, "IDX") {
            options.places = true;
        } else if is(word, "WITHMATCHLEN") {
            options.with_lengths = true;
        } else if is(word, "MINMATCHLEN") {
            let length = int(value_of(args, at)?)?;
            options.length_min = usize::try_from(length).unwrap_or(0);
            at += 1;
        } else {
            return Err(SYNTAX);
        }
        at += 1;
    }
    if options.length && options.places {
        return Err("If you want both the length and indexes, please just use IDX.".into());
    }
    let both = |keys: &Keyspace<'_>| Ok((keys.get(args.at(1))?, keys.get(args.at(2))?));
    let both: Result<_, portcask::Error> = match call.session.transacting {
        true => both(call.keys),
        // Comparing them may take long, and writers need not wait for that.
        false => call.keys.at_one_moment(both),
    };
    let (one, other) = both?;
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    let common = Common::of(&one, &other, call.server.limits.queue_bytes_max)?;
    let reply = &mut *call.reply;
    if options.length {
        reply.count(common.length());
    } else if options.places {
        let mut runs = common.runs(&one, &other);
        runs.retain(|run| run.length >= options.length_min);
        reply.map(2);
        reply.bulk(b"matches");
        reply.array(runs.len());
        for run in runs {
            reply.array(2 + usize::from(options.with_lengths));
            for start in [run.one, run.other] {
                reply.array(2);
                reply.count(start);
                reply.count(start + run.length - 1);
            }
            if options.with_lengths {
                reply.count(run.length);
            }
        }
        reply.bulk(b"len");
        reply.count(common.length());
    } else {
        let runs = common.runs(&one, &other).into_iter().rev();
        let pieces = runs.map(|run| &one[run.one..run.one + run.length]);
        reply.bulk(&pieces.collect::<Vec<_>>().concat());
    }
    Ok(())
}

/// A run of bytes that two values have in common, by where it starts in each.
struct Run {
    one: usize,
    other: usize,
    length: usize,
}

/// For each pair of beginnings, the length of their longest common subsequence.
struct Common {
    lengths: Vec<u32>,
    width: usize,
}

impl Common {
    fn of(one: &[u8], other: &[u8], memory_bytes_max: usize) -> Result<Self, Refusal> {
        let width = other.len() + 1;
        let cells = width.checked_mul(one.len() + 1);
        let cells = cells.filter(|cells| cells.saturating_mul(4) <= memory_bytes_max);
        let cells = cells.ok_or(NO_MEMORY)?;
        let mut lengths: Vec<u32> = Vec::new();
        lengths.try_reserve_exact(cells).map_err(|_| NO_MEMORY)?;
        lengths.resize(cells, 0);
        for (i, a) in one.iter().enumerate() {
            for (j, b) in other.iter().enumerate() {
                let above = i * width + j;
                lengths[above + width + 1] = match a == b {
                    true => lengths[above] + 1,
                    false => lengths[above + 1].max(lengths[above + width]),
                };
            }
        }
        Ok(Self { lengths, width })
    }

    fn length(&self) -> usize {
        self.lengths.last().map_or(0, |length| *length as usize)
    }

    /// The runs that make it up, the last one first.
    fn runs(&self, one: &[u8], other: &[u8]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut i, mut j) = (one.len(), other.len());
        while i > 0 && j > 0 {
            if one[i - 1] == other[j - 1] {
                match runs.last_mut() {
                    Some(run) if run.one == i && run.other == j => {
                        (run.one, run.other) = (i - 1, j - 1);
                        run.length += 1;
                    }
                    _ => runs.push(Run {
                        one: i - 1,
                        other: j - 1,
                        length: 1,
                    }),
                }
                (i, j) = (i - 1, j - 1);
            } else if self.lengths[(i - 1) * self.width + j] > self.lengths[i * self.width + j - 1]
            {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        runs
    }
}

const NO_MEMORY: Refusal =
    Refusal::Words("ERR Insufficient memory, failed allocating transient memory for LCS");
