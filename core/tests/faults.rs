//! Calls that fail: once or from then on, each call of a workload in turn. Nothing panics, what was
//! acknowledged stays, and once the medium is well again the store opens and takes writes.

use portcask_core::Ack::{Buffered, Synced, Written};
use portcask_core::storage::ErrorKind;
use portcask_core::testing::history::{Cut, History, Life, Witness};
use portcask_core::testing::sim::{Call, Fault, Laws, Leaves};
use portcask_core::testing::world::Step;
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
