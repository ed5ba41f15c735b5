//! What is written, as pure functions from values to bytes and back.

/// The 96 bits by which the keydir and the hint files know a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyHash {
    /// The upper 64 bits.
    pub hi: u64,
    /// The lower 32 bits.
    pub lo: u32,
}

/// Which of the two key spaces a key belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Space {
    /// The user's keys.
    User,
    /// The system's keys, which users cannot reach and scans never show.
    Meta,
}
