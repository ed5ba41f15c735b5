//! verify and recover: is everything as it was written?

use crate::Context;
use crate::args::RecoverArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::term::{Progress, Table, Unit};
use crate::text::{excerpt, insert_bytes};
use crate::units;
use portcask::{DamageReport, RecoveryReport, VerifyReport};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Damaged places listed for a person; --json lists all.
const DAMAGES_SHOWN: usize = 20;

/// `verify`: reads and checks every byte.
pub fn verify(context: &mut Context) -> Outcome {
    let report = checked(context)?;
    let recovery = context.store.report()?;
    say_verify(context, &report, &recovery)?;
    Ok(exit_of(&report, &recovery))
}

/// Verifies. Beside a writer, what looks damaged may only be in flight (half of an append, a file
/// that merge just removed): damage counts if a second look, after reopening, finds it again.
pub fn checked(context: &mut Context) -> Result<VerifyReport, Failure> {
    let mut first = once(context)?;
    if first.damages.is_empty() {
        return Ok(first);
    }
    std::thread::sleep(Duration::from_millis(50));
    context.store.refresh();
    let second = once(context)?;
    let is_same = |a: &DamageReport, b: &DamageReport| (a.file, a.offset) == (b.file, b.offset);
    first.damages = second
        .damages
        .iter()
        .filter(|damage| first.damages.iter().any(|before| is_same(before, damage)))
        .cloned()
        .collect();
    Ok(VerifyReport {
        damages: first.damages,
        ..second
    })
}

fn once(context: &mut Context) -> Result<VerifyReport, Failure> {
    let progress = Progress::new(context.quiet, "checking", 0, Unit::Bytes);
    context
        .store
        .read(|engine| engine.verify(|done, total| progress.set_of(done, total)))
}

/// The exit code of a verified store.
pub fn exit_of(report: &VerifyReport, recovery: &RecoveryReport) -> Exit {
    let is_lost = !recovery.damages.is_empty() || recovery.degraded || recovery.stepped_back;
    if report.damages.is_empty() && !is_lost {
        Exit::Done
    } else {
        Exit::Damaged
    }
}

fn say_verify(
    context: &mut Context,
    report: &VerifyReport,
    recovery: &RecoveryReport,
) -> Result<(), Failure> {
    if context.json {
        return context.out.json(&json!({
            "sound": exit_of(report, recovery) == Exit::Done,
            "files": report.files,
            "records": report.records,
            "live_records": report.live_records,
            "bytes": report.bytes,
            "damages": damages_json(&report.damages),
            "undecided": damages_json(&report.undecided),
            "recovery": recovery_json(recovery),
        }));
    }
    context.out.line(format!(
        "read {} in {}: {}, {} live",
        units::size(report.bytes),
        units::counted(report.files, "file"),
        units::counted(report.records, "record"),
        units::count(report.live_records),
    ))?;
    damages_table(context, &report.damages)?;
    let dir = context.store.dir()?.display().to_string();
    context.out.line(match exit_of(report, recovery) {
        Exit::Done => "everything is as it was written".to_owned(),
        _ => {
            let of_keys = report.damages.iter().filter(|damage| damage.live).count() as u64;
            format!(
                "{}, {} of them where a key depends on it; to save what is readable: \
                 portcask --dir {dir} salvage --to NEW_DIR",
                units::counted(report.damages.len() as u64, "damaged place"),
                units::count(of_keys),
            )
        }
    })
}

/// `recover`: repairs by opening, and says what was found.
pub fn recover(context: &mut Context, args: &RecoverArgs) -> Outcome {
    if args.dry_run {
        return verify(context);
    }
    let recovery = context.store.recover()?;
    // Opening looks only at what the last writer left open; what was sealed is looked at now.
    let report = checked(context)?;
    if !context.json {
        context.out.line(recovery.to_string())?;
    }
    say_verify(context, &report, &recovery)?;
    Ok(exit_of(&report, &recovery))
}

/// Damage for a person.
pub fn damages_table(context: &mut Context, damages: &[DamageReport]) -> Result<(), Failure> {
    if damages.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["file", ">offset", ">bytes", "key", "what"]);
    for damage in damages.iter().take(DAMAGES_SHOWN) {
        table.row([
            damage.file.to_string(),
            damage.offset.to_string(),
            damage.bytes.to_string(),
            match (&damage.key, damage.live) {
                (Some(key), true) => excerpt(key, 40),
                (Some(key), false) => format!("{} (replaced since)", excerpt(key, 40)),
                (None, true) => "unknown".to_owned(),
                (None, false) => "none".to_owned(),
            },
            damage.damage.to_string(),
        ]);
    }
    context.out.table(&table)?;
    if damages.len() > DAMAGES_SHOWN {
        context
            .out
            .line(format!("... {} in all; --json lists them", damages.len()))?;
    }
    Ok(())
}

/// Damage for a program.
pub fn damages_json(damages: &[DamageReport]) -> Value {
    let each = |damage: &DamageReport| {
        let mut object = Map::new();
        object.insert("file".into(), damage.file.as_str().into());
        object.insert("offset".into(), damage.offset.into());
        object.insert("bytes".into(), damage.bytes.into());
        object.insert("what".into(), damage.damage.to_string().into());
        if let Some(key) = &damage.key {
            insert_bytes(&mut object, "key", key);
        }
        object.insert("live".into(), damage.live.into());
        Value::Object(object)
    };
    Value::Array(damages.iter().map(each).collect())
}

/// What opening found, for a program.
pub fn recovery_json(report: &RecoveryReport) -> Value {
    json!({
        "created": report.created,
        "clean": report.clean,
        "epoch": report.epoch,
        "keys": report.keys,
        "scanned_records": report.scanned_records,
        "scanned_bytes": report.scanned_bytes,
        "hinted_bytes": report.hinted_bytes,
        "torn_bytes": report.torn_bytes,
        "torn_records": report.torn_records,
        "undecidable_bytes": report.undecidable_bytes,
        "undecidable_records": report.undecidable_records,
        "rewritten_records": report.rewritten_records,
        "damages": damages_json(&report.damages),
        "damages_omitted": report.damages_omitted,
        "undecided": damages_json(&report.undecided),
        "orphans": report.orphans.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "stepped_back": report.stepped_back,
        "degraded": report.degraded,
        "clock_jump_ms": report.clock_jump.map(|(from, to)| [from, to]),
        "namespace_sync": report.namespace_sync,
        "summary": report.to_string(),
    })
}
