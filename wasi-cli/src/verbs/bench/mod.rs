//! bench: a mix of reads, writes and deletes, measured.
//!
//! Natively `--concurrency` threads share one store; a WASI guest has one thread, and what else
//! happens periodically (lines, profiles, merges) happens between its operations.

mod report;
mod samples;
mod startup;
#[cfg_attr(target_family = "wasm", path = "guest.rs")]
mod target;
mod worker;

use crate::args::BenchArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::{Context, interrupt};
use report::Periodic;
use startup::Startup;
use std::path::Path;
#[cfg(not(target_family = "wasm"))]
use std::sync::atomic::Ordering;
use target::{Target, Trouble};
use worker::{Shared, Worker};

/// `bench`: runs the mix.
pub fn bench(context: &mut Context, args: &BenchArgs) -> Outcome {
    refuse_nonsense(args)?;
    let dir = context.store.dir()?.to_owned();
    context.store.set_policy(&args.merge);
    // The REPL may have the store open; two writers in one process would lock each other out.
    context.store.close()?;
    let startup = startup::measure(context, args)?;
    if args.startup_only {
        report::startup(context, &startup)?;
        return Ok(Exit::Done);
    }
    if args.print_startup && !context.json {
        report::startup(context, &startup)?;
    }
    let open = |context: &mut Context| Target::open(&dir, context.store.write_options());
    measure(context, args, &dir, &startup, open)
}

/// `bench` on a server.
#[cfg(not(target_family = "wasm"))]
pub fn on_server(
    context: &mut Context,
    args: &BenchArgs,
    server: &crate::remote::Remote,
) -> Outcome {
    refuse_nonsense(args)?;
    let of_directories = [
        (args.startup_only, "--startup-only"),
        (args.force_scan, "--force-scan"),
        (args.write_hint, "--write-hint"),
        (args.merge != Default::default(), "a merge policy"),
    ];
    if let Some((_, option)) = of_directories.iter().find(|(given, _)| *given) {
        return Err(Failure::usage(format!(
            "bench {option} needs the files of a store, and --url names a server: use portcask --dir DIR bench"
        )));
    }
    let startup = startup::of_server(server)?;
    let target = |_: &mut Context| Ok(Target::There(server.db().clone()));
    measure(context, args, Path::new(""), &startup, target)
}

fn refuse_nonsense(args: &BenchArgs) -> Result<(), Failure> {
    args.shares()?;
    if args.keyspace == 0 {
        return Err(Failure::usage("--keyspace must be above 0"));
    }
    Ok(())
}

fn measure(
    context: &mut Context,
    args: &BenchArgs,
    dir: &Path,
    startup: &Startup,
    open: impl FnOnce(&mut Context) -> Result<Target, Failure>,
) -> Outcome {
    interrupt::watch();
    interrupt::keep(|| "what the run wrote is kept".to_owned());
    let refused = |trouble: Trouble| trouble.failure(dir);
    let target = open(context)?;
    let shared = Shared::new(args);
    let mut periodic = Periodic::new(args)?;
    let workers = run(context, args, &target, &shared, &mut periodic)?;
    let elapsed = shared.started.elapsed();
    periodic.profile(&target, &shared, periodic.since_profile())?;
    if args.write_hint {
        target.rotate().map_err(refused)?;
    }
    let stats = target.stats().map_err(refused)?;
    target.close().map_err(refused)?;
    report::final_report(context, args, startup, workers, elapsed, &stats, &periodic)?;
    match shared.failure() {
        Some(trouble) => Err(refused(trouble)),
        None if interrupt::was_pressed() => Err(Failure::new(
            Exit::Interrupted,
            "interrupted: what the run wrote is kept",
        )),
        None => Ok(Exit::Done),
    }
}

/// Runs the workers on threads of their own, and what is periodic on this one.
#[cfg(not(target_family = "wasm"))]
fn run(
    context: &mut Context,
    args: &BenchArgs,
    target: &Target,
    shared: &Shared,
    periodic: &mut Periodic,
) -> Result<Vec<Worker>, Failure> {
    let shares = args.shares()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.concurrency)
            .map(|number| {
                let target = target.clone();
                scope.spawn(move || {
                    let mut worker = Worker::new(args, shares, number);
                    while worker.step(&target, shared) {}
                    worker
                })
            })
            .collect();
        let mut result = Ok(());
        let mut merging: Option<std::thread::ScopedJoinHandle<'_, ()>> = None;
        while !threads
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            std::thread::sleep(std::time::Duration::from_millis(10));
            if result.is_ok() {
                result = periodic.tick(context, target, shared);
            }
            let is_idle = merging
                .as_ref()
                .is_none_or(std::thread::ScopedJoinHandle::is_finished);
            if is_idle && periodic.is_merge_due() {
                let target = target.clone();
                merging = Some(scope.spawn(move || shared.note(target.merge())));
            }
            if result.is_err() {
                shared.stop.store(true, Ordering::Relaxed);
            }
        }
        let workers = threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect();
        result.map(|()| workers)
    })
}

/// Runs one worker, and what is periodic between its operations.
#[cfg(target_family = "wasm")]
fn run(
    context: &mut Context,
    args: &BenchArgs,
    target: &Target,
    shared: &Shared,
    periodic: &mut Periodic,
) -> Result<Vec<Worker>, Failure> {
    let mut worker = Worker::new(args, args.shares()?, 0);
    let mut last_look = std::time::Instant::now();
    while worker.step(target, shared) {
        if last_look.elapsed().as_millis() >= 10 {
            last_look = std::time::Instant::now();
            periodic.tick(context, target, shared)?;
            if periodic.is_merge_due() {
                shared.note(target.merge());
            }
        }
    }
    Ok(vec![worker])
}
