//! `SLOWLOG`, `LATENCY`, `MEMORY`, `DEBUG`: what was slow, and what things cost.

use super::client::no_subcommand;
use super::options::{int, is};
use super::refusal::{Outcome, Refusal, SYNTAX};
use super::table::{Command, Flags};
use super::{Call, help};
use crate::config::DebugCommand;
use crate::observe::memory_bytes;
use std::time::Duration;

const OPERATOR: Flags = Flags::ADMIN.and(Flags::DANGEROUS);

pub(super) const COMMANDS: &[Command] = &[
    Command::new("slowlog", -2, no_subcommand)
        .with(SLOWLOG)
        .costs("Depends on subcommand.")
        .told("server", "2.2.12", "A container for slow log commands."),
    Command::new("latency", -2, no_subcommand)
        .with(LATENCY)
        .costs("Depends on subcommand.")
        .told(
            "server",
            "2.8.13",
            "A container for latency diagnostics commands.",
        ),
    Command::new("memory", -2, no_subcommand)
        .with(MEMORY)
        .costs("Depends on subcommand.")
        .told(
            "server",
            "4.0.0",
            "A container for memory diagnostics commands.",
        ),
    Command::new("debug", -2, no_subcommand)
        .with(DEBUG)
        .flag(OPERATOR)
        .costs("Depends on subcommand.")
        .told("server", "1.0.0", "A container for debugging commands."),
];

const SLOWLOG: &[Command] = &[
    Command::new("get", -2, slow_get)
        .of("slowlog")
        .flag(OPERATOR)
        .costs("O(N) where N is the number of entries returned")
        .told("server", "2.2.12", "Returns the slow log's entries."),
    Command::new("len", 2, slow_len)
        .of("slowlog")
        .flag(OPERATOR)
        .told(
            "server",
            "2.2.12",
            "Returns the number of entries in the slow log.",
        ),
    Command::new("reset", 2, slow_reset)
        .of("slowlog")
        .flag(OPERATOR)
        .costs("O(N) where N is the number of entries in the slowlog")
        .told("server", "2.2.12", "Clears all entries from the slow log."),
    Command::new("help", 2, slow_help).of("slowlog").told(
        "server",
        "6.2.0",
        "Show helpful text about the different subcommands",
    ),
];

const LATENCY: &[Command] = &[
    Command::new("latest", 2, latest)
        .of("latency")
        .flag(OPERATOR)
        .told(
            "server",
            "2.8.13",
            "Returns the latest latency samples for all events.",
        ),
    Command::new("history", 3, history)
        .of("latency")
        .flag(OPERATOR)
        .told(
            "server",
            "2.8.13",
            "Returns timestamp-latency samples for an event.",
        ),
    Command::new("reset", -2, latency_reset)
        .of("latency")
        .flag(OPERATOR)
        .told(
            "server",
            "2.8.13",
            "Resets the latency data for one or more events.",
        ),
    Command::new("doctor", 2, latency_doctor)
        .of("latency")
        .flag(OPERATOR)
        .told(
            "server",
            "2.8.13",
            "Returns a human-readable latency analysis report.",
        ),
    Command::new("histogram", -2, histogram)
        .of("latency")
        .flag(OPERATOR)
        .costs("O(N) where N is the number of commands with latency information being retrieved.")
        .told(
            "server",
            "7.0.0",
            "Returns the cumulative distribution of latencies of a subset or all commands.",
        ),
    Command::new("help", 2, latency_help).of("latency").told(
        "server",
        "2.8.13",
        "Returns helpful text about the different subcommands.",
    ),
];

const MEMORY: &[Command] = &[
    Command::read("usage", -3, usage)
        .of("memory")
        .keys(2, 2, 1)
        .told(
            "server",
            "4.0.0",
            "Estimates what a key takes in the log and in memory.",
        ),
    Command::new("stats", 2, memory_stats)
        .of("memory")
        .flag(Flags::SLOW)
        .told("server", "4.0.0", "Returns details about memory usage."),
    Command::new("doctor", 2, memory_doctor).of("memory").told(
        "server",
        "4.0.0",
        "Outputs a memory problems report.",
    ),
    Command::new("help", 2, memory_help).of("memory").told(
        "server",
        "4.0.0",
        "Returns helpful text about the different subcommands.",
    ),
];

const DEBUG: &[Command] = &[
    Command::new("sleep", 3, sleep)
        .of("debug")
        .flag(OPERATOR.and(Flags::SLOW))
        .costs("O(1), after the time asked for")
        .told("server", "1.0.0", "Answers after a time, in seconds."),
    Command::read("object", 3, object)
        .of("debug")
        .keys(2, 2, 1)
        .flag(OPERATOR)
        .told("server", "1.0.0", "Returns how a key's value is kept."),
    Command::new("help", 2, debug_help)
        .of("debug")
        .flag(OPERATOR)
        .told(
            "server",
            "1.0.0",
            "Returns helpful text about the different subcommands.",
        ),
];

fn slow_get(call: &mut Call<'_, '_>) -> Outcome {
    let count = match call.args.len() {
        2 => 10,
        3 => match int(call.args.at(2))? {
            -1 => usize::MAX,
            count => {
                usize::try_from(count).map_err(|_| "count should be greater than or equal to -1")?
            }
        },
        _ => return Err("wrong number of arguments for 'slowlog|get' command".into()),
    };
    let entries = call.server.observed.slow.newest(count);
    let reply = &mut *call.reply;
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.integer(signed(entry.id));
        reply.integer(signed(entry.at_seconds));
        reply.integer(i64::try_from(entry.took.as_micros()).unwrap_or(i64::MAX));
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk(entry.peer.as_bytes());
        reply.bulk(&entry.client_name);
    }
    Ok(())
}

fn slow_len(call: &mut Call<'_, '_>) -> Outcome {
    call.reply.count(call.server.observed.slow.len());
    Ok(())
}

fn slow_reset(call: &mut Call<'_, '_>) -> Outcome {
    call.server.observed.slow.clear();
    call.reply.ok();
    Ok(())
}

fn latest(call: &mut Call<'_, '_>) -> Outcome {
    let events = call.server.observed.spikes.all();
    let reply = &mut *call.reply;
    reply.array(events.len());
    for (name, event) in events {
        let (at, ms) = event.samples.back().copied().unwrap_or_default();
        reply.array(4);
        reply.bulk(name.as_bytes());
        for number in [at, ms, event.max_ms] {
            reply.integer(signed(number));
        }
    }
    Ok(())
}

fn history(call: &mut Call<'_, '_>) -> Outcome {
    let events = call.server.observed.spikes.all();
    let asked = call.args.at(2);
    let found = events.iter().find(|(name, _)| name.as_bytes() == asked);
    let samples = found.map(|(_, event)| event.samples.iter());
    let samples = samples.unwrap_or_default();
    call.reply.array(samples.len());
    for (at, ms) in samples {
        call.reply.array(2);
        call.reply.integer(signed(*at));
        call.reply.integer(signed(*ms));
    }
    Ok(())
}

fn latency_reset(call: &mut Call<'_, '_>) -> Outcome {
    let spikes = &call.server.observed.spikes;
    let is_asked = |name: &str| {
        let mut asked = call.args.from(2);
        call.args.len() == 2 || asked.any(|it| it == name.as_bytes())
    };
    let all = spikes.all();
    let asked = all.iter().filter(|(name, _)| is_asked(name));
    let forgotten = asked.filter(|(name, _)| spikes.forget(name)).count();
    call.reply.count(forgotten);
    Ok(())
}

fn latency_doctor(call: &mut Call<'_, '_>) -> Outcome {
    let from_ms = call.server.observed.spike_from_ms();
    let events = call.server.observed.spikes.all();
    let mut text = match (from_ms, events.len()) {
        (0, 0) => "Nothing is watched for latency. CONFIG SET latency-monitor-threshold \
                   <milliseconds> begins."
            .to_owned(),
        (_, 0) => format!("No command took {from_ms} ms or longer."),
        _ => "These took long:\n".to_owned(),
    };
    for (name, event) in events {
        let count = event.samples.len() as u64;
        let sum: u64 = event.samples.iter().map(|(_, ms)| ms).sum();
        let mean = sum.checked_div(count).unwrap_or_default();
        let max = event.max_ms;
        text.push_str(&format!(
            "  {name}: {count} seconds with a spike, {mean} ms on average, {max} ms at most\n"
        ));
    }
    call.reply.text(&text);
    Ok(())
}

/// `LATENCY HISTOGRAM [command ...]`: cumulative counts by powers of two in microseconds.
fn histogram(call: &mut Call<'_, '_>) -> Outcome {
    let asked: Vec<String> = call
        .args
        .from(2)
        .map(|word| String::from_utf8_lossy(word).to_ascii_lowercase())
        .collect();
    let is_asked = |name: &str| {
        let parent = name.split('|').next().unwrap_or(name);
        let mut asked_ones = asked.iter();
        asked.is_empty() || asked_ones.any(|it| it == name || it == parent)
    };
    let mut commands = call.server.observed.commands.shown();
    commands.retain(|it| it.calls > 0 && is_asked(&it.name));
    let reply = &mut *call.reply;
    reply.map(commands.len());
    for command in commands {
        reply.bulk(command.name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(signed(command.calls));
        reply.bulk(b"histogram_usec");
        let classes = command.classes.iter().enumerate();
        let mut sum = 0;
        let filled: Vec<_> = classes
            .filter(|(_, count)| **count > 0)
            .map(|(class, count)| {
                sum += count;
                (1_i64 << class, sum)
            })
            .collect();
        reply.map(filled.len());
        for (upto, count) in filled {
            reply.integer(upto);
            reply.integer(signed(count));
        }
    }
    Ok(())
}

/// What a record holds beside key and value, at most, and what its place takes in memory.
const RECORD_BYTES: usize = 40;
const PLACE_BYTES: usize = 24;

fn usage(call: &mut Call<'_, '_>) -> Outcome {
    let args = call.args;
    match args.len() {
        3 => {}
        // A string is looked at whole, so there is nothing to sample.
        5 if is(args.at(3), "SAMPLES") && int(args.at(4))? >= 0 => {}
        _ => return Err(SYNTAX),
    }
    let key = args.at(2);
    match call.keys.entry(key)? {
        None => call.reply.null(),
        Some(entry) => {
            let bytes = key.len() + entry.value.len() + RECORD_BYTES + PLACE_BYTES;
            call.reply.count(bytes);
        }
    }
    Ok(())
}

fn memory_stats(call: &mut Call<'_, '_>) -> Outcome {
    let stats = call.server.store.db().stats()?;
    let (now, peak) = memory_bytes().unwrap_or_default();
    let held = &call.server.input_bytes;
    let held = held.load(std::sync::atomic::Ordering::Relaxed) as u64;
    let fields = [
        ("peak.allocated", peak),
        ("total.allocated", now),
        ("clients.normal", held),
        ("overhead.total", now.saturating_sub(stats.memory_bytes)),
        ("keys.count", stats.keys),
        (
            "keys.bytes-per-key",
            stats
                .memory_bytes
                .checked_div(stats.keys)
                .unwrap_or_default(),
        ),
        ("dataset.bytes", stats.memory_bytes),
    ];
    call.reply.map(fields.len());
    for (name, value) in fields {
        call.reply.bulk(name.as_bytes());
        call.reply.integer(signed(value));
    }
    Ok(())
}

fn memory_doctor(call: &mut Call<'_, '_>) -> Outcome {
    let stats = call.server.store.db().stats()?;
    let (now, _) = memory_bytes().unwrap_or_default();
    let (mib, keys_mib) = (now >> 20, stats.memory_bytes >> 20);
    let text = format!(
        "Values are on the disk. {} keys take {keys_mib} MiB of the {mib} MiB that this process uses; the \
         rest is buffers of clients and the program itself.",
        stats.keys
    );
    call.reply.text(&text);
    Ok(())
}

/// `DEBUG` stalls a client and shows what is inside: only where the operator allows it.
fn allow_debug(call: &Call<'_, '_>) -> Outcome {
    let allowed = match call.server.config.debug_command {
        DebugCommand::No => false,
        DebugCommand::Local => call.session.client.peer.is_local(),
        DebugCommand::Yes => true,
    };
    match allowed {
        true => Ok(()),
        false => Err(Refusal::Words(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", \
             you can run it from a local connection, otherwise you need to set this option in the \
             configuration file, and then restart the server.",
        )),
    }
}

/// The longest time that `DEBUG SLEEP` waits.
const SLEEP_SECONDS_MAX: f64 = 60.0;

fn sleep(call: &mut Call<'_, '_>) -> Outcome {
    allow_debug(call)?;
    let text = std::str::from_utf8(call.args.at(2)).ok();
    let seconds = text.and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|it| (0.0..=SLEEP_SECONDS_MAX).contains(it));
    let seconds = seconds.ok_or("value is not a time from 0 to 60 seconds")?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    call.reply.ok();
    Ok(())
}

fn object(call: &mut Call<'_, '_>) -> Outcome {
    allow_debug(call)?;
    let Some(entry) = call.keys.entry(call.args.at(2))? else {
        return Err(super::refusal::NO_SUCH_KEY);
    };
    let bytes = entry.value.len();
    let words = format!(
        "Value at:0 refcount:1 encoding:raw serializedlength:{bytes} lru:0 lru_seconds_idle:0"
    );
    call.reply.words(&words);
    Ok(())
}

fn slow_help(call: &mut Call<'_, '_>) -> Outcome {
    help(
        call,
        &[
            "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
        ],
    );
    Ok(())
}

fn latency_help(call: &mut Call<'_, '_>) -> Outcome {
    help(
        call,
        &[
            "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DOCTOR",
            "    Return a human readable latency analysis report.",
            "HISTORY <event>",
            "    Return time-latency samples for the <event> class.",
            "LATEST",
            "    Return the latest latency samples for all events.",
            "RESET [<event> ...]",
            "    Reset latency data of one or more <event> classes.",
            "    (default: reset all data for all event classes)",
            "HISTOGRAM [COMMAND ...]",
            "    Return a cumulative distribution of commands' latencies in histogram format.",
        ],
    );
    Ok(())
}

fn memory_help(call: &mut Call<'_, '_>) -> Outcome {
    help(
        call,
        &[
            "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DOCTOR",
            "    Return memory problems reports.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return what <key> and its value take in the log and in memory.",
        ],
    );
    Ok(())
}

fn debug_help(call: &mut Call<'_, '_>) -> Outcome {
    help(
        call,
        &[
            "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "OBJECT <key>",
            "    Show low level info about <key> and associated value.",
            "SLEEP <seconds>",
            "    Answer after <seconds>. Decimals allowed. Other clients are served meanwhile.",
        ],
    );
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
