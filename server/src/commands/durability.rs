//! `WAIT` and `WAITAOF`: until writes are somewhere else, or on the disk.

use super::Call;
use super::options::int;
use super::refusal::{Outcome, Refusal};
use super::table::{Command, Flags};
use crate::session::Wait;
use std::time::Duration;

pub(super) const COMMANDS: &[Command] = &[
    Command::new("wait", 3, wait).flag(Flags::BLOCKS).told(
        "generic",
        "3.0.0",
        "Blocks until replicas acknowledged this connection's writes; there are none, so that only the time ends it.",
    ),
    Command::new("waitaof", 4, waitaof).flag(Flags::BLOCKS).told(
        "generic",
        "7.2.0",
        "Blocks until this connection's writes are on the disk, having them synced at once.",
    ),
];

/// `WAIT numreplicas timeout`.
fn wait(call: &mut Call<'_, '_>) -> Outcome {
    // The order of the checks is Redis's.
    let timeout = timeout(call.args.at(2));
    let replicas = int(call.args.at(1))?;
    let timeout = timeout?;
    if replicas <= 0 || call.session.transacting {
        call.reply.integer(0);
        return Ok(());
    }
    call.session.wait = Some(Wait {
        local: None,
        is_local_enough: false,
        timeout,
    });
    Ok(())
}

/// `WAITAOF numlocal numreplicas timeout`.
fn waitaof(call: &mut Call<'_, '_>) -> Outcome {
    let wanted = int(call.args.at(1))?;
    if !(0..=1).contains(&wanted) {
        return Err("value is out of range, value must between 0 and 1".into());
    }
    let replicas = int(call.args.at(2))?;
    if replicas < 0 {
        return Err("value is out of range, must be positive".into());
    }
    let timeout = timeout(call.args.at(3))?;
    let is_synced = call.server.syncing.covers(call.session.written);
    let is_enough = replicas == 0 && (wanted == 0 || is_synced);
    if is_enough || call.session.transacting {
        tell(call.reply, is_synced);
        return Ok(());
    }
    call.session.wait = Some(Wait {
        local: Some(is_synced || wanted == 0),
        is_local_enough: replicas == 0,
        timeout,
    });
    Ok(())
}

/// How many logs hold the writes on their disks: ours or none, and no replica's.
pub(crate) fn tell(reply: &mut crate::protocol::Reply, is_synced: bool) {
    reply.array(2);
    reply.integer(is_synced.into());
    reply.integer(0);
}

/// Milliseconds; 0 is for ever.
fn timeout(argument: &[u8]) -> Result<Option<Duration>, Refusal> {
    let Ok(ms) = int(argument) else {
        return Err("timeout is not an integer or out of range".into());
    };
    match u64::try_from(ms) {
        Ok(0) => Ok(None),
        Ok(ms) => Ok(Some(Duration::from_millis(ms))),
        Err(_) => Err("timeout is negative".into()),
    }
}
