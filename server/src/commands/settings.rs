//! `CONFIG`: what the server was told, and what may be changed while it runs.

use super::info::redis_word;
use super::messaging::{self, Change};
use super::refusal::{Outcome, Refusal};
use super::table::{Command, Flags};
use super::{Call, help};
use crate::glob;
use crate::server::Shared;
use crate::store::SyncPolicy;
use std::sync::atomic::Ordering;
use std::time::Duration;

const OPERATOR: Flags = Flags::ADMIN.and(Flags::DANGEROUS);

pub(super) const SUBCOMMANDS: &[Command] = &[
    Command::new("get", -3, get)
        .of("config")
        .flag(OPERATOR)
        .told(
            "server",
            "2.0.0",
            "Returns the effective values of configuration parameters.",
        ),
    Command::new("set", -4, set)
        .of("config")
        .flag(OPERATOR)
        .told(
            "server",
            "2.0.0",
            "Sets configuration parameters in-flight.",
        ),
    Command::new("resetstat", 2, reset_counters)
        .of("config")
        .flag(OPERATOR)
        .told("server", "2.0.0", "Resets the server's statistics."),
    Command::new("help", 2, show_help).of("config").told(
        "server",
        "5.0.0",
        "Returns helpful text about the different subcommands.",
    ),
];

const HELP: &[&str] = &[
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>; appendfsync,",
    "    client-output-buffer-limit, notify-keyspace-events and portcask-output-max can be set.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
];

/// Every parameter and its value now.
fn parameters(server: &Shared) -> Vec<(&'static str, String)> {
    let limits = &server.limits;
    let config = &server.config;
    let addresses = config.bind.iter().map(|address| address.ip().to_string());
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let mut all = vec![
        (
            "appendfsync",
            redis_word(server.syncing.policy()).to_owned(),
        ),
        ("appendonly", "yes".to_owned()),
        ("bind", addresses.collect::<Vec<_>>().join(" ")),
        ("databases", "1".to_owned()),
        ("dir", config.dir.display().to_string()),
        ("maxclients", limits.clients_max.to_string()),
        ("maxmemory", "0".to_owned()),
        (
            "port",
            config
                .bind
                .first()
                .map_or(0, |address| address.port())
                .to_string(),
        ),
        ("portcask-sync", server.syncing.policy().to_string()),
        ("proto-max-bulk-len", limits.bulk_bytes_max.to_string()),
        ("protected-mode", yes_or_no(config.protected_mode)),
        ("save", String::new()),
        (
            "timeout",
            limits.idle.unwrap_or_default().as_secs().to_string(),
        ),
    ];
    all.extend(messaging::parameters(server));
    all
}

fn get(call: &mut Call<'_, '_>) -> Outcome {
    let mut parameters = parameters(call.server);
    let args = call.args;
    parameters.retain(|(name, _)| {
        let matches =
            |pattern: &[u8]| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes());
        args.from(2).any(matches)
    });
    call.reply.map(parameters.len());
    for (name, value) in parameters {
        call.reply.bulk(name.as_bytes());
        call.reply.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    if args.len() % 2 == 1 {
        return Err("wrong number of arguments for 'config|set' command".into());
    }
    let mut chosen = None;
    let mut changes = Vec::new();
    for at in (2..args.len()).step_by(2) {
        let (name, value) = (args.at(at).to_ascii_lowercase(), args.at(at + 1));
        if name == b"appendfsync" {
            chosen = Some(policy(value)?);
            continue;
        }
        if let Some(change) = Change::parse(call.server, &name, value) {
            changes.push(change?);
            continue;
        }
        let is_known = parameters(call.server)
            .iter()
            .any(|(known, _)| known.as_bytes() == name);
        let words: [&[u8]; 3] = match is_known {
            true => [
                b"ERR CONFIG SET failed (possibly related to argument '",
                &name,
                b"') - can't set immutable config",
            ],
            false => [
                b"ERR Unknown option or number of arguments for CONFIG SET - '",
                &name,
                b"'",
            ],
        };
        return Err(Refusal::Bytes(words.concat()));
    }
    if let Some(policy) = chosen {
        call.server.syncing.set_policy(policy);
    }
    changes.into_iter().for_each(|it| it.make(call.server));
    call.reply.ok();
    Ok(())
}

fn policy(value: &[u8]) -> Result<SyncPolicy, Refusal> {
    match value.to_ascii_lowercase().as_slice() {
        b"always" => Ok(SyncPolicy::Always),
        b"everysec" => Ok(SyncPolicy::Every(Duration::from_secs(1))),
        b"no" => Ok(SyncPolicy::Never),
        _ => Err(
            "CONFIG SET failed (possibly related to argument 'appendfsync') - argument(s) \
                  must be one of the following: everysec, always, no"
                .into(),
        ),
    }
}

fn reset_counters(call: &mut Call<'_, '_>) -> Outcome {
    for counter in call.server.counters.all() {
        counter.store(0, Ordering::Relaxed);
    }
    call.reply.ok();
    Ok(())
}

fn show_help(call: &mut Call<'_, '_>) -> Outcome {
    help(call, HELP);
    Ok(())
}
