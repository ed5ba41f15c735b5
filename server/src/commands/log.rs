//! What a log can do that other stores cannot: a key's history, a stream of changes, merge and proof.

use super::Call;
use super::options::int;
use super::refusal::{NOT_AN_INTEGER, Outcome, Refusal};
use super::table::{Command, Flags};
use crate::protocol::Reply;
use portcask::{ChangeKind, Error};

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
        .costs("O(N) where N is the number of changes returned, after a walk over a part of a segment for a new reader")
        .told(
            "server",
            "",
            "Returns the changes from a number on, and the number to go on with. A number beyond the next one is an error.",
        ),
    Command::new("portcask.merge", 1, merge)
        .flag(OPERATOR)
        .costs("O(N) where N is the number of keys")
        .told(
            "server",
            "",
            "Merges the log and returns the bytes reclaimed.",
        ),
    Command::new("portcask.verify", 1, verify)
        .flag(OPERATOR)
        .costs("O(N) where N is the size of the log")
        .told(
            "server",
            "",
            "Reads and checks every byte, and returns the damage found.",
        ),
];

fn history(call: &mut Call<'_, '_>) -> Outcome {
    let (server, key) = (call.server, call.args.at(1));
    // How many there are is said before them: they wait in a reply of their own, which is held to the same limit.
    let mut versions = Reply {
        resp3: call.reply.resp3,
        ..Reply::default()
    };
    std::mem::swap(call.reply, &mut versions);
    let mut count = 0;
    let mut excess = Ok(());
    let walked = server.store.db().each_version(key, |version| {
        count += 1;
        call.reply.array(3);
        call.reply.integer(signed(version.seq));
        call.reply.maybe(version.value.as_deref());
        expiry(call, version.expiry_ms);
        excess = call.refuse_excess();
        Ok(excess.is_ok())
    });
    std::mem::swap(call.reply, &mut versions);
    walked?;
    excess?;
    call.reply.array(count);
    call.reply.bytes.extend_from_slice(&versions.bytes);
    Ok(())
}

/// `PORTCASK.TAIL from-seq [count]`. The next number is a place to wait at; one beyond it is refused, as Kafka refuses an
/// offset out of range: whoever has such a number has it from another store, and would pass over all that comes before it.
fn tail(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let from = u64::try_from(int(args.at(1))?).map_err(|_| NOT_AN_INTEGER)?;
    let count = match args.len() {
        2 => CHANGES,
        3 => usize::try_from(int(args.at(2))?).map_err(|_| NOT_AN_INTEGER)?,
        _ => return Err("wrong number of arguments for 'portcask.tail' command".into()),
    };
    let (mut changes, next) =
        call.server
            .store
            .log_changes(from, count.clamp(1, CHANGES_MAX), TAIL_BYTES)?;
    if changes.is_empty() {
        let last = call.server.store.db().stats()?.last_seq;
        if from > last.saturating_add(1) {
            return Err(beyond(from, last));
        }
    }
    // The changes of other keys than the user's are as if there were none.
    let user = &call.session.user;
    changes.retain(|change| user.may_use_key(&change.key));
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

fn beyond(from: u64, last: u64) -> Refusal {
    let next = last.saturating_add(1);
    Refusal::from(format!(
        "the log ends at {last}: there is no change {from} to go on from; {next} is the next one"
    ))
}

fn merge(call: &mut Call<'_, '_>) -> Outcome {
    let report = call.server.store.db().merge_all(|_, _| {});
    let report = report.map_err(why_not_merged)?;
    call.reply.integer(signed(
        report.bytes_before.saturating_sub(report.bytes_after),
    ));
    Ok(())
}

/// A merge writes what it keeps before it gives anything back, so a disk can be too full for it and take a write.
fn why_not_merged(error: Error) -> Refusal {
    match error {
        Error::Full { file } => Refusal::Bytes(
            format!(
                "OOM no space left for {file}: a merge needs as much room as it keeps before it gives any back; every \
                 key is as it was"
            )
            .into_bytes(),
        ),
        error => error.into(),
    }
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

#[cfg(test)]
mod tests {
    use super::why_not_merged;
    use crate::protocol::Reply;
    use portcask::Error;

    #[test]
    fn a_merge_without_room_is_not_told_as_a_write_that_was_not_taken() {
        let file = portcask::storage::FileName::new("segment-0000000004").unwrap();
        let mut reply = Reply::default();
        why_not_merged(Error::full(file)).write(&mut reply);
        let told = String::from_utf8(reply.bytes).unwrap();
        assert_eq!(
            told,
            "-OOM no space left for segment-0000000004: a merge needs as much room as it keeps before it gives any \
             back; every key is as it was\r\n"
        );
    }
}
