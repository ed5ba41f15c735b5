//! Verbs that are different on a server: what it tells of itself, and what it does to its whole log.

use super::{Remote, failure};
use crate::Context;
use crate::args::{KeyArg, MergeArgs, Verb};
use crate::failure::{Exit, Failure, Outcome};
use crate::term::Table;
use crate::text::{argument_or_base64, excerpt, insert_bytes};
use crate::units;
use crate::verbs::{bench_on_server, run_here};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Map, json};
use std::time::{Duration, Instant};

/// Does what was typed, on a server.
pub fn run(context: &mut Context, verb: Verb) -> Outcome {
    match verb {
        Verb::Stats(_) => stats(context),
        Verb::Verify(_) => verify(context),
        Verb::Merge(args) => merge(context, &args),
        Verb::History(args) => history(context, &args),
        Verb::Bench(args) => {
            let server = server(context)?;
            bench_on_server(context, &args, &server)
        }
        verb => match instead(&verb) {
            Some((name, instead)) => Err(Failure::usage(format!(
                "{name} needs the files of a store, and --url names a server: {instead}"
            ))),
            None => run_here(context, verb),
        },
    }
}

/// The name of a verb that no server carries out, and what to do instead.
fn instead(verb: &Verb) -> Option<(&'static str, &'static str)> {
    Some(match verb {
        Verb::Init(_) => ("init", "a server makes its store when it starts"),
        Verb::Rotate(_) => (
            "rotate",
            "a server starts a new segment by itself (portcask-server --segment-size)",
        ),
        Verb::Recover(_) => (
            "recover",
            "a server repairs what a crash left behind when it starts; verify works on a running one",
        ),
        Verb::Backup(_) => (
            "backup",
            "use portcask --dir DIR backup on its machine, also while it runs, or its own BGSAVE \
             (portcask-server --backup-dir)",
        ),
        Verb::Restore(_) => (
            "restore",
            "stop it and use portcask --dir DIR restore on its machine; import works on a running one",
        ),
        Verb::Salvage(_) => (
            "salvage",
            "stop it and use portcask --dir DIR salvage on its machine",
        ),
        Verb::Doctor(_) => (
            "doctor",
            "use portcask --dir DIR doctor on its machine; stats and verify work on a running one",
        ),
        // A path names a file of this machine.
        Verb::Dump(args) if !args.file.exists() => (
            "dump",
            "use portcask dump DIR/FILE on its machine, also while it runs",
        ),
        _ => return None,
    })
}

fn server(context: &mut Context) -> Result<Remote, Failure> {
    let server = context.store.server()?;
    server.ok_or_else(|| Failure::usage("name a server with --url URL"))
}

fn stats(context: &mut Context) -> Outcome {
    let server = server(context)?;
    let stats = server.db().stats().map_err(|error| failure(&error))?;
    if context.json {
        let told = json!({
            "server": server.name(),
            "keys": stats.keys,
            "live_bytes": stats.live_bytes,
            "dead_bytes": stats.dead_bytes,
            "total_bytes": stats.total_bytes,
            "memory_bytes": stats.memory_bytes,
            "segments": stats.segments,
            "last_seq": stats.last_seq,
            "sync": stats.sync,
            "clients": stats.clients,
            "uptime_seconds": stats.uptime_seconds,
            "info": stats.info,
        });
        context.out.json(&told)?;
        return Ok(Exit::Done);
    }
    let share = |part: u64| match stats.total_bytes {
        Some(total) => format!(
            "{:>10}  {:>7}",
            units::size(part),
            units::percent(part, total)
        ),
        None => units::size(part),
    };
    let version = stats
        .version
        .as_ref()
        .map(|it| format!("portcask-server {it}"));
    let redis = || Some(format!("Redis {}", stats.info.get("redis_version")?));
    let lines = [
        ("server", Some(server.name().to_owned())),
        ("is", version.or_else(redis)),
        ("keys", Some(units::count(stats.keys))),
        ("size", stats.total_bytes.map(units::size)),
        ("  live", stats.live_bytes.map(share)),
        ("  dead", stats.dead_bytes.map(share)),
        ("segments", stats.segments.map(units::count)),
        ("key memory", stats.memory_bytes.map(units::size)),
        ("last seq", stats.last_seq.map(units::count)),
        ("sync", stats.sync),
        ("clients", stats.clients.map(units::count)),
        (
            "up for",
            stats.uptime_seconds.map(|it| units::duration(it * 1000)),
        ),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            context
                .out
                .line(format!("{name:<14}{}", value.trim_start()))?;
        }
    }
    Ok(Exit::Done)
}

fn verify(context: &mut Context) -> Outcome {
    let server = server(context)?;
    let waiting = waiting(context, "the server is checking");
    let damages = server.db().verify().map_err(|error| failure(&error));
    waiting.finish_and_clear();
    let damages = damages?;
    if context.json {
        let told = json!({ "sound": damages.is_empty(), "damages": damages });
        context.out.json(&told)?;
    } else if damages.is_empty() {
        context.out.line("everything is as it was written")?;
    } else {
        for damage in &damages {
            context.out.line(damage)?;
        }
        let count = units::counted(damages.len() as u64, "damaged place");
        context.out.line(format!(
            "{count}; to save what is readable, stop the server and run portcask --dir DIR salvage --to NEW_DIR"
        ))?;
    }
    Ok(match damages.is_empty() {
        true => Exit::Done,
        false => Exit::Damaged,
    })
}

fn merge(context: &mut Context, args: &MergeArgs) -> Outcome {
    let stray = [(args.plan, "--plan"), (args.due, "--due")];
    if let Some((_, option)) = stray.iter().find(|(given, _)| *given) {
        return Err(Failure::usage(format!(
            "merge {option} needs the files of a store, and --url names a server: a server merges by itself when a \
             merge is due"
        )));
    }
    context.store.set_policy(&args.policy);
    let server = server(context)?;
    let began = Instant::now();
    let waiting = waiting(context, "the server is merging");
    let freed = server.db().merge_all().map_err(|error| failure(&error));
    waiting.finish_and_clear();
    let freed = freed?;
    if context.json {
        let seconds = began.elapsed().as_secs_f64();
        context
            .out
            .json(&json!({ "bytes_given_back": freed, "seconds": seconds }))?;
    } else if !context.quiet {
        context.out.line(format!(
            "merged: reclaimed {} in {}",
            units::size(freed),
            units::duration(began.elapsed().as_millis() as u64)
        ))?;
    }
    Ok(Exit::Done)
}

/// A sign of life where a person waits: the server tells nothing until it is done.
fn waiting(context: &Context, what: &'static str) -> ProgressBar {
    let target = match context.quiet {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr_with_hz(10),
    };
    let spinner = ProgressBar::with_draw_target(None, target).with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

fn history(context: &mut Context, args: &KeyArg) -> Outcome {
    let key = argument_or_base64(&args.key, args.key_base64)?;
    let server = server(context)?;
    let versions = server.db().history(&key).map_err(|error| failure(&error))?;
    if versions.is_empty() {
        return context.no(&format!(
            "the log holds no version of {}",
            excerpt(&key, 60)
        ));
    }
    let mut table = Table::new(&[">seq", "value", "expires"]);
    for version in versions {
        if context.json {
            let mut object = Map::new();
            object.insert("seq".into(), version.seq.into());
            object.insert("deleted".into(), version.value.is_none().into());
            if let Some(value) = &version.value {
                insert_bytes(&mut object, "value", value);
            }
            if let Some(ms) = version.expiry_ms {
                object.insert(crate::formats::EXPIRES.to_owned(), ms.into());
            }
            context.out.json(&object.into())?;
            continue;
        }
        let value = version.value.as_deref();
        table.row([
            version.seq.to_string(),
            value.map_or("(deleted)".to_owned(), |value| excerpt(value, 40)),
            version.expiry_ms.map_or("-".to_owned(), units::time),
        ]);
    }
    if !context.json {
        context.out.table(&table)?;
    }
    Ok(Exit::Done)
}
