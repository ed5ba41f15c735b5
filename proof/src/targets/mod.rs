//! What is fuzzed: plain functions of bytes that panic on a finding.
//!
//! ```text
//!   bytes -- input --> a case -- target --> nothing, or a panic that tells what is broken
//! ```
//!
//! libFuzzer (`cargo xtask fuzz`) searches for bytes; what it found worth keeping lies in
//! `fuzz/corpus/<target>` and runs in every `cargo test`. Checksums stop a fuzzer that knows
//! nothing, so besides raw bytes each target makes cases whose checks are right after the mutation.

mod crash_recovery;
mod differential_ops;
mod forge;
mod hint_decode;
mod image;
mod input;
mod manifest_decode;
mod open_image;
mod record_decode;

pub(crate) use image::golden;

pub use crash_recovery::crash_recovery;
pub use differential_ops::differential_ops;
pub use hint_decode::hint_decode;
pub use manifest_decode::manifest_decode;
pub use open_image::open_image;
pub use portcask_server::fuzzing::{resp_parse, resp_session};
pub use record_decode::record_decode;

/// A target and how it is searched.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its function, of its binary and of its corpus.
    pub name: &'static str,
    /// The name of its campaign in the ledger.
    pub campaign: &'static str,
    /// Runs one case; panics on a finding.
    pub run: fn(&[u8]),
    /// The longest input worth trying, in bytes: longer ones only make the search slower.
    pub input_bytes_max: usize,
}

macro_rules! target {
    ($name:ident, $input_bytes_max:literal) => {
        Target {
            name: stringify!($name),
            campaign: concat!("fuzz ", stringify!($name)),
            run: $name,
            input_bytes_max: $input_bytes_max,
        }
    };
}

/// All targets.
pub const ALL: [Target; 8] = [
    target!(record_decode, 160),
    target!(hint_decode, 512),
    target!(manifest_decode, 512),
    target!(open_image, 512),
    target!(crash_recovery, 384),
    target!(differential_ops, 512),
    target!(resp_parse, 512),
    target!(resp_session, 1024),
];
