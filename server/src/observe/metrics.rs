//! The server in numbers, as Prometheus reads them.

use super::memory_bytes;
use crate::server::Shared;
use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

/// All metrics as text. An error is a store that does not tell.
pub(super) fn metrics(server: &Shared) -> Result<String, portcask::Error> {
    let mut page = Page::default();
    let counters = &server.counters;
    let version = env!("CARGO_PKG_VERSION");
    page.many(
        "build_info",
        "gauge",
        "The version.",
        [(format!("version=\"{version}\""), 1)],
    );
    let uptime = server.started.elapsed().as_secs();
    page.one("uptime_seconds", "gauge", "Time since the start.", uptime);
    page.one(
        "connected_clients",
        "gauge",
        "Connections now.",
        server.clients.len(),
    );
    page.one(
        "clients_max",
        "gauge",
        "Connections at a time at most.",
        server.live.clients_max(),
    );
    for (name, help, counter) in [
        (
            "connections_total",
            "Connections accepted.",
            &counters.connections,
        ),
        (
            "connections_refused_total",
            "Connections not served.",
            &counters.refused_connections,
        ),
        (
            "keyspace_hits_total",
            "Keys that commands which only read looked for and found.",
            &counters.hits,
        ),
        (
            "keyspace_misses_total",
            "Keys that commands which only read looked for and did not find.",
            &counters.misses,
        ),
        (
            "input_bytes_total",
            "Bytes received.",
            &counters.input_bytes,
        ),
        ("output_bytes_total", "Bytes sent.", &counters.output_bytes),
        (
            "protocol_errors_total",
            "Clients that could not be understood.",
            &counters.protocol_errors,
        ),
    ] {
        page.one(name, "counter", help, counter.load(Ordering::Relaxed));
    }
    let cut = [
        ("memory", &counters.cut_for_memory),
        ("time", &counters.cut_for_time),
    ];
    let cut = cut.map(|(why, it)| (format!("reason=\"{why}\""), it.load(Ordering::Relaxed)));
    page.many(
        "clients_cut_total",
        "counter",
        "Clients that asked too much.",
        cut,
    );
    let held = server.input_bytes.load(Ordering::Relaxed);
    page.one(
        "input_held_bytes",
        "gauge",
        "Bytes received and not yet dealt with.",
        held,
    );
    add_commands(server, &mut page);
    add_store(server, &mut page)?;
    if let Some((now, _)) = memory_bytes() {
        page.text
            .push_str("# HELP process_resident_memory_bytes Memory in use.\n");
        page.text
            .push_str("# TYPE process_resident_memory_bytes gauge\n");
        page.line("process_resident_memory_bytes", "", now);
    }
    Ok(page.text)
}

fn add_commands(server: &Shared, page: &mut Page) {
    let commands = server.observed.commands.shown();
    let label = |name: &str| format!("command=\"{name}\"");
    let calls = commands.iter().map(|it| (label(&it.name), it.calls));
    page.many("commands_total", "counter", "Commands run.", calls);
    let seconds = commands
        .iter()
        .map(|it| (label(&it.name), it.ns as f64 / 1e9));
    page.many(
        "command_seconds_total",
        "counter",
        "Time that commands took.",
        seconds,
    );
    let errors = commands
        .iter()
        .filter(|it| it.failed + it.rejected > 0)
        .map(|it| (label(&it.name), it.failed + it.rejected));
    page.many(
        "command_errors_total",
        "counter",
        "Commands that answered an error.",
        errors,
    );
    let slow = server.observed.slow.total();
    page.one(
        "slow_commands_total",
        "counter",
        "Commands that went to the slow log.",
        slow,
    );
}

fn add_store(server: &Shared, page: &mut Page) -> Result<(), portcask::Error> {
    let db = server.store.db();
    let stats = db.stats()?;
    let is_ailing = u8::from(super::http::ailment(server).is_some());
    let (is_merging, merges, _) = server.upkeep.merges();
    for (name, help, value) in [
        ("keys", "Keys.", stats.keys),
        ("keydir_bytes", "Memory that keys take.", stats.memory_bytes),
        ("log_bytes", "Bytes of the log.", stats.total_bytes),
        (
            "live_bytes",
            "Bytes of the log that keys need.",
            stats.live_bytes,
        ),
        (
            "dead_bytes",
            "Bytes of the log that a merge gives back.",
            stats.dead_bytes,
        ),
        ("segments", "Files of the log.", stats.segments.len() as u64),
        ("last_seq", "The number of the last write.", stats.last_seq),
        (
            "merging",
            "Whether a merge that was asked for is on its way.",
            is_merging.into(),
        ),
        (
            "ailing",
            "Whether writes may fail; /healthz says why.",
            is_ailing.into(),
        ),
    ] {
        page.one(name, "gauge", help, value);
    }
    page.one(
        "merges_asked_for_total",
        "counter",
        "Merges that were asked for and done.",
        merges,
    );
    let changes = server.store.changes();
    page.one(
        "keys_changed_total",
        "counter",
        "Keys that commands changed.",
        changes,
    );
    Ok(())
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.many(name, kind, help, [(String::new(), value)]);
    }

    /// One metric with labels.
    fn many(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        values: impl IntoIterator<Item = (String, impl Display)>,
    ) {
        self.text.push_str(&format!(
            "# HELP portcask_{name} {help}\n# TYPE portcask_{name} {kind}\n"
        ));
        for (labels, value) in values {
            self.line(&format!("portcask_{name}"), &labels, value);
        }
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let written = match labels {
            "" => writeln!(self.text, "{name} {value}"),
            labels => writeln!(self.text, "{name}{{{labels}}} {value}"),
        };
        debug_assert!(written.is_ok(), "a string takes what is written");
    }
}
