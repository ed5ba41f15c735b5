//! `CONFIG`: what the server was told, and what may be changed while it runs.

use super::refusal::{Outcome, Refusal};
use super::table::{Command, Flags};
use super::{Call, help, quoted};
use crate::glob;
use crate::settings::{self, Setting};
use std::sync::atomic::Ordering;

const OPERATOR: Flags = Flags::ADMIN.and(Flags::DANGEROUS);

pub(super) const SUBCOMMANDS: &[Command] = &[
    Command::new("get", -3, get)
        .of("config")
        .flag(OPERATOR)
        .costs("O(N) when N is the number of configuration parameters provided")
        .told(
            "server",
            "2.0.0",
            "Returns the effective values of configuration parameters.",
        ),
    Command::new("set", -4, set)
        .of("config")
        .flag(OPERATOR)
        .costs("O(N) when N is the number of configuration parameters provided")
        .told(
            "server",
            "2.0.0",
            "Sets configuration parameters in-flight.",
        ),
    Command::new("rewrite", 2, rewrite)
        .of("config")
        .flag(OPERATOR.and(Flags::SLOW))
        .told(
            "server",
            "2.8.0",
            "Persists the effective configuration to file.",
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
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
];

/// Parameters of Redis that have one value here, because there is no other way.
const FIXED: &[(&str, &str)] = &[
    ("appendonly", "yes"),
    ("databases", "1"),
    ("maxmemory", "0"),
    ("save", ""),
];

fn get(call: &mut Call<'_, '_>) -> Outcome {
    let config = call.server.live.config();
    let fixed = FIXED.iter();
    let fixed = fixed.map(|(name, value)| (*name, "", (*value).to_owned()));
    let told = settings::all().map(|it| (it.name, it.alias, it.get(&config)));
    let mut found: Vec<(&str, String)> = Vec::new();
    let patterns: Vec<_> = call.args.from(2).map(<[u8]>::to_ascii_lowercase).collect();
    for (name, alias, value) in fixed.chain(told) {
        for name in [name, alias] {
            let matches = |pattern: &Vec<u8>| glob::matches(pattern, name.as_bytes());
            if !name.is_empty() && patterns.iter().any(matches) {
                found.push((name, value.clone()));
            }
        }
    }
    call.reply.map(found.len());
    for (name, value) in found {
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
    let mut changes: Vec<(&Setting, String)> = Vec::new();
    for at in (2..args.len()).step_by(2) {
        let setting = changeable(args.at(at))?;
        if changes.iter().any(|(other, _)| other.name == setting.name) {
            return Err(failed(setting.name, "duplicate parameter"));
        }
        let value = String::from_utf8(args.at(at + 1).to_vec());
        let value = value.map_err(|_| failed(setting.name, "argument must be UTF-8 text"))?;
        changes.push((setting, value));
    }
    let changed = call.server.live.change(call.server, &changes);
    changed.map_err(|(name, words)| failed(name, &words))?;
    call.reply.ok();
    Ok(())
}

/// The setting of this name, if it may be changed now.
fn changeable(name: &[u8]) -> Result<&'static Setting, Refusal> {
    let known = std::str::from_utf8(name).ok();
    let setting = known.and_then(settings::named);
    match setting {
        Some(setting) if setting.is_live => Ok(setting),
        Some(setting) => Err(failed(setting.name, "can't set immutable config")),
        None => {
            let lower = name.to_ascii_lowercase();
            match FIXED.iter().find(|(fixed, _)| fixed.as_bytes() == lower) {
                Some((fixed, _)) => Err(failed(fixed, "can't set immutable config")),
                None => {
                    let words = "ERR Unknown option or number of arguments for CONFIG SET - '";
                    Err(Refusal::Bytes(
                        [words.as_bytes(), quoted(name), b"'"].concat(),
                    ))
                }
            }
        }
    }
}

fn failed(name: &str, words: &str) -> Refusal {
    format!("CONFIG SET failed (possibly related to argument '{name}') - {words}").into()
}

fn rewrite(call: &mut Call<'_, '_>) -> Outcome {
    let config = call.server.live.config();
    let Some(file) = &config.file else {
        return Err("The server is running without a config file".into());
    };
    settings::rewrite(file, &config).map_err(|error| format!("Rewriting config file: {error}"))?;
    call.reply.ok();
    Ok(())
}

fn reset_counters(call: &mut Call<'_, '_>) -> Outcome {
    for counter in call.server.counters.all() {
        counter.store(0, Ordering::Relaxed);
    }
    call.server.observed.commands.reset();
    call.reply.ok();
    Ok(())
}

fn show_help(call: &mut Call<'_, '_>) -> Outcome {
    help(call, HELP);
    Ok(())
}
