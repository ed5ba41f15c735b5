//! Which segments a merge takes.
//!
//! A merge takes a run of neighbours, because its output takes their place in the order. Tombstones
//! can only go when the run starts at the oldest segment, so their bytes count as reclaimable only
//! there; otherwise a file of tombstones would be merged for ever.

use crate::fallible::{self, OutOfMemory};
use crate::format::file::FILE_HEADER_BYTES;
use crate::index::Segment;
use crate::options::MergePolicy;
use crate::prelude::*;
use core::ops::Range;

/// A merge takes at most one of so many parts of the store, if that is more than [`RUN_BYTES`].
const RUN_PARTS: u64 = 4;
/// What a merge may take in any case. Not much more than a small segment: what a merge takes lies there
/// twice until it is done, and so does all that is written meanwhile.
const RUN_BYTES: u64 = 12 << 20;
/// The same for small segments that are joined, of which it takes several.
const JOINED_BYTES: u64 = 32 << 20;
/// An output ends at one of so many parts of what lives, if that is more than a small segment, so that
/// the parts can be merged one by one when their time comes.
const OUTPUT_PARTS: u64 = 8;

/// The length at which a merge that is done by itself ends an output, where the policy's segments are
/// longer.
pub(super) fn output_bytes(files: &[Facts], policy: &MergePolicy) -> u64 {
    let live: u64 = files.iter().map(|file| file.live).sum();
    (live / OUTPUT_PARTS).max(policy.small_file_bytes.saturating_mul(2))
}

/// What a plan decided: of each segment why or why not, and the run to take if a merge is due.
pub(crate) struct Decided {
    pub(super) rules: Vec<Rule>,
    /// What merging each would give back.
    pub(super) reclaimable: Vec<u64>,
    pub due: Option<Range<usize>>,
}

/// Decides which segments a merge takes. Needs little memory, and words for nobody.
pub(crate) fn decide(
    files: &[Facts],
    policy: &MergePolicy,
    hour: Option<u8>,
    force: bool,
) -> Result<Decided, OutOfMemory> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut reclaimable: Vec<u64> = Vec::new();
    fallible::reserve(&mut rules, files.len())?;
    fallible::reserve(&mut reclaimable, files.len())?;
    // Tombstones may go from the oldest segment on, as far as the run reaches without a hole.
    let mut from_oldest = true;
    // A trigger anywhere starts merging, part by part, until nothing reaches one.
    let mut triggered = force;
    for file in files {
        let gain = file.dead + if from_oldest { file.tombstones } else { 0 };
        let rule = judge(file, gain, policy, force);
        from_oldest &= is_candidate(rule);
        triggered |= is_candidate(rule)
            && (file.percent(gain) >= policy.fragmentation_trigger_percent
                || gain >= policy.dead_bytes_trigger);
        fallible::push(&mut rules, rule)?;
        fallible::push(&mut reclaimable, gain)?;
    }
    let run = best_run(files, &mut rules, &reclaimable, policy, force);
    // Enough small ones side by side are a reason of their own; one beside another file is not.
    let taken = &rules[run.clone().unwrap_or_default()];
    triggered |= taken.iter().all(|rule| *rule == Rule::Small);
    let open = force || in_window(policy.window_hours, hour);
    let due = run.clone().filter(|_| triggered && open);
    if let Some(run) = run.filter(|_| due.is_none()) {
        let candidates = rules[run].iter_mut().filter(|rule| is_candidate(**rule));
        candidates.for_each(|rule| {
            *rule = match triggered {
                true => Rule::WindowClosed,
                false => Rule::NotTriggered,
            }
        });
    }
    Ok(Decided {
        rules,
        reclaimable,
        due,
    })
}

/// What the plan needs to know of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub id: u64,
    pub size: u64,
    pub live: u64,
    pub dead: u64,
    pub tombstones: u64,
    pub active: bool,
    pub damaged: bool,
}

impl Facts {
    pub(crate) fn of<F>(segment: &Segment<F>, active: bool) -> Self {
        let header = FILE_HEADER_BYTES as u64;
        Self {
            id: segment.id,
            size: segment.end.saturating_sub(header),
            live: segment.live_bytes,
            dead: segment.dead_bytes(),
            tombstones: segment.tombstone_bytes,
            active,
            damaged: segment.damaged,
        }
    }

    /// Whether a segment that is still written to should be sealed to be merged: otherwise keys that
    /// are written over and over fill it with dead bytes up to its full size.
    fn is_worth_sealing(&self, gain: u64, policy: &MergePolicy) -> bool {
        gain > 0
            && self.size >= policy.small_file_bytes
            && (self.percent(gain) >= policy.fragmentation_trigger_percent
                || gain >= policy.dead_bytes_trigger)
    }

    /// Whether a segment that is still written to should be sealed although no merge takes it yet:
    /// it is not small, and keys are written over and over. What is written next then lies in a
    /// segment of its own, which is merged often and at little cost, instead of behind much that
    /// lives on and would be copied with it.
    pub(super) fn is_worth_dividing(&self, policy: &MergePolicy) -> bool {
        let small = policy.small_file_bytes;
        self.active && self.size >= small.saturating_mul(2) && self.dead >= (small / 2).max(1)
    }

    /// The share of it that `reclaimable` bytes are.
    pub(super) fn percent(&self, reclaimable: u64) -> u8 {
        if self.size == 0 {
            return 100;
        }
        (reclaimable.saturating_mul(100) / self.size).min(100) as u8
    }
}

/// The rule that decided about a segment. Its numbers, which the policy and the files tell again, are with the
/// [reason](super::MergeReason) that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Fragmented,
    DeadBytes,
    Small,
    Between,
    Forced,
    Active,
    Damaged,
    Healthy,
    TooFew,
    MaxFiles,
    MaxBytes,
    /// The same, of small files alone.
    MaxJoined,
    NotTriggered,
    WindowClosed,
}

fn judge(file: &Facts, gain: u64, policy: &MergePolicy, force: bool) -> Rule {
    let percent = file.percent(gain);
    if file.active && (force || !file.is_worth_sealing(gain, policy)) {
        Rule::Active
    } else if file.damaged {
        Rule::Damaged
    } else if force {
        Rule::Forced
    } else if percent >= policy.fragmentation_threshold_percent && gain > 0 {
        Rule::Fragmented
    } else if gain >= policy.dead_bytes_threshold && gain > 0 {
        Rule::DeadBytes
    } else if file.size < policy.small_file_bytes {
        Rule::Small
    } else {
        Rule::Healthy
    }
}

fn is_candidate(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::Fragmented | Rule::DeadBytes | Rule::Small | Rule::Forced | Rule::Between
    )
}

/// The most bytes that one merge takes. Until its inputs are removed, a merge needs room for its outputs beside them: a
/// part at a time.
pub(super) fn bytes_max(files: &[Facts], policy: &MergePolicy, only_small: bool) -> u64 {
    let whole: u64 = files.iter().map(|file| file.size).sum();
    let least = if only_small { JOINED_BYTES } else { RUN_BYTES };
    policy.max_bytes.min(least.max(whole / RUN_PARTS))
}

/// The run of candidates that reclaims most, within the limits; small files alone need company.
fn best_run(
    files: &[Facts],
    rules: &mut [Rule],
    reclaimable: &[u64],
    policy: &MergePolicy,
    force: bool,
) -> Option<Range<usize>> {
    bridge(files, rules, policy);
    let mut best: Option<(u64, usize, Range<usize>)> = None;
    let mut i = 0;
    while i < files.len() {
        if !is_candidate(rules[i]) {
            i += 1;
            continue;
        }
        let end = (i..files.len())
            .find(|&j| !is_candidate(rules[j]))
            .unwrap_or(files.len());
        let mut run = i..end;
        i = end;
        let only_small = rules[run.clone()].iter().all(|rule| *rule == Rule::Small);
        if only_small && run.len() < policy.min_files {
            rules[run].fill(Rule::TooFew);
            continue;
        }
        if !force {
            let max = bytes_max(files, policy, only_small);
            let over = match only_small {
                true => Rule::MaxJoined,
                false => Rule::MaxBytes,
            };
            limit(
                reclaimable,
                files,
                rules,
                &mut run,
                (policy.max_files, max, over),
            );
        }
        let gain = reclaimable[run.clone()].iter().sum();
        let better = best
            .as_ref()
            .is_none_or(|(most, length, _)| (gain, run.len()) > (*most, *length));
        if better && !run.is_empty() {
            best = Some((gain, run.len(), run));
        }
    }
    best.map(|(_, _, run)| run)
}

/// Joins two candidates that one smallish healthy segment keeps apart.
fn bridge(files: &[Facts], rules: &mut [Rule], policy: &MergePolicy) {
    for i in 1..files.len().saturating_sub(1) {
        let lone = rules[i] == Rule::Healthy;
        let smallish = files[i].size <= policy.small_file_bytes.saturating_mul(2);
        if lone && smallish && is_candidate(rules[i - 1]) && is_candidate(rules[i + 1]) {
            rules[i] = Rule::Between;
        }
    }
}

/// Cuts a run to what one merge may take: the neighbours that give back most, the older ones of two
/// that give back as much. Tombstones count only from the oldest segment on. Nothing is left of a run
/// of which no part gives back or joins anything.
fn limit(
    reclaimable: &[u64],
    files: &[Facts],
    rules: &mut [Rule],
    run: &mut Range<usize>,
    (files_max, bytes_max, over_bytes): (usize, u64, Rule),
) {
    let whole = run.clone();
    let (mut from, mut bytes) = (whole.start, 0_u64);
    let (mut best, mut most, mut over) = (whole.start..whole.start, None, None);
    for i in whole.clone() {
        bytes = bytes.saturating_add(files[i].size);
        while i > from && (i - from >= files_max || bytes > bytes_max) {
            over.get_or_insert(if i - from >= files_max {
                Rule::MaxFiles
            } else {
                over_bytes
            });
            bytes -= files[from].size.min(bytes);
            from += 1;
        }
        let gain = match from {
            0 => reclaimable[..=i].iter().sum(),
            _ => files[from..=i].iter().map(|file| file.dead).sum::<u64>(),
        };
        if most.is_none_or(|most| gain > most || (gain == most && from == best.start)) {
            (best, most) = (from..i + 1, Some(gain));
        }
    }
    if let Some(over) = over {
        for i in whole.clone().filter(|i| !best.contains(i)) {
            rules[i] = over;
        }
        let idle = most == Some(0) && best.len() < 2;
        *run = if idle { whole.start..whole.start } else { best };
    }
}

fn in_window(window: Option<(u8, u8)>, hour: Option<u8>) -> bool {
    let (Some((start, end)), Some(hour)) = (window, hour) else {
        return true;
    };
    if start <= end {
        (start..=end).contains(&hour)
    } else {
        hour >= start || hour <= end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn sealed(id: u64, size: u64, dead: u64, tombstones: u64) -> Facts {
        Facts {
            id,
            size,
            live: size - dead - tombstones,
            dead,
            tombstones,
            active: false,
            damaged: false,
        }
    }

    /// What a merge takes lies there twice until it is done.
    #[test]
    fn a_merge_of_a_store_of_some_megabytes_takes_a_part_of_it() {
        let policy = MergePolicy::default();
        let file = |id, dead| sealed(id, 11 * MIB, dead, 0);
        let files = [file(1, 7 * MIB), file(2, 8 * MIB), file(3, 7 * MIB)];
        let run = decide(&files, &policy, None, false).unwrap().due;
        assert_eq!(run, Some(1..2));
        // One segment is merged whole, however long it is.
        let once = [sealed(1, 40 * MIB, 25 * MIB, 0)];
        let run = decide(&once, &policy, None, false).unwrap().due;
        assert_eq!(run, Some(0..1));
        // Joining gives nothing back, and takes several at once.
        let small: Vec<Facts> = (1..=4).map(|id| sealed(id, 9 * MIB, 0, 0)).collect();
        let run = decide(&small, &policy, None, false).unwrap().due;
        assert_eq!(run, Some(0..3));
    }

    /// Copied as they are, they would be merged again and again.
    #[test]
    fn tombstones_are_no_gain_for_a_part_that_does_not_begin_at_the_oldest_segment() {
        let policy = MergePolicy::default();
        let dead = sealed(1, 20 * MIB, 12 * MIB, 0);
        let deletes = sealed(2, 30 * MIB, 0, 20 * MIB);
        let run = decide(&[dead, deletes], &policy, None, false).unwrap().due;
        assert_eq!(run, Some(0..1), "both are too much for one merge");

        let merged = sealed(3, 8 * MIB, 0, 0);
        let run = decide(&[merged, deletes], &policy, None, false)
            .unwrap()
            .due;
        assert_eq!(run, None);
        let run = decide(&[deletes], &policy, None, false).unwrap().due;
        assert_eq!(run, Some(0..1), "the oldest may let them go");
    }
}
