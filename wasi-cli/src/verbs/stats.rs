//! stats: the store in numbers.

use crate::Context;
use crate::failure::{Exit, Outcome};
use crate::term::Table;
use crate::units;
use portcask::{SegmentStats, Stats};
use serde_json::{Value, json};

/// `stats`: keys, sizes, dead space per file.
pub fn stats(context: &mut Context) -> Outcome {
    let (stats, id, now) = context.store.read(|engine| {
        Ok((
            engine.stats()?,
            engine.store_id().to_string(),
            engine.now_ms(),
        ))
    })?;
    if context.json {
        context.out.json(&as_json(&stats, &id, now))?;
        return Ok(Exit::Done);
    }
    for (name, value) in lines(&stats, id) {
        context
            .out
            .line(format!("{name:<14}{}", value.trim_start()))?;
    }
    if !stats.segments.is_empty() {
        context.out.line("")?;
        context.out.table(&of_segments(&stats.segments))?;
    }
    Ok(Exit::Done)
}

fn as_json(stats: &Stats, id: &str, now: Option<u64>) -> Value {
    let segments: Vec<Value> = stats
        .segments
        .iter()
        .map(|segment| {
            json!({
                "id": segment.id,
                "size_bytes": segment.size_bytes,
                "live_bytes": segment.live_bytes,
                "dead_bytes": segment.dead_bytes,
                "tombstone_bytes": segment.tombstone_bytes,
                "live_keys": segment.live_keys,
                "active": segment.active,
                "damaged": segment.damaged,
            })
        })
        .collect();
    json!({
        "store": id,
        "keys": stats.keys,
        "expiring_keys": stats.expiring_keys,
        "live_bytes": stats.live_bytes,
        "dead_bytes": stats.dead_bytes,
        "tombstone_bytes": stats.tombstone_bytes,
        "total_bytes": stats.total_bytes,
        "fragmentation_percent": stats.fragmentation_percent,
        "memory_bytes": stats.memory_bytes,
        "last_seq": stats.last_seq,
        "oldest_change_seq": stats.oldest_change_seq,
        "epoch": stats.epoch,
        "now_ms": now,
        "segments": segments,
    })
}

/// What holds of the whole store, named line by line.
fn lines(stats: &Stats, id: String) -> Vec<(&'static str, String)> {
    let of_total = |bytes| {
        format!(
            "{:>10}  {:>7}",
            units::size(bytes),
            units::percent(bytes, stats.total_bytes)
        )
    };
    let per_key = stats.memory_bytes as f64 / stats.keys.max(1) as f64;
    vec![
        ("store", id),
        ("keys", units::count(stats.keys)),
        ("  with expiry", units::count(stats.expiring_keys)),
        ("size", format!("{:>10}", units::size(stats.total_bytes))),
        ("  live", of_total(stats.live_bytes)),
        ("  dead", of_total(stats.dead_bytes)),
        ("  tombstones", of_total(stats.tombstone_bytes)),
        (
            "key memory",
            format!(
                "{:>10}  {per_key:.1} B per key",
                units::size(stats.memory_bytes)
            ),
        ),
        ("last seq", units::count(stats.last_seq)),
        ("changes from", units::count(stats.oldest_change_seq)),
        ("epoch", stats.epoch.to_string()),
    ]
}

fn of_segments(segments: &[SegmentStats]) -> Table {
    let mut table = Table::new(&[
        ">segment",
        ">size",
        ">keys",
        ">live",
        ">dead",
        ">tombstones",
        "state",
    ]);
    for segment in segments {
        let state = match (segment.damaged, segment.active) {
            (true, _) => "damaged",
            (false, true) => "active",
            (false, false) => "sealed",
        };
        table.row([
            segment.id.to_string(),
            units::size(segment.size_bytes),
            units::count(segment.live_keys),
            units::percent(segment.live_bytes, segment.size_bytes),
            units::percent(segment.dead_bytes, segment.size_bytes),
            units::size(segment.tombstone_bytes),
            state.to_owned(),
        ]);
    }
    table
}
