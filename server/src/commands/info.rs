//! `INFO`: the server in numbers, under the names that tools read.

use super::Call;
use super::refusal::Outcome;
use crate::observe::{cpu_seconds, memory_bytes};
use crate::pubsub::Kind;
use crate::server::{REDIS_VERSION, Shared};
use std::fmt::{Display, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A section: its name, its title, and what writes it.
type Section = (
    &'static str,
    &'static str,
    fn(&Shared, &mut Fields) -> Outcome,
);

const SECTIONS: [Section; 10] = [
    ("server", "Server", about_server),
    ("clients", "Clients", about_clients),
    ("memory", "Memory", about_memory),
    ("persistence", "Persistence", about_persistence),
    ("stats", "Stats", about_work),
    ("replication", "Replication", about_replication),
    ("cpu", "CPU", about_cpu),
    ("errorstats", "Errorstats", about_errors),
    ("cluster", "Cluster", about_cluster),
    ("keyspace", "Keyspace", about_keys),
];

/// Sections that are told only when they or everything is asked for.
const LONG_SECTIONS: [Section; 1] = [("commandstats", "Commandstats", about_commands)];

/// Lines of `name:value`.
#[derive(Default)]
struct Fields(String);

impl Fields {
    fn add(&mut self, name: &str, value: impl Display) {
        let written = write!(self.0, "{name}:{value}\r\n");
        debug_assert!(written.is_ok(), "a string takes what is written");
    }

    fn add_counter(&mut self, name: &str, counter: &AtomicU64) {
        self.add(name, counter.load(Ordering::Relaxed));
    }
}

pub(super) fn info(call: &mut Call<'_, '_>) -> Outcome {
    let asked: Vec<String> = call
        .args
        .from(1)
        .map(|word| String::from_utf8_lossy(word).to_ascii_lowercase())
        .collect();
    let has = |words: &[&str]| asked.iter().any(|it| words.contains(&it.as_str()));
    let everything = has(&["all", "everything"]);
    let most = asked.is_empty() || everything || has(&["default"]);
    let mut fields = Fields::default();
    let sections = SECTIONS.into_iter().map(|it| (most, it));
    let long = LONG_SECTIONS.into_iter().map(|it| (everything, it));
    for (is_asked, (name, title, write)) in sections.chain(long) {
        if is_asked || asked.iter().any(|word| word == name) {
            let gap = if fields.0.is_empty() { "" } else { "\r\n" };
            fields.0.push_str(&format!("{gap}# {title}\r\n"));
            write(call.server, &mut fields)?;
        }
    }
    call.reply.text(&fields.0);
    Ok(())
}

fn about_server(server: &Shared, fields: &mut Fields) -> Outcome {
    fields.add("redis_version", REDIS_VERSION);
    fields.add("portcask_version", env!("CARGO_PKG_VERSION"));
    fields.add("redis_mode", "standalone");
    fields.add("os", std::env::consts::OS);
    fields.add("arch_bits", usize::BITS);
    fields.add("process_id", std::process::id());
    fields.add("run_id", server.store.db().store_id());
    fields.add("tcp_port", server.config.port());
    let uptime = server.started.elapsed().as_secs();
    fields.add("uptime_in_seconds", uptime);
    fields.add("uptime_in_days", uptime / 86_400);
    let file = server.config.file.as_deref();
    fields.add("config_file", file.unwrap_or(Path::new("")).display());
    Ok(())
}

fn about_clients(server: &Shared, fields: &mut Fields) -> Outcome {
    fields.add("connected_clients", server.clients.len());
    fields.add("maxclients", server.live.clients_max());
    let clients = server.clients.all();
    let blocked = clients.iter().filter(|client| client.is_blocked());
    fields.add("blocked_clients", blocked.count());
    Ok(())
}

fn about_memory(server: &Shared, fields: &mut Fields) -> Outcome {
    let stats = server.store.db().stats()?;
    let (now, peak) = memory_bytes().unwrap_or_default();
    for (name, bytes) in [
        ("used_memory", now),
        ("used_memory_rss", now),
        ("used_memory_peak", peak),
        ("used_memory_dataset", stats.memory_bytes),
        ("maxmemory", 0),
    ] {
        fields.add(name, bytes);
        fields.add(&format!("{name}_human"), human(bytes));
    }
    fields.add("maxmemory_policy", "noeviction");
    fields.add("keydir_memory_bytes", stats.memory_bytes);
    fields.add(
        "client_input_bytes",
        server.input_bytes.load(Ordering::Relaxed),
    );
    fields.add("client_output_bytes", server.outgoing.total_bytes());
    Ok(())
}

fn about_persistence(server: &Shared, fields: &mut Fields) -> Outcome {
    let db = server.store.db();
    let stats = db.stats()?;
    let (is_merging, merges, error) = server.upkeep.merges();
    let saved = server
        .upkeep
        .last_saved()
        .duration_since(std::time::UNIX_EPOCH);
    fields.add("loading", 0);
    let (is_saving, save_failed) = server.upkeep.saves();
    fields.add("rdb_bgsave_in_progress", u8::from(is_saving));
    fields.add("rdb_last_save_time", saved.unwrap_or_default().as_secs());
    let saved = if save_failed { "err" } else { "ok" };
    fields.add("rdb_last_bgsave_status", saved);
    fields.add("aof_enabled", 1);
    fields.add("aof_rewrite_in_progress", u8::from(is_merging));
    fields.add(
        "aof_last_bgrewrite_status",
        if error.is_none() { "ok" } else { "err" },
    );
    let background = db.background_error();
    fields.add(
        "aof_last_write_status",
        if background.is_none() { "ok" } else { "err" },
    );
    fields.add("aof_current_size", stats.total_bytes);
    fields.add("portcask_sync", server.syncing.policy());
    fields.add("portcask_merges_asked_for", merges);
    fields.add("portcask_segments", stats.segments.len());
    fields.add("portcask_live_bytes", stats.live_bytes);
    fields.add("portcask_dead_bytes", stats.dead_bytes);
    fields.add("portcask_last_seq", stats.last_seq);
    if let Some(error) = background {
        fields.add("portcask_background_error", error);
    }
    Ok(())
}

fn about_work(server: &Shared, fields: &mut Fields) -> Outcome {
    let counters = &server.counters;
    fields.add_counter("total_connections_received", &counters.connections);
    fields.add_counter("total_commands_processed", &counters.commands);
    fields.add_counter("keyspace_hits", &counters.hits);
    fields.add_counter("keyspace_misses", &counters.misses);
    let errors = server.observed.commands.errors();
    let errors: u64 = errors.iter().map(|(_, count)| count).sum();
    fields.add("total_error_replies", errors);
    fields.add_counter("total_net_input_bytes", &counters.input_bytes);
    fields.add_counter("total_net_output_bytes", &counters.output_bytes);
    fields.add_counter("rejected_connections", &counters.refused_connections);
    fields.add_counter("protocol_errors", &counters.protocol_errors);
    fields.add_counter("clients_cut_for_memory", &counters.cut_for_memory);
    fields.add_counter("clients_cut_for_time", &counters.cut_for_time);
    fields.add("keys_changed", server.store.changes());
    fields.add("pubsub_channels", server.hub.names(Kind::Channel));
    fields.add("pubsub_patterns", server.hub.names(Kind::Pattern));
    fields.add("pubsubshard_channels", server.hub.names(Kind::Shard));
    fields.add(
        "client_output_buffer_limit_disconnections",
        server.hub.cut(),
    );
    fields.add("evicted_clients", server.outgoing.evicted());
    Ok(())
}

fn about_replication(_: &Shared, fields: &mut Fields) -> Outcome {
    fields.add("role", "master");
    fields.add("connected_slaves", 0);
    Ok(())
}

fn about_cpu(_: &Shared, fields: &mut Fields) -> Outcome {
    let (user, system) = cpu_seconds().unwrap_or_default();
    fields.add("used_cpu_sys", format_args!("{system:.6}"));
    fields.add("used_cpu_user", format_args!("{user:.6}"));
    Ok(())
}

fn about_errors(server: &Shared, fields: &mut Fields) -> Outcome {
    for (kind, count) in server.observed.commands.errors() {
        fields.add(&format!("errorstat_{kind}"), format_args!("count={count}"));
    }
    Ok(())
}

fn about_commands(server: &Shared, fields: &mut Fields) -> Outcome {
    for it in server.observed.commands.shown() {
        let us = it.ns / 1000;
        let each = it.ns as f64 / 1000.0 / it.calls.max(1) as f64;
        fields.add(
            &format!("cmdstat_{}", it.name),
            format_args!(
                "calls={},usec={us},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
                it.calls, it.rejected, it.failed
            ),
        );
    }
    Ok(())
}

/// `1.50M`, as Redis rounds.
fn human(bytes: u64) -> String {
    let scales = [("G", 1_u64 << 30), ("M", 1 << 20), ("K", 1 << 10)];
    match scales.iter().find(|(_, scale)| bytes >= *scale) {
        Some((unit, scale)) => format!("{:.2}{unit}", bytes as f64 / *scale as f64),
        None => format!("{bytes}B"),
    }
}

fn about_cluster(_: &Shared, fields: &mut Fields) -> Outcome {
    fields.add("cluster_enabled", 0);
    Ok(())
}

fn about_keys(server: &Shared, fields: &mut Fields) -> Outcome {
    let db = server.store.db();
    let (keys, expiring) = (db.len()?, db.expiring()?);
    if keys > 0 {
        let left = expiring.mean_ms.zip(db.now_ms());
        let avg_ttl = left.map_or(0, |(ends, now)| ends.saturating_sub(now));
        let expires = expiring.keys;
        fields.add(
            "db0",
            format!("keys={keys},expires={expires},avg_ttl={avg_ttl}"),
        );
    }
    Ok(())
}
