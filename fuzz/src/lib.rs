//! What every fuzz target shares: the targets themselves, and an allocator that counts.

pub use portcask_proof::targets::*;

/// So that a target can tell how much it made the engine allocate.
#[global_allocator]
static HEAP: portcask_proof::heap::Heap = portcask_proof::heap::Heap;
