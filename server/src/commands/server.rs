//! Commands about the server as a whole.

use super::Call;
use super::client::no_subcommand;
use super::info;
use super::options::is;
use super::refusal::{Outcome, SYNTAX};
use super::settings;
use super::table::{Command, Flags};
use crate::backup::{BackupError, back_up};
use std::time::{SystemTime, UNIX_EPOCH};

const OPERATOR: Flags = Flags::ADMIN.and(Flags::DANGEROUS).and(Flags::NO_MULTI);

pub(super) const COMMANDS: &[Command] = &[
    Command::new("info", -1, info::info)
        .flag(Flags::SLOW.and(Flags::DANGEROUS))
        .told(
            "server",
            "1.0.0",
            "Returns information and statistics about the server.",
        ),
    Command::new("time", 1, time).flag(Flags::FAST).told(
        "server",
        "2.6.0",
        "Returns the server time.",
    ),
    Command::new("config", -2, no_subcommand)
        .with(settings::SUBCOMMANDS)
        .told(
            "server",
            "2.0.0",
            "A container for server configuration commands.",
        ),
    Command::new("shutdown", -1, shutdown).flag(OPERATOR).told(
        "server",
        "1.0.0",
        "Makes everything durable and shuts down the server.",
    ),
    Command::new("save", 1, save)
        .flag(OPERATOR.and(Flags::SLOW))
        .told(
            "server",
            "1.0.0",
            "Makes every write so far durable before it answers.",
        ),
    Command::new("bgsave", -1, bgsave).flag(OPERATOR).told(
        "server",
        "1.0.0",
        "Has every write so far made durable in the background, and a backup made where one is configured.",
    ),
    Command::new("lastsave", 1, lastsave)
        .flag(Flags::ADMIN.and(Flags::DANGEROUS).and(Flags::FAST))
        .told(
            "server",
            "1.0.0",
            "Returns the Unix timestamp of the last SAVE or BGSAVE that succeeded.",
        ),
    Command::new("bgrewriteaof", 1, merge_in_background)
        .flag(OPERATOR)
        .costs("O(N) where N is the number of keys")
        .told("server", "1.0.0", "Merges the log in the background."),
];

fn time(call: &mut Call<'_, '_>) -> Outcome {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    call.reply.array(2);
    call.reply.bulk(now.as_secs().to_string().as_bytes());
    call.reply.bulk(now.subsec_micros().to_string().as_bytes());
    Ok(())
}

/// Whatever the words say, every write is durable at the end: there is nothing faster to choose.
fn shutdown(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    let has = |asked: &str| args.from(1).any(|word| is(word, asked));
    let words = ["NOSAVE", "SAVE", "NOW", "FORCE"];
    let is_known = |word: &[u8]| words.iter().any(|known| is(word, known));
    if (has("SAVE") && has("NOSAVE")) || !args.from(1).all(is_known) {
        return Err(SYNTAX);
    }
    call.server.stop();
    call.session.close();
    Ok(())
}

fn save(call: &mut Call<'_, '_>) -> Outcome {
    call.server.store.db().sync()?;
    call.server.upkeep.saved();
    call.reply.ok();
    Ok(())
}

fn bgsave(call: &mut Call<'_, '_>) -> Outcome {
    match call.args.len() {
        1 => {}
        2 if is(call.args.at(1), "SCHEDULE") => {}
        _ => return Err(SYNTAX),
    }
    let store = call.server.store.clone();
    let Some(saving) = call.server.upkeep.begin_save() else {
        return Err("Background save already in progress".into());
    };
    let into = call.server.config.backup_dir.clone();
    tokio::task::spawn_blocking(move || {
        // After an error of a sync the store itself refuses every later write.
        let synced = store.db().sync().map_err(BackupError::Store);
        let done = synced.and_then(|()| into.map(|into| back_up(&store, &into)).transpose());
        saving.end(done.is_ok());
        match done {
            Ok(Some(path)) => tracing::info!(path = %path.display(), "backup made"),
            Ok(None) => tracing::debug!("every write so far is durable"),
            Err(error) => tracing::error!(%error, "backup failed"),
        }
    });
    call.reply.simple("Background saving started");
    Ok(())
}

fn lastsave(call: &mut Call<'_, '_>) -> Outcome {
    let saved = call.server.upkeep.last_saved();
    let seconds = saved.duration_since(UNIX_EPOCH).unwrap_or_default();
    call.reply
        .integer(i64::try_from(seconds.as_secs()).unwrap_or(i64::MAX));
    Ok(())
}

fn merge_in_background(call: &mut Call<'_, '_>) -> Outcome {
    let Some(merging) = call.server.upkeep.begin_merge() else {
        return Err("Background append only file rewriting already in progress".into());
    };
    let store = call.server.store.clone();
    tokio::task::spawn_blocking(move || merging.end(store.db().merge_all(|_, _| {}).err()));
    call.reply
        .simple("Background append only file rewriting started");
    Ok(())
}
