//! What merge would do, told to a person: why or why not it takes each segment, with the numbers of the rule.

use super::decide::{Decided, Facts, Rule, bytes_max, decide};
use crate::fallible::{self, OutOfMemory};
use crate::options::MergePolicy;
use crate::prelude::*;
use core::fmt;

/// What merge would do now, segment by segment, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergePlan {
    /// Whether a merge is due.
    pub due: bool,
    /// Every segment.
    pub files: Vec<MergeFile>,
}

/// One segment in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeFile {
    /// The segment's id.
    pub id: u64,
    /// Its records' bytes.
    pub size_bytes: u64,
    /// Bytes of records that live keys need.
    pub live_bytes: u64,
    /// Bytes that nothing needs.
    pub dead_bytes: u64,
    /// Bytes of tombstones, which older segments may still need.
    pub tombstone_bytes: u64,
    /// Whether the merge takes it.
    pub chosen: bool,
    /// The rule that decided, with its number.
    pub why: MergeReason,
}

/// The rule that decided about a segment, with the number and the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeReason {
    /// Chosen: at least this share of it is reclaimable.
    Fragmented {
        /// Reclaimable bytes in percent.
        percent: u8,
        /// The threshold.
        limit: u8,
    },
    /// Chosen: at least this many bytes of it are reclaimable.
    DeadBytes {
        /// Reclaimable bytes.
        bytes: u64,
        /// The threshold.
        limit: u64,
    },
    /// Chosen: small, and beside other small ones.
    Small {
        /// Its size.
        bytes: u64,
        /// Segments smaller than this are joined.
        limit: u64,
    },
    /// Chosen: it lies between two chosen ones, and a run has no holes.
    Between,
    /// Chosen: the caller asked for everything.
    Forced,
    /// Left: it is still written to.
    Active,
    /// Left: it holds damage, which merge must not drop silently.
    Damaged,
    /// Left: below every threshold.
    Healthy {
        /// Reclaimable bytes in percent.
        percent: u8,
        /// The threshold.
        limit: u8,
    },
    /// Left: small, but with too few small neighbours.
    TooFew {
        /// Small neighbours, itself included.
        files: usize,
        /// How many it takes.
        limit: usize,
    },
    /// Left: one merge takes no more segments than this.
    MaxFiles {
        /// The limit.
        limit: usize,
    },
    /// Left: one merge takes no more bytes than this.
    MaxBytes {
        /// The limit.
        limit: u64,
    },
    /// Left: it reaches a threshold, but no segment reaches a trigger yet.
    NotTriggered {
        /// Reclaimable bytes in percent.
        percent: u8,
        /// The trigger.
        limit: u8,
    },
    /// Left: outside of the hours in which merge may start.
    WindowClosed,
}

impl fmt::Display for MergeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fragmented { percent, limit } => {
                write!(f, "{percent} % reclaimable, threshold {limit} %")
            }
            Self::DeadBytes { bytes, limit } => {
                write!(f, "{bytes} bytes reclaimable, threshold {limit}")
            }
            Self::Small { bytes, limit } => {
                write!(
                    f,
                    "{bytes} bytes is small (below {limit}), like its neighbours"
                )
            }
            Self::Between => f.write_str("lies between chosen segments"),
            Self::Forced => f.write_str("everything was asked for"),
            Self::Active => f.write_str("still written to"),
            Self::Damaged => f.write_str("holds damage that merge must not drop"),
            Self::Healthy { percent, limit } => {
                write!(f, "only {percent} % reclaimable, threshold {limit} %")
            }
            Self::TooFew { files, limit } => {
                write!(
                    f,
                    "small, but only {files} side by side, joined from {limit} on"
                )
            }
            Self::MaxFiles { limit } => write!(f, "a merge takes at most {limit} segments"),
            Self::MaxBytes { limit } => write!(f, "a merge takes at most {limit} bytes"),
            Self::NotTriggered { percent, limit } => {
                write!(
                    f,
                    "{percent} % reclaimable, but no segment reaches {limit} % yet"
                )
            }
            Self::WindowClosed => f.write_str("outside of the merge window"),
        }
    }
}

/// Plans a merge over `files` (oldest first), and tells of each. `hour` is the hour of the day where it is known.
pub(crate) fn plan(
    files: &[Facts],
    policy: &MergePolicy,
    hour: Option<u8>,
    force: bool,
) -> Result<MergePlan, OutOfMemory> {
    let decided = decide(files, policy, hour, force)?;
    let due = decided.due.clone();
    let told = files.iter().enumerate().map(|(i, file)| MergeFile {
        id: file.id,
        size_bytes: file.size,
        live_bytes: file.live,
        dead_bytes: file.dead,
        tombstone_bytes: file.tombstones,
        chosen: due.as_ref().is_some_and(|run| run.contains(&i)),
        why: reason(&decided, i, files, policy),
    });
    Ok(MergePlan {
        due: due.is_some(),
        files: fallible::collect(told)?,
    })
}

/// The rule that decided about a file, with its numbers.
fn reason(decided: &Decided, i: usize, files: &[Facts], policy: &MergePolicy) -> MergeReason {
    let gain = decided.reclaimable[i];
    let percent = files[i].percent(gain);
    match decided.rules[i] {
        Rule::Fragmented => MergeReason::Fragmented {
            percent,
            limit: policy.fragmentation_threshold_percent,
        },
        Rule::DeadBytes => MergeReason::DeadBytes {
            bytes: gain,
            limit: policy.dead_bytes_threshold,
        },
        Rule::Small => MergeReason::Small {
            bytes: files[i].size,
            limit: policy.small_file_bytes,
        },
        Rule::Between => MergeReason::Between,
        Rule::Forced => MergeReason::Forced,
        Rule::Active => MergeReason::Active,
        Rule::Damaged => MergeReason::Damaged,
        Rule::Healthy => MergeReason::Healthy {
            percent,
            limit: policy.fragmentation_threshold_percent,
        },
        Rule::TooFew => {
            let alike = |rule: &&Rule| **rule == Rule::TooFew;
            let before = decided.rules[..i].iter().rev().take_while(alike).count();
            let rest = decided.rules[i..].iter().take_while(alike).count();
            MergeReason::TooFew {
                files: before + rest,
                limit: policy.min_files,
            }
        }
        Rule::MaxFiles => MergeReason::MaxFiles {
            limit: policy.max_files,
        },
        Rule::MaxBytes | Rule::MaxJoined => MergeReason::MaxBytes {
            limit: bytes_max(files, policy, decided.rules[i] == Rule::MaxJoined),
        },
        Rule::NotTriggered => MergeReason::NotTriggered {
            percent,
            limit: policy.fragmentation_trigger_percent,
        },
        Rule::WindowClosed => MergeReason::WindowClosed,
    }
}
