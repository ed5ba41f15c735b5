//! `INFO`: the server in numbers, under the names that tools read.

use super::Call;
use super::refusal::Outcome;
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

const SECTIONS: [Section; 7] = [
    ("server", "Server", about_server),
    ("clients", "Clients", about_clients),
    ("memory", "Memory", about_memory),
    ("persistence", "Persistence", about_persistence),
    ("stats", "Stats", about_work),
    ("replication", "Replication", about_replication),
    ("keyspace", "Keyspace", about_keys),
];

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
    let is_all = |word: &String| ["all", "default", "everything"].contains(&word.as_str());
    let everything = asked.is_empty() || asked.iter().any(is_all);
    let mut fields = Fields::default();
    for (name, title, write) in SECTIONS {
        if everything || asked.iter().any(|word| word == name) {
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
    fields.add("blocked_clients", 0);
    Ok(())
}

fn about_memory(server: &Shared, fields: &mut Fields) -> Outcome {
    let stats = server.store.db().stats()?;
    fields.add("keydir_memory_bytes", stats.memory_bytes);
    fields.add(
        "client_input_bytes",
        server.input_bytes.load(Ordering::Relaxed),
    );
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
    fields.add("rdb_bgsave_in_progress", 0);
    fields.add("rdb_last_save_time", saved.unwrap_or_default().as_secs());
    fields.add("rdb_last_bgsave_status", "ok");
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
    fields.add_counter("total_net_input_bytes", &counters.input_bytes);
    fields.add_counter("total_net_output_bytes", &counters.output_bytes);
    fields.add_counter("rejected_connections", &counters.refused_connections);
    fields.add_counter("protocol_errors", &counters.protocol_errors);
    fields.add_counter("clients_cut_for_memory", &counters.cut_for_memory);
    fields.add_counter("clients_cut_for_time", &counters.cut_for_time);
    fields.add("keys_changed", server.store.changes());
    Ok(())
}

fn about_replication(_: &Shared, fields: &mut Fields) -> Outcome {
    fields.add("role", "master");
    fields.add("connected_slaves", 0);
    Ok(())
}

fn about_keys(server: &Shared, fields: &mut Fields) -> Outcome {
    let keys = server.store.db().len()?;
    if keys > 0 {
        fields.add("db0", format!("keys={keys}"));
    }
    Ok(())
}
