//! A share of the crashes at host calls that `portcask-traps` makes at each of them.

use portcask_hosts::node;
use portcask_hosts::traps::{Share, Traps};

#[test]
fn what_a_guest_answered_survives_its_death_at_any_host_call() {
    let share = Share {
        calls: 3,
        cuts: 4,
        node: 12,
        nested: 4,
        nested_calls: 13,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let counts = Traps::load().unwrap().run(&share, |_, _| ()).unwrap();
    let count = |what: &str| counts.get(what).copied().unwrap_or(0);
    assert!(count("calls of the workload") > 200, "{counts:?}");
    assert!(
        count("stopped before a call") >= count("calls of the workload") / 3,
        "{counts:?}"
    );
    for what in [
        "stopped within a write",
        "judged on wasmtime",
        "nested: stopped after a call",
    ] {
        assert!(count(what) > 0, "{what}: {counts:?}");
    }
    assert_eq!(count("judged on Node") > 0, node::version().is_some());
}
