//! `PORTCASK.EXPLAIN`: how a key is found.

use super::Call;
use super::refusal::Outcome;
use super::table::{Command, Flags};

pub(super) const COMMANDS: &[Command] = &[Command::read("portcask.explain", 2, explain)
    .key()
    .flag(Flags::FAST.and(Flags::NO_MULTI))
    .told(
        "generic",
        "",
        "Returns where a key's newest record is: segment, offset, number, sizes, end of life, and whether it is durable.",
    )];

fn explain(call: &mut Call<'_, '_>) -> Outcome {
    let Some(found) = call.server.store.db().explain(call.args.at(1))? else {
        call.reply.null_array();
        return Ok(());
    };
    let expiry_ms = found
        .expiry_ms
        .map_or(-1, |at| i64::try_from(at).unwrap_or(i64::MAX));
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let reply = &mut *call.reply;
    reply.map(9);
    reply.bulk(b"segment");
    reply.bulk(found.file.to_string().as_bytes());
    for (field, number) in [
        ("offset", signed(found.offset)),
        ("seq", signed(found.seq)),
        ("record-bytes", signed(found.record_bytes)),
        ("read-bytes", signed(found.read_bytes)),
        ("key-bytes", signed(found.key_bytes)),
        ("value-bytes", signed(found.value_bytes)),
        ("expires-at-ms", expiry_ms),
        ("durable", found.durable.into()),
    ] {
        reply.bulk(field.as_bytes());
        reply.integer(number);
    }
    Ok(())
}
