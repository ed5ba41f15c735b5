//! Reports as numbers, in the order in which `package/report.js` names them: doubles, and lists after their length.

use super::parts::push_whole;
use alloc::vec::Vec;
#[cfg(feature = "full")]
use portcask::VerifyReport;
use portcask::{DamageReport, Error, FileName, MergeReport, RecoveryReport, Stats, fallible};

fn numbers(into: &mut Vec<u8>, numbers: &[u64]) -> Result<(), Error> {
    numbers
        .iter()
        .try_for_each(|number| push_whole(into, *number))
}

/// Its length, and its bytes.
fn name(into: &mut Vec<u8>, name: &FileName) -> Result<(), Error> {
    let name = name.as_bytes();
    push_whole(into, name.len() as u64)?;
    Ok(fallible::extend(into, name)?)
}

fn damages(into: &mut Vec<u8>, damages: &[DamageReport]) -> Result<(), Error> {
    push_whole(into, damages.len() as u64)?;
    for damage in damages {
        name(into, &damage.file)?;
        let (what, live) = (damage.damage as u64, u64::from(damage.live));
        numbers(into, &[damage.offset, damage.bytes, what, live])?;
    }
    Ok(())
}

pub(super) fn recovery(into: &mut Vec<u8>, report: &RecoveryReport) -> Result<(), Error> {
    let told = [
        report.created.into(),
        report.clean.into(),
        report.degraded.into(),
        report.clock_jump.is_some().into(),
        report.stepped_back.into(),
        report.epoch,
        report.keys,
        report.scanned_records,
        report.scanned_bytes,
        report.hinted_bytes,
        report.torn_bytes,
        report.torn_records,
        report.undecidable_bytes,
        report.undecidable_records,
        report.rewritten_records,
        report.damages_omitted,
    ];
    numbers(into, &told)?;
    damages(into, &report.damages)?;
    damages(into, &report.undecided)?;
    push_whole(into, report.orphans.len() as u64)?;
    report.orphans.iter().try_for_each(|file| name(into, file))
}

pub(super) fn stats(into: &mut Vec<u8>, stats: &Stats, handles: usize) -> Result<(), Error> {
    let told = [
        stats.keys,
        stats.live_bytes,
        stats.dead_bytes,
        stats.tombstone_bytes,
        stats.total_bytes,
        stats.fragmentation_percent.into(),
        stats.memory_bytes,
        stats.last_seq,
        stats.epoch,
        handles as u64,
        stats.segments.len() as u64,
    ];
    numbers(into, &told)?;
    for segment in &stats.segments {
        let told = [
            segment.id,
            segment.size_bytes,
            segment.live_bytes,
            segment.dead_bytes,
            segment.tombstone_bytes,
            segment.live_keys,
            segment.active.into(),
            segment.damaged.into(),
        ];
        numbers(into, &told)?;
    }
    Ok(())
}

pub(super) fn merge(into: &mut Vec<u8>, report: &MergeReport) -> Result<(), Error> {
    let told = [
        report.inputs as u64,
        report.outputs as u64,
        report.bytes_before,
        report.bytes_after,
        report.records_kept,
        report.records_dropped,
    ];
    numbers(into, &told)
}

#[cfg(feature = "full")]
pub(super) fn verify(into: &mut Vec<u8>, report: &VerifyReport) -> Result<(), Error> {
    let told = [
        report.files,
        report.records,
        report.live_records,
        report.bytes,
    ];
    numbers(into, &told)?;
    damages(into, &report.damages)?;
    damages(into, &report.undecided)
}
