//! What is counted over all clients.

use std::sync::atomic::AtomicU64;

/// What happened since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub connections: AtomicU64,
    pub refused_connections: AtomicU64,
    pub commands: AtomicU64,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    pub protocol_errors: AtomicU64,
    pub cut_for_memory: AtomicU64,
    pub cut_for_time: AtomicU64,
}

impl Counters {
    pub(crate) fn all(&self) -> [&AtomicU64; 8] {
        [
            &self.connections,
            &self.refused_connections,
            &self.commands,
            &self.input_bytes,
            &self.output_bytes,
            &self.protocol_errors,
            &self.cut_for_memory,
            &self.cut_for_time,
        ]
    }
}
