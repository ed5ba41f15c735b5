//! Calls that fail, and allocations that are refused, in the middle of a workload that goes on: once
//! or from then on, each in turn. Nothing panics, what was acknowledged stays, and once the medium is
//! well again the store opens and takes writes. (`nth_failure` does the same verb by verb.)

use portcask_core::Ack::{Buffered, Synced, Written};
use portcask_core::fallible::refusal::Refusal;
use portcask_core::storage::ErrorKind;
use portcask_core::testing::history::{Cut, History, Life, Witness};
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

/// Every kind of change.
fn changing() -> Vec<Step> {
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

/// Merges and nothing behind them: a clear or a reopening would remove what tells of a loss.
fn merging() -> Vec<Step> {
    vec![
        put(1, Written),
        put(2, Written),
        Step::Rotate,
        put(1, Written),
        put(3, Written),
        Step::MergeStep(50),
        Step::Delete(2),
        Step::MergeAll,
        put(4, Written),
        Step::MergeAll,
    ]
}

/// Whether the fault met a call whose failure somebody was told of.
struct Struck(bool);

impl Witness for Struck {
    fn refused(&mut self, _: &Error) {
        self.0 = true;
    }
}

/// Lives through the workload with the fault, going on after refusals as an application would; then
/// the power fails, and fails again at rest. Returns whether the fault struck.
fn endure(fault: Fault, seed: u64, mut steps: Vec<Step>) -> Result<bool, String> {
    let mut struck = Struck(false);
    steps.insert(0, Step::Fail(fault));
    for luck in [seed, seed << 20] {
        let history = History {
            seed,
            laws: Laws::DISK,
            lives: vec![Life {
                steps: steps.clone(),
                end: Cut { after: 255, luck },
                recoveries: Vec::new(),
                cut_at_rest: true,
            }],
        };
        history
            .run(&mut struck)
            .map_err(|violation| history.minimal(violation))?;
    }
    Ok(struck.0)
}

/// Lets every call of each workload fail in turn.
fn endure_everywhere(fault: impl Fn(u64) -> Fault) {
    for steps in [changing(), merging()] {
        let mut quiet = 0;
        for nth in 1.. {
            match endure(fault(nth), nth, steps.clone()) {
                Ok(true) => quiet = 0,
                // Some failures are borne in silence: those of caches.
                Ok(false) => quiet += 1,
                Err(problem) => panic!("{problem}"),
            }
            if quiet > 60 {
                assert!(nth > 62, "the fault never struck");
                break;
            }
        }
    }
}

/// As [`endure`], with memory that is refused. It lasts until the workload or the process ends.
fn endure_refused(refusal: Refusal, seed: u64, steps: Vec<Step>) -> Result<bool, String> {
    let mut world = World::new(seed, Laws::DISK);
    world.memory_refused = true;
    world.options.recent_bytes = 150;
    for step in steps {
        if let Err(Error::Locked { .. }) = world.apply(&step) {
            return Err(format!("{step:?} left the lock behind"));
        }
        if step == Step::Reopen && refusal.refused() > 0 {
            // What was refused may show up now.
            world.store = None;
            break;
        }
    }
    let met = refusal.refused() > 0;
    drop(refusal);
    world.judge_healed()?;
    world.store = None;
    let at = world.disk.changes();
    let luck: &mut dyn Luck = match seed % 3 {
        0 => &mut NothingKept,
        1 => &mut AllKept,
        _ => &mut Dice::new(seed),
    };
    world.disk = world.disk.crash(luck);
    world.judge_opened(at)?;
    world
        .apply(&put(9, Synced))
        .map_err(|error| format!("then it takes no write: {error}"))?;
    world.judge_running()?;
    Ok(met)
}

/// Refuses every allocation of each workload in turn.
fn refuse_everywhere(refusal: impl Fn(u64) -> Refusal) {
    for steps in [changing(), merging()] {
        let met = |nth: &u64| {
            endure_refused(refusal(*nth), *nth, steps.clone())
                .unwrap_or_else(|problem| panic!("allocation {nth}: {problem}"))
        };
        assert!((1..).take_while(met).count() > 100);
    }
}

#[test]
fn any_allocation_may_be_refused_once() {
    refuse_everywhere(Refusal::once);
}

#[test]
fn any_allocation_may_be_refused_from_then_on() {
    refuse_everywhere(Refusal::from);
}

#[test]
fn any_call_may_fail_once() {
    endure_everywhere(|nth| Fault::once(nth, ErrorKind::Io));
}

#[test]
fn any_call_may_fail_from_then_on() {
    endure_everywhere(|nth| Fault::from(nth, ErrorKind::Io));
}

/// Also one that takes no space: what is done for a full disk must not forget a merge that is committed
/// and half published.
#[test]
fn any_call_may_say_that_the_disk_is_full() {
    endure_everywhere(|nth| Fault::once(nth, ErrorKind::Full));
    endure_everywhere(|nth| Fault::from(nth, ErrorKind::Full));
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
