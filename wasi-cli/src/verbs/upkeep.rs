//! merge, rotate, clear, init.

use crate::Context;
use crate::args::{ClearArgs, MergeArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::interrupt;
use crate::term::{Progress, Table, Unit};
use crate::units;
use portcask::{MergeProgress, MergeReport};
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Instant;

/// Bytes merged between two looks at Ctrl-C.
const STEP_BYTES: u64 = 8 << 20;

/// `merge`: gives dead space back.
pub fn merge(context: &mut Context, args: &MergeArgs) -> Outcome {
    context.store.set_policy(&args.policy);
    if args.plan {
        return plan(context);
    }
    interrupt::watch();
    interrupt::keep(|| "nothing was lost; the merge starts over next time".to_owned());
    let started = Instant::now();
    let progress = Progress::new(context.quiet, "merging", 0, Unit::Bytes);
    let before = size(context)?;
    let report = match args.due {
        true => due(context, &progress)?,
        false => Some(
            context
                .store
                .write(|engine| engine.merge_all(|done, total| progress.set_of(done, total)))?,
        ),
    };
    progress.end();
    let after = size(context)?;
    let report = report.unwrap_or_default();
    let elapsed = started.elapsed();
    if context.json {
        context.out.json(&json!({
            "inputs": report.inputs,
            "outputs": report.outputs,
            "bytes_before": report.bytes_before,
            "bytes_after": report.bytes_after,
            "records_kept": report.records_kept,
            "records_dropped": report.records_dropped,
            "store_bytes_before": before,
            "store_bytes_after": after,
            "seconds": elapsed.as_secs_f64(),
        }))?;
    } else if !context.quiet {
        context.out.line(match report.inputs {
            0 => "nothing to merge".to_owned(),
            _ => format!(
                "merged {} into {}: {} -> {} ({} reclaimed), dropped {} of {} in {}",
                units::counted(report.inputs as u64, "segment"),
                report.outputs,
                units::size(report.bytes_before),
                units::size(report.bytes_after),
                units::size(report.bytes_before.saturating_sub(report.bytes_after)),
                units::count(report.records_dropped),
                units::counted(report.records_kept + report.records_dropped, "record"),
                units::duration(elapsed.as_millis() as u64),
            ),
        })?;
    }
    Ok(Exit::Done)
}

/// Merges what the policy finds due, until nothing is.
fn due(context: &mut Context, progress: &Progress) -> Result<Option<MergeReport>, Failure> {
    let mut sum: Option<MergeReport> = None;
    loop {
        if interrupt::was_pressed() {
            return Err(Failure::new(
                Exit::Interrupted,
                "interrupted: nothing was lost; the merge starts over next time",
            ));
        }
        match context
            .store
            .write(|engine| engine.merge_step(STEP_BYTES))?
        {
            MergeProgress::Idle => return Ok(sum),
            MergeProgress::Working {
                done_bytes,
                total_bytes,
            } => {
                progress.set_of(done_bytes, total_bytes);
            }
            MergeProgress::Done(report) => {
                let sum = sum.get_or_insert_with(MergeReport::default);
                sum.inputs += report.inputs;
                sum.outputs += report.outputs;
                sum.bytes_before += report.bytes_before;
                sum.bytes_after += report.bytes_after;
                sum.records_kept += report.records_kept;
                sum.records_dropped += report.records_dropped;
            }
        }
    }
}

fn size(context: &mut Context) -> Result<u64, Failure> {
    context
        .store
        .write(|engine| Ok(engine.stats()?.total_bytes))
}

fn plan(context: &mut Context) -> Outcome {
    let plan = context.store.read(|engine| engine.merge_plan())?;
    if context.json {
        let files: Vec<Value> = plan
            .files
            .iter()
            .map(|file| {
                json!({
                    "id": file.id,
                    "size_bytes": file.size_bytes,
                    "live_bytes": file.live_bytes,
                    "dead_bytes": file.dead_bytes,
                    "tombstone_bytes": file.tombstone_bytes,
                    "chosen": file.chosen,
                    "why": file.why.to_string(),
                })
            })
            .collect();
        context
            .out
            .json(&json!({ "due": plan.due, "files": files }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[">segment", ">size", ">live", ">dead", "merge", "why"]);
    for file in &plan.files {
        table.row([
            file.id.to_string(),
            units::size(file.size_bytes),
            units::size(file.live_bytes),
            units::percent(file.dead_bytes, file.size_bytes),
            if file.chosen { "yes" } else { "no" }.to_owned(),
            file.why.to_string(),
        ]);
    }
    context.out.table(&table)?;
    context.out.line(if plan.due {
        "a merge is due"
    } else {
        "no merge is due"
    })?;
    Ok(Exit::Done)
}

/// `rotate`: seals the active segment.
pub fn rotate(context: &mut Context) -> Outcome {
    context.store.write(|engine| engine.rotate())?;
    if context.json {
        let stats = context.store.write(|engine| engine.stats())?;
        let active = stats.segments.last().map(|segment| segment.id);
        context.out.json(&json!({ "active": active }))?;
    }
    Ok(Exit::Done)
}

/// `clear`: deletes all keys.
pub fn clear(context: &mut Context, args: &ClearArgs) -> Outcome {
    if !args.yes && !context.in_repl {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::usage(
                "clear deletes all keys, and there is nobody to ask: confirm it with --yes",
            ));
        }
        let keys = context.store.len()?;
        let dir = context.store.name()?;
        let _ = write!(
            io::stderr(),
            "delete {} in {dir}? [y/N] ",
            units::counted(keys, "key")
        );
        let mut answer = String::new();
        let _ = io::stdin().lock().read_line(&mut answer);
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return context.no("nothing was deleted");
        }
    }
    let cleared = context.store.clear()?;
    if context.json {
        context.out.json(&json!({ "cleared": cleared }))?;
    } else if !context.quiet {
        context
            .out
            .line(format!("deleted {}", units::counted(cleared, "key")))?;
    }
    Ok(Exit::Done)
}

/// `init`: makes a store.
pub fn init(context: &mut Context) -> Outcome {
    context.store.allow_new_among_others();
    let (created, keys) = context
        .store
        .write(|engine| Ok((engine.report().created, engine.len())))?;
    let dir = context.store.dir()?.display().to_string();
    if context.json {
        context
            .out
            .json(&json!({ "created": created, "keys": keys }))?;
    } else if !context.quiet {
        context.out.line(match created {
            true => format!("{dir} is an empty store"),
            false => format!(
                "{dir} is a store already, with {}",
                units::counted(keys, "key")
            ),
        })?;
    }
    Ok(Exit::Done)
}
