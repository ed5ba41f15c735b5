//! What a log can do that other stores cannot: a key's history, a stream of changes, merge and proof.

use super::Call;
use super::options::int;
use super::refusal::{NOT_AN_INTEGER, Outcome, Refusal};
use super::table::{Command, Flags};
use portcask::{Change, ChangeKind};

/// Changes that one call answers if it does not say, and at most.
const CHANGES: usize = 100;
const CHANGES_MAX: usize = 10_000;
/// After that many bytes of values a page of changes ends.
const TAIL_BYTES: usize = 16 << 20;

const OPERATOR: Flags = Flags::ADMIN.and(Flags::SLOW).and(Flags::NO_MULTI);

pub(super) const COMMANDS: &[Command] = &[
    Command::read("portcask.history", 2, history)
        .key()
        .flag(Flags::SLOW.and(Flags::NO_MULTI))
        .costs("O(N) where N is the size of the log")
        .told(
            "generic",
            "",
            "Returns every version of a key that the log still holds: number, value, end of life.",
        ),
    Command::new("portcask.tail", -2, tail)
        .flag(OPERATOR)
        .costs("O(N) where N is the size of a segment")
        .told(
            "server",
            "",
            "Returns the changes from a number on, and the number to go on with.",
        ),
    Command::new("portcask.merge", 1, merge)
        .flag(OPERATOR)
        .costs("O(N) where N is the number of keys")
        .told(
            "server",
            "",
            "Merges the log and returns the bytes given back.",
        ),
    Command::new("portcask.verify", 1, verify)
        .flag(OPERATOR)
        .costs("O(N) where N is the size of the log")
        .told(
            "server",
            "",
            "Reads and checks every byte, and returns the damages found.",
        ),
];

fn history(call: &mut Call<'_, '_>) -> Outcome {
    let versions = call.server.store.db().history(call.args.at(1))?;
    call.reply.array(versions.len());
    for version in versions {
        call.refuse_excess()?;
        call.reply.array(3);
        call.reply.integer(signed(version.seq));
        call.reply.maybe(version.value.as_deref());
        expiry(call, version.expiry_ms);
    }
    Ok(())
}

/// `PORTCASK.TAIL from-seq [count]`.
fn tail(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let from = u64::try_from(int(args.at(1))?).map_err(|_| NOT_AN_INTEGER)?;
    let count = match args.len() {
        2 => CHANGES,
        3 => usize::try_from(int(args.at(2))?).map_err(|_| NOT_AN_INTEGER)?,
        _ => return Err("wrong number of arguments for 'portcask.tail' command".into()),
    };
    let (changes, next) = gather(call, from, count.min(CHANGES_MAX))?;
    call.reply.array(2);
    call.reply.integer(signed(next));
    call.reply.array(changes.len());
    for change in changes {
        call.reply.array(4);
        call.reply.integer(signed(change.seq));
        call.reply.bulk(&change.key);
        match change.kind {
            ChangeKind::Put { value, expiry_ms } => {
                call.reply.bulk(&value);
                expiry(call, expiry_ms);
            }
            ChangeKind::Delete => {
                call.reply.null();
                expiry(call, None);
            }
        }
    }
    Ok(())
}

/// Changes from a number on and the number to go on with: fewer than asked for if they are large.
fn gather(call: &Call<'_, '_>, from: u64, count: usize) -> Result<(Vec<Change>, u64), Refusal> {
    let (mut changes, mut next, mut bytes) = (Vec::new(), from, 0);
    while changes.len() < count && bytes < TAIL_BYTES {
        let piece = (count - changes.len()).min(CHANGES);
        let page = call.server.store.db().changes(next, piece)?;
        next = page.next_seq;
        if page.changes.is_empty() {
            break;
        }
        for change in page.changes {
            if let ChangeKind::Put { value, .. } = &change.kind {
                bytes += value.len();
            }
            changes.push(change);
        }
    }
    Ok((changes, next))
}

fn merge(call: &mut Call<'_, '_>) -> Outcome {
    let report = call.server.store.db().merge_all(|_, _| {})?;
    call.reply.integer(signed(
        report.bytes_before.saturating_sub(report.bytes_after),
    ));
    Ok(())
}

fn verify(call: &mut Call<'_, '_>) -> Outcome {
    let report = call.server.store.db().verify(|_, _| {})?;
    call.reply.array(report.damages.len());
    for damage in &report.damages {
        call.reply.bulk(damage.to_string().as_bytes());
    }
    Ok(())
}

/// The end of a life in milliseconds since 1970, -1 for none.
fn expiry(call: &mut Call<'_, '_>, at: Option<u64>) {
    call.reply.integer(at.map_or(-1, signed));
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
