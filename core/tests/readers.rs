//! Readers beside a writer: one opens, or refreshes, in the middle of whatever the writer does, and
//! sees everything acknowledged so far, nothing half done, and no damage.

use portcask_core::index::{Index, IndexCell};
use portcask_core::testing::oracle::Contents;
use portcask_core::testing::sim::{Laws, SimDisk, SimFile};
use portcask_core::testing::world::{Step, Store, World, contents};
use portcask_core::{Ack, Engine, Options, WriteOptions};
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

/// An index that a writer shares with a view.
#[derive(Clone)]
struct Shared(Rc<RefCell<Index<SimFile>>>);

impl IndexCell<SimFile> for Shared {
    fn new(index: Index<SimFile>) -> Self {
        Self(Rc::new(RefCell::new(index)))
    }

    fn read<R>(&self, look: impl FnOnce(&Index<SimFile>) -> R) -> R {
        look(&self.0.borrow())
    }

    fn write<R>(&self, change: impl FnOnce(&mut Index<SimFile>) -> R) -> R {
        change(&mut self.0.borrow_mut())
    }
}

#[test]
fn what_a_writer_holds_back_in_its_next_segment_is_no_damage_to_a_view_that_verifies() {
    let disk = SimDisk::new(5);
    let mut writer: Engine<SimDisk, Shared> = Engine::open_shared(disk, World::options()).unwrap();
    writer.put(b"a", b"1").unwrap();
    let view = writer.view().unwrap();
    writer.rotate().unwrap();
    let buffered = WriteOptions {
        ack: Some(Ack::Buffered),
        ..WriteOptions::default()
    };
    for bytes in [1, 3_000] {
        writer
            .put_with(b"b", &vec![b'2'; bytes], &buffered)
            .unwrap();
        assert_eq!(view.verify(|_, _| {}).unwrap().damages, []);
    }
}
