//! Calls that fail: once or from then on, each call of a workload in turn. Nothing panics, what was
//! acknowledged stays, and once the medium is well again the store opens and takes writes.

use portcask_core::Ack::{Buffered, Synced, Written};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::sim::{AllKept, Call, Dice, Fault, Laws, Leaves, Luck, NothingKept};
use portcask_core::testing::world::{Step, World};
use portcask_core::{Ack, Error};

fn put(key: u8, ack: Ack) -> Step {
    Step::Put {
        key,
        bytes: 12,
        ack,
        life_ms: None,
    }
}

fn workload() -> Vec<Step> {
    vec![
        put(1, Written),
        put(2, Synced),
        Step::Batch(vec![1, 3], vec![2]),
        put(4, Buffered),
        Step::Rotate,
        Step::Delete(1),
        put(2, Written),
        Step::Tick,
        Step::Rotate,
        Step::MergeStep(60),
        put(5, Synced),
        Step::MergeAll,
        Step::Reopen,
        put(6, Buffered),
        Step::Clear,
        put(7, Synced),
    ]
}

/// Runs the workload with the fault, going on after refusals as an application would; then the
/// power fails or only the process dies; then the medium is well. Returns whether the fault struck.
fn endure(fault: Fault, seed: u64) -> Result<bool, String> {
    let mut world = World::new(seed, Laws::DISK);
    world.open().map_err(|e| format!("{e}"))?;
    world.disk.inject(fault);
    let mut struck = false;
    for step in workload() {
        match world.apply(&step) {
            Ok(()) => {}
            Err(Error::Locked { .. }) => return Err(format!("{step:?} left the lock behind")),
            Err(_) => struck = true,
        }
        if struck && matches!(step, Step::Reopen | Step::Kill) {
            world.store = None;
        }
    }
    world.disk.heal();
    if world
        .store
        .as_mut()
        .is_some_and(|store| store.flush().is_ok())
    {
        world
            .judge_running()
            .map_err(|e| format!("still running: {e}"))?;
    }
    world.store = None;
    let at = world.disk.changes();
    let mut lucks: [Box<dyn Luck>; 3] = [
        Box::new(NothingKept),
        Box::new(AllKept),
        Box::new(Dice::new(seed)),
    ];
    for luck in &mut lucks {
        let mut heir = World::on(world.disk.crash(&mut **luck));
        heir.oracle = world.oracle.clone();
        heir.last_seq = world.last_seq;
        heir.judge_opened(at)?;
        heir.apply(&put(9, Synced))
            .map_err(|e| format!("then refused: {e}"))?;
        heir.judge_running()?;
    }
    world.judge_opened(at)?;
    world
        .apply(&put(9, Synced))
        .map_err(|e| format!("then refused: {e}"))?;
    Ok(struck)
}

/// Lets every call of the workload fail in turn.
fn endure_everywhere(fault: impl Fn(u64) -> Fault) {
    let mut quiet = 0;
    for nth in 1.. {
        match endure(fault(nth), nth) {
            Ok(true) => quiet = 0,
            // Some failures are borne in silence: those of caches.
            Ok(false) => quiet += 1,
            Err(problem) => panic!("{:?}: {problem}", fault(nth)),
        }
        if quiet > 60 {
            assert!(nth > 62, "the fault never struck");
            return;
        }
    }
}

#[test]
fn any_call_may_fail_once() {
    endure_everywhere(|nth| Fault::once(nth, ErrorKind::Io));
}

#[test]
fn any_call_may_fail_from_then_on() {
    endure_everywhere(|nth| Fault::from(nth, ErrorKind::Io));
}

#[test]
fn any_append_may_find_the_disk_full_and_leave_a_part() {
    endure_everywhere(|nth| {
        Fault::once(nth, ErrorKind::Full)
            .on(Call::Append)
            .leaving(Leaves::Prefix(7 * nth as usize % 40))
    });
    endure_everywhere(|nth| Fault::from(nth, ErrorKind::Full).on(Call::Append));
}

#[test]
fn any_append_may_fail_and_leave_anything() {
    for leaves in [Leaves::Zeros, Leaves::All, Leaves::Prefix(20)] {
        endure_everywhere(|nth| {
            Fault::once(nth, ErrorKind::Io)
                .on(Call::Append)
                .leaving(leaves)
        });
    }
}

#[test]
fn any_sync_may_fail() {
    for call in [Call::Sync, Call::SyncNamespace] {
        endure_everywhere(|nth| Fault::once(nth, ErrorKind::Io).on(call));
        endure_everywhere(|nth| Fault::from(nth, ErrorKind::Io).on(call));
    }
}
