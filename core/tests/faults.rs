//! Calls that fail, and allocations that are refused, in the middle of a workload that goes on: once
//! or from then on, each in turn. Nothing panics, what was acknowledged stays, and once the medium is
//! well again the store opens and takes writes. (`nth_failure` does the same verb by verb.)

use portcask_core::Ack::{Buffered, Synced, Written};
use portcask_core::fallible::refusal::Refusal;
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

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Call(Fault),
    AllocationOnce(u64),
    AllocationsFrom(u64),
}

/// Runs the workload in trouble, going on after refusals as an application would; then the power
/// fails or only the process dies; then the medium is well. Returns whether the trouble was met.
fn endure(trouble: Trouble, seed: u64) -> Result<bool, String> {
    let mut world = World::new(seed, Laws::DISK);
    world.open().map_err(|e| format!("{e}"))?;
    let refusal = match trouble {
        Trouble::Call(fault) => {
            world.disk.inject(fault);
            None
        }
        Trouble::AllocationOnce(nth) => Some(Refusal::once(nth)),
        Trouble::AllocationsFrom(nth) => Some(Refusal::from(nth)),
    };
    let mut refused = false;
    for step in workload() {
        match world.apply(&step) {
            Ok(()) => {}
            Err(Error::Locked { .. }) => return Err(format!("{step:?} left the lock behind")),
            Err(_) => refused = true,
        }
        if refused && matches!(step, Step::Reopen | Step::Kill) {
            world.store = None;
        }
    }
    let met = match &refusal {
        Some(refusal) => refusal.refused() > 0,
        None => world.disk.struck() > 0,
    };
    drop(refusal);
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
    Ok(met)
}

/// Lets every call of the workload fail in turn.
fn endure_everywhere(fault: impl Fn(u64) -> Fault) {
    endure_all(|nth| Trouble::Call(fault(nth)));
}

fn endure_all(trouble: impl Fn(u64) -> Trouble) {
    for nth in 1.. {
        let met = endure(trouble(nth), nth);
        if !met.unwrap_or_else(|problem| panic!("{:?}: {problem}", trouble(nth))) {
            assert!(nth > 1, "the trouble was never met");
            return;
        }
    }
}

#[test]
fn s39_any_allocation_may_be_refused_once() {
    endure_all(Trouble::AllocationOnce);
}

#[test]
fn s39_any_allocation_may_be_refused_from_then_on() {
    endure_all(Trouble::AllocationsFrom);
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
