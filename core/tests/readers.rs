//! Readers beside a writer: one opens, or refreshes, in the middle of whatever the writer does, and
//! sees everything acknowledged so far, nothing half done, and no damage.

use portcask_core::testing::oracle::Contents;
use portcask_core::testing::sim::{Laws, SimDisk};
use portcask_core::testing::world::{Step, Store, World, contents};
use portcask_core::{Ack, Engine, Options};
use std::cell::RefCell;
use std::rc::Rc;

/// What a reader saw, and after which change of the disk.
type Seen = Rc<RefCell<Vec<(usize, Result<Contents, String>)>>>;

fn workload() -> Vec<Step> {
    let put = |key, bytes| Step::Put {
        key,
        bytes,
        ack: Ack::Written,
        life_ms: None,
    };
    vec![
        put(1, 10),
        put(2, 2000),
        Step::Batch(vec![1, 3], vec![2]),
        Step::Rotate,
        put(2, 5),
        Step::Delete(1),
        Step::Tick,
        Step::Rotate,
        Step::MergeStep(60),
        put(4, 10),
        Step::MergeAll,
        Step::Reopen,
        put(5, 10),
        Step::Clear,
        put(6, 10),
        Step::Kill,
        put(7, 10),
    ]
}

fn look(store: &Store) -> Result<Contents, String> {
    let report = store.report();
    if report.degraded || !report.damages.is_empty() || report.torn_bytes > 0 {
        return Err(format!("a writer at work is not damage: {report}"));
    }
    contents(store)
}

fn run(world: &mut World) {
    for step in workload() {
        world.apply(&step).unwrap();
        // No power fails here: what was acknowledged as written must be seen.
        world.oracle.promise(world.disk.changes());
    }
}

fn judge(world: &World, nth: u64, seen: &Seen) {
    let (at, found) = seen.borrow_mut().pop().unwrap();
    let judged = found.and_then(|found| world.oracle.judge(at, &found, 0));
    if let Err(problem) = judged {
        panic!("before call {nth}: {problem}");
    }
}

/// Runs the workload once for each of its storage calls, with `reader` looking in before that call.
fn before_any_call<R>(reader: impl Fn(&SimDisk) -> R)
where
    R: FnOnce(&SimDisk) -> Result<Contents, String> + 'static,
{
    for nth in 1.. {
        let mut world = World::new(5, Laws::DISK);
        world.open().unwrap();
        let reads = reader(&world.disk);
        let seen = Seen::default();
        let noted = Rc::clone(&seen);
        world.disk.interrupt(nth, move |disk| {
            let at = disk.changes();
            let found = reads(disk);
            noted.borrow_mut().push((at, found));
        });
        run(&mut world);
        if world.disk.is_waiting() {
            assert!(nth > 150, "only {nth} calls");
            return;
        }
        judge(&world, nth, &seen);
    }
}

#[test]
fn a_reader_may_open_before_any_call_of_the_writer() {
    before_any_call(|_| {
        |disk: &SimDisk| {
            let opened = Engine::open(disk.clone(), Options::read_only());
            look(&opened.map_err(|e| format!("open: {e}"))?)
        }
    });
}

#[test]
fn a_reader_may_refresh_before_any_call_of_the_writer() {
    before_any_call(|disk| {
        let mut reader: Store = Engine::open(disk.clone(), Options::read_only()).unwrap();
        move |_: &SimDisk| {
            reader.refresh().map_err(|e| format!("refresh: {e}"))?;
            look(&reader)
        }
    });
}

#[test]
fn a_writer_may_merge_and_rotate_before_any_call_of_an_opening_reader() {
    for nth in 1.. {
        let mut world = World::new(nth, Laws::DISK);
        for step in workload().into_iter().take(8) {
            world.apply(&step).unwrap();
        }
        let disk: SimDisk = world.disk.clone();
        let world = Rc::new(RefCell::new(world));
        let writer = Rc::clone(&world);
        disk.interrupt(nth, move |_| {
            let mut world = writer.borrow_mut();
            // The reader may see this moment, or any later one.
            let now = world.oracle.shown();
            world.oracle.settle(now);
            for step in workload().into_iter().take(11) {
                match step {
                    // As a step this would promise that nothing older is seen.
                    Step::Rotate => world.store.as_mut().unwrap().rotate().unwrap(),
                    step => world.apply(&step).unwrap(),
                }
            }
        });
        let opened: Result<Store, _> = Engine::open(disk.clone(), Options::read_only());
        let reader = opened.unwrap_or_else(|e| panic!("before call {nth}: {e}"));
        if disk.is_waiting() {
            assert!(nth > 20, "only {nth} calls");
            return;
        }
        let found = look(&reader).unwrap_or_else(|problem| panic!("before call {nth}: {problem}"));
        if let Err(problem) = world.borrow().oracle.judge(disk.changes(), &found, 0) {
            panic!("before call {nth}: {problem}");
        }
    }
}
