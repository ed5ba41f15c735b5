//! What is counted over all clients.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happened since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub connections: AtomicU64,
    pub refused_connections: AtomicU64,
    pub commands: AtomicU64,
    /// Keys that commands which only read looked for and found, and those that they did not find.
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    pub protocol_errors: AtomicU64,
    pub cut_for_memory: AtomicU64,
    pub cut_for_time: AtomicU64,
}

impl Counters {
    /// So many keys were looked for by commands that only read: found, and not found.
    pub(crate) fn looked_for(&self, found: u64, missed: u64) {
        for (counter, more) in [(&self.hits, found), (&self.misses, missed)] {
            if more > 0 {
                counter.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn all(&self) -> [&AtomicU64; 10] {
        [
            &self.connections,
            &self.refused_connections,
            &self.commands,
            &self.hits,
            &self.misses,
            &self.input_bytes,
            &self.output_bytes,
            &self.protocol_errors,
            &self.cut_for_memory,
            &self.cut_for_time,
        ]
    }
}
